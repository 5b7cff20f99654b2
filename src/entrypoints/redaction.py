"""Removes secrets from free text before it is logged: messages of libraries, messages of errors.

The lines of Waggle itself have declared fields, and need this only for reasons that come from an error. It is a second line of
defence, for the shapes that secrets are known to have.
"""

import re

MAX_TEXT = 8_000
"""Characters of a text that are logged."""
REDACTED = "[redacted]"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\b(authorization|cookie|set-cookie)(['\"]?\s*[:=]\s*)[^\r\n]+", rf"\1\2{REDACTED}"),
        (r"\b(bearer|basic)\s+[\w.~+/=-]+", rf"\1 {REDACTED}"),
        (r"\bwg[a-z]_[\w-]+", REDACTED),  # refresh, stream and confirmation tokens
        (r"\beyJ[\w-]{4,}(\.[\w-]*)*", REDACTED),  # JSON Web Tokens
        (r"(://)[^\s/@]*@", rf"\1{REDACTED}@"),  # user and password in a URL
        (r"(?<=[\w/])\?[\w.~%\[\]-]+=[^\s'\"<>)]*", f"?{REDACTED}"),  # a query, which may be signed
        (r"\b(\d{1,19})/[\w-]{22}/", rf"\1/{REDACTED}/"),  # the secret part in the address of a media file
        (r"\b(\w*(?:password|passwd|secret|token|signature|credential|api_?key))(['\"]?\s*[:=]\s*['\"]?)[^\s'\"&,;)]+", rf"\1\2{REDACTED}"),
        (r"\)=\([^\r\n]*\)", f")=({REDACTED})"),  # the values in the details of an error of PostgreSQL
        (r"\[(parameters|SQL): [^\r\n]*", rf"[\1: {REDACTED}]"),  # statements in errors of SQLAlchemy
        (r"[^\s@<>\"'(),:;=/]+@[^\s@<>\"'(),:;/]+", REDACTED),  # e-mail addresses
    )
)  # fmt: skip
_MAY_BE_SECRET = re.compile(
    r"[@?=]|wg|eyJ|/[\w-]{22}/|bearer|basic|authorization|cookie|parameters|SQL|:", re.IGNORECASE
)


def redacted(text: str) -> str:
    """The text without the secrets that can be recognized, at most MAX_TEXT characters."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    if _MAY_BE_SECRET.search(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text

"""Removes secrets from free text before it is logged: messages of libraries, messages of errors.

The lines of Waggle itself have declared fields, and need this only for reasons that come from an error. It is a second line of
defence, for the shapes that secrets are known to have.
"""

import re

MAX_TEXT = 8_000
"""Characters of a text that are logged."""
REDACTED = "[redacted]"

_NAMES = r"pass(?:word|wd|phrase|code)|pwd|\botp|secret|token|signature|credential|(?:api|access|private)[_-]?key|authorization|cookie"
_LOCAL = r"[^\s@<>\"'(),:;=/]"
# Every repetition that is not anchored has a limit, so that the time grows with the length of the text and not faster.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\b(bearer|basic|digest)[\s:]+[\w.~+/=-]+", rf"\1 {REDACTED}"),
        (r"\bwg[a-z]_[\w-]+", REDACTED),  # refresh, stream and confirmation tokens
        (r"\beyJ[\w-]{4,}(\.[\w-]*)*", REDACTED),  # JSON Web Tokens
        (r"(://)[^\s\"'<>]{0,300}@", rf"\1{REDACTED}@"),  # user and password in a URL
        (r"(?<=[\w/])\?[\w.~%\[\]-]{1,100}=[^\s'\"<>)]*", f"?{REDACTED}"),  # a query, which may be signed
        (r"\b(\d{1,19})/[\w-]{22}/", rf"\1/{REDACTED}/"),  # the secret part in the address of a media file
        # A value after a name ends nowhere for certain: passwords have commas, brackets and quotes. So the line ends there.
        (rf"({_NAMES})([\w-]{{0,40}}['\"\\]{{0,4}}\s{{0,9}}(?:[:=]>?|%3[da])\s{{0,9}})[^\r\n]+", rf"\1\2{REDACTED}"),
        (r"\)=\([^\r\n]*", f")=({REDACTED}"),  # the values in the details of an error of PostgreSQL
        (r"\[(parameters|SQL): [^\r\n]*", rf"[\1: {REDACTED}]"),  # statements in errors of SQLAlchemy
        (rf"(?:\"[^\"\r\n]{{1,64}}\"|{_LOCAL}{{1,64}})(?:@|%40){_LOCAL}{{1,255}}", REDACTED),  # e-mail addresses
    )
)  # fmt: skip
_MAY_BE_SECRET = re.compile(r"[@?=%]|wg|eyJ|/[\w-]{22}/|bearer|basic|digest|parameters|SQL|:", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text without the secrets that can be recognized, at most MAX_TEXT characters."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    if _MAY_BE_SECRET.search(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text

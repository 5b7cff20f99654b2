"""Language tags, as BCP 47 (RFC 5646) writes them."""

import re

from domain.shared import FieldError, Invalid

MAX_LANGUAGE = 35
"""Characters. RFC 5646 (4.4.1) requires at least this many, and no tag in use is longer."""

LANGUAGE_PATTERN = (
    "^([A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?"
    "(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(-[0-9A-WYZa-wyz](-[A-Za-z0-9]{2,8})+)*(-[Xx](-[A-Za-z0-9]{1,8})+)?"
    "|[Xx](-[A-Za-z0-9]{1,8})+)$"
)
"""Also used in JSON Schema. Of the primary language subtags only those of two and three letters are in use."""
_WELL_FORMED = re.compile(LANGUAGE_PATTERN)
_IRREGULAR = frozenset(
    "en-gb-oed i-ami i-bnn i-default i-enochian i-hak i-klingon i-lux i-mingo i-navajo i-pwn i-tao i-tay i-tsu "
    "sgn-be-fr sgn-be-nl sgn-ch-de".split()
)
"""Registered before the grammar existed, and valid for ever (RFC 5646, 2.2.8)."""


def language(raw: str | None) -> str | None:
    """A BCP 47 tag in its conventional case, whatever the case of the input: `en`, `pt-BR`, `zh-Hant-TW`,
    `ca-valencia`. None stays None. Raises Invalid for a tag that is not well-formed or longer than MAX_LANGUAGE. Does
    not check whether the subtags are registered."""
    if raw is None:
        return None
    tag = raw.lower()
    if not raw.isascii() or len(raw) > MAX_LANGUAGE or not (tag in _IRREGULAR or _is_well_formed(raw)):
        raise Invalid(
            FieldError(
                "language", "language_format", "a language is a BCP 47 tag such as en, pt-BR or zh-Hant-TW"
            )
        )
    return _in_conventional_case(tag)


def _is_well_formed(raw: str) -> bool:
    return _WELL_FORMED.fullmatch(raw) is not None and not _repeats(raw.lower())


def _repeats(tag: str) -> bool:
    """Whether a tag contains a variant or a singleton twice. A regular expression cannot express this."""
    seen: set[str] = set()
    in_extension = False
    for subtag in tag.split("-")[1:]:
        if subtag == "x":
            return False
        in_extension = in_extension or len(subtag) == 1
        is_variant = not in_extension and (len(subtag) >= 5 or (subtag[0].isdigit() and len(subtag) == 4))
        if len(subtag) == 1 or is_variant:
            if subtag in seen:
                return True
            seen.add(subtag)
    return False


def _in_conventional_case(tag: str) -> str:
    """Lower case, but with regions in upper case and scripts in title case, unless they follow a singleton
    (RFC 5646, 2.1.1)."""
    language_, *subtags = tag.split("-")
    cased = [language_]
    after_singleton = len(language_) == 1
    for subtag in subtags:
        after_singleton = after_singleton or len(subtag) == 1
        plain = after_singleton or len(subtag) not in {2, 4} or not subtag.isalpha()
        cased.append(subtag if plain else subtag.upper() if len(subtag) == 2 else subtag.title())
    return "-".join(cased)

"""Hashtags: finding their end in a text, and the canonical form in which they are stored and compared."""

import re
import unicodedata
from functools import lru_cache

MAX_TAG = 100
"""Code points of a hashtag in its canonical form, so at most 400 bytes."""

_WORD = re.compile(r"\w+")
_JOINERS = frozenset("\u200c\u200d")
_SCRIPTS_WITH_JOINERS = (("\u0600", "\u1cff"), ("\ua800", "\uabff"), ("\U00011000", "\U00011fff"))
MEDIAL = frozenset("\u00b7\u05be\u05f3\u05f4\u0f0b\u0f0c\u2027\u30a0\u30fb\uff65")
"""Characters inside words of some languages, after the medial characters of UAX #31: the middle dot of Catalan and of
foreign names in Chinese and Japanese, Hebrew maqaf, geresh and gershayim, the Tibetan tsheg. Without hyphens,
apostrophes and full stops: those end a hashtag in every other social network too."""
_DOT = "\u0307"
_NOT_AT_THE_END = "".join(MEDIAL | _JOINERS)


def hashtag(raw: str) -> str | None:
    """The canonical form of a tag that is written without its sign, or None if it is not a tag.

    Compatibility and case are folded, so that `Straße`, `STRASSE` and full-width letters are one tag.
    """
    tag = beginning_of_tag(raw)
    return tag if tag and any(unicodedata.category(char)[0] == "L" for char in tag) else None


def beginning_of_tag(raw: str) -> str | None:
    """The canonical form of the beginning of a tag, which need not be a tag itself: it may consist of digits only. None
    if no tag begins like this."""
    if not 0 < len(raw) <= MAX_TAG or not (raw[0].isalnum() or raw[0] == "_"):
        return None
    folded = _compatible("".join(char for char in raw if not is_selector(char))).casefold()
    tag = _compatible(_without_dots_on_i(folded)).rstrip(_NOT_AT_THE_END)
    # Folding can make a letter begin with a combining mark, and a search for such a tag would not find it.
    if len(tag) > MAX_TAG or is_mark(tag[:1]) or tag_end(tag, 0) != len(tag):
        return None
    return tag


def _without_dots_on_i(folded: str) -> str:
    """İ folds to an i with a combining dot, which no other spelling of the same word has. Other marks of the i may stand
    between the two: the canonical order of marks puts some before the dot."""
    if _DOT not in folded:
        return folded
    kept, base = list[str](), ""
    for char in folded:
        base = base if unicodedata.combining(char) else char
        if char != _DOT or base != "i":
            kept.append(char)
    return "".join(kept)


def _compatible(text: str) -> str:
    """`text` in NFKC, except for characters that would become several words: ﷺ stays one letter of a tag."""
    return unicodedata.normalize("NFC", "".join(map(_compatible_char, text)))


@lru_cache(4096)
def _compatible_char(char: str) -> str:
    plain = unicodedata.normalize("NFKC", char)
    return plain if all(in_tag(one) or one in MEDIAL for one in plain) else char


def tag_end(text: str, begin: int) -> int:
    """The end of the run of tag characters that begins at `begin`. A joiner between two of them belongs to it in
    scripts that write words with joiners, and so does a medial character."""
    at = begin
    while at < len(text):
        if (word := _WORD.match(text, at)) is not None:
            at = word.end()
        elif is_mark(text[at]):
            at += 1
        elif at > begin and _joins(text, at):
            at += 2
        else:
            break
    return at


def _joins(text: str, at: int) -> bool:
    char, before, after = text[at], text[at - 1], text[at + 1 : at + 2]
    if char in MEDIAL:
        return after.isalnum()
    return (
        char in _JOINERS
        and in_tag(after)
        and any(first <= before <= last for first, last in _SCRIPTS_WITH_JOINERS)
    )


def in_tag(char: str) -> bool:
    return char.isalnum() or char == "_" or is_mark(char)


def is_mark(char: str) -> bool:
    # Without Me (enclosing marks): they make keycaps of digits and of the sign itself, and those are emoji.
    return char != "" and unicodedata.category(char) in {"Mn", "Mc"}


def is_selector(char: str) -> bool:
    """A variation selector: it changes the look of a character, and does not make another word."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"

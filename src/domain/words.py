"""The words of texts and queries, in one normal form for indexing and for searching.

Every store indexes these words and none splits a text by itself, so all stores find the same. Letter case,
compatibility forms, accents, and letters that people replace in quick writing make no difference (`cafe` finds `Café`,
`lodz` finds `Łódź`). In scripts without blanks, each letter forms a pair with the next one (東京都: 東京, 京都, 都), so
that parts of a text are found without a dictionary. Everything takes time linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby

from domain.dataclasses import dataclass
from domain.shared import CountGraphemes, FieldError, Invalid

MAX_GRAPHEMES, MAX_BYTES = 200, 800
"""Graphemes of a query."""
MAX_WORD = 64
"""Code points of a word. A longer word is cut."""
MAX_WORDS = 8_000
"""Words of one text. The longest post has half as many, unless it consists of characters that stand for whole
phrases."""

_ASCII_WORD = re.compile(r"[0-9a-z]+")
_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x20DD, 0x20E3)))
_TATWEEL = "\u0640"
# Scripts that are written without blanks, and Korean, which attaches particles to words.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Korean letters
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x31FF),  # Japanese and Bopomofo
    (0x3400, 0x4DBF),  # Chinese
    (0x4E00, 0x9FFF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),  # Korean
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
_OTHER, _LETTER, _UNSPACED_LETTER, _MARK = range(4)
_SEPARATORS = frozenset("\u200b\u115f\u1160")
"""The zero-width space, and letters that look like blanks. Other invisible characters separate nothing."""
_LATIN = re.compile(
    r"LATIN (?:SMALL |CAPITAL )?(?:LETTER|LIGATURE) (?:SMALL CAPITAL )?"
    r"(?:AFRICAN |BARRED |BROKEN |DOTLESS |INSULAR |LONG |MIDDLE-WELSH |OPEN |SCRIPT )?"
    r"([A-Z]{1,2}|ALPHA|ENG|ETH|EZH|GAMMA|IOTA|KRA|SCHWA|THORN|TURNED E|UPSILON)"
    r"(?: DIGRAPH)?(?: BAR)?(?: (?:WITH|PRECEDED) .*)?"
)
"""Matches the names of Latin letters that Unicode does not decompose. Their replacements are those of the
transliteration Latin-ASCII of Unicode CLDR, and `e` for the schwa of Azerbaijani and other languages."""
_LATIN_BASES = {
    "ALPHA": "a",
    "ENG": "n",
    "ETH": "d",
    "EZH": "z",
    "GAMMA": "g",
    "IOTA": "i",
    "KRA": "q",
    "SCHWA": "e",
    "THORN": "th",
    "TURNED E": "e",
    "UPSILON": "u",
}


@dataclass(frozen=True, slots=True)
class Phrase:
    """Consecutive words of a query."""

    words: tuple[str, ...]
    prefix: bool = False
    """Whether the last word is a prefix."""

    def occurs_in(self, text: tuple[str, ...]) -> bool:
        """Whether the phrase matches: the definition that the indexes of the stores implement."""
        size = len(self.words)
        *before, last = self.words
        return any(
            list(text[at : at + size - 1]) == before
            and (text[at + size - 1].startswith(last) if self.prefix else text[at + size - 1] == last)
            for at in range(len(text) - size + 1)
        )


def check_length(asked: str, graphemes: CountGraphemes) -> None:
    """Raises Invalid for a query that is too long."""
    size = len(asked.encode(errors="replace")) if len(asked) <= MAX_BYTES else len(asked)
    if size > MAX_BYTES or graphemes(asked) > MAX_GRAPHEMES:
        limits = f"{MAX_GRAPHEMES} characters and {MAX_BYTES} bytes"
        raise Invalid(FieldError("?q", "too_long", f"the query is longer than {limits}"))


def words(text: str) -> tuple[str, ...]:
    """The words of a text in order, at most MAX_WORDS."""
    if text.isascii():
        return tuple(word[:MAX_WORD] for word in _ASCII_WORD.findall(text.lower())[:MAX_WORDS])
    found: list[str] = []
    for run, unspaced in _runs(plain(text)):
        found += _pairs(run) if unspaced else [run[:MAX_WORD]]
        if len(found) >= MAX_WORDS:
            break
    return tuple(found[:MAX_WORDS])


def phrase(text: str, *, prefix: bool = False) -> Phrase | None:
    """The phrase of a query; None if `text` contains no word. With `prefix` the last word is a prefix."""
    found = list(words(text))
    if not found:
        return None
    runs = list(_runs(plain(text)))
    last, unspaced = runs[-1]
    if not unspaced:
        return Phrase(tuple(found), prefix)
    if len(_units(last)) > 1:  # a last single letter would match only at the end of a text
        return Phrase(tuple(found[:-1]))
    return Phrase(tuple(found), prefix=True)


def plain(text: str) -> str:
    """`text` in the form in which spellings of the same word are equal."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", "".join(map(_plain, decomposed)))


@lru_cache(4096)
def _plain(char: str) -> str:
    """The empty string for accents of Latin, Greek and Cyrillic letters, vowel points of Hebrew and Arabic, and
    invisible characters; ASCII letters for a Latin letter. Combining marks of other scripts are kept: their readers
    treat them as letters."""
    if char.isascii() or char in _SEPARATORS:
        return char
    if char in _SELECTORS or char == _TATWEEL or unicodedata.category(char) == "Cf":
        return ""
    order = unicodedata.combining(char)
    if 10 <= order <= 36 or order >= 200:
        return ""
    latin = _LATIN.fullmatch(unicodedata.name(char, ""))
    return char if latin is None else _LATIN_BASES.get(latin[1], latin[1].lower())


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """The words, and the runs of letters of scripts without blanks, with a flag for the latter."""
    for kind, group in groupby(_kinds(text), key=lambda pair: pair[1]):
        if kind != _OTHER:
            yield "".join(char for char, _ in group), kind == _UNSPACED_LETTER


def _kinds(text: str) -> Iterator[tuple[str, int]]:
    before = _OTHER
    for char in text:
        kind = _kind(char)
        if kind == _MARK:  # belongs to the letter before it, and is dropped where there is none
            kind = before
        before = kind
        yield char, kind


@lru_cache(4096)
def _kind(char: str) -> int:
    category = unicodedata.category(char)[0]
    if category == "M":
        return _MARK
    if category not in "LN" or char in _SEPARATORS:
        return _OTHER
    code = ord(char)
    return _UNSPACED_LETTER if any(first <= code <= last for first, last in _UNSPACED) else _LETTER


def _units(run: str) -> list[str]:
    """Letters with their combining marks."""
    units: list[str] = []
    for char in run:
        if units and _kind(char) == _MARK:
            units[-1] += char
        else:
            units.append(char)
    return units


def _pairs(run: str) -> list[str]:
    units = _units(run)
    return [(one + two)[:MAX_WORD] for one, two in zip(units, [*units[1:], ""], strict=True)]

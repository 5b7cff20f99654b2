"""Finding the end of a link in a text."""

import re
import unicodedata
from functools import lru_cache

from domain.posts.tags import MEDIAL

MAX_URL = 2_048

# Up to a blank, a delimiter of RFC 3986, a quotation mark, CJK punctuation of any width, or an invisible character.
_LINK = re.compile(
    r"(https?://)([^\s\x00-\x20<>\"`{}|\\^\x7f-\x9f\u00ab\u00bb\u200b-\u200f\u2018-\u201f\u2028-\u202e\u2039\u203a"
    r"\u2060-\u2069\u3000-\u3003\u3008-\u3011\u3014-\u301b\u301d-\u301f\ufeff\uff01\uff08\uff09\uff0c\uff1a\uff1b"
    r"\uff1f\uff3b\uff3d\uff5b-\uff64]*)",
    re.IGNORECASE,
)
_BEYOND_ASCII_AFTER_ASCII = re.compile(r"(?<=[!-~])[^\x00-\x7f]")
_PORT = re.compile(r":[0-9]{1,5}")
_LABEL = re.compile(r"\w(?:[\w-]{0,61}\w)?")
_CLOSING = {")": "(", "]": "["}
_OPENING = {opening: closing for closing, opening in _CLOSING.items()}
_TRAILING = frozenset(".,:;!?'*~")


def link_end(text: str, start: int) -> tuple[int | None, int]:
    """The end of the link that begins at `start`, None if it is not a link, and the index at which to continue."""
    match = _LINK.match(text, start)
    if match is None:
        raise ValueError("no scheme here")
    begin, run = match.start(2), match.end()
    if run - start > 2 * MAX_URL:  # too long, however much is trimmed
        return None, run
    end = _trimmed(text, begin, _sentence_end(text, begin, run))
    if end - start > MAX_URL or not _is_authority(re.split("[/?#]", text[begin:end], maxsplit=1)[0]):
        return None, run
    return end, end


def _sentence_end(text: str, begin: int, end: int) -> int:
    """The index at which a sentence ends the link. Punctuation of another script after an ASCII character ends it even
    if no blank follows, as in Amharic or Khmer. Within words of that script it may be part of a title."""
    for found in _BEYOND_ASCII_AFTER_ASCII.finditer(text, begin, end):
        if _is_punctuation(found[0]) and found[0] not in MEDIAL:
            return found.start()
    return end


def _trimmed(text: str, begin: int, end: int) -> int:
    """The end of a URL without the punctuation of the sentence around it."""
    extra = {
        closing: text.count(closing, begin, end) - text.count(opening, begin, end)
        for closing, opening in _CLOSING.items()
    }
    while end > begin:
        last = text[end - 1]
        if extra.get(last, 0) > 0:
            extra[last] -= 1
        elif last in _OPENING:
            extra[_OPENING[last]] += 1
        elif last not in _TRAILING and not (last > "\x7f" and (_is_punctuation(last) or _is_dash(last))):
            break
        end -= 1
    return end


@lru_cache(4096)
def _is_punctuation(char: str) -> bool:
    """Punctuation that ends a sentence or a part of it, brackets and quotation marks, of any script."""
    return unicodedata.category(char) in {"Po", "Ps", "Pe", "Pi", "Pf"}


def _is_dash(char: str) -> bool:
    return unicodedata.category(char) == "Pd" or char == "\uff5e"


def _is_authority(authority: str) -> bool:
    """A host that contains a dot, optionally with a port; nothing that looks like another host (`user@host`)."""
    host, colon, port = authority.partition(":")
    labels = host.removesuffix(".").split(".")
    return (
        len(host) <= 253
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) is not None for label in labels)
        and (not colon or _PORT.fullmatch(colon + port) is not None)
    )

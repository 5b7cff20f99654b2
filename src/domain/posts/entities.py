"""What a text names: people, hashtags, links, and where.

Positions are UTF-16 code units, half-open, as the string types of JavaScript, Java, Kotlin, Dart and
Objective-C count. All of it takes time linear in the length of the text, whatever the text is: every
character is looked at a bounded number of times.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.shared import UserId

MAX_MENTIONS = 20
MAX_HASHTAGS = 30
MAX_ENTITIES = 100
"""Of all kinds, repetitions included; what a text names beyond that is plain text."""
MAX_TAG = 100
"""Code points of a hashtag in its canonical form, hence at most 400 bytes."""
MAX_URL = 2_048

# What can begin something; most of what cannot is passed over here, where it costs least. A scheme in the
# middle of an ASCII word begins nothing, but in the middle of a Chinese sentence it does: nothing
# separates words there.
_SIGN = re.compile(
    r"(?<![A-Za-z0-9_])https?://|(?<![\w@/])@(?=[a-zA-Z0-9_]{3})|(?<![\w&/])[#\uff03](?=[\w\u00a1-\u1fff])",
    re.IGNORECASE,
)
_MENTION = re.compile(r"(?<![\w@/])@([a-zA-Z0-9_]{3,30})(?!\w)")
# Up to a blank, a delimiter of RFC 3986, a quotation mark, CJK punctuation, or what cannot be seen.
_LINK = re.compile(
    r"(https?://)([^\s\x00-\x20<>\"`{}|\\^\x7f-\x9f\u00ab\u00bb\u200b-\u200f\u2018-\u201f\u2028-\u202e"
    r"\u2060-\u2069\u3000-\u3003\u3008-\u3011\u3014-\u301b\ufeff\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f]*)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_PORT = re.compile(r":[0-9]{1,5}")
_LABEL = re.compile(r"\w(?:[\w-]{0,61}\w)?")
_CLOSING = {")": "(", "]": "["}
_TRAILING = frozenset(".,:;!?'…*~")
_JOINERS = frozenset("\u200c\u200d")


class EntityType(StrEnum):
    MENTION = "mention"
    HASHTAG = "hashtag"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Entity:
    """Something that a text names, from `start` up to `end`, counted in UTF-16 code units."""

    type: EntityType
    start: int
    end: int
    value: str
    """The username, the canonical tag, or the URL as it was written."""
    user: UserId | None = None
    """Who is mentioned."""


def recognised(text: str) -> list[Entity]:
    """What `text` names, in order and without overlap, at most MAX_ENTITIES; the users not yet looked up."""
    position = _positions(text)
    found: list[Entity] = []
    mentioned: set[str] = set()
    tagged: set[str] = set()
    for kind, start, end, value in _candidates(text):
        known, limit = {
            EntityType.MENTION: (mentioned, MAX_MENTIONS),
            EntityType.HASHTAG: (tagged, MAX_HASHTAGS),
            EntityType.LINK: (set[str](), MAX_ENTITIES),
        }[kind]
        if value not in known and len(known) == limit:
            continue
        known.add(value)
        found.append(Entity(kind, position(start), position(end), value))
        if len(found) == MAX_ENTITIES:
            break
    return found


def resolved(found: Sequence[Entity], ids: Mapping[str, UserId]) -> tuple[Entity, ...]:
    """The entities with the users that they mention. A mention of nobody is no entity."""
    return tuple(
        Entity(entity.type, entity.start, entity.end, entity.value, ids.get(entity.value))
        if entity.type is EntityType.MENTION
        else entity
        for entity in found
        if entity.type is not EntityType.MENTION or entity.value in ids
    )


def usernames(found: Sequence[Entity]) -> list[str]:
    """Whom a text names, each once, in order."""
    return _each_once(found, EntityType.MENTION)


def mentioned(entities: Sequence[Entity]) -> frozenset[UserId]:
    """Whom a text names, of those who exist."""
    return frozenset(entity.user for entity in entities if entity.user is not None)


def hashtags(entities: Sequence[Entity]) -> list[str]:
    """The canonical tags of a text, each once, in order."""
    return _each_once(entities, EntityType.HASHTAG)


def _each_once(entities: Sequence[Entity], kind: EntityType) -> list[str]:
    return list(dict.fromkeys(entity.value for entity in entities if entity.type is kind))


def hashtag(raw: str) -> str | None:
    """The canonical form of a tag that was written without its sign, or None if it is none.

    Compatibility and case are folded, so that `Straße`, `STRASSE` and full-width letters are one tag.
    """
    tag = beginning_of_tag(raw)
    return tag if tag and any(unicodedata.category(char)[0] == "L" for char in tag) else None


def beginning_of_tag(raw: str) -> str | None:
    """The same for a part of a tag, from its first letter on, which by itself may be none: there may be only
    digits in it."""
    if not 0 < len(raw) <= MAX_TAG or not (raw[0].isalnum() or raw[0] == "_"):
        return None
    folded = "".join(char for char in unicodedata.normalize("NFKC", raw) if not _is_selector(char))
    tag = unicodedata.normalize("NFKC", folded.casefold())
    # Folded, a letter can begin with a mark, and what begins with one is no tag when it is asked for.
    if len(tag) > MAX_TAG or _is_mark(tag[:1]) or _tag_end(tag, 0) != len(tag):
        return None
    return tag


def _candidates(text: str) -> Iterator[tuple[EntityType, int, int, str]]:
    at = 0
    while (sign := _SIGN.search(text, at)) is not None:
        start = sign.start()
        at = sign.end()
        if sign[0] == "@":
            if (name := _MENTION.match(text, start)) is not None:
                at = name.end()
                yield EntityType.MENTION, start, at, name[1].lower()
        elif sign[0] in "#\uff03":
            if start and _in_tag(text[start - 1]):  # a mark, which the expression does not know
                continue
            begin, at = at, _tag_end(text, at)
            if (tag := hashtag(text[begin:at])) is not None:
                yield EntityType.HASHTAG, start, at, tag
        else:
            end, at = _link_end(text, start)
            if end is not None:
                yield EntityType.LINK, start, end, text[start:end]


def _tag_end(text: str, at: int) -> int:
    """Where the run of characters of a tag ends. A joiner belongs to it between two of them, in the
    scripts that write words with it."""
    while at < len(text):
        if (word := _WORD.match(text, at)) is not None:
            at = word.end()
        elif _is_mark(text[at]):
            at += 1
        elif text[at] in _JOINERS and "\u0600" <= text[at - 1] <= "\u1cff" and _in_tag(text[at + 1 : at + 2]):
            at += 2
        else:
            break
    return at


def _in_tag(char: str) -> bool:
    return char.isalnum() or char == "_" or _is_mark(char)


def _is_mark(char: str) -> bool:
    # Not Me (enclosing marks): they make keycaps of digits and of the sign itself, and those are emoji.
    return char != "" and unicodedata.category(char) in {"Mn", "Mc"}


def _is_selector(char: str) -> bool:
    """A variation selector: it picks a picture for a character, and makes no other word of it."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _link_end(text: str, start: int) -> tuple[int | None, int]:
    """Where the link that begins at `start` ends, None if it is none, and where to go on looking."""
    match = _LINK.match(text, start)
    if match is None:
        raise ValueError("no scheme here")
    run = match.end()
    if run - start > 2 * MAX_URL:  # whatever is trimmed of it
        return None, run
    end = _trimmed(text, match.start(2), run)
    if end - start > MAX_URL or not _is_authority(
        re.split("[/?#]", text[match.start(2) : end], maxsplit=1)[0]
    ):
        return None, run
    return end, end


def _trimmed(text: str, begin: int, end: int) -> int:
    """The end of a URL without the punctuation of the sentence that it stands in."""
    extra = {
        closing: text.count(closing, begin, end) - text.count(opening, begin, end)
        for closing, opening in _CLOSING.items()
    }
    while end > begin:
        last = text[end - 1]
        if extra.get(last, 0) > 0:
            extra[last] -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return end


def _is_authority(authority: str) -> bool:
    """A host with a dot in it and maybe a port; nothing that looks like another host (`user@host`)."""
    host, colon, port = authority.partition(":")
    labels = host.removesuffix(".").split(".")
    return (
        len(host) <= 253
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) is not None for label in labels)
        and (not colon or _PORT.fullmatch(colon + port) is not None)
    )


def _positions(text: str) -> Callable[[int], int]:
    """From an index into `text` to UTF-16 code units, for indices that are asked for in rising order."""
    if text.isascii() or max(text, default="") <= "\uffff":
        return lambda index: index
    last = units = 0

    def position(index: int) -> int:
        nonlocal last, units
        units += index - last + sum(char > "\uffff" for char in text[last:index])
        last = index
        return units

    return position

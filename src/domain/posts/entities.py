"""The entities of a text: mentions, hashtags and links, and their positions.

Positions are half-open ranges of UTF-16 code units, the unit of the string types of JavaScript, Java, Kotlin, Dart and
Objective-C. Everything here takes time linear in the length of any text: each character is looked at a bounded number
of times.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache

from domain.dataclasses import dataclass
from domain.posts.links import link_end
from domain.posts.tags import hashtag, in_tag, is_mark, is_selector, tag_end
from domain.shared import FieldError, Invalid, UserId

MAX_MENTIONS = 20
"""Different people in one text. A text that mentions more is refused."""
MAX_HASHTAGS = 30
MAX_ENTITIES = 100
"""Entities of all kinds in one text, repetitions included. Further ones stay plain text, except that each user is
mentioned at least once."""

# The characters that may begin an entity. Most other text is skipped here, where that costs least. A scheme in the
# middle of an ASCII word does not begin a link, but in the middle of a Chinese sentence it does: nothing separates
# words there.
_SIGN = re.compile(
    r"(?<![A-Za-z0-9_])https?://|(?<![a-zA-Z0-9_@/\uff20\ufe6b])[@\uff20\ufe6b](?=[a-zA-Z0-9_]{3})|"
    r"(?<![\w&/])[#\uff03](?=[\w\u00a1-\u1fff])",
    re.IGNORECASE,
)
_MENTION = re.compile(r"[@\uff20\ufe6b]([a-zA-Z0-9_]{3,30})")
# A name followed by this is an address on another server: `@host`, `.letter`, both also after a hyphen or a plus, and
# `:host.letter`, the form of Matrix. A full stop, a colon or an `@` alone belongs to the sentence; so does a full-width
# full stop, unless a Latin letter follows. Invisible characters between them change nothing.
_UNSEEN = "[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*"
_ELSEWHERE = re.compile(
    rf"(?:[+-]+\w[\w+-]*)?{_UNSEEN}(?:[@\uff20\ufe6b]+{_UNSEEN}[\w\[]|\.{_UNSEEN}[^\W_]|\uff0e[A-Za-z])|:[\w-]+\.[^\W_]"
)


class EntityType(StrEnum):
    MENTION = "mention"
    HASHTAG = "hashtag"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Entity:
    """A mention, hashtag or link in a text, from `start` up to `end`, counted in UTF-16 code units."""

    type: EntityType
    start: int
    end: int
    value: str
    """The username, the canonical tag, or the URL as written."""
    user: UserId | None = None
    """The mentioned user."""


def find_entities(text: str) -> list[Entity]:
    """The entities of `text` in order, without overlap; users are not looked up yet. Raises Invalid if it mentions more
    than MAX_MENTIONS usernames, whether they exist or not: so the response does not reveal which names exist."""
    found = _found(text)
    if len(mentioned_usernames(found)) > MAX_MENTIONS:
        raise Invalid(
            FieldError(
                "text", "too_many_mentions", f"a text mentions at most {MAX_MENTIONS} different people"
            )
        )
    return found


def find_entities_again(text: str, stored: Sequence[Entity]) -> tuple[Entity, ...]:
    """The entities of a stored text by the current rules for hashtags and links. Mentions stay as they are stored:
    exactly those users were notified."""
    mentions = [entity for entity in stored if entity.type is EntityType.MENTION]
    others = [
        entity
        for entity in _found(text)
        if entity.type is not EntityType.MENTION
        and not any(entity.start < mention.end and mention.start < entity.end for mention in mentions)
    ]
    return tuple(sorted([*mentions, *others], key=lambda entity: entity.start))


def _found(text: str) -> list[Entity]:
    candidates = list(_candidates(text))
    room = MAX_ENTITIES - len({value for kind, _, _, value in candidates if kind is EntityType.MENTION})
    position = _positions(text)
    found: list[Entity] = []
    named: set[str] = set()
    tagged: set[str] = set()
    for kind, start, end, value in candidates:
        if kind is EntityType.MENTION and value not in named:
            named.add(value)
        elif room <= 0 or (
            kind is EntityType.HASHTAG and value not in tagged and len(tagged) == MAX_HASHTAGS
        ):
            continue
        else:
            room -= 1
            if kind is EntityType.HASHTAG:
                tagged.add(value)
        found.append(Entity(kind, position(start), position(end), value))
    return found


def resolve_mentions(found: Sequence[Entity], ids: Mapping[str, UserId]) -> tuple[Entity, ...]:
    """The entities with the ids of the mentioned users. A mention of an unknown username is left out."""
    return tuple(
        Entity(entity.type, entity.start, entity.end, entity.value, ids.get(entity.value))
        if entity.type is EntityType.MENTION
        else entity
        for entity in found
        if entity.type is not EntityType.MENTION or entity.value in ids
    )


def mentioned_usernames(found: Sequence[Entity]) -> list[str]:
    """The mentioned usernames, each once, in order."""
    return _each_once(found, EntityType.MENTION)


def mentioned(entities: Sequence[Entity]) -> frozenset[UserId]:
    """The mentioned users, those that exist."""
    return frozenset(entity.user for entity in entities if entity.user is not None)


def hashtags(entities: Sequence[Entity]) -> list[str]:
    """The canonical tags of a text, each once, in order."""
    return _each_once(entities, EntityType.HASHTAG)


def _each_once(entities: Sequence[Entity], kind: EntityType) -> list[str]:
    return list(dict.fromkeys(entity.value for entity in entities if entity.type is kind))


def _candidates(text: str) -> Iterator[tuple[EntityType, int, int, str]]:
    at = 0
    while (sign := _SIGN.search(text, at)) is not None:
        start = sign.start()
        at = sign.end()
        if sign[0] in "@\uff20\ufe6b":
            if (name := _MENTION.match(text, start)) is not None and not _is_inside_a_name(text, start):
                at = name.end()
                if not _continues(text, at):
                    yield EntityType.MENTION, start, at, name[1].lower()
        elif sign[0] in "#\uff03":
            if start and in_tag(text[start - 1]):  # a combining mark, which the expression does not know
                continue
            begin, at = at, tag_end(text, at)
            if (tag := hashtag(text[begin:at])) is not None:
                yield EntityType.HASHTAG, start, at, tag
        else:
            end, at = link_end(text, start)
            if end is not None:
                yield EntityType.LINK, start, end, text[start:end]


def _is_inside_a_name(text: str, sign: int) -> bool:
    """Whether the sign continues a name, as in an e-mail address, because of the character before it."""
    at = sign - 1
    while at > 0 and is_mark(text[at]) and not is_selector(text[at]):
        at -= 1
    return at >= 0 and _is_of_a_name(text[at])


def _continues(text: str, end: int) -> bool:
    """Whether the name that ends here is only the beginning of a longer one, or of an address on another server."""
    after = text[end : end + 1]
    if after and (_is_of_a_name(after) or (is_mark(after) and not is_selector(after))):
        return True
    return _ELSEWHERE.match(text, end) is not None


@lru_cache(4096)
def _is_of_a_name(char: str) -> bool:
    """Whether readers take the character for part of a name next to it: digits, `_` and letters of the Latin script, of
    any width. Usernames are ASCII only, but nobody means `@lea` by `@leaé`. Letters of other scripts do not count,
    since many scripts are written without blanks."""
    if char == "_" or unicodedata.category(char) == "Nd":
        return True
    plain = unicodedata.normalize("NFKC", char)[0]
    return char.isalpha() and unicodedata.name(plain, "").startswith("LATIN")


def _positions(text: str) -> Callable[[int], int]:
    """A function from an index into `text` to UTF-16 code units, to be called with rising indices."""
    if text.isascii() or max(text, default="") <= "\uffff":
        return lambda index: index
    last = units = 0

    def position(index: int) -> int:
        nonlocal last, units
        units += index - last + sum(char > "\uffff" for char in text[last:index])
        last = index
        return units

    return position

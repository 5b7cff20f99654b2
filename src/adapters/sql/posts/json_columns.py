"""The columns of a post that contain JSON: entities, media cards, the pending publication."""

from collections.abc import Sequence

import msgspec

from application.shared.attachments import MediaCard
from domain.posts import Entity, PendingPublication, Visibility

_DECODER = msgspec.json.Decoder(tuple[Entity, ...])


def dump_entities(entities: tuple[Entity, ...]) -> str:
    return msgspec.json.encode(entities).decode() if entities else "[]"


def load_entities(stored: str) -> tuple[Entity, ...]:
    return () if stored == "[]" else _DECODER.decode(stored)


_CARDS = msgspec.json.Decoder(tuple[MediaCard, ...])


def dump_cards(cards: Sequence[MediaCard]) -> str | None:
    return msgspec.json.encode(cards).decode() if cards else None


def load_cards(stored: str | None) -> tuple[MediaCard, ...]:
    return () if stored is None else _CARDS.decode(stored)


def dump_pending(pending: PendingPublication | None) -> str | None:
    if pending is None:
        return None
    return msgspec.json.encode((pending.visibility, sorted(pending.mentioned))).decode()


def load_pending(stored: str | None) -> PendingPublication | None:
    if stored is None:
        return None
    visibility, mentioned = msgspec.json.decode(stored)
    return PendingPublication(Visibility(visibility), frozenset(mentioned))

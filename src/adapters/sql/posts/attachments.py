"""The media cards of a post and its pending publication, as JSON in its row."""

from collections.abc import Sequence

import msgspec

from application.shared.attachments import MediaCard
from domain.posts import PendingPublication, Visibility

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

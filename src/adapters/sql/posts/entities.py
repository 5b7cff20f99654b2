"""Entities as JSON, in the row of their text."""

import msgspec

from domain.posts import Entity

_DECODER = msgspec.json.Decoder(tuple[Entity, ...])


def dump_entities(entities: tuple[Entity, ...]) -> str:
    return msgspec.json.encode(entities).decode() if entities else "[]"


def load_entities(stored: str) -> tuple[Entity, ...]:
    return () if stored == "[]" else _DECODER.decode(stored)

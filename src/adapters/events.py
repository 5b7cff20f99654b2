"""Encode and decode events as JSON, the same for every store and transport."""

import dataclasses
from typing import Any

import msgspec

from application.shared.events import Event


def dump(event: Event) -> str:
    return msgspec.json.encode(event).decode()


def load(kind: str, data: str) -> Event | None:
    """The event, or None if this process does not know the kind or cannot read it. Members that it does
    not know were added by a newer version and are left out; members that it misses have their defaults."""
    event_type = Event.kinds.get(kind)
    if event_type is None:
        return None
    known = {field.name for field in dataclasses.fields(event_type)}
    try:
        stored = msgspec.json.decode(data, type=dict[str, Any])
        return msgspec.convert({name: stored[name] for name in known & stored.keys()}, event_type)
    except msgspec.MsgspecError:  # one event must not stop the delivery of all others
        return None

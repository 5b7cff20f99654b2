"""Encode and decode events as JSON, the same for every store and transport."""

from functools import cache

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
    try:
        return _decoder(event_type).decode(data)
    except msgspec.MsgspecError:  # one event must not stop the delivery of all others
        return None


@cache
def _decoder(event_type: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(event_type)

"""Events as JSON and back, the same in every store and on every wire."""

import dataclasses

import msgspec

from application.shared.events import Event


def dump(event: Event) -> str:
    return msgspec.json.encode(event).decode()


def load(kind: str, data: str) -> Event | None:
    """The event, or None if this process does not know the kind. Members that it does not know were
    added by a newer version and are left out; members that it misses have their defaults."""
    event_type = Event.kinds.get(kind)
    if event_type is None:
        return None
    known = {field.name for field in dataclasses.fields(event_type)}
    members = {name: value for name, value in msgspec.json.decode(data).items() if name in known}
    return msgspec.convert(members, event_type)

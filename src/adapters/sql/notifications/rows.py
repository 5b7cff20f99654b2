"""Conversion between the rows of notifications and domain objects."""

import json
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, false

from adapters.sql.database import Row
from adapters.sql.metadata import Id, NameList, among
from adapters.sql.notifications.tables import entries, streams
from domain.notifications import (
    Channel,
    EntryType,
    NotificationKind,
    Preferences,
    Stream,
    StreamChange,
    StreamEntry,
)
from domain.shared import PostId, UserId

STREAM = (
    streams.c.user_id,
    streams.c.epoch,
    streams.c.floor,
    streams.c.head,
    streams.c.read_to,
    streams.c.unread,
)
ENTRY = (
    entries.c.user_id,
    entries.c.seq,
    entries.c.id,
    entries.c.type,
    entries.c.actor_id,
    entries.c.post_id,
    entries.c.refs,
    entries.c.removed,
    entries.c.traceparent,
)
KINDS = [kind.value for kind in NotificationKind]
_TYPES: dict[str, EntryType] = {type_.value: type_ for type_ in (*NotificationKind, *StreamChange)}

user_id = bindparam("user", type_=Id)


def stream_of(row: Row) -> Stream:
    user, epoch, floor, head, read, unread = row
    stored = (
        {NotificationKind(kind): count for kind, count in json.loads(unread).items()}
        if unread != "{}"
        else {}
    )
    # Earlier versions counted quiet kinds as well.
    counts = {kind: count for kind, count in stored.items() if not kind.is_quiet}
    return Stream(UserId(user), epoch, floor, head, read, counts)


def row_of(stream: Stream) -> dict[str, Any]:
    return {
        "epoch": stream.epoch,
        "floor": stream.floor,
        "head": stream.head,
        "read_to": stream.read,
        "unread": json.dumps(stream.unread) if stream.unread else "{}",
    }


def entry_of(row: Row) -> StreamEntry:
    user, seq, id_, type_, actor, post, refs, removed, trace = row
    return StreamEntry(
        UserId(user),
        seq,
        id_,
        _TYPES[type_],
        None if actor is None else UserId(actor),
        None if post is None else PostId(post),
        refs_of(refs),
        bool(removed),
        trace,
    )


def refs_of(refs: str | None) -> tuple[int, ...]:
    return tuple(json.loads(refs)) if refs else ()


def preferences_of(changed: str) -> Preferences:
    return Preferences(
        {
            Channel(channel): {NotificationKind(kind): wanted for kind, wanted in kinds.items()}
            for channel, kinds in json.loads(changed).items()
        }
    )


def notification() -> ColumnElement[bool]:
    """The row is a notification of one of the bound `kinds`, and no tombstone."""
    return and_(entries.c.removed == false(), among(entries.c.type, bindparam("kinds", type_=NameList)))

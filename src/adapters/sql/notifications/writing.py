"""Changes streams, within transactions."""

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from sqlalchemy import (
    LargeBinary,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql

from adapters.sql.database import Database
from adapters.sql.metadata import Id, millis
from adapters.sql.notifications.rows import (
    KINDS,
    STREAM,
    preferences_of,
    refs_of,
    row_of,
    stream_of,
    user_id,
)
from adapters.sql.notifications.tables import entries, mails, preferences, streams, tickets
from adapters.sql.outbox import insert_new
from adapters.sql.transactions import Transaction
from adapters.trace_context import traceparent
from application.notifications.ports import NotificationsTx
from application.shared.ports import OpenTx
from domain.notifications import NotificationKind, Preferences, Stream, StreamEntry
from domain.shared import Unavailable, UserId

_users = bindparam("users", type_=Id, expanding=True)
_there = select(streams.c.user_id).where(streams.c.user_id.in_(_users))
_create = insert_new(streams)
_lock = select(*STREAM).where(streams.c.user_id.in_(_users)).order_by(streams.c.user_id).with_for_update()
_save = (
    update(streams)
    .where(streams.c.user_id == bindparam("whose", type_=Id))
    .values({name: bindparam(name) for name in ("epoch", "floor", "head", "read_to", "unread")})
)
_known = select(entries.c.user_id, entries.c.dedupe_key, entries.c.refs).where(
    entries.c.user_id.in_(_users),
    entries.c.dedupe_key.in_(bindparam("keys", type_=LargeBinary, expanding=True)),
)
_add = insert(entries)

_is_notification = entries.c.removed.is_not(true()), entries.c.type.in_(KINDS)
_seqs = bindparam("seqs", type_=Id, expanding=True)
_at = (
    select(entries.c.seq, entries.c.type)
    .where(entries.c.user_id == user_id, entries.c.seq.in_(_seqs), *_is_notification)
    .order_by(entries.c.seq)
)
_remove = (
    update(entries)
    .where(entries.c.user_id == user_id, entries.c.seq.in_(_seqs))
    .values(removed=True, actor_id=None, post_id=None)
)
_above, _up_to = bindparam("above", type_=Id), bindparam("up_to", type_=Id)
_between = (
    select(entries.c.type, func.count())
    .where(entries.c.user_id == user_id, entries.c.seq > _above, entries.c.seq <= _up_to, *_is_notification)
    .group_by(entries.c.type)
)
_newest = (
    select(entries.c.seq)
    .where(entries.c.user_id == user_id, entries.c.seq <= _up_to, *_is_notification)
    .order_by(entries.c.seq.desc())
    .limit(1)
)
_cut = delete(entries).where(entries.c.user_id == user_id, entries.c.seq < bindparam("bottom", type_=Id))

_new_preferences = postgresql.insert(preferences)
_set_preferences = _new_preferences.on_conflict_do_update(
    index_elements=[preferences.c.user_id], set_={"changed": _new_preferences.excluded.changed}
)
_preferences = select(preferences.c.user_id, preferences.c.changed).where(preferences.c.user_id.in_(_users))

_new_mail = postgresql.insert(mails)
_asked = _new_mail.excluded.due_at
_mail_later = _new_mail.on_conflict_do_update(
    index_elements=[mails.c.user_id],
    set_={
        "last": _new_mail.excluded.last,
        "due_at": case(
            (and_(mails.c.last < mails.c.since, mails.c.due_at < _asked), _asked), else_=mails.c.due_at
        ),
    },
)
# The stream first, as notifying locks it: once it is gone, nothing is added any more.
_delete = [
    delete(table).where(table.c.user_id == user_id)
    for table in (streams, entries, preferences, tickets, mails)
]


@dataclass(frozen=True, slots=True)
class SqlStreams:
    transaction: Transaction

    async def lock(self, users: Collection[UserId]) -> Mapping[UserId, Stream]:
        everybody = sorted(set(users))
        there = set((await self.transaction.execute(_there, {"users": everybody})).scalars())
        if missing := [user for user in everybody if user not in there]:
            # Before any lock, and in this order: transactions that insert the same rows wait for each other, too.
            await self.transaction.execute(
                _create,
                [{"user_id": user, **row_of(Stream(user, secrets.token_hex(8)))} for user in missing],
            )
        found = (await self.transaction.execute(_lock, {"users": everybody})).all()
        if len(found) < len(everybody):
            raise Unavailable("a stream was deleted while it was being locked")
        return {stream.user: stream for stream in (stream_of(row) for row in found)}

    async def known(
        self, keys: Collection[tuple[UserId, str]]
    ) -> Mapping[tuple[UserId, str], tuple[int, ...]]:
        if not keys:
            return {}
        asked = {(user, _hash(key)): (user, key) for user, key in keys}
        params = {"users": [*{user for user, _ in asked}], "keys": [*{hashed for _, hashed in asked}]}
        return {
            asked[user, bytes(hashed)]: refs_of(refs)
            for user, hashed, refs in await self.transaction.execute(_known, params)
            if (user, bytes(hashed)) in asked
        }

    async def add(self, entries: Sequence[tuple[StreamEntry, str | None]]) -> None:
        if entries:
            trace = traceparent.get()
            traced = {"traceparent": trace} if trace else {}
            await self.transaction.execute(_add, [_row(entry, key) | traced for entry, key in entries])

    async def save(self, streams: Collection[Stream]) -> None:
        if streams:
            rows = [{"whose": stream.user, **row_of(stream)} for stream in streams]
            await self.transaction.execute(_save, rows)

    async def remove(self, user: UserId, seqs: Collection[int]) -> Sequence[tuple[int, NotificationKind]]:
        rows = (await self.transaction.execute(_at, {"user": user, "seqs": sorted(set(seqs))})).all()
        if rows:
            await self.transaction.execute(_remove, {"user": user, "seqs": [seq for seq, _ in rows]})
        return [(seq, NotificationKind(type_)) for seq, type_ in rows]

    async def unread_between(self, user: UserId, above: int, up_to: int) -> Mapping[NotificationKind, int]:
        found = await self.transaction.execute(_between, {"user": user, "above": above, "up_to": up_to})
        return {NotificationKind(type_): count for type_, count in found}

    async def newest_up_to(self, user: UserId, seq: int) -> int:
        found = (await self.transaction.execute(_newest, {"user": user, "up_to": seq})).scalar()
        return found or 0

    async def cut(self, user: UserId, floor: int) -> None:
        await self.transaction.execute(_cut, {"user": user, "bottom": floor})

    async def set_preferences(self, user: UserId, preferences: Preferences) -> None:
        changed = json.dumps(preferences.changed)
        await self.transaction.execute(_set_preferences, {"user_id": user, "changed": changed})

    async def preferences(self, users: Collection[UserId]) -> Mapping[UserId, Preferences]:
        rows = await self.transaction.execute(_preferences, {"users": [*users]})
        found = {UserId(user): preferences_of(changed) for user, changed in rows}
        return {user: found.get(user) or Preferences() for user in users}

    async def schedule_mail(self, user: UserId, seq: int, due: datetime) -> None:
        row = {"user_id": user, "since": seq, "last": seq, "due_at": millis(due)}
        await self.transaction.execute(_mail_later, row | {"attempts": 0, "leased_until": 0})

    async def delete(self, user: UserId) -> None:
        for statement in _delete:
            await self.transaction.execute(statement, {"user": user})


def _row(entry: StreamEntry, key: str | None) -> dict[str, object]:
    return {
        "user_id": entry.user,
        "seq": entry.seq,
        "id": entry.id,
        "type": entry.type.value,
        "actor_id": entry.actor,
        "post_id": entry.post,
        "refs": json.dumps(entry.refs) if entry.refs else None,
        "removed": entry.removed,
        "dedupe_key": None if key is None else _hash(key),
    }


def _hash(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=16).digest()


def transactions(database: Database) -> OpenTx[NotificationsTx]:
    def ports(transaction: Transaction) -> NotificationsTx:
        return NotificationsTx(SqlStreams(transaction))

    return database.transactions(ports)

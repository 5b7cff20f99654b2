"""Changing ties, in memory. There is one writer at a time, so nothing has to be locked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.memory.graph.rows import PEOPLE, TABLES, Person, Row, ties
from adapters.memory.outbox import MemoryOutbox
from adapters.memory.store import Draft, Store
from application.graph.ports import GraphTx, Relation
from application.shared.ports import NewId, OpenTx
from domain.graph import POPULAR, CountChange, Ties, count_changes
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class MemoryPairs:
    rows: Draft
    popular_at: int

    async def lock(self, user: UserId, other: UserId) -> Ties:
        return ties(self.rows, user, other)

    async def save(self, before: Ties, after: Ties, new_id: int) -> None:
        user, other = after.user, after.other
        for table, pair, was, now in (
            ("follows", (user, other), before.following, after.following),
            ("follows", (other, user), before.followed_by, after.followed_by),
            ("follow_requests", (user, other), before.requested, after.requested),
            ("follow_requests", (other, user), before.requested_by, after.requested_by),
            ("blocks", (user, other), before.blocking, after.blocking),
            ("blocks", (other, user), before.blocked_by, after.blocked_by),
            ("mutes", (user, other), before.muting, after.muting),
        ):
            if now and not was:
                self.rows.put(table, pair, Row(new_id, *pair))
            elif was and not now:
                self.rows.delete(table, pair)
        if after.muting:
            row: Row = self.rows.get("mutes", (user, other))
            self.rows.put("mutes", (user, other), replace(row, until=after.muted_until))
        for change in count_changes(before, after):
            self._count(change)

    def _count(self, change: CountChange) -> None:
        person: Person = self.rows.get(PEOPLE, change.user) or Person(change.user)
        followers = person.followers + change.followers
        self.rows.put(
            PEOPLE,
            change.user,
            Person(
                change.user,
                followers,
                person.following + change.following,
                person.version + change.changed,
                person.popular or followers >= self.popular_at,
            ),
        )

    async def count(self, relation: Relation, user: UserId) -> int:
        tables = ("follows", "follow_requests") if relation == "following" else (relation,)
        return sum(row.user == user for table in tables for row in self.rows.all(table))

    async def asking(self, user: UserId, limit: int) -> Sequence[UserId]:
        asking = sorted((row.id, row.user) for row in self.rows.all("follow_requests") if row.other == user)
        return [who for _, who in asking[:limit]]

    async def tied(self, user: UserId, limit: int) -> Sequence[UserId]:
        every = (row for table in TABLES for row in self.rows.all(table))
        tied = {row.other if row.user == user else row.user for row in every if user in {row.user, row.other}}
        return sorted(tied)[:limit]

    async def forget(self, user: UserId) -> None:
        if self.rows.get(PEOPLE, user):
            self.rows.delete(PEOPLE, user)


def transactions(store: Store, new_id: NewId, popular_at: int = POPULAR) -> OpenTx[GraphTx]:
    def ports(rows: Draft) -> GraphTx:
        return GraphTx(MemoryPairs(rows, popular_at), MemoryOutbox(rows, new_id))

    return store.transactions(ports)

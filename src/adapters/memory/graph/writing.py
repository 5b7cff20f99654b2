"""Changes relationships in memory. There is one writer at a time, so nothing has to be locked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.memory.graph.rows import TABLES, USERS, GraphUser, RelationshipRow, relationship
from adapters.memory.outbox import MemoryOutbox
from adapters.memory.store import Draft, Store
from application.graph.ports import GraphTx, RelationshipList
from application.shared.ports import NewId, OpenTx
from domain.graph import POPULAR, CountChange, Relationship, count_changes
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class MemoryRelationships:
    rows: Draft
    popular_at: int

    async def lock(self, user: UserId, other: UserId) -> Relationship:
        return relationship(self.rows, user, other)

    async def save(self, before: Relationship, after: Relationship, new_id: int) -> None:
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
                self.rows.put(table, pair, RelationshipRow(new_id, *pair))
            elif was and not now:
                self.rows.delete(table, pair)
        if after.muting:
            row: RelationshipRow = self.rows.get("mutes", (user, other))
            self.rows.put("mutes", (user, other), replace(row, until=after.muted_until))
        for change in count_changes(before, after):
            self._count(change)

    def _count(self, change: CountChange) -> None:
        graph_user: GraphUser = self.rows.get(USERS, change.user) or GraphUser(change.user)
        followers = graph_user.followers + change.followers
        self.rows.put(
            USERS,
            change.user,
            GraphUser(
                change.user,
                followers,
                graph_user.following + change.following,
                graph_user.version + change.changed,
                graph_user.popular or followers >= self.popular_at,
            ),
        )

    async def count(self, relationship_list: RelationshipList, user: UserId) -> int:
        tables = ("follows", "follow_requests") if relationship_list == "following" else (relationship_list,)
        return sum(row.user == user for table in tables for row in self.rows.all(table))

    async def requesters(self, user: UserId, limit: int) -> Sequence[UserId]:
        requests = sorted((row.id, row.user) for row in self.rows.all("follow_requests") if row.other == user)
        return [requester for _, requester in requests[:limit]]

    async def related(self, user: UserId, limit: int) -> Sequence[UserId]:
        all_rows = (row for table in TABLES for row in self.rows.all(table))
        related = {
            row.other if row.user == user else row.user for row in all_rows if user in {row.user, row.other}
        }
        return sorted(related)[:limit]

    async def remove_counts(self, user: UserId) -> None:
        if self.rows.get(USERS, user):
            self.rows.delete(USERS, user)


def transactions(store: Store, new_id: NewId, popular_at: int = POPULAR) -> OpenTx[GraphTx]:
    def ports(rows: Draft) -> GraphTx:
        return GraphTx(MemoryRelationships(rows, popular_at), MemoryOutbox(rows, new_id))

    return store.transactions(ports)

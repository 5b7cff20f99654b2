"""Reads relationships, outside of transactions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.graph.rows import USERS, GraphUser, RelationshipRow, relationship
from adapters.memory.paging import window_of
from adapters.memory.store import Store
from application.graph.ports import FollowCounts, FollowRecount, ListedUser, RelationshipList, ViewerRelations
from application.shared.paging import Window
from domain.graph import Relationship
from domain.shared import UserId

_LISTS: Mapping[RelationshipList, tuple[str, bool]] = {
    "followers": ("follows", False),
    "following": ("follows", True),
    "requests": ("follow_requests", False),
    "blocks": ("blocks", True),
    "mutes": ("mutes", True),
}
"""The table of each list, and whether the owner of the list is the one who acts."""


@dataclass(frozen=True, slots=True)
class MemoryGraphReader:
    store: Store

    async def version(self, viewer: UserId) -> int:
        graph_user: GraphUser | None = self.store.get(USERS, viewer)
        return graph_user.version if graph_user else 0

    async def viewer_relations(self, viewer: UserId) -> ViewerRelations:
        blocks = [row for row in self.store.all("blocks") if viewer in {row.user, row.other}]
        return ViewerRelations(
            await self.version(viewer),
            frozenset(row.other for row in self.store.all("follows") if row.user == viewer),
            frozenset(row.other if row.user == viewer else row.user for row in blocks),
            {row.other: row.until for row in self.store.all("mutes") if row.user == viewer},
        )

    async def relationships(
        self, viewer: UserId, others: Collection[UserId]
    ) -> Mapping[UserId, Relationship]:
        return {other: relationship(self.store, viewer, other) for other in others}

    async def counts(self, user: UserId) -> FollowCounts:
        graph_user: GraphUser | None = self.store.get(USERS, user)
        return FollowCounts(graph_user.followers, graph_user.following) if graph_user else FollowCounts(0, 0)

    async def listed_users(
        self,
        relationship_list: RelationshipList,
        user: UserId,
        window: Window,
        hidden: Collection[UserId],
        now: datetime,
    ) -> Sequence[ListedUser]:
        table, outgoing = _LISTS[relationship_list]
        rows: list[RelationshipRow] = [
            row for row in self.store.all(table) if (row.user if outgoing else row.other) == user
        ]
        listed = [
            ListedUser(row.id, row.other if outgoing else row.user)
            for row in rows
            if row.until is None or row.until > now
        ]
        shown = [one for one in listed if one.user not in hidden]
        return window_of(shown, window, lambda one: one.id, newest_first=True)

    async def followers_after(self, author: UserId, after: UserId, limit: int) -> Sequence[UserId]:
        found = (row.user for row in self.store.all("follows") if row.other == author and row.user > after)
        return sorted(found)[:limit]

    async def popular(self) -> frozenset[UserId]:
        return frozenset(graph_user.id for graph_user in self.store.all(USERS) if graph_user.popular)


@dataclass(frozen=True, slots=True)
class MemoryGraphCounters:
    store: Store

    async def recount(self, above: UserId, limit: int, *, repair: bool) -> FollowRecount:
        async with self.store.begin() as rows:
            users = sorted((one for one in rows.all(USERS) if one.id > above), key=lambda one: one.id)[:limit]
            drift = {"followers": 0, "following": 0}
            for graph_user in users:
                followers = sum(row.other == graph_user.id for row in rows.all("follows"))
                following = sum(row.user == graph_user.id for row in rows.all("follows"))
                drift["followers"] += abs(graph_user.followers - followers)
                drift["following"] += abs(graph_user.following - following)
                if repair:
                    rows.put(
                        USERS, graph_user.id, replace(graph_user, followers=followers, following=following)
                    )
        return FollowRecount(users[-1].id if users else None, drift)

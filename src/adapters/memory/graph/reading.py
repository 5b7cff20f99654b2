"""Reading ties, outside of transactions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.graph.rows import PEOPLE, Person, Row, ties
from adapters.memory.paging import window_of
from adapters.memory.store import Store
from application.graph.ports import Around, Counts, Listed, Recounted, Relation
from application.shared.paging import Window
from domain.graph import Ties
from domain.shared import UserId

_LISTS: Mapping[Relation, tuple[str, bool]] = {
    "followers": ("follows", False),
    "following": ("follows", True),
    "requests": ("follow_requests", False),
    "blocks": ("blocks", True),
    "mutes": ("mutes", True),
}
"""The table of each list, and whether the one whose list it is does it."""


@dataclass(frozen=True, slots=True)
class MemoryGraphReader:
    store: Store

    async def version(self, viewer: UserId) -> int:
        person: Person | None = self.store.get(PEOPLE, viewer)
        return person.version if person else 0

    async def around(self, viewer: UserId) -> Around:
        blocks = [row for row in self.store.all("blocks") if viewer in {row.user, row.other}]
        return Around(
            await self.version(viewer),
            frozenset(row.other for row in self.store.all("follows") if row.user == viewer),
            frozenset(row.other if row.user == viewer else row.user for row in blocks),
            {row.other: row.until for row in self.store.all("mutes") if row.user == viewer},
        )

    async def ties(self, viewer: UserId, others: Collection[UserId]) -> Mapping[UserId, Ties]:
        return {other: ties(self.store, viewer, other) for other in others}

    async def counts(self, user: UserId) -> Counts:
        person: Person | None = self.store.get(PEOPLE, user)
        return Counts(person.followers, person.following) if person else Counts(0, 0)

    async def people(
        self, relation: Relation, user: UserId, window: Window, hidden: Collection[UserId], now: datetime
    ) -> Sequence[Listed]:
        table, mine = _LISTS[relation]
        rows: list[Row] = [row for row in self.store.all(table) if (row.user if mine else row.other) == user]
        listed = [
            Listed(row.id, row.other if mine else row.user)
            for row in rows
            if row.until is None or row.until > now
        ]
        shown = [one for one in listed if one.user not in hidden]
        return window_of(shown, window, lambda one: one.id, newest_first=True)

    async def followers_after(self, author: UserId, after: UserId, limit: int) -> Sequence[UserId]:
        found = (row.user for row in self.store.all("follows") if row.other == author and row.user > after)
        return sorted(found)[:limit]

    async def popular(self) -> frozenset[UserId]:
        return frozenset(person.id for person in self.store.all(PEOPLE) if person.popular)


@dataclass(frozen=True, slots=True)
class MemoryGraphCounters:
    store: Store

    async def recount(self, above: UserId, limit: int, *, mend: bool) -> Recounted:
        async with self.store.begin() as rows:
            people = sorted((one for one in rows.all(PEOPLE) if one.id > above), key=lambda one: one.id)[
                :limit
            ]
            drift = {"followers": 0, "following": 0}
            for person in people:
                followers = sum(row.other == person.id for row in rows.all("follows"))
                following = sum(row.user == person.id for row in rows.all("follows"))
                drift["followers"] += abs(person.followers - followers)
                drift["following"] += abs(person.following - following)
                if mend:
                    rows.put(PEOPLE, person.id, replace(person, followers=followers, following=following))
        return Recounted(people[-1].id if people else None, drift)

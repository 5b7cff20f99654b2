"""What people ask about the people around somebody."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.graph.ports import Accounts, GraphReader, Relation
from application.shared.paging import Page, Window, page
from application.shared.people import AuthorCard, Cards, Circle
from application.shared.ports import Clock, ViewerContexts
from domain.graph import AccountPrivate, NoSuchUser, Ties
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class ReadCircle:
    """How many people are around somebody, and what they are to the viewer."""

    reader: GraphReader
    clock: Clock

    async def around(self, viewer: UserId | None, user: UserId) -> Circle:
        followers, following = await self.reader.counts(user)
        if viewer is None or viewer == user:
            return Circle(followers, following)
        ties = (await self.reader.ties(viewer, [user]))[user]
        return Circle(followers, following, ties.as_of(self.clock()))


@dataclass(frozen=True, slots=True)
class ReadTies:
    """What the viewer and others are to each other, in the order in which they are asked for, each once. Those
    that do not exist are left out, and the viewer."""

    reader: GraphReader
    accounts: Accounts
    clock: Clock

    async def __call__(self, viewer: UserId, others: Sequence[UserId]) -> list[Ties]:
        there = await self.accounts.existing(others)
        wanted = [other for other in dict.fromkeys(others) if other in there and other != viewer]
        found, now = await self.reader.ties(viewer, wanted), self.clock()
        return [found[other].as_of(now) for other in wanted]


@dataclass(frozen=True, slots=True)
class ListPeople:
    """Who follows somebody, or whom they follow, the newest first. Who is blocked by the viewer or blocks them is
    left out; so is who is gone, wherefore a page may hold less than it could. Raises NoSuchUser, and
    AccountPrivate unless the viewer follows the private account or is its owner."""

    reader: GraphReader
    viewer_contexts: ViewerContexts
    accounts: Accounts
    cards: Cards
    clock: Clock

    async def __call__(
        self, viewer: UserId | None, user: UserId, relation: Relation, window: Window
    ) -> Page[AuthorCard]:
        private = await self.accounts.is_private(user)
        if private is None:
            raise NoSuchUser("no such user")
        viewer_context = await self.viewer_contexts.of(viewer)
        if private and viewer != user and user not in viewer_context.follows:
            raise AccountPrivate("this account shows its people to its followers only")
        return await self._page(relation, user, window, viewer_context.blocked)

    async def mine(self, user: UserId, relation: Relation, window: Window) -> Page[AuthorCard]:
        """A list of one's own."""
        return await self._page(relation, user, window, frozenset())

    async def _page(
        self, relation: Relation, user: UserId, window: Window, hidden: frozenset[UserId]
    ) -> Page[AuthorCard]:
        rows = await self.reader.people(relation, user, window, hidden, self.clock())
        found = page(rows, window, lambda row: row.id, newest_first=True)
        cards = await self.cards.cards({row.user for row in found.items})
        return Page([card for row in found.items if (card := cards.get(row.user))], found.next, found.prev)

"""Queries about the relationships of accounts."""

from collections.abc import Sequence

from application.graph.ports import AccountDirectory, GraphReader, RelationshipList
from application.shared.paging import Page, Window, page
from application.shared.people import AuthorCard, Cards, FollowSummary
from application.shared.ports import Clock, ViewerContexts
from domain.dataclasses import dataclass
from domain.graph import AccountPrivate, Relationship
from domain.shared import UserId, UserNotFound


@dataclass(frozen=True, slots=True)
class ReadFollowSummary:
    """The follow counts of an account, and its relationship to the viewer."""

    reader: GraphReader
    clock: Clock

    async def of(self, viewer: UserId | None, user: UserId) -> FollowSummary:
        followers, following = await self.reader.counts(user)
        if viewer is None or viewer == user:
            return FollowSummary(followers, following)
        relationship = (await self.reader.relationships(viewer, [user]))[user]
        return FollowSummary(followers, following, relationship.as_of(self.clock()))


@dataclass(frozen=True, slots=True)
class ReadRelationships:
    """The relationships of the viewer to `others`, in the order of `others`, each once. Accounts that do not exist are
    left out, and so is the viewer."""

    reader: GraphReader
    accounts: AccountDirectory
    clock: Clock

    async def __call__(self, viewer: UserId, others: Sequence[UserId]) -> list[Relationship]:
        existing = await self.accounts.existing(others)
        wanted = [other for other in dict.fromkeys(others) if other in existing and other != viewer]
        found, now = await self.reader.relationships(viewer, wanted), self.clock()
        return [found[other].as_of(now) for other in wanted]


@dataclass(frozen=True, slots=True)
class ListPeople:
    """The followers of an account, or the accounts that it follows, newest first. Accounts that the viewer blocks, or
    that block the viewer, are left out. Deleted accounts are left out too, so a page may be shorter than its limit.
    Raises UserNotFound, and AccountPrivate unless the viewer follows the private account or owns it."""

    reader: GraphReader
    viewer_contexts: ViewerContexts
    accounts: AccountDirectory
    cards: Cards
    clock: Clock

    async def __call__(
        self, viewer: UserId | None, user: UserId, relationship_list: RelationshipList, window: Window
    ) -> Page[AuthorCard]:
        private = await self.accounts.is_private(user)
        if private is None:
            raise UserNotFound("no such user")
        viewer_context = await self.viewer_contexts.of(viewer)
        if private and viewer != user and user not in viewer_context.follows:
            raise AccountPrivate("only the followers of this account can see its lists")
        return await self._page(relationship_list, user, window, viewer_context.blocked)

    async def own(
        self, user: UserId, relationship_list: RelationshipList, window: Window
    ) -> Page[AuthorCard]:
        """A list of the user's own account, with nobody hidden."""
        return await self._page(relationship_list, user, window, frozenset())

    async def _page(
        self, relationship_list: RelationshipList, user: UserId, window: Window, hidden: frozenset[UserId]
    ) -> Page[AuthorCard]:
        rows = await self.reader.listed_users(relationship_list, user, window, hidden, self.clock())
        found = page(rows, window, lambda row: row.id, newest_first=True)
        cards = await self.cards.cards({row.user for row in found.items})
        return Page([card for row in found.items if (card := cards.get(row.user))], found.next, found.prev)

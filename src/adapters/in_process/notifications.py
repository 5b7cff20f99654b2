"""The needs of notifications, met by identity and posts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from application.identity.queries import ReadAccount
from application.notifications.ports import PostAddressees
from application.posts.audience import PostAudience
from application.posts.hydration import HydrateEntries
from application.shared.feed_entries import FeedEntry
from domain.shared import PostId, UserId, UserNotFound, ViewerContext


@dataclass(frozen=True, slots=True)
class AddressesOfIdentity:
    """The address of an account, which is read each time a mail is sent."""

    read_account: ReadAccount

    async def of(self, user: UserId) -> str | None:
        try:
            return (await self.read_account(user)).email
        except UserNotFound:
            return None


@dataclass(frozen=True, slots=True)
class AudienceOfPosts:
    """The accounts that a post concerns, and those that may see it."""

    audience: PostAudience

    async def addressees(self, post: PostId) -> PostAddressees | None:
        concerned = await self.audience.concerned(post)
        return None if concerned is None else PostAddressees(*concerned)

    async def who_sees(self, post: PostId, viewer_contexts: Collection[ViewerContext]) -> frozenset[UserId]:
        return await self.audience.who_sees(post, viewer_contexts)

    async def involved(self, post: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        return await self.audience.involved(post, after, limit)


@dataclass(frozen=True, slots=True)
class HydratePostsById:
    """Hydrates the posts of notifications. Posts hydrates feed entries, so each id becomes an entry first."""

    hydrate_entries: HydrateEntries

    async def __call__(
        self, viewer_context: ViewerContext, posts: Collection[PostId]
    ) -> Mapping[PostId, object]:
        entries = [FeedEntry(post, post, UserId(0)) for post in posts]  # no account reposted them
        hydrated = await self.hydrate_entries(viewer_context, entries)
        return {PostId(id_): post for id_, post in hydrated.items()}

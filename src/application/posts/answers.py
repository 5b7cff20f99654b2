"""The answers of posts to other modules, and the ports that only these answers need."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from application.posts.hydration import PostPartsReader
from application.posts.ports import EngagementsReader
from application.posts.views import PostState
from application.shared.events import PostDeleted, Published
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from domain.posts import can_view
from domain.shared import EventId, PostId, UserId, ViewerContext


class FeedEntries(Protocol):
    """The posts and reposts that may appear in a feed. A list is newest first and holds up to the window's limit, those next
    to its edge; it is shorter only where the feed ends."""

    async def by_sources(
        self, sources: Collection[UserId], window: Window, last: int | None = None
    ) -> Sequence[FeedEntry]:
        """Posts by the sources, comments and deleted ones aside, and all reposts by them; nothing further from
        the window's edge than `last`. It is not asked who may see them."""
        ...

    async def public(self, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        """Public posts, comments aside, by authors whom everybody may see, without those whom the viewer mutes and
        without blocks either way."""
        ...

    async def tagged(self, tag: str, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        """As `public`, with the canonical tag `tag`, comments included."""
        ...

    async def first_reposts(
        self, posts: Collection[PostId], sources: Collection[UserId]
    ) -> Mapping[PostId, int]:
        """The oldest repost of each of the posts by one of the sources, where there is one."""
        ...

    async def shows_reposts(self, user: UserId, viewer_context: ViewerContext) -> bool:
        """True if the viewer may see the reposts of the user, that is, a public post of that user."""
        ...


class AuthoredPosts(Protocol):
    """The posts that a profile counts."""

    async def authored(
        self, authors: Collection[UserId], subscriber: str
    ) -> tuple[Mapping[UserId, int], Sequence[tuple[EventId, Published | PostDeleted]]]:
        """The number of posts of each author that everybody may see, comments excluded, and the events about posts that are
        not delivered to `subscriber` yet, dead letters included: both as of one moment."""
        ...


class Concerned(NamedTuple):
    """The accounts that a post concerns."""

    author: UserId
    answered: UserId | None
    """The author of the post above; None if there is none, or if that is gone."""
    mentioned: Collection[UserId]


@dataclass(frozen=True, slots=True)
class PostAudience:
    """The accounts that a post concerns or that had a part in it, and those that may see it: for notifying them."""

    parts: PostPartsReader
    engagements: EngagementsReader

    async def concerned(self, post: PostId) -> Concerned | None:
        """As of now; None if the post is gone."""
        state = await self._state(post)
        if state is None:
            return None
        above = await self._state(state.reply_to) if state.reply_to is not None else None
        return Concerned(state.author, None if above is None else above.author, state.mentioned)

    async def who_sees(self, post: PostId, viewer_contexts: Collection[ViewerContext]) -> frozenset[UserId]:
        """Those of the viewers who may see the post, as of now."""
        state = await self._state(post)
        if state is None:
            return frozenset()
        return frozenset(
            context.viewer for context in viewer_contexts if context.viewer and can_view(state, context)
        )

    async def involved(self, post: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        """As `EngagementsReader.involved`."""
        return await self.engagements.involved(post, after, limit)

    async def _state(self, post: PostId) -> PostState | None:
        state = next(iter(await self.parts.states([post], None)), None)
        return None if state is None or state.deleted else state

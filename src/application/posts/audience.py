"""The people whom a post concerns, and those who may see it. Notifications asks."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from application.posts.hydration import PostPartsReader
from application.posts.ports import EngagementsReader
from application.posts.views import PostState
from domain.dataclasses import dataclass
from domain.posts import can_view
from domain.shared import PostId, UserId, ViewerContext


class ConcernedAccounts(NamedTuple):
    """The accounts that a post concerns."""

    author: UserId
    replied_to: UserId | None
    """The author of the post above; None if there is none, or if that is gone."""
    mentioned: Collection[UserId]


@dataclass(frozen=True, slots=True)
class PostAudience:
    """The accounts that a post concerns or that had a part in it, and those that may see it: for notifying them."""

    parts: PostPartsReader
    engagements: EngagementsReader

    async def concerned(self, post: PostId) -> ConcernedAccounts | None:
        """As of now; None if the post is gone."""
        state = await self._state(post)
        if state is None:
            return None
        above = await self._state(state.reply_to) if state.reply_to is not None else None
        return ConcernedAccounts(state.author, None if above is None else above.author, state.mentioned)

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

"""The needs of identity, met by graph and posts. Both are created after identity."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from application.identity.ports import AuthorPostCounts
from application.posts.ports import AuthoredPosts
from application.shared.ports import ViewerContexts
from domain.shared import UserId, ViewerContext


@dataclass(frozen=True, slots=True)
class AuthorshipOfPosts:
    """The post counts of accounts."""

    posts: Callable[[], AuthoredPosts]

    async def of(self, authors: Collection[UserId], subscriber: str) -> AuthorPostCounts:
        return AuthorPostCounts(*await self.posts().authored(authors, subscriber))


@dataclass(frozen=True, slots=True)
class ViewerContextsOfGraph:
    graph: Callable[[], ViewerContexts]

    async def of(self, viewer: UserId | None) -> ViewerContext:
        return await self.graph().of(viewer)

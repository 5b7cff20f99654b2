"""The needs of media, met by posts. Posts is created after media."""

from collections.abc import Callable
from dataclasses import dataclass

from application.posts.ports import RestrictedAuthors
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class OwnersOfPosts:
    """Posts knows of every account that is private or gone, by events."""

    authors: Callable[[], RestrictedAuthors]

    async def is_open(self, owner: UserId) -> bool:
        return not await self.authors().restricted([owner])

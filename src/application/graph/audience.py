"""Whom a post reaches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from application.graph.ports import GraphReader
from domain.shared import UserId


@dataclass(slots=True)
class Audience:
    """Answers feeds: who follows an author, and who has too many followers to be told one by one."""

    reader: GraphReader
    monotonic: Callable[[], float]
    ttl: float = 1.0
    """Seconds for which it is not asked again who is popular: it is the same for all readers."""
    _popular: frozenset[UserId] = frozenset()
    _good_until: float = 0.0

    async def followers_of(self, author: UserId, after: UserId, limit: int) -> Sequence[UserId]:
        return await self.reader.followers_after(author, after, limit)

    async def is_popular(self, author: UserId) -> bool:
        """As of now, unlike `popular`, which from then on names the author too."""
        return author in self._popular or author in await self._asked()

    async def popular(self) -> frozenset[UserId]:
        return self._popular if self.monotonic() < self._good_until else await self._asked()

    async def _asked(self) -> frozenset[UserId]:
        asked_at = self.monotonic()
        found = await self.reader.popular()
        if asked_at + self.ttl >= self._good_until:  # else a later question was answered sooner
            self._popular, self._good_until = found, asked_at + self.ttl
        return self._popular

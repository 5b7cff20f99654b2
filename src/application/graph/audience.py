"""The accounts that a post reaches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from application.graph.ports import GraphReader
from domain.shared import UserId


@dataclass(slots=True)
class FollowerAudience:
    """The followers of an author, and the authors with too many followers for a fan-out. Answers feeds."""

    reader: GraphReader
    monotonic: Callable[[], float]
    ttl: float = 1.0
    """Seconds for which the set of popular authors is cached. It is the same for all readers."""
    _popular: frozenset[UserId] = frozenset()
    _good_until: float = 0.0

    async def followers_of(self, author: UserId, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` followers with an id above `after`, in the order of their ids."""
        return await self.reader.followers_after(author, after, limit)

    async def is_popular(self, author: UserId) -> bool:
        """Whether the author is popular at this moment, cached or not. If so, `popular` includes the author from now
        on."""
        return author in self._popular or author in await self._read()

    async def popular(self) -> frozenset[UserId]:
        return self._popular if self.monotonic() < self._good_until else await self._read()

    async def _read(self) -> frozenset[UserId]:
        read_at = self.monotonic()
        found = await self.reader.popular()
        if read_at + self.ttl >= self._good_until:  # else a read that began later has finished earlier
            self._popular, self._good_until = found, read_at + self.ttl
        return self._popular

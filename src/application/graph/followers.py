"""The followers of authors, for the fan-out of posts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from application.graph.ports import GraphReader
from application.shared.readings import open_reading, rows_of
from domain.shared import UserId


@dataclass(slots=True)
class ReadFollowers:
    """Reads the followers of an author, and the authors with too many followers for a fan-out. Feeds asks."""

    reader: GraphReader
    monotonic: Callable[[], float]
    ttl: float = 1.0
    """Seconds for which the set of popular authors is cached. It is the same for all readers."""
    _popular: frozenset[UserId] = frozenset()
    _good_until: float = 0.0

    async def after(self, author: UserId, last: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` followers with an id above `last`, in the order of their ids."""
        return await self.reader.followers_after(author, last, limit)

    async def is_popular(self, author: UserId) -> bool:
        """Whether the author is popular at this moment, cached or not. If so, `popular` includes the author from now
        on."""
        return author in self._popular or author in await self._read()

    async def popular(self) -> frozenset[UserId]:
        found = self._popular if self.monotonic() < self._good_until else await self._read()
        if (reading := open_reading()) is not None:
            reading.watch("popular authors", self._peek, found, self.popular)
        return found

    def _peek(self) -> frozenset[UserId] | None:
        return self._popular if self.monotonic() < self._good_until else None

    async def _read(self) -> frozenset[UserId]:
        read_at = self.monotonic()
        with rows_of(()):  # `popular` watches the result
            found = await self.reader.popular()
        if read_at + self.ttl >= self._good_until:  # else a read that began later has finished earlier
            self._popular, self._good_until = found, read_at + self.ttl
        return self._popular

"""Rankings: made now and then, kept for all, and read in pages that hold while the next one is made."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from application.shared.caching import Cached, Codec
from application.shared.paging import Page, Window, page
from application.shared.ports import Clock

P = TypeVar("P")
S = TypeVar("S")

PRESENT = "present"
RANKS = 1024
"""More than any ranking has places: an edge is the number of the ranking times this, plus a rank."""


class Ranking(NamedTuple, Generic[P]):
    created_ms: int
    """In milliseconds since 1970; tells one ranking from the next."""
    items: Sequence[P]
    """The best first."""


def codec(schema: int, place: Callable[..., P]) -> Codec[Ranking[P]]:
    """For places that are tuples of strings, numbers and tuples of them."""

    def load(raw: bytes) -> Ranking[P]:
        created_ms, items = json.loads(raw)
        return Ranking(int(created_ms), [place(*map(_as_tuple, members)) for members in items])

    return Codec(schema, lambda ranking: json.dumps(ranking).encode(), load)


def _as_tuple(member: Any) -> Any:
    return tuple(member) if isinstance(member, list) else member


@dataclass(frozen=True, slots=True)
class Rankings(Generic[P]):
    """The present ranking, and those that were present some minutes ago, for who began to read them.

    A ranking that is gone from the cache is lost to its readers: they go on at the same rank of the present one.
    """

    kept: Cached[Ranking[P]]
    make: Callable[[], Awaitable[Sequence[P]]]
    now: Clock

    async def refresh(self) -> bool:
        """Make the ranking if the one that is kept is not fresh; whether it was made."""
        return await self.kept.refresh(PRESENT, self._made)

    async def page(
        self, window: Window, show: Callable[[Sequence[P]], Awaitable[Sequence[S | None]]], most: int
    ) -> Page[S]:
        """The page of what `show` shows of the places, which is given up to `most` of them at a time and leaves
        None where there is nothing to see: that is no place of the list. Edges are not ids but tell the rank."""
        created_ms, edge = divmod(window.edge or 0, RANKS)
        ranking = await self._of(created_ms)
        last = len(ranking.items)  # that of another ranking, in which the edge was, may have been greater
        ranks = range(min(edge - 1, last), 0, -1) if window.back else range(edge + 1, last + 1)
        found: list[tuple[int, S]] = []
        start, size = 0, min(window.limit + 1, most)
        while start < len(ranks) and len(found) <= window.limit:
            some = ranks[start : start + size]
            shown = await show([ranking.items[rank - 1] for rank in some])
            found += [(rank, one) for rank, one in zip(some, shown, strict=True) if one is not None]
            start, size = start + size, most  # where much is hidden, few looks are enough
        found = sorted(found[: window.limit + 1], key=lambda item: item[0])
        read = page(found, window, lambda item: ranking.created_ms * RANKS + item[0], newest_first=False)
        return Page([one for _rank, one in read.items], read.next, read.prev)

    async def _of(self, created_ms: int) -> Ranking[P]:
        ranking = await self.kept.peek(str(created_ms)) if created_ms else None
        return ranking or await self.kept.get(PRESENT, self._made) or Ranking(0, ())

    async def _made(self) -> Ranking[P]:
        now = int(self.now().timestamp() * 1000)
        ranking = Ranking(now, await self.make())
        await self.kept.put(str(now), ranking)
        return ranking

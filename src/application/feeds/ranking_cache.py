"""Rankings: made periodically, cached for all readers, and paged consistently while the next ranking is made."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from application.shared.caching import Cached, Codec
from application.shared.paging import Page, Window, page
from application.shared.ports import Clock
from domain.dataclasses import dataclass

P = TypeVar("P")
S = TypeVar("S")

CURRENT = "current"
RANKS = 1024
"""More than any ranking has items. An edge is `created_ms * RANKS + rank`."""


class Ranking(NamedTuple, Generic[P]):
    created_ms: int
    """Milliseconds since 1970. Identifies the ranking."""
    items: Sequence[P]
    """Best first."""


def codec(schema: int, make_item: Callable[..., P]) -> Codec[Ranking[P]]:
    """For items that are tuples of strings, numbers and tuples of these."""

    def load(raw: bytes) -> Ranking[P]:
        created_ms, items = json.loads(raw)
        return Ranking(int(created_ms), [make_item(*map(_as_tuple, members)) for members in items])

    return Codec(schema, lambda ranking: json.dumps(ranking).encode(), load)


def _as_tuple(member: Any) -> Any:
    return tuple(member) if isinstance(member, list) else member


@dataclass(frozen=True, slots=True)
class Rankings(Generic[P]):
    """The current ranking, and those of the last minutes for readers who are paging through them.

    If a ranking is no longer cached, its readers continue at the same rank of the current one."""

    kept: Cached[Ranking[P]]
    make: Callable[[], Awaitable[Sequence[P]]]
    now: Clock

    async def refresh(self) -> bool:
        """Make the ranking if the cached one is not fresh. Returns whether it was made."""
        return await self.kept.refresh(CURRENT, self._made)

    async def page(
        self, window: Window, visible: Callable[[Sequence[P]], Awaitable[Sequence[S | None]]], most: int
    ) -> Page[S]:
        """A page of the items that `visible` returns. `visible` gets up to `most` ranked items at a time and returns None for
        each that is not visible, which is then skipped. The edges of the page are ranks, not ids."""
        created_ms, edge = divmod(window.edge or 0, RANKS)
        ranking = await self._of(created_ms)
        last = len(ranking.items)  # an edge of another ranking may lie beyond the end of this one
        ranks = range(min(edge - 1, last), 0, -1) if window.back else range(edge + 1, last + 1)
        found: list[tuple[int, S]] = []
        start, size = 0, min(window.limit + 1, most)
        while start < len(ranks) and len(found) <= window.limit:
            some = ranks[start : start + size]
            shown_items = await visible([ranking.items[rank - 1] for rank in some])
            found += [(rank, one) for rank, one in zip(some, shown_items, strict=True) if one is not None]
            start, size = start + size, most  # after a partly hidden batch, larger batches need fewer queries
        found = sorted(found[: window.limit + 1], key=lambda item: item[0])
        read = page(found, window, lambda item: ranking.created_ms * RANKS + item[0], newest_first=False)
        return Page([one for _rank, one in read.items], read.next, read.prev)

    async def _of(self, created_ms: int) -> Ranking[P]:
        ranking = await self.kept.peek(str(created_ms)) if created_ms else None
        return ranking or await self.kept.get(CURRENT, self._made) or Ranking(0, ())

    async def _made(self) -> Ranking[P]:
        now = int(self.now().timestamp() * 1000)
        ranking = Ranking(now, await self.make())
        await self.kept.put(str(now), ranking)
        return ranking

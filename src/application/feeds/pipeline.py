"""A page of a feed: skeleton, hydrate, rules, and so on until the page is full or the feed ends."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

from application.feeds.polling import newer, settled
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Page, Window
from application.shared.ports import Clock
from domain.shared import MAX_ID, PostId, UserId, ViewerContext

MAX_ROUNDS = 6
"""Where so much is hidden that these do not fill a page, it is short, and its `next` goes on from there."""
SPARE = 2
"""Entries beyond the page in the first round. Where a few of a hundred people are muted, one or two are hidden on a
third of all pages: looking at two more costs a tenth of another round."""
MIN_ROUND, MAX_ROUND = 8, 400
"""Entries of a further round: four times as many as are missing, then sixteen times, and so on."""


class FeedPostView(Protocol):
    @property
    def author(self) -> UserId: ...
    @property
    def reply_to(self) -> PostId | None: ...


class FeedPost(Protocol):
    """A post as its reader sees it. What else it holds does not matter to feeds."""

    @property
    def post(self) -> FeedPostView: ...


S = TypeVar("S", bound=FeedPost)
S_co = TypeVar("S_co", bound=FeedPost, covariant=True)

Skeleton: TypeAlias = Callable[[Window], Awaitable[Sequence[FeedEntry]]]
"""What may stand in the window, newest first, those next to its edge; fewer than its limit only where the feed
ends. It may name what is hidden or gone."""


class HydrateFeed(Protocol[S_co]):
    """Hydrate: the question that feeds asks the module that has the posts."""

    async def __call__(
        self, viewer_context: ViewerContext, entries: Sequence[FeedEntry]
    ) -> Mapping[int, S_co]:
        """The posts of those of the entries that `viewer_context` may see, by the ids of the entries. A database
        decides, as of now, and no cache."""
        ...


Rules: TypeAlias = Callable[[Sequence[FeedEntry], Mapping[int, FeedPost]], Awaitable[Sequence[FeedEntry]]]
"""Those of the entries that stand in the feed, in their order; all that are given are among the shown."""


async def no_rules(entries: Sequence[FeedEntry], _shown: Mapping[int, FeedPost]) -> Sequence[FeedEntry]:
    """For a feed whose skeleton names nothing else."""
    return entries


@dataclass(frozen=True, slots=True)
class ReadPage(Generic[S]):
    """Newest first. Its `prev` is always there, to be asked again for what is new."""

    show: HydrateFeed[S]
    now: Clock

    async def __call__(
        self, viewer_context: ViewerContext, window: Window, skeleton: Skeleton, rules: Rules
    ) -> Page[S]:
        horizon = settled(self.now())  # before anything is read: what is older than this has arrived
        found: dict[int, S] = {}
        reached, more = window.edge, True
        size = window.limit + 1 + SPARE + len(window.seen)
        for number in range(1, MAX_ROUNDS + 1):
            entries = await skeleton(Window(size, reached, window.back))
            if entries:
                reached = entries[0 if window.back else -1].id
            more = len(entries) == size
            if window.seen:
                entries = [entry for entry in entries if entry.id not in window.seen]
            shown = await self.show(viewer_context, entries) if entries else {}
            for id_, _post, _by in await rules([entry for entry in entries if entry[0] in shown], shown):
                found[id_] = shown[id_]
            if not more or len(found) > window.limit:
                break
            missing = window.limit + 1 - len(found)
            size = min(max(MIN_ROUND, missing * 4**number), MAX_ROUND)
        return _page(window, found, reached if more else None, horizon)


def _page(window: Window, found: Mapping[int, S], reached: int | None, horizon: int) -> Page[S]:
    """`reached` is up to where was looked; None if the feed ends there."""
    limit = window.limit
    ids = sorted(found, reverse=not window.back)  # nearest to the edge first
    taken = ids[:limit]
    end = taken[-1] if len(ids) > limit else reached
    if window.back:
        taken.reverse()
        top = MAX_ID if end is None else end
        prev = newer(limit, (*taken, *window.seen), window.edge or 0, top, horizon)
        # Nothing new: the list goes on where it begins, as on every page.
        following = Window(limit, taken[-1] if taken else MAX_ID)
        return Page([found[id_] for id_ in taken], following, prev)
    return Page(
        [found[id_] for id_ in taken],
        None if end is None else Window(limit, end),
        newer(limit, taken, *_span(window, taken, end), horizon),
    )


def _span(window: Window, taken: Sequence[int], end: int | None) -> tuple[int, int]:
    """Between which ids a page that goes down has given all that there is."""
    from_newest = window.edge is None or window.edge == MAX_ID
    bottom = 0 if end is None else end - 1
    if from_newest:
        return bottom, MAX_ID
    above = window.edge - 1 if window.edge else 0
    return (min(bottom, above), taken[0]) if taken else (above, above)

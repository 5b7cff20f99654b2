"""Builds a page of a feed: skeleton, hydration, rules; repeated until the page is full or the feed ends.

Ids order by time of creation, not by commit: when an entry is read, one with a smaller id may still be uncommitted. The
cursor for newer entries therefore stays behind, where everything has arrived, and lists the ids beyond its edge that the
client already has. So a client misses no entry and gets none twice."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeAlias, TypeVar

from application.shared.feed_entries import FeedEntries, FeedEntry
from application.shared.paging import Page, Window
from application.shared.ports import Clock
from domain.dataclasses import dataclass
from domain.feeds import appears_as_published
from domain.shared import MAX_ID, PostId, UserId, ViewerContext

MAX_ROUNDS = 6
"""If so many posts are hidden that these rounds do not fill a page, the page is short, and its `next` goes on from
there."""
SPARE = 2
"""Extra entries in the first round. If a reader mutes a few of a hundred accounts, one or two entries are hidden on a
third of all pages. Hydrating two more costs a tenth of another round."""
MIN_ROUND, MAX_ROUND = 8, 400
"""Limits of the entries in a further round, which reads four times as many as are missing, then sixteen times, and so
on."""


class FeedPostView(Protocol):
    @property
    def visibility(self) -> str: ...
    @property
    def author(self) -> UserId: ...
    @property
    def reply_to(self) -> PostId | None: ...


class FeedPost(Protocol):
    """A post as the reader sees it. Feeds use only these members."""

    @property
    def post(self) -> FeedPostView: ...


S = TypeVar("S", bound=FeedPost)
S_co = TypeVar("S_co", bound=FeedPost, covariant=True)

Skeleton: TypeAlias = Callable[[Window], Awaitable[Sequence[FeedEntry]]]
"""Returns candidates of the window, newest first, starting at its edge. Returns fewer than the limit only where the
feed ends. FeedEntries may be hidden or deleted."""


class HydrateFeed(Protocol[S_co]):
    """Hydration: turns feed entries into posts. The module posts provides it."""

    async def __call__(
        self, viewer_context: ViewerContext, entries: Sequence[FeedEntry]
    ) -> Mapping[int, S_co]:
        """The posts that `viewer_context` may see, by entry id. The database decides now; no cache is asked."""
        ...


Rules: TypeAlias = Callable[[Sequence[FeedEntry], Mapping[int, FeedPost]], Awaitable[Sequence[FeedEntry]]]
"""Returns the entries that belong to the feed, in their order. Every given entry is among the hydrated posts."""


async def no_rules(entries: Sequence[FeedEntry], _hydrated: Mapping[int, FeedPost]) -> Sequence[FeedEntry]:
    """For feeds whose skeleton returns nothing that rules would hide."""
    return entries


@dataclass(frozen=True, slots=True)
class ReadPage(Generic[S]):
    """Reads a page, newest first. `prev` is always set: the client asks it again for newer posts."""

    hydrate: HydrateFeed[S]
    now: Clock

    async def __call__(
        self, viewer_context: ViewerContext, window: Window, skeleton: Skeleton, rules: Rules
    ) -> Page[S]:
        horizon = settled(self.now())  # taken before anything is read: everything older has arrived
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
            hydrated = await self.hydrate(viewer_context, entries) if entries else {}
            for id_, _post, _by in await rules(
                [entry for entry in entries if entry[0] in hydrated], hydrated
            ):
                found[id_] = hydrated[id_]
            if not more or len(found) > window.limit:
                break
            missing = window.limit + 1 - len(found)
            size = min(max(MIN_ROUND, missing * 4**number), MAX_ROUND)
        return _page(window, found, reached if more else None, horizon)


def _page(window: Window, found: Mapping[int, S], reached: int | None, horizon: int) -> Page[S]:
    """`reached` is the last id that was looked at; None if the feed ends there."""
    limit = window.limit
    ids = sorted(found, reverse=not window.back)  # nearest to the edge first
    taken = ids[:limit]
    end = taken[-1] if len(ids) > limit else reached
    if window.back:
        taken.reverse()
        top = MAX_ID if end is None else end
        prev = newer(limit, (*taken, *window.seen), window.edge or 0, top, horizon)
        # Without new entries the list goes on at its beginning, as on every page.
        following = Window(limit, taken[-1] if taken else MAX_ID)
        return Page([found[id_] for id_ in taken], following, prev)
    return Page(
        [found[id_] for id_ in taken],
        None if end is None else Window(limit, end),
        newer(limit, taken, *_span(window, taken, end), horizon),
    )


def _span(window: Window, taken: Sequence[int], end: int | None) -> tuple[int, int]:
    """The range of ids (exclusive, inclusive) in which a page towards older entries is complete."""
    from_newest = window.edge is None or window.edge == MAX_ID
    bottom = 0 if end is None else end - 1
    if from_newest:
        return bottom, MAX_ID
    above = window.edge - 1 if window.edge else 0
    return (min(bottom, above), taken[0]) if taken else (above, above)


SETTLED = timedelta(seconds=10)
"""After this time a transaction has ended, and its entries have reached the timelines."""
MAX_SEEN = 40
"""Most ids that a cursor lists. If more entries arrived within SETTLED, the edge moves up to them."""


def settled(now: datetime) -> int:
    """Every id up to this one is committed, or never will be."""
    return int((now - SETTLED).timestamp() * 1000) << 16


def newer(limit: int, given: Collection[int], bottom: int, top: int, settled: int) -> Window:
    """The window of the entries that follow a page.

    `given` are the ids that the reader has: all of those with bottom < id <= top that had arrived. `top` is MAX_ID if
    the page went up to the newest entry."""
    edge = max(bottom, min(settled, top))
    beyond = sorted((id_ for id_ in given if id_ > edge), reverse=True)
    if len(beyond) > MAX_SEEN:
        edge = min(beyond[MAX_SEEN], top)
        beyond = [id_ for id_ in beyond if id_ > edge]
    return Window(limit, min(edge, MAX_ID), back=True, seen=tuple(beyond))


@dataclass(frozen=True, slots=True)
class OncePerPost:
    """Shows each post once, where it first appeared by one of the sources, and hides posts by muted accounts, whoever
    reposted them."""

    feed_entries: FeedEntries
    sources: Collection[UserId]
    muted: Collection[UserId] = ()

    async def __call__(
        self, entries: Sequence[FeedEntry], hydrated: Mapping[int, FeedPost]
    ) -> Sequence[FeedEntry]:
        kept: list[FeedEntry] = []
        reposts: set[FeedEntry] = set()
        for entry in entries:
            id_, post, _by = entry
            seen = hydrated[id_].post
            author = seen.author
            if author in self.muted:
                continue
            as_published = appears_as_published(author, self.sources, is_comment=seen.reply_to is not None)
            if id_ != post:
                if as_published:
                    continue
                reposts.add(entry)
            elif not as_published:
                continue
            kept.append(entry)
        if not reposts:
            return kept
        first = await self.feed_entries.first_reposts({entry.post for entry in reposts}, self.sources)
        # A repost that was undone meanwhile is not the first.
        return [entry for entry in kept if entry not in reposts or first.get(entry.post) == entry.id]

"""Trending posts and hashtags: ranked by engagement periodically, filtered for each viewer at read time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from application.feeds.pipeline import FeedPost, FeedPostView, HydrateFeed
from application.feeds.ranking_cache import Rankings
from application.feeds.signals import AccountVisibility, SignalsReader
from application.feeds.trending_formula import (
    MIN_TAG_ACCOUNTS,
    SAMPLES,
    WINDOW_MS,
    EngagementSignal,
    HashtagSignal,
    HashtagTally,
    RankedPost,
    RankedTag,
    Tally,
)
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Page, Window
from application.shared.ports import Clock, ViewerContexts
from domain.dataclasses import dataclass
from domain.shared import PostId, UserId, ViewerContext

BATCH = 2_000
"""Signals per query."""
MAX_READ = 100_000
"""Most signals that are counted, the newest. If there are more, the older ones weigh little."""
MAX_CANDIDATES = 2_000
HYDRATE_BATCH = 100
"""Posts that are hydrated together."""


S = TypeVar("S", bound=FeedPost)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class RankPosts(Generic[S]):
    """Ranks public posts without comments. Later changes of a post are considered when the ranking is read."""

    reader: SignalsReader
    hydrate: HydrateFeed[S]
    now: Clock

    async def __call__(self) -> Sequence[RankedPost]:
        now = _millis(self.now)
        tally = Tally(now)

        async def add(last: EngagementSignal | None) -> Sequence[EngagementSignal]:
            signals = await self.reader.signals(now - WINDOW_MS, last, BATCH)
            tally.add(signals)
            return signals

        await _in_batches(add)
        # In threads: each call takes 100 ms for 100,000 signals.
        authors = await self._authors(await asyncio.to_thread(tally.candidates, MAX_CANDIDATES))
        return await asyncio.to_thread(tally.ranking, authors)

    async def _authors(self, posts: Sequence[PostId]) -> Mapping[PostId, UserId]:
        found: dict[PostId, UserId] = {}
        for start in range(0, len(posts), HYDRATE_BATCH):
            hydrated = await self.hydrate(
                ViewerContext(), [_entry(post) for post in posts[start : start + HYDRATE_BATCH]]
            )
            found |= {
                PostId(post): seen.post.author for post, seen in hydrated.items() if may_trend(seen.post)
            }
        return found


@dataclass(frozen=True, slots=True)
class RankTags:
    """Ranks hashtags by the public posts of accounts that are visible to everybody."""

    reader: SignalsReader
    accounts: AccountVisibility
    now: Clock

    async def __call__(self) -> Sequence[RankedTag]:
        now = _millis(self.now)
        tally = HashtagTally(now)

        async def add(last: HashtagSignal | None) -> Sequence[HashtagSignal]:
            signals = await self.reader.hashtag_signals(now - WINDOW_MS, last, BATCH)
            restricted = await self.accounts.restricted({signal.user for signal in signals})
            tally.add(signal for signal in signals if signal.user not in restricted)
            return signals

        await _in_batches(add)
        return await asyncio.to_thread(tally.ranking)


@dataclass(frozen=True, slots=True)
class ListTrendingPosts(Generic[S]):
    """The trending posts that the viewer may see, except those of accounts that they muted."""

    rankings: Rankings[RankedPost]
    hydrate: HydrateFeed[S]
    viewer_contexts: ViewerContexts

    async def __call__(self, viewer: UserId | None, window: Window) -> Page[S]:
        viewer_context = await self.viewer_contexts.of(viewer)

        async def visible(ranking: Sequence[RankedPost]) -> Sequence[S | None]:
            hydrated = await self.hydrate(viewer_context, [_entry(ranked.post) for ranked in ranking])
            found = [hydrated.get(ranked.post) for ranked in ranking]
            return [seen if seen and _listed(seen.post, viewer_context) else None for seen in found]

        return await self.rankings.page(window, visible, HYDRATE_BATCH)


@dataclass(frozen=True, slots=True)
class ListTrendingTags(Generic[S]):
    """The trending hashtags, the same for every viewer. A hashtag is listed while several accounts still have public
    posts with it."""

    rankings: Rankings[RankedTag]
    hydrate: HydrateFeed[S]

    async def __call__(self, window: Window) -> Page[RankedTag]:
        async def visible(ranking: Sequence[RankedTag]) -> Sequence[RankedTag | None]:
            samples = [_entry(post) for ranked in ranking for post in ranked.samples]
            hydrated = await self.hydrate(ViewerContext(), list(dict.fromkeys(samples)))
            return [ranked if self._in_use(ranked, hydrated) else None for ranked in ranking]

        return await self.rankings.page(window, visible, HYDRATE_BATCH // SAMPLES)

    @staticmethod
    def _in_use(ranked: RankedTag, hydrated: Mapping[int, S]) -> bool:
        rows = [hydrated[post].post for post in ranked.samples if post in hydrated]
        return len({row.author for row in rows if row.visibility == "public"}) >= MIN_TAG_ACCOUNTS


@dataclass(frozen=True, slots=True)
class RefreshTrending:
    """Makes the rankings that are not fresh, so that no reader waits for them. Idempotent."""

    posts: Rankings[RankedPost]
    tags: Rankings[RankedTag]

    async def __call__(self) -> None:
        await self.posts.refresh()
        await self.tags.refresh()


def may_trend(row: FeedPostView) -> bool:
    return row.visibility == "public" and row.reply_to is None


def _listed(row: FeedPostView, viewer_context: ViewerContext) -> bool:
    return may_trend(row) and row.author not in viewer_context.muted


def _entry(post: PostId) -> FeedEntry:
    return FeedEntry(post, post, UserId(0))


async def _in_batches(add: Callable[[V | None], Awaitable[Sequence[V]]]) -> None:
    """Call `add` batch by batch, each time with the last item of the previous batch."""
    last: V | None = None
    for _ in range(MAX_READ // BATCH):
        batch = await add(last)
        if len(batch) < BATCH:
            return
        last = batch[-1]


def _millis(now: Clock) -> int:
    return int(now().timestamp() * 1000)

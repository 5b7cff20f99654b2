"""The module feeds: home, public and hashtag feeds, those of users, and what trends."""

from collections.abc import Callable, Sequence
from typing import Generic, Self

from application.feeds import ranking_cache
from application.feeds.event_handlers import DropTimeline, FanOut, is_no_comment
from application.feeds.home import GatherHome, ReadHomeFeed
from application.feeds.pipeline import HydrateFeed, ReadPage
from application.feeds.ports import AuthorFollowers, HomeViewers, Timelines
from application.feeds.read_feeds import ReadHashtagFeed, ReadPublicFeed, ReadUserFeed
from application.feeds.record_signals import (
    EraseAccountSignals,
    RecordEngagement,
    RecordPostSignals,
    gives_signals,
)
from application.feeds.signals import AccountVisibility
from application.feeds.stores import FeedsStores
from application.feeds.trending import (
    ListTrendingPosts,
    ListTrendingTags,
    RankPosts,
    RankTags,
    RefreshTrending,
    S,
)
from application.feeds.trending_formula import RankedPost, RankedTag
from application.shared.caching import Cache, Cached, Times
from application.shared.events import (
    AccountDeleted,
    Edited,
    Liked,
    PostDeleted,
    Published,
    Reposted,
    Unliked,
    Unreposted,
)
from application.shared.feed_entries import FeedEntries
from application.shared.people import Cards
from application.shared.ports import Clock, PurgeExpired, ViewerContexts
from application.shared.subscriptions import Subscription, on
from domain.dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsNeeds(Generic[S]):
    """The dependencies of feeds: other modules, services and settings. `S` is the type of a hydrated post."""

    viewer_contexts: ViewerContexts
    followers: AuthorFollowers
    feed_entries: FeedEntries
    hydrate: HydrateFeed[S]
    canonical_tag: Callable[[str], str | None]
    """The canonical form of a hashtag; None if it is none."""
    people: Cards
    accounts: AccountVisibility
    home_viewers: HomeViewers
    timelines: Timelines
    cache: Cache
    times: Times
    """Of what trends."""
    random: Callable[[], float]
    """Evenly between 0 and 1."""
    now: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsModule(Generic[S]):
    """The use cases of feeds, and what it offers to other modules. `S` is the type of a hydrated post."""

    read_home_feed: ReadHomeFeed[S]
    read_public_feed: ReadPublicFeed[S]
    read_hashtag_feed: ReadHashtagFeed[S]
    read_user_feed: ReadUserFeed[S]
    list_trending_posts: ListTrendingPosts[S]
    list_trending_tags: ListTrendingTags[S]

    # Background work
    refresh_trending: RefreshTrending
    purge_expired: PurgeExpired

    # Handlers of events
    fan_out: FanOut
    drop_timeline: DropTimeline
    record_engagement: RecordEngagement
    record_post_signals: RecordPostSignals
    erase_account_signals: EraseAccountSignals

    @classmethod
    def build(cls, *, stores: FeedsStores, needs: FeedsNeeds[S]) -> Self:
        viewer_contexts, feed_entries, now = needs.viewer_contexts, needs.feed_entries, needs.now
        timelines, followers, hydrate = needs.timelines, needs.followers, needs.hydrate
        read_page = ReadPage(hydrate=hydrate, now=now)
        gather_home = GatherHome(timelines=timelines, feed_entries=feed_entries, followers=followers)
        posts = ranking_cache.Rankings(
            kept=Cached(
                name="trending:posts",
                cache=needs.cache,
                codec=ranking_cache.codec(1, RankedPost),
                times=needs.times,
                now=now,
                random=needs.random,
            ),
            make=RankPosts(reader=stores.signals, hydrate=hydrate, now=now),
            now=now,
        )
        tags = ranking_cache.Rankings(
            kept=Cached(
                name="trending:tags",
                cache=needs.cache,
                codec=ranking_cache.codec(1, RankedTag),
                times=needs.times,
                now=now,
                random=needs.random,
            ),
            make=RankTags(reader=stores.signals, accounts=needs.accounts, now=now),
            now=now,
        )
        return cls(
            read_home_feed=ReadHomeFeed(
                viewer_contexts=viewer_contexts,
                gather=gather_home,
                feed_entries=feed_entries,
                read_page=read_page,
            ),
            read_public_feed=ReadPublicFeed(
                viewer_contexts=viewer_contexts, feed_entries=feed_entries, read_page=read_page
            ),
            read_hashtag_feed=ReadHashtagFeed(
                canonical=needs.canonical_tag,
                viewer_contexts=viewer_contexts,
                feed_entries=feed_entries,
                read_page=read_page,
            ),
            read_user_feed=ReadUserFeed(
                viewer_contexts=viewer_contexts,
                feed_entries=feed_entries,
                people=needs.people,
                read_page=read_page,
            ),
            list_trending_posts=ListTrendingPosts(
                rankings=posts, hydrate=hydrate, viewer_contexts=viewer_contexts
            ),
            list_trending_tags=ListTrendingTags(rankings=tags, hydrate=hydrate),
            refresh_trending=RefreshTrending(posts=posts, tags=tags),
            fan_out=FanOut(timelines=timelines, followers=followers, home_viewers=needs.home_viewers),
            drop_timeline=DropTimeline(timelines),
            record_engagement=RecordEngagement(stores.open_tx),
            record_post_signals=RecordPostSignals(open_tx=stores.open_tx, now=now),
            erase_account_signals=EraseAccountSignals(stores.open_tx),
            purge_expired=stores.purge_expired,
        )

    def subscriptions(self) -> Sequence[Subscription]:
        return [
            on(Published, "feeds.fan_out", self.fan_out, is_no_comment),
            on(Reposted, "feeds.fan_out", self.fan_out),
            on(AccountDeleted, "feeds.drop_timeline", self.drop_timeline),
            on(Published, "feeds.record_signals", self.record_post_signals, gives_signals),
            on(Edited, "feeds.record_signals", self.record_post_signals, gives_signals),
            on(PostDeleted, "feeds.record_signals", self.record_post_signals),
            on(Liked, "feeds.record_signals", self.record_engagement),
            on(Unliked, "feeds.record_signals", self.record_engagement),
            on(Reposted, "feeds.record_signals", self.record_engagement),
            on(Unreposted, "feeds.record_signals", self.record_engagement),
            on(AccountDeleted, "feeds.erase_signals", self.erase_account_signals),
        ]

"""Timelines: how they are built, and that they never change what the home feed returns."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.feeds.timelines import MemoryTimelines
from application.shared.events import AccountDeleted
from application.shared.feed_entries import FeedEntries, FeedEntry
from application.shared.paging import Window
from domain.posts import Visibility
from domain.shared import EventId, PostId, UserId
from tests.port_contracts.stores import Stores, memory
from tests.unit.feeds_harness import TIMELINES, VISIBILITIES, FeedsHarness, ids_of, users


@dataclass
class InterleavedCandidates:
    """The candidates. An action runs between the query and its result."""

    candidates: FeedEntries
    action: Callable[[], Awaitable[object]] | None = None
    asked: int = 0

    async def by_sources(
        self, sources: Collection[UserId], window: Window, last: int | None = None
    ) -> Sequence[FeedEntry]:
        self.asked += 1
        found = await self.candidates.by_sources(sources, window, last)
        if (action := self.action) is not None:
            self.action = None
            await action()
        await asyncio.sleep(0)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.candidates, name)


def with_entries(stores: Stores, entries: InterleavedCandidates) -> Stores:
    return replace(stores, posts=replace(stores.posts, feed_entries=cast("FeedEntries", entries)))


async def test_a_timeline_contains_posts_published_while_it_is_built() -> None:
    async with memory() as stores:
        interleaved = InterleavedCandidates(stores.posts.feed_entries)
        feeds = FeedsHarness(with_entries(stores, interleaved), MemoryTimelines(), users(6))
        ann, bob, *_ = feeds.users
        feeds.follow(ann, bob)
        early = await feeds.publish(bob)
        interleaved.action = partial(feeds.publish, bob)

        found = ids_of(await feeds.home(ann, Window(5)))

        assert found[1:] == [early.id]
        assert found[0] > early.id


async def test_concurrent_reads_build_a_timeline_once() -> None:
    async with memory() as stores:
        interleaved = InterleavedCandidates(stores.posts.feed_entries)
        feeds = FeedsHarness(with_entries(stores, interleaved), MemoryTimelines(), users(6))
        ann, bob, *_ = feeds.users
        feeds.follow(ann, bob)
        post = await feeds.publish(bob)

        pages = await asyncio.gather(*(feeds.home(ann, Window(5)) for _ in range(10)))

        assert [ids_of(page) for page in pages] == [[post.id]] * 10
        assert interleaved.asked == 1 + 10, "once for the timeline, and for each page what is one's own"


async def test_a_cancelled_read_does_not_cancel_the_build_for_others() -> None:
    async with memory() as stores:
        feeds = FeedsHarness(stores, MemoryTimelines(), users(6))
        ann, bob, *_ = feeds.users
        feeds.follow(ann, bob)
        post = await feeds.publish(bob)
        impatient = asyncio.create_task(feeds.home(ann, Window(5)))
        patient = asyncio.create_task(feeds.home(ann, Window(5)))
        await asyncio.sleep(0)

        impatient.cancel()

        assert ids_of(await patient) == [post.id]


async def test_deleting_an_account_drops_its_timeline(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    await feeds.publish(bob)
    await feeds.home(ann, Window(5))

    await feeds.drop_timeline(AccountDeleted(user_id=ann), EventId(1))

    assert await feeds.timelines.read(ann, feeds.versions[ann], Window(5)) is None


WHO = st.integers(0, 5)
STEP = st.one_of(
    st.tuples(st.just("publish"), WHO, st.sampled_from(VISIBILITIES), st.booleans()),
    st.tuples(st.just("reply"), WHO, st.integers(0, 50), st.booleans()),
    st.tuples(st.just("repost"), WHO, st.integers(0, 50), st.booleans()),
    st.tuples(st.sampled_from(["undo repost", "delete"]), WHO, st.integers(0, 50), st.booleans()),
    st.tuples(
        st.sampled_from(["follow", "follow", "block", "mute", "make popular"]), WHO, WHO, st.booleans()
    ),
    st.tuples(st.sampled_from(["read", "read", "deliver late", "flush"]), WHO, WHO, st.booleans()),
)


async def act(feeds: FeedsHarness, what: str, user: UserId, which: int | Visibility, on: bool) -> None:
    if what == "publish":
        await feeds.publish(user, visibility=which, delivered=on)
    elif what == "deliver late":
        await feeds.deliver_late()
    elif what == "read":
        await feeds.home(user, Window(4))
    elif what == "flush":
        await feeds.timelines.drop(feeds.users if on else [user])
    elif what in {"follow", "block", "mute", "make popular"}:
        relate(feeds, what, user, feeds.users[int(which)], on)
    elif posts := [*feeds.posts.values()]:
        await act_on_post(feeds, what, user, posts[int(which) % len(posts)].id, on)


def relate(feeds: FeedsHarness, what: str, user: UserId, other: UserId, on: bool) -> None:
    if what == "follow":
        feeds.follow(user, other, on=on)
    elif what == "block":
        feeds.block(user, other, on=on)
    elif what == "make popular":
        feeds.popular_accounts.add(other)
    elif user != other:
        (feeds.mutes[user].add if on else feeds.mutes[user].discard)(other)


async def act_on_post(feeds: FeedsHarness, what: str, user: UserId, post: PostId, on: bool) -> None:
    if what == "reply":
        await feeds.publish(user, reply_to=post, delivered=on)
    elif what == "repost":
        await feeds.repost(user, post, delivered=on)
    elif what == "undo repost":
        await feeds.unrepost(user, post)
    else:
        await feeds.delete(post)


@settings(deadline=None, max_examples=60)
@given(kind=st.sampled_from([*TIMELINES]), steps=st.lists(STEP, max_size=50), limit=st.integers(1, 7))
async def test_a_feed_is_the_same_with_warm_cold_flushed_and_rebuilt_timelines(
    kind: str, steps: list[tuple[str, int, int | Visibility, bool]], limit: int
) -> None:
    """DI-8."""
    async with memory() as stores:
        feeds = FeedsHarness(stores, TIMELINES[kind](), users(6))
        for number, user in enumerate(feeds.users):
            feeds.follow(user, feeds.users[(number + 1) % 6])
        for what, who, which, on in steps:
            await act(feeds, what, feeds.users[who], which, on)
        await feeds.deliver_late()

        for reader in feeds.users:
            expected_home = await feeds.expected_home(reader)
            assert await feeds.read_all(reader, limit) == expected_home
            await feeds.timelines.drop([reader])
            assert await feeds.read_all(reader, limit) == expected_home

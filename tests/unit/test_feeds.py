"""Feeds: what stands in them, that caches change nothing of it, and that pages lose and repeat nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.feeds import MemoryTimelines, NoTimelines
from application.feeds.home import SEGMENT_SIZE
from application.feeds.polling import MAX_SEEN, newer
from application.feeds.ports import MAX_TIMELINE_ENTRIES, Candidates, Timelines
from application.feeds.read_feeds import NoSuchHashtag
from application.shared.events import AccountDeleted
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from domain.posts import Visibility, find_entities, resolve_mentions
from domain.shared import EventId, PostId, UserId, UserNotFound
from tests.port_contracts.stores import memory, new_id
from tests.unit.feed_reference import VISIBILITIES, World, ids_of
from tests.unit.people import refused

KINDS: dict[str, Callable[[], Timelines]] = {
    "warm": MemoryTimelines,
    "crowded": lambda: MemoryTimelines(readers=2),
    "absent": NoTimelines,
}


def users(count: int) -> Sequence[UserId]:
    return [UserId(new_id()) for _ in range(count)]


@pytest.fixture(params=[*KINDS])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with memory() as stores:
        yield World(stores, KINDS[request.param](), users(6))


BEES: Mapping[str, Any] = {"text": "#bees", "entities": resolve_mentions(find_entities("#bees"), {})}


# --- What stands in the home feed --------------------------------------------------------------------


async def test_one_sees_what_one_follows_and_one_s_own_newest_first(world: World) -> None:
    ann, bob, cid, *_ = world.users
    world.follow(ann, bob)
    of_bob, own, _of_cid = await world.says(bob), await world.says(ann), await world.says(cid)

    assert ids_of(await world.home(ann, Window(5))) == [own.id, of_bob.id]
    newest = await world.says(bob)
    assert ids_of(await world.home(ann, Window(5))) == [newest.id, own.id, of_bob.id]


async def test_a_post_and_what_one_publishes_is_there_before_any_fact_is_delivered(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    world.crowds.add(bob)
    await world.home(ann, Window(5))

    own, famous = await world.says(ann, told=False), await world.says(bob, told=False)

    assert ids_of(await world.home(ann, Window(5))) == [famous.id, own.id]


async def test_comments_come_by_reposts_only(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    post = await world.says(bob)
    comment = await world.says(bob, reply_to=post.id)
    assert ids_of(await world.home(ann, Window(5))) == [post.id]

    await world.repost(bob, comment.id)

    first = (await world.home(ann, Window(5))).items[0]
    assert (first.post.id, first.reposted_by) == (comment.id, bob)


async def test_a_post_stands_where_it_came_first_and_once(world: World) -> None:
    ann, bob, cid, dan, eve, _ = world.users
    for other in (bob, cid):
        world.follow(ann, other)
    of_bob, of_eve = await world.says(bob), await world.says(eve)
    await world.repost(cid, of_bob.id)
    await world.repost(dan, of_eve.id)  # nobody to ann
    await world.repost(cid, of_eve.id)
    await world.repost(bob, of_eve.id)
    await world.repost(ann, of_eve.id)

    page = await world.home(ann, Window(9))

    assert [(seen.post.id, seen.reposted_by) for seen in page.items] == [(of_eve.id, cid), (of_bob.id, None)]
    await world.unrepost(cid, of_eve.id)
    page = await world.home(ann, Window(9))
    assert [(seen.post.id, seen.reposted_by) for seen in page.items] == [(of_eve.id, bob), (of_bob.id, None)]


async def test_who_is_muted_is_not_met_at_home_not_even_by_a_repost(world: World) -> None:
    ann, bob, cid, dan, *_ = world.users
    world.follow(ann, bob)
    world.follow(ann, cid)
    await world.says(bob)
    of_dan, of_cid = await world.says(dan), await world.says(cid)
    await world.repost(bob, of_dan.id)
    await world.repost(cid, (await world.says(bob)).id)
    await world.home(ann, Window(9))  # the timeline is warm, and muting does not end it

    world.mutes[ann].add(bob)
    assert ids_of(await world.home(ann, Window(9))) == [of_cid.id]

    world.mutes[ann].clear()
    assert len(ids_of(await world.home(ann, Window(9)))) == 4


async def test_what_is_hidden_leaves_no_hole_in_a_page(world: World) -> None:
    ann, bob, cid, *_ = world.users
    world.follow(ann, bob)
    world.follow(ann, cid)
    shown = [(await world.says(cid)).id for _ in range(4)]
    for _ in range(60):
        await world.says(bob, visibility=Visibility.DIRECT)

    page = await world.home(ann, Window(3))

    assert ids_of(page) == shown[:0:-1]
    assert page.next is not None
    assert ids_of(await world.home(ann, page.next)) == shown[:1]


async def test_where_too_much_is_hidden_a_page_is_short_and_not_the_end(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    oldest = await world.says(bob)
    for _ in range(1600):
        post = await world.says(bob, visibility=Visibility.DIRECT)

    pages = [await world.home(ann, Window(2))]
    while pages[-1].next is not None:
        pages.append(await world.home(ann, pages[-1].next))

    assert ids_of(pages[0]) == []
    assert [id_ for page in pages for id_ in ids_of(page)] == [oldest.id]
    assert post.id > oldest.id


async def test_one_scrolls_beyond_what_a_timeline_holds(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    said = [(await world.says(bob)).id for _ in range(MAX_TIMELINE_ENTRIES + SEGMENT_SIZE + 5)]

    lines = await world.whole(ann, limit=37)

    assert [post for _, post, _ in lines] == said[::-1]


async def test_one_s_own_old_posts_wait_their_turn_below_what_a_timeline_holds(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    said = [(await world.says(who)).id for who in [ann] * 40 + [bob] * (SEGMENT_SIZE + 50)]

    lines = await world.whole(ann, limit=30)

    assert [post for _, post, _ in lines] == said[::-1]


@dataclass
class Meanwhile:
    """The candidates, and what happens after they were read and before the answer arrives."""

    candidates: Candidates
    happens: Callable[[], Awaitable[object]] | None = None
    asked: int = 0

    async def by_sources(
        self, sources: Collection[UserId], window: Window, last: int | None = None
    ) -> Sequence[FeedEntry]:
        self.asked += 1
        found = await self.candidates.by_sources(sources, window, last)
        if (happens := self.happens) is not None:
            self.happens = None
            await happens()
        await asyncio.sleep(0)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.candidates, name)


async def test_what_is_published_while_a_timeline_is_built_is_in_it() -> None:
    async with memory() as stores:
        meanwhile = Meanwhile(stores.entries)
        world = World(replace(stores, entries=cast("Candidates", meanwhile)), MemoryTimelines(), users(6))
        ann, bob, *_ = world.users
        world.follow(ann, bob)
        early = await world.says(bob)
        meanwhile.happens = partial(world.says, bob)

        found = ids_of(await world.home(ann, Window(5)))

        assert found[1:] == [early.id]
        assert found[0] > early.id


async def test_a_timeline_is_built_once_however_many_ask_for_it() -> None:
    async with memory() as stores:
        meanwhile = Meanwhile(stores.entries)
        world = World(replace(stores, entries=cast("Candidates", meanwhile)), MemoryTimelines(), users(6))
        ann, bob, *_ = world.users
        world.follow(ann, bob)
        post = await world.says(bob)

        pages = await asyncio.gather(*(world.home(ann, Window(5)) for _ in range(10)))

        assert [ids_of(page) for page in pages] == [[post.id]] * 10
        assert meanwhile.asked == 1 + 10, "once for the timeline, and for each page what is one's own"


async def test_a_reader_who_goes_away_does_not_stop_the_building_for_others() -> None:
    async with memory() as stores:
        world = World(stores, MemoryTimelines(), users(6))
        ann, bob, *_ = world.users
        world.follow(ann, bob)
        post = await world.says(bob)
        impatient = asyncio.create_task(world.home(ann, Window(5)))
        patient = asyncio.create_task(world.home(ann, Window(5)))
        await asyncio.sleep(0)

        impatient.cancel()

        assert ids_of(await patient) == [post.id]


async def test_an_account_that_goes_takes_its_timeline_along(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    await world.says(bob)
    await world.home(ann, Window(5))

    await world.drop(AccountDeleted(user_id=ann), EventId(1))

    assert await world.timelines.read(ann, world.versions[ann], Window(5)) is None


# --- Caches change nothing -------------------------------------------------------------------------

WHO = st.integers(0, 5)
STEP = st.one_of(
    st.tuples(st.just("says"), WHO, st.sampled_from(VISIBILITIES), st.booleans()),
    st.tuples(st.just("answers"), WHO, st.integers(0, 50), st.booleans()),
    st.tuples(st.just("reposts"), WHO, st.integers(0, 50), st.booleans()),
    st.tuples(st.sampled_from(["unreposts", "deletes"]), WHO, st.integers(0, 50), st.booleans()),
    st.tuples(st.sampled_from(["follows", "follows", "blocks", "mutes", "crowd"]), WHO, WHO, st.booleans()),
    st.tuples(st.sampled_from(["reads", "reads", "catches up", "flushes"]), WHO, WHO, st.booleans()),
)


async def act(world: World, what: str, user: UserId, which: int | Visibility, on: bool) -> None:
    if what == "says":
        await world.says(user, visibility=which, told=on)
    elif what == "catches up":
        await world.catch_up()
    elif what == "reads":
        await world.home(user, Window(4))
    elif what == "flushes":
        await world.timelines.drop(world.users if on else [user])
    elif what in {"follows", "blocks", "mutes", "crowd"}:
        relate(world, what, user, world.users[int(which)], on)
    elif posts := [*world.posts.values()]:
        await treat(world, what, user, posts[int(which) % len(posts)].id, on)


def relate(world: World, what: str, user: UserId, other: UserId, on: bool) -> None:
    if what == "follows":
        world.follow(user, other, on=on)
    elif what == "blocks":
        world.block(user, other, on=on)
    elif what == "crowd":
        world.crowds.add(other)
    elif user != other:
        (world.mutes[user].add if on else world.mutes[user].discard)(other)


async def treat(world: World, what: str, user: UserId, post: PostId, on: bool) -> None:
    if what == "answers":
        await world.says(user, reply_to=post, told=on)
    elif what == "reposts":
        await world.repost(user, post, told=on)
    elif what == "unreposts":
        await world.unrepost(user, post)
    else:
        await world.delete(post)


@settings(deadline=None, max_examples=60)
@given(kind=st.sampled_from([*KINDS]), steps=st.lists(STEP, max_size=50), limit=st.integers(1, 7))
async def test_di8_a_feed_is_the_same_warm_cold_flushed_and_rebuilt(
    kind: str, steps: list[tuple[str, int, int | Visibility, bool]], limit: int
) -> None:
    async with memory() as stores:
        world = World(stores, KINDS[kind](), users(6))
        for number, user in enumerate(world.users):
            world.follow(user, world.users[(number + 1) % 6])
        for what, who, which, on in steps:
            await act(world, what, world.users[who], which, on)
        await world.catch_up()

        for reader in world.users:
            expected = await world.expected(reader)
            assert await world.whole(reader, limit) == expected
            await world.timelines.drop([reader])
            assert await world.whole(reader, limit) == expected


# --- Who watches -----------------------------------------------------------------------------------


async def test_who_watches_is_alerted_when_it_can_be_seen_already(world: World) -> None:
    ann, bob, cid, dan, *_ = world.users
    world.follow(ann, bob)
    world.watching = {ann: [], cid: []}
    await world.home(ann, Window(5))

    first = await world.says(bob)
    comment = await world.says(bob, reply_to=first.id)
    assert world.watching == {ann: [[first.id]], cid: []}
    await world.repost(bob, comment.id)
    of_dan = await world.says(dan)
    await world.repost(bob, of_dan.id)

    assert world.watching == {ann: [[first.id], [comment.id], [of_dan.id]], cid: []}


async def test_nobody_learns_of_a_direct_post_by_an_alert(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    world.watching = {ann: []}

    await world.says(bob, visibility=Visibility.DIRECT)
    await world.says(bob, visibility=Visibility.FOLLOWERS)

    assert len(world.watching[ann]) == 1


# --- The other feeds -------------------------------------------------------------------------------


async def test_the_public_feed_has_what_everybody_may_see_and_its_reader_wants_to(world: World) -> None:
    ann, bob, cid, dan, *_ = world.users
    shown = await world.says(bob)
    await world.says(bob, visibility=Visibility.UNLISTED)
    await world.says(ann, visibility=Visibility.FOLLOWERS)
    of_cid, of_dan = await world.says(cid), await world.says(dan)
    world.block(cid, ann)
    world.mutes[ann].add(dan)

    assert ids_of(await world.public(ann, Window(9))) == [shown.id]
    assert ids_of(await world.public(None, Window(9))) == [of_dan.id, of_cid.id, shown.id]
    assert ids_of(await world.public(None, Window(2))) == [of_dan.id, of_cid.id]


async def test_the_feed_of_a_tag_has_comments_too(world: World) -> None:
    ann, *_ = world.users
    post = await world.says(ann, **BEES)
    await world.says(ann)
    comment = await world.says(ann, reply_to=post.id, **BEES)

    page = await world.tagged(None, "BEES", Window(1))

    assert ids_of(page) == [comment.id]
    assert page.next is not None
    assert ids_of(await world.tagged(None, "bees", page.next)) == [post.id]
    assert ids_of(await world.tagged(None, "wasps", Window(1))) == []
    assert await refused(world.tagged(None, "no tag", Window(1))) is NoSuchHashtag


async def test_a_user_s_feed_has_posts_and_reposts_each_once(world: World) -> None:
    ann, bob, cid, *_ = world.users
    own, of_bob = await world.says(ann), await world.says(bob)
    comment = await world.says(ann, reply_to=of_bob.id)
    for post in (own, of_bob, comment):
        await world.repost(ann, post.id)
    world.mutes[cid].add(ann)

    page = await world.user(cid, ann, Window(9))

    found = [(seen.post.id, seen.reposted_by) for seen in page.items]
    assert found == [(comment.id, ann), (of_bob.id, ann), (own.id, None)]
    assert await refused(world.user(None, UserId(1), Window(9))) is UserNotFound


async def test_of_somebody_blocked_nothing_is_looked_through(world: World) -> None:
    """Else the cursor of an empty page would hold the id of a post that nobody may know of."""
    ann, _, cid, *_ = world.users
    for _ in range(10):
        await world.says(ann)
    world.block(ann, cid)
    world.hydrated = 0

    page = await world.user(cid, ann, Window(1))

    assert (ids_of(page), page.next, world.hydrated) == ([], None, 0)


async def test_the_reposts_of_a_private_account_are_for_its_followers(world: World) -> None:
    ann, bob, cid, *_ = world.users
    of_bob = await world.says(bob)
    await world.repost(ann, of_bob.id)
    async with world.stores.open_posts() as tx:
        await tx.authors.set_private(ann, 2, private=True)
    world.follow(cid, ann)

    assert ids_of(await world.user(None, ann, Window(9))) == []
    assert ids_of(await world.user(bob, ann, Window(9))) == []
    assert ids_of(await world.user(cid, ann, Window(9))) == [of_bob.id]


# --- What is new ----------------------------------------------------------------------------------


async def test_a_page_always_tells_where_to_ask_for_what_is_new(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    empty = await world.home(ann, Window(3))
    assert empty.prev is not None
    assert ids_of(await world.home(ann, empty.prev)) == []

    said = [(await world.says(bob)).id for _ in range(5)]
    first = await world.home(ann, empty.prev)
    assert ids_of(first) == said[2::-1], "the nearest first, the newest of them first"
    assert first.prev is not None
    second = await world.home(ann, first.prev)
    assert ids_of(second) == said[:2:-1]
    assert second.prev is not None
    third = await world.home(ann, second.prev)
    assert ids_of(third) == []
    assert third.prev is not None
    newest = await world.says(bob)
    assert ids_of(await world.home(ann, third.prev)) == [newest.id]


async def test_the_next_page_of_what_is_new_goes_on_below_it(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    old = [(await world.says(bob)).id for _ in range(2)]
    page = await world.home(ann, Window(5))
    new = await world.says(bob)
    assert page.prev is not None

    since = await world.home(ann, page.prev)

    assert ids_of(since) == [new.id]
    assert since.next is not None
    assert ids_of(await world.home(ann, since.next)) == old[::-1]


async def test_what_commits_late_with_an_older_id_comes_too_and_nothing_comes_twice(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    early, _slow = await world.says(bob), PostId(new_id())
    later = await world.says(bob)
    page = await world.home(ann, Window(5))
    assert ids_of(page) == [later.id, early.id]

    await world.says(bob, id=_slow)

    assert page.prev is not None
    since = await world.home(ann, page.prev)
    assert ids_of(since) == [_slow]
    assert since.prev is not None
    assert ids_of(await world.home(ann, since.prev)) == []


async def test_in_the_long_run_a_place_is_told_without_what_was_seen(world: World) -> None:
    ann, bob, *_ = world.users
    world.follow(ann, bob)
    await world.says(bob)
    world.clock = 60

    page = await world.home(ann, Window(5))

    assert page.prev is not None
    assert page.prev.seen == ()


@settings(deadline=None, max_examples=150)
@given(
    delays=st.lists(st.integers(0, 9_000), max_size=35),
    reads=st.lists(st.integers(0, 60_000), min_size=1, max_size=8),
    limit=st.integers(1, 9),
)
def test_whatever_commits_when_each_entry_comes_once(delays: list[int], reads: list[int], limit: int) -> None:
    """Entries of one list, every 300 ms one, committed up to 9 s later, read by `since` at any times."""
    made = {number * 300 << 16 | 1: number * 300 + delay for number, delay in enumerate(delays)}
    given_: list[int] = []
    times = sorted(reads)
    window = newer(limit, (), 0, 0, 0)

    def read(at: int, window: Window) -> tuple[list[int], Window]:
        there = sorted(id_ for id_, committed in made.items() if committed <= at)
        new = [id_ for id_ in there if id_ > (window.edge or 0) and id_ not in window.seen]
        page = new[:limit]
        top = page[-1] if len(new) > limit else 2**63 - 1
        horizon = max(0, at - 10_000) << 16
        return page, newer(limit, (*page, *window.seen), window.edge or 0, top, horizon)

    for at in times:
        page, window = read(at, window)
        given_ += page
    while page := read(100_000, window)[0]:
        window = read(100_000, window)[1]
        given_ += page

    assert sorted(given_) == sorted(made), "each entry, and each once"


@given(
    ids=st.sets(st.integers(1, 1000), max_size=140),
    bottom=st.integers(0, 1000),
    top=st.one_of(st.just(2**63 - 1), st.integers(0, 1000)),
    settled=st.integers(0, 1100),
)
def test_what_was_seen_always_fits_into_a_cursor(ids: set[int], bottom: int, top: int, settled: int) -> None:
    window = newer(20, ids, bottom, top, settled)

    assert len(window.seen) <= max(MAX_SEEN, sum(id_ > top for id_ in ids))
    assert window.edge is not None
    assert window.edge >= bottom
    assert set(window.seen) == {id_ for id_ in ids if id_ > window.edge}

"""Polling a feed for new entries: none is missed, and none is delivered twice."""

from hypothesis import given, settings
from hypothesis import strategies as st

from application.feeds.pipeline import MAX_SEEN, newer
from application.shared.paging import Window
from domain.shared import PostId
from tests.port_contracts.stores import new_id
from tests.unit.feeds_harness import FeedsHarness, ids_of


async def test_every_page_has_a_prev_cursor_for_new_posts(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    empty = await feeds.home(ann, Window(3))
    assert empty.prev is not None
    assert ids_of(await feeds.home(ann, empty.prev)) == []

    published = [(await feeds.publish(bob)).id for _ in range(5)]
    first = await feeds.home(ann, empty.prev)
    assert ids_of(first) == published[2::-1], "the nearest first, the newest of them first"
    assert first.prev is not None
    second = await feeds.home(ann, first.prev)
    assert ids_of(second) == published[:2:-1]
    assert second.prev is not None
    third = await feeds.home(ann, second.prev)
    assert ids_of(third) == []
    assert third.prev is not None
    newest = await feeds.publish(bob)
    assert ids_of(await feeds.home(ann, third.prev)) == [newest.id]


async def test_the_next_page_of_new_posts_continues_with_older_posts(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    old = [(await feeds.publish(bob)).id for _ in range(2)]
    page = await feeds.home(ann, Window(5))
    new = await feeds.publish(bob)
    assert page.prev is not None

    since = await feeds.home(ann, page.prev)

    assert ids_of(since) == [new.id]
    assert since.next is not None
    assert ids_of(await feeds.home(ann, since.next)) == old[::-1]


async def test_a_post_that_commits_late_with_an_older_id_is_delivered_once(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    early, _slow = await feeds.publish(bob), PostId(new_id())
    later = await feeds.publish(bob)
    page = await feeds.home(ann, Window(5))
    assert ids_of(page) == [later.id, early.id]

    await feeds.publish(bob, id=_slow)

    assert page.prev is not None
    since = await feeds.home(ann, page.prev)
    assert ids_of(since) == [_slow]
    assert since.prev is not None
    assert ids_of(await feeds.home(ann, since.prev)) == []


async def test_a_cursor_omits_seen_ids_once_they_are_settled(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    await feeds.publish(bob)
    feeds.clock = 60

    page = await feeds.home(ann, Window(5))

    assert page.prev is not None
    assert page.prev.seen == ()


@settings(deadline=None, max_examples=150)
@given(
    delays=st.lists(st.integers(0, 9_000), max_size=35),
    reads=st.lists(st.integers(0, 60_000), min_size=1, max_size=8),
    limit=st.integers(1, 9),
)
def test_each_entry_is_delivered_once_whenever_it_commits(
    delays: list[int], reads: list[int], limit: int
) -> None:
    """One entry every 300 ms, committed up to 9 s later, polled at any times."""
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
def test_seen_ids_always_fit_into_a_cursor(ids: set[int], bottom: int, top: int, settled: int) -> None:
    window = newer(20, ids, bottom, top, settled)

    assert len(window.seen) <= max(MAX_SEEN, sum(id_ > top for id_ in ids))
    assert window.edge is not None
    assert window.edge >= bottom
    assert set(window.seen) == {id_ for id_ in ids if id_ > window.edge}

"""Rows of posts that are kept: valid until they change, and bounded."""

from collections.abc import Sequence
from typing import Any

import pytest

from adapters.sql.posts.row_cards import EntriesQuery, PostCards
from adapters.sql.posts.row_triggers import AUTHOR, ENGAGEMENT, POST, REPOSTS, SOURCE
from application.posts.views import PostState
from application.shared.feed_entries import FeedEntry
from application.shared.readings import Key, Readings
from domain.posts import AuthorState, Visibility
from domain.shared import PostId, UserId

ANN, BOB = UserId(1), UserId(2)
POSTS = [PostId(number) for number in range(10, 15)]


@pytest.fixture
def readings() -> Readings:
    readings = Readings()
    readings.max_card_bytes = 1_000_000
    return readings


@pytest.fixture
def cards(readings: Readings) -> PostCards:
    return PostCards(readings)


def state(post: PostId, **more: Any) -> PostState:
    plain = PostState(
        id=post,
        author=UserId(7),
        version=1,
        reply_to=None,
        comments=0,
        likes=1,
        reposts=0,
        mentioned=(),
        visibility=Visibility.PUBLIC,
        pinned=False,
        liked=False,
        reposted=False,
        bookmarked=False,
        author_state=AuthorState.PUBLIC,
        deleted=False,
        content_revision=2,
    )
    return plain._replace(**more)


def change(readings: Readings, key: Key) -> None:
    readings.touch(key)
    readings.ended()


def keep(cards: PostCards, states: Sequence[PostState], viewer: UserId | None = ANN) -> None:
    cards.keep_states(states, viewer, cards.changes)


def test_a_state_is_known_to_the_viewer_for_whom_it_was_read(cards: PostCards) -> None:
    states = [state(POSTS[0], liked=True), state(POSTS[1], bookmarked=True), state(POSTS[2])]
    keep(cards, states)
    assert cards.states(POSTS[:4], ANN) == (states, [POSTS[3]])


def test_engagements_of_one_viewer_are_not_those_of_another(cards: PostCards) -> None:
    keep(cards, [state(POSTS[0], liked=True)])
    assert cards.states(POSTS[:1], BOB) == ([], POSTS[:1])
    assert cards.states(POSTS[:1], None) == ([state(POSTS[0])], [])
    keep(cards, [state(POSTS[0])], BOB)
    assert cards.states(POSTS[:1], BOB) == ([state(POSTS[0])], [])
    assert cards.states(POSTS[:1], ANN) == ([state(POSTS[0], liked=True)], [])


@pytest.mark.parametrize("key", [(POST, POSTS[0]), (ENGAGEMENT, POSTS[0], ANN), (AUTHOR, 7)])
def test_a_state_is_unknown_once_a_row_of_it_has_changed(
    cards: PostCards, readings: Readings, key: Key
) -> None:
    keep(cards, [state(POSTS[0])])
    change(readings, key)
    assert cards.states(POSTS[:1], ANN) == ([], POSTS[:1])


def test_a_change_of_another_row_leaves_a_state_known(cards: PostCards, readings: Readings) -> None:
    keep(cards, [state(POSTS[0])])
    for key in ((POST, POSTS[1]), (ENGAGEMENT, POSTS[0], BOB), (REPOSTS, POSTS[0])):
        change(readings, key)
    assert cards.states(POSTS[:1], ANN) == ([state(POSTS[0])], [])


@pytest.mark.parametrize("key", [(POST, POSTS[0]), (ENGAGEMENT, POSTS[0], ANN), (AUTHOR, 7)])
def test_what_an_open_transaction_has_changed_is_not_kept(
    cards: PostCards, readings: Readings, key: Key
) -> None:
    readings.touch(key)
    keep(cards, [state(POSTS[0])])
    assert cards.states(POSTS[:1], ANN) == ([], POSTS[:1])
    readings.ended()
    keep(cards, [state(POSTS[0])])
    assert cards.states(POSTS[:1], ANN) == ([state(POSTS[0])], [])


def test_what_was_read_before_a_change_is_not_kept_after_it(cards: PostCards, readings: Readings) -> None:
    query = EntriesQuery(frozenset({ANN}), None, 20, False, None)
    changes = cards.changes
    change(readings, (POST, POSTS[0]))
    cards.keep_states([state(POSTS[0])], ANN, changes)
    cards.keep_reposts(POSTS[0], [], changes)
    cards.keep_entries(query, [], changes)
    assert cards.states(POSTS[:1], ANN) == ([], POSTS[:1])
    assert (cards.reposts(POSTS[0]), cards.entries(query)) == (None, None)


@pytest.mark.parametrize("likes", [0, 1])
def test_the_engagement_with_a_post_without_likes_is_read_again_when_it_has_some(
    cards: PostCards, readings: Readings, likes: int
) -> None:
    """Without likes the store does not look for the viewer's."""
    keep(cards, [state(POSTS[0], likes=likes)])
    change(readings, (POST, POSTS[0]))
    keep(cards, [state(POSTS[0], likes=1 - likes)], None)
    assert cards.states(POSTS[:1], ANN) == ([], POSTS[:1])


def test_reposts_are_known_until_they_change(cards: PostCards, readings: Readings) -> None:
    cards.keep_reposts(POSTS[0], [(50, ANN)], cards.changes)
    assert cards.reposts(POSTS[0]) == [(50, ANN)]
    readings.touch((REPOSTS, POSTS[0]))
    cards.keep_reposts(POSTS[0], [(50, ANN)], cards.changes)
    assert cards.reposts(POSTS[0]) is None


def test_entries_are_known_until_one_of_their_sources_changes(cards: PostCards, readings: Readings) -> None:
    entry = FeedEntry(POSTS[0], POSTS[0], ANN)
    both, one = (EntriesQuery(frozenset(some), None, 20, False, None) for some in ({ANN, BOB}, {ANN}))
    for query in (both, one):
        cards.keep_entries(query, [entry], cards.changes)
    change(readings, (SOURCE, BOB))
    assert (cards.entries(both), cards.entries(one)) == (None, [entry])
    readings.touch((SOURCE, ANN))
    cards.keep_entries(one, [entry], cards.changes)
    assert cards.entries(one) is None


def test_nothing_is_known_after_another_process_has_written(cards: PostCards, readings: Readings) -> None:
    query = EntriesQuery(frozenset({ANN}), None, 20, False, None)
    keep(cards, [state(POSTS[0])])
    cards.keep_reposts(POSTS[0], [], cards.changes)
    cards.keep_entries(query, [], cards.changes)
    assert readings.card_bytes > 0
    readings.forget_all()
    assert cards.states(POSTS[:1], ANN) == ([], POSTS[:1])
    assert (cards.reposts(POSTS[0]), cards.entries(query)) == (None, None)
    assert readings.card_bytes == 0


def test_the_memory_is_bounded_and_what_was_added_first_goes_first(
    cards: PostCards, readings: Readings
) -> None:
    readings.max_card_bytes = 20_000
    for number in range(500):
        keep(cards, [state(PostId(number))])
        cards.keep_reposts(PostId(number), [(number, ANN)] * 3, cards.changes)
        cards.keep_entries(
            EntriesQuery(frozenset({UserId(number)}), None, 20, False, None), [], cards.changes
        )
        assert 0 < readings.card_bytes <= readings.max_card_bytes
    assert cards.states([PostId(0), PostId(499)], ANN) == ([state(PostId(499))], [PostId(0)])


def test_nothing_is_kept_where_no_memory_is_given(cards: PostCards, readings: Readings) -> None:
    readings.max_card_bytes = 0
    keep(cards, [state(POSTS[0])])
    assert cards.states(POSTS[:1], ANN) == ([], POSTS[:1])
    assert readings.card_bytes == 0

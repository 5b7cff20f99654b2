"""The trending formula and its bounds."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.feeds.trending_formula import (
    COMMENT_WEIGHT,
    HALF_LIFE_MS,
    LIKE_WEIGHT,
    MAX_POSTS_PER_ACCOUNT,
    MAX_RANKED_POSTS,
    MAX_RANKED_TAGS,
    MAX_TAGS_PER_ACCOUNT,
    PER_AUTHOR,
    REPOST_WEIGHT,
    SAMPLES,
    WINDOW_MS,
    EngagementSignal,
    HashtagSignal,
    HashtagTally,
    RankedPost,
    RankedTag,
    Tally,
    decayed,
    spread,
)
from domain.shared import PostId, UserId

NOW = 1_800_000_000_000
WEIGHTS = {1: LIKE_WEIGHT, 2: REPOST_WEIGHT}
AUTHORS = {PostId(10 * author + post): UserId(author) for author in (1, 2, 3) for post in range(1, 6)}
"""Three authors with five posts each."""
CHEATER = UserId(99)


def a_signal(post: int, user: int, *, source: int = 1, age: int = 0) -> EngagementSignal:
    return EngagementSignal(
        PostId(post), UserId(user), source, WEIGHTS.get(source, COMMENT_WEIGHT), NOW - age
    )


def ranking(signals: Sequence[EngagementSignal]) -> list[RankedPost]:
    tally = Tally(NOW)
    tally.add(signals)
    return tally.ranking({post: AUTHORS[post] for post in tally.candidates(1000)})


def scores(signals: Sequence[EngagementSignal]) -> dict[PostId, float]:
    return {ranked.post: ranked.score for ranked in ranking(signals)}


posts = st.sampled_from(sorted(AUTHORS))
ages = st.integers(0, WINDOW_MS)
sources = st.one_of(st.sampled_from([1, 2]), st.integers(100, 105))
signals_of_others = st.lists(
    st.builds(lambda p, u, s, a: a_signal(p, u, source=s, age=a), posts, st.integers(1, 12), sources, ages)
)
cheating_signals = st.lists(
    st.builds(lambda p, s, a: a_signal(p, CHEATER, source=s, age=a), posts, sources, ages)
)
SUPPORT = [a_signal(post, user) for post in AUTHORS for user in (21, 22, 23)]
"""Gives every post its three accounts, so that scores can be compared."""


@pytest.mark.parametrize(
    ("age", "left"), [(0, 2), (HALF_LIFE_MS, 1), (2 * HALF_LIFE_MS, 0.5), (WINDOW_MS, 2 / 256), (-60_000, 2)]
)
def test_a_signal_counts_half_after_six_hours_and_never_more_than_at_first(age: int, left: float) -> None:
    assert decayed(2, NOW - age, NOW) == pytest.approx(left)


def test_a_score_sums_the_strongest_signal_of_each_account() -> None:
    signals = [
        a_signal(11, 21),
        a_signal(11, 22),
        a_signal(11, 22, source=2),
        a_signal(11, 22, source=2),
        a_signal(11, 23, source=500, age=HALF_LIFE_MS),
        a_signal(11, 23, source=501, age=2 * HALF_LIFE_MS),
    ]

    assert scores(signals) == {PostId(11): pytest.approx(1 + 2 + 1)}


def test_a_post_needs_engagement_by_three_other_accounts() -> None:
    two_and_the_author = [a_signal(11, 21), a_signal(11, 22), a_signal(11, 1), a_signal(11, 22, source=2)]

    assert ranking(two_and_the_author) == []
    assert [ranked.post for ranked in ranking([*two_and_the_author, a_signal(11, 23)])] == [11]


def test_signals_of_the_author_do_not_count() -> None:
    signals = [a_signal(11, user) for user in (21, 22, 23)]
    own = [a_signal(11, 1, source=source) for source in (1, 2, 500)]

    assert ranking([*signals, *own]) == ranking(signals)


def test_signals_for_posts_of_one_author_count_fully_half_and_a_third() -> None:
    support = [
        a_signal(post, user)
        for post in (11, 12, 13)
        for user in range(21 + 10 * (post % 10), 24 + 10 * (post % 10))
    ]
    before = scores(support)

    after = scores(
        [
            *support,
            a_signal(11, CHEATER),
            a_signal(12, CHEATER, source=2),
            a_signal(13, CHEATER, age=HALF_LIFE_MS),
        ]
    )

    gained = [after[PostId(post)] - before[PostId(post)] for post in (12, 11, 13)]
    assert gained == [pytest.approx(2), pytest.approx(1 / 2), pytest.approx(0.5 / 3)]


def test_signals_of_an_account_count_for_at_most_200_posts() -> None:
    authors = {PostId(post): UserId(10_000 + post) for post in range(1000, 1000 + MAX_POSTS_PER_ACCOUNT + 50)}
    tally = Tally(NOW)
    tally.add(a_signal(post, 5 * post + user) for post in authors for user in range(3))
    tally.add(a_signal(post, CHEATER, age=post) for post in authors)

    posts = tally.ranking(authors)

    assert {ranked.post for ranked in posts if ranked.score > 3.5} == set(
        range(1000, 1000 + MAX_POSTS_PER_ACCOUNT)
    )


def test_a_few_accounts_cannot_displace_other_candidates() -> None:
    flood = range(10_000, 10_000 + 10 * MAX_POSTS_PER_ACCOUNT)
    tally = Tally(NOW)
    tally.add(a_signal(post, user, source=2) for post in flood for user in (91, 92, 93))
    tally.add(a_signal(11, user) for user in (21, 22, 23))

    candidates = tally.candidates(2 * MAX_POSTS_PER_ACCOUNT)

    assert candidates[-1] == 11
    assert len(candidates) <= MAX_POSTS_PER_ACCOUNT + 1


@given(signals_of_others, cheating_signals)
def test_one_account_changes_a_score_by_at_most_one_signal(
    signals: list[EngagementSignal], cheating: list[EngagementSignal]
) -> None:
    before, after = scores([*SUPPORT, *signals]), scores([*SUPPORT, *signals, *cheating])

    for post in before.keys() & after.keys():
        assert -1e-9 <= after[post] - before[post] <= REPOST_WEIGHT + 1e-9


@given(signals_of_others, cheating_signals)
def test_one_account_adds_at_most_one_repost_weight_per_ranked_post_to_an_author(
    signals: list[EngagementSignal], cheating: list[EngagementSignal]
) -> None:
    tallies = Tally(NOW), Tally(NOW)
    for tally, cast in zip(tallies, ([], cheating), strict=True):
        tally.add([*SUPPORT, *signals, *cast])
    for author in (1, 2, 3):
        authors = {post: by for post, by in AUTHORS.items() if by == author}
        # An author has at most three posts in a ranking, so each post is ranked with two others.
        some = dict(list(authors.items())[:3])
        before, after = (sum(ranked.score for ranked in tally.ranking(some)) for tally in tallies)
        assert -1e-9 <= after - before <= REPOST_WEIGHT * (1 + 1 / 2 + 1 / 3) + 1e-9


@given(signals_of_others)
def test_the_score_does_not_depend_on_the_order_of_signals(signals: list[EngagementSignal]) -> None:
    shown = [(ranked.post, round(ranked.score, 9)) for ranked in ranking([*SUPPORT, *signals])]

    assert [(ranked.post, round(ranked.score, 9)) for ranked in ranking([*SUPPORT, *signals[::-1]])] == shown


@given(signals_of_others)
def test_a_ranking_is_sorted_and_has_at_most_three_posts_per_author(
    signals: list[EngagementSignal],
) -> None:
    posts = ranking(signals)

    assert [ranked.score for ranked in posts] == sorted((ranked.score for ranked in posts), reverse=True)
    assert all(sum(ranked.author == author for ranked in posts) <= PER_AUTHOR for author in (1, 2, 3))


def test_a_ranking_has_a_maximum_length() -> None:
    assert (
        len(spread(RankedPost(PostId(post), UserId(post), 1.0) for post in range(1000))) == MAX_RANKED_POSTS
    )


def a_use(tag: str, user: int, post: int, age: int = 0) -> HashtagSignal:
    return HashtagSignal(tag, PostId(post), UserId(user), NOW - age)


def tags(uses: Sequence[HashtagSignal]) -> list[RankedTag]:
    tally = HashtagTally(NOW)
    tally.add(uses)
    return tally.ranking()


def test_a_hashtag_is_ranked_by_accounts_not_by_posts() -> None:
    uses = [
        *(a_use("spam", 1, 100 + number) for number in range(50)),
        a_use("bees", 1, 1, age=HALF_LIFE_MS),
        a_use("bees", 2, 2),
        a_use("bees", 2, 3, age=HALF_LIFE_MS),
    ]

    assert tags(uses) == [RankedTag("bees", 3, 2, 1.5, (PostId(2), PostId(1)))]


def test_an_account_counts_for_the_hashtags_that_it_used_last() -> None:
    uses = [
        a_use(f"tag{number:02}", user, 100 * user + number, age=number)
        for number in range(30)
        for user in (1, 2)
    ]

    assert [ranked.tag for ranked in tags(uses)] == [
        f"tag{number:02}" for number in range(MAX_TAGS_PER_ACCOUNT)
    ]


def test_a_hashtag_keeps_the_latest_posts_of_some_accounts_as_samples() -> None:
    uses = [
        a_use("bees", user, 10 * user + post, age=10 * user - post) for user in range(1, 9) for post in (0, 1)
    ]

    (ranked,) = tags(uses)

    assert ranked.samples == tuple(10 * user + 1 for user in range(1, SAMPLES + 1))


def test_a_hashtag_ranking_has_a_maximum_length() -> None:
    uses = [a_use(f"tag{number // 2}", number, number) for number in range(3 * MAX_RANKED_TAGS)]

    assert len(tags(uses)) == MAX_RANKED_TAGS


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 6), ages)),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), ages)),
)
def test_one_account_changes_the_score_of_a_hashtag_by_at_most_one(
    others: list[tuple[str, int, int]], cheating: list[tuple[str, int]]
) -> None:
    uses = [a_use(tag, user, 1000 + n, age) for n, (tag, user, age) in enumerate(others)]
    uses += [a_use(tag, user, 1 + user) for tag in "abc" for user in (21, 22)]
    own = [a_use(tag, CHEATER, 5000 + n, age) for n, (tag, age) in enumerate(cheating)]

    before, after = ({ranked.tag: ranked.score for ranked in tags(some)} for some in (uses, [*uses, *own]))

    assert all(-1e-9 <= after[tag] - before[tag] <= 1 + 1e-9 for tag in "abc")

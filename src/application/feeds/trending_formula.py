"""The trending formula. docs/trending.md explains it to users.

Every constant limits the influence of one account, or of one author."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from heapq import nlargest
from math import exp2
from typing import NamedTuple

from domain.shared import PostId, UserId

WINDOW_MS = 48 * 3600 * 1000
"""The time for which a signal counts."""
HALF_LIFE_MS = 6 * 3600 * 1000
"""After this time a signal counts half."""
LIKE_WEIGHT, REPOST_WEIGHT, COMMENT_WEIGHT = 1, 2, 2
"""The weights of the kinds of signals."""
MIN_ACCOUNTS = 3
"""A post trends only if so many accounts, other than the author, have engaged with it."""
MAX_POSTS_PER_ACCOUNT = 200
"""Signals of one account count for at most so many posts: those for which they weigh most."""
PER_AUTHOR = 3
"""Most posts of one author in a ranking."""
MAX_RANKED_POSTS = 500
MIN_TAG_ACCOUNTS = 2
"""A hashtag trends only if so many accounts have used it."""
MAX_TAGS_PER_ACCOUNT = 20
"""Signals of one account count for at most so many hashtags: those that it used last."""
MAX_RANKED_TAGS = 100
SAMPLES = 5
"""Posts by different accounts that are kept with a hashtag, to check at read time that it is still in use."""


class EngagementSignal(NamedTuple):
    post: PostId
    user: UserId
    """The account that engaged."""
    source: int
    """LIKED, REPOSTED, or the id of the comment. Post, user and source identify a signal."""
    weight: int
    at: int
    """Milliseconds since 1970."""


class HashtagSignal(NamedTuple):
    tag: str
    """In canonical form."""
    post: PostId
    user: UserId
    """The author of the post."""
    at: int
    """Time of publication in milliseconds since 1970."""


class RankedPost(NamedTuple):
    """A trending post."""

    post: PostId
    author: UserId
    score: float


class RankedTag(NamedTuple):
    """A trending hashtag."""

    tag: str
    posts: int
    """Posts that used the hashtag within the window."""
    accounts: int
    """Accounts that used the hashtag within the window."""
    score: float
    samples: tuple[PostId, ...]
    """The latest posts by different accounts, up to SAMPLES."""


def decayed(weight: float, at: int, now: int) -> float:
    return weight * exp2(-max(now - at, 0) / HALF_LIFE_MS)


class Tally:
    """Collects engagement signals and ranks posts by them."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._best: defaultdict[PostId, dict[UserId, float]] = defaultdict(dict)

    def add(self, signals: Iterable[EngagementSignal]) -> None:
        for post, user, _source, weight, at in signals:
            value, best = decayed(weight, at, self._now), self._best[post]
            if value > best.get(user, 0.0):
                best[user] = value

    def candidates(self, limit: int) -> list[PostId]:
        """The posts that may trend, highest sums first. Only their authors need to be looked up. The limit per account
        is the same as in the ranking; otherwise a few accounts could fill the list."""
        by_user: defaultdict[UserId, list[tuple[float, PostId]]] = defaultdict(list)
        for post, best in self._best.items():
            for user, value in best.items():
                by_user[user].append((value, post))
        sums: defaultdict[PostId, float] = defaultdict(float)
        accounts: Counter[PostId] = Counter()
        for signals in by_user.values():
            for value, post in nlargest(MAX_POSTS_PER_ACCOUNT, signals):
                sums[post] += value
                accounts[post] += 1
        found = ((total, post) for post, total in sums.items() if accounts[post] >= MIN_ACCOUNTS)
        return [post for _total, post in nlargest(limit, found)]

    def ranking(self, authors: Mapping[PostId, UserId]) -> list[RankedPost]:
        """The trending ones of the posts in `authors` (the author of each post), highest score first.

        An account has one signal per post, and none for its own posts. Its signals for posts of one author share a
        unit: the strongest counts fully, the second half, the third a third, and so on."""
        scores: defaultdict[PostId, float] = defaultdict(float)
        accounts: Counter[PostId] = Counter()
        for signals in self._by_user(authors).values():
            shared: dict[UserId, int] = {}
            for value, post in sorted(signals, reverse=True)[:MAX_POSTS_PER_ACCOUNT]:
                author = authors[post]
                nth = shared[author] = shared.get(author, 0) + 1
                scores[post] += value / nth
                accounts[post] += 1
        ranking = [
            RankedPost(post, authors[post], score)
            for post, score in scores.items()
            if accounts[post] >= MIN_ACCOUNTS
        ]
        return spread(sorted(ranking, key=lambda ranked: (ranked.score, ranked.post), reverse=True))

    def _by_user(self, authors: Mapping[PostId, UserId]) -> Mapping[UserId, list[tuple[float, PostId]]]:
        signals: defaultdict[UserId, list[tuple[float, PostId]]] = defaultdict(list)
        for post, author in authors.items():
            for user, value in self._best[post].items():
                if user != author:
                    signals[user].append((value, post))
        return signals


def spread(ranking: Iterable[RankedPost]) -> list[RankedPost]:
    """The first PER_AUTHOR posts of each author, and of these the first MAX_RANKED_POSTS."""
    seen: Counter[UserId] = Counter()
    kept = []
    for ranked in ranking:
        seen[ranked.author] += 1
        if seen[ranked.author] <= PER_AUTHOR:
            kept.append(ranked)
    return kept[:MAX_RANKED_POSTS]


class HashtagTally:
    """Collects uses of hashtags and ranks hashtags by them."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._uses: defaultdict[str, dict[UserId, HashtagSignal]] = defaultdict(dict)
        self._posts: Counter[str] = Counter()

    def add(self, signals: Iterable[HashtagSignal]) -> None:
        """Each use of a hashtag may be given once."""
        for signal in signals:
            self._posts[signal.tag] += 1
            uses = self._uses[signal.tag]
            last = uses.get(signal.user)
            if last is None or _newer(signal) > _newer(last):
                uses[signal.user] = signal

    def ranking(self) -> list[RankedTag]:
        """The trending hashtags, highest score first. An account counts for the hashtags that it used last, and for
        each by its last post with it."""
        by_user: defaultdict[UserId, list[HashtagSignal]] = defaultdict(list)
        for uses in self._uses.values():
            for signal in uses.values():
                by_user[signal.user].append(signal)
        scores: defaultdict[str, float] = defaultdict(float)
        voters: Counter[str] = Counter()
        for signals in by_user.values():
            for signal in nlargest(MAX_TAGS_PER_ACCOUNT, signals, key=_newer):
                scores[signal.tag] += decayed(1, signal.at, self._now)
                voters[signal.tag] += 1
        trending = [(score, tag) for tag, score in scores.items() if voters[tag] >= MIN_TAG_ACCOUNTS]
        return [self._place(tag, score) for score, tag in nlargest(MAX_RANKED_TAGS, trending)]

    def _place(self, tag: str, score: float) -> RankedTag:
        uses = self._uses[tag]
        samples = nlargest(SAMPLES, uses.values(), key=_newer)
        return RankedTag(tag, self._posts[tag], len(uses), score, tuple(signal.post for signal in samples))


def _newer(signal: HashtagSignal) -> tuple[int, PostId, str]:
    return signal.at, signal.post, signal.tag

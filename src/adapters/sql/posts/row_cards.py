"""Rows of posts that were read last, each valid exactly until it changes.

A page that shows a post is made anew when the post is liked. Nearly all of its other rows are the same, so they come from
here instead of the database: reading them takes most of the time of a page. Nothing is decided here about who may see what;
`can_view` is applied to what comes from here as to what comes from the database.

Cards are used only for a `Reading`, which begins with a look for the commits of other processes; so transactions and
commands never use them. A row that an open transaction has changed is neither here nor kept again until it has ended.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from adapters.sql.posts.row_triggers import AUTHOR, ENGAGEMENT, POST, REPOSTS, SOURCE
from application.posts.views import PostState
from application.shared.feed_entries import FeedEntry
from application.shared.readings import Key, Readings
from application.shared.records import maker
from domain.shared import PostId, UserId

K = TypeVar("K")
V = TypeVar("V")

_STATE_BYTES, _ENGAGEMENT_BYTES, _REPOST_BYTES, _ENTRY_BYTES, _OVERHEAD = 700, 280, 130, 170, 250
"""The memory that they take, roughly; the last one is what each key takes."""

Repost: TypeAlias = tuple[int, UserId]
"""The id of a repost, and who reposted."""


class _Engagement(NamedTuple):
    """Of one viewer with one post."""

    liked: bool
    reposted: bool
    bookmarked: bool
    has_likes: bool
    """Whether the post had any. Without, the store does not look for the viewer's (see `flags.py`)."""
    has_reposts: bool


class EntriesQuery(NamedTuple):
    sources: frozenset[UserId]
    edge: int | None
    limit: int
    back: bool
    last: int | None


_make_state = maker(PostState)
_MEMBERS = [*PostState.__annotations__]
_LIKED, _BOOKMARKED = _MEMBERS.index("liked"), _MEMBERS.index("bookmarked")
_NONE = (False, False, False)


class _Cards(Generic[K, V]):
    """Values by key, the ones that were added first are evicted first."""

    def __init__(self, readings: Readings, share: float) -> None:
        """`share` is the part of the memory of all cards."""
        self._readings, self._share, self._bytes = readings, share, 0
        self.values: dict[K, tuple[V, int]] = {}

    def get(self, key: K) -> V | None:
        found = self.values.get(key)
        return None if found is None else found[0]

    def put(self, key: K, value: V, size: int) -> None:
        self.drop(key)
        self.values[key] = value, size + _OVERHEAD
        self._grow(size + _OVERHEAD)
        while self._bytes > self._share * self._readings.max_card_bytes:
            self.drop(next(iter(self.values)))

    def drop(self, key: K) -> None:
        if (found := self.values.pop(key, None)) is not None:
            self._grow(-found[1])

    def clear(self) -> None:
        self._grow(-self._bytes)
        self.values.clear()

    def _grow(self, size: int) -> None:
        self._bytes += size
        self._readings.card_bytes += size


class PostCards:
    """The states of posts, the engagements of viewers, the first reposts of posts, and the entries of a few sources."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self.changes = 0
        """Increases with every change, so that what was read before a change is not kept after it."""
        self._states: _Cards[PostId, PostState] = _Cards(readings, 0.35)
        """Without the engagements of anybody."""
        self._engagements: _Cards[tuple[PostId, UserId], _Engagement] = _Cards(readings, 0.35)
        self._reposts: _Cards[PostId, Sequence[Repost]] = _Cards(readings, 0.1)
        self._entries: _Cards[EntriesQuery, Sequence[FeedEntry]] = _Cards(readings, 0.2)
        self._queries: dict[UserId, set[EntriesQuery]] = {}
        """The queries of `_entries` by source."""
        self._listen(POST, lambda post: self._states.drop(PostId(post)))
        self._listen(ENGAGEMENT, lambda post, user: self._engagements.drop((PostId(post), UserId(user))))
        self._listen(AUTHOR, lambda _: self._states.clear())  # seldom; an index by author would cost more
        self._listen(REPOSTS, lambda post: self._reposts.drop(PostId(post)))
        self._listen(SOURCE, self._source_touched)

    def _listen(self, kind: str, drop: Callable[..., None]) -> None:
        def touched(key: Key) -> None:
            self.changes += 1
            drop(*key[1:])

        self._readings.listen(kind, touched, self._cleared)

    def _cleared(self) -> None:
        self.changes += 1
        cards: tuple[_Cards[Any, Any], ...] = self._states, self._engagements, self._reposts, self._entries
        for some in cards:
            some.clear()
        self._queries.clear()

    # States

    def states(self, ids: Collection[PostId], viewer: UserId | None) -> tuple[list[PostState], list[PostId]]:
        """The states that are known, as this viewer has them, and the ids of the others."""
        found: list[PostState] = []
        missing: list[PostId] = []
        # Without calls, since a page asks for two dozen.
        states, engagements = self._states.values, self._engagements.values
        for post in ids:
            known = states.get(post)
            engaged = None if known is None or viewer is None else engagements.get((post, viewer))
            if known is None or (engaged is None and viewer is not None):
                missing.append(post)
            elif engaged is None:
                found.append(known[0])
            else:
                state, engagement = known[0], engaged[0]
                if engagement.has_likes is not (state.likes > 0) or (
                    engagement.has_reposts is not (state.reposts > 0)
                ):
                    missing.append(post)
                elif engagement.liked or engagement.reposted or engagement.bookmarked:
                    found.append(_with(state, engagement[:3]))
                else:
                    found.append(state)
        return found, missing

    def keep_states(self, states: Iterable[PostState], viewer: UserId | None, changes: int) -> None:
        """`changes` is from before they were read."""
        if changes != self.changes:
            return
        in_doubt = self._readings.in_doubt
        for state in states:
            if not in_doubt((POST, state.id)) and not in_doubt((AUTHOR, state.author)):
                self._states.put(state.id, _with(state, _NONE), _STATE_BYTES)
            if viewer is not None and not in_doubt((ENGAGEMENT, state.id, viewer)):
                engagement = _Engagement(
                    state.liked, state.reposted, state.bookmarked, state.likes > 0, state.reposts > 0
                )
                self._engagements.put((state.id, viewer), engagement, _ENGAGEMENT_BYTES)

    # Reposts

    def reposts(self, post: PostId) -> Sequence[Repost] | None:
        return self._reposts.get(post)

    def keep_reposts(self, post: PostId, reposts: Sequence[Repost], changes: int) -> None:
        if changes == self.changes and not self._readings.in_doubt((REPOSTS, post)):
            self._reposts.put(post, reposts, len(reposts) * _REPOST_BYTES)

    # Entries of sources

    def entries(self, query: EntriesQuery) -> Sequence[FeedEntry] | None:
        return self._entries.get(query)

    def keep_entries(self, query: EntriesQuery, entries: Sequence[FeedEntry], changes: int) -> None:
        if changes != self.changes or any(
            self._readings.in_doubt((SOURCE, source)) for source in query.sources
        ):
            return
        self._entries.put(query, entries, len(entries) * _ENTRY_BYTES)
        for source in query.sources:
            queries = self._queries.setdefault(source, set())
            queries.add(query)
            if len(queries) > _MAX_QUERIES:  # some were evicted, or nobody asks them any more
                self._source_touched(source)

    def _source_touched(self, source: int) -> None:
        for query in self._queries.pop(UserId(source), ()):
            self._entries.drop(query)


_MAX_QUERIES = 5_000
"""For one source; a popular one is in the queries of all of its followers."""


def _with(state: PostState, engagement: tuple[bool, bool, bool]) -> PostState:
    return _make_state((*state[:_LIKED], *engagement, *state[_BOOKMARKED + 1 :]))

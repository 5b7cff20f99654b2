"""Responses that are kept until something that they show changes.

Nothing is decided here about who may see what: the ordinary path has made each response for one reader, and it is sent
again to that reader only, and only while everything that it was read from is the same (`application.shared.readings`).
"""

from collections import Counter, OrderedDict
from contextlib import AbstractContextManager

from application.shared.readings import Reading, Readings
from domain.shared import UserId
from entrypoints.http.compression import MIN_BYTES, OFF_LOOP_BYTES, compress
from entrypoints.http.etags import weak
from entrypoints.http.responses import RawHeaders, Tagged

_OVERHEAD, _PER_KEY = 1500, 150
"""The memory that a kept response takes beside its bytes, roughly, and for each key of its reading."""


class KeptResponse:
    """A response, and what it was read from."""

    __slots__ = ("_codings", "reading", "response", "size", "trailing")

    def __init__(self, response: Tagged, reading: Reading, trailing: RawHeaders) -> None:
        """`trailing` are the headers that come last in every response like it."""
        self.response, self.reading, self.trailing = response, reading, trailing
        self._codings: dict[bytes, tuple[RawHeaders, bytes]] = {}
        # With room for two codings, each of which takes less than a third of the bytes.
        self.size = _OVERHEAD + 2 * len(response.body) + _PER_KEY * len(reading.keys)

    def coded(self, coding: bytes) -> tuple[RawHeaders, bytes]:
        """The headers and the body in this coding. As `RequestLifecycle`, it leaves small responses as they are."""
        response = self.response
        if len(response.body) < MIN_BYTES:
            return [*response.headers], response.body
        if (found := self._codings.get(coding)) is None:
            body = compress(response.body, coding)
            changed = {b"content-length": b"%d" % len(body), b"etag": weak(dict(response.headers)[b"etag"])}
            found = [(name, changed.get(name, value)) for name, value in response.headers], body
            self._codings[coding] = found
        return found

    @property
    def is_small_enough_to_compress(self) -> bool:
        """Whether it is compressed without a thread."""
        return len(self.response.body) < OFF_LOOP_BYTES


class KeptResponses:
    """The kept responses, bounded by their memory. Pages are evicted before single posts, the least recently used first."""

    def __init__(self, readings: Readings, max_bytes: int) -> None:
        self._readings, self.max_bytes = readings, max_bytes
        self.bytes = 0
        self.pages: OrderedDict[tuple[UserId, int], KeptResponse] = OrderedDict()
        """By the reader and the limit of the page."""
        self.posts: OrderedDict[tuple[UserId, int], KeptResponse] = OrderedDict()
        """By the reader and the id of the post."""
        self.hits = 0
        self.misses: Counter[str] = Counter()
        """By the reason: `absent`, `rows`, `other process`, `store`, or the name of what a Watch found changed."""
        self.refused: Counter[str] = Counter()
        """Responses that could not be kept, by the reason."""
        self.evicted = 0

    def find(self, *, page: bool, key: tuple[UserId, int]) -> KeptResponse | None:
        """The response that the ordinary path would make now. None if it is not kept, or may have changed."""
        kept = self.pages if page else self.posts
        if (found := kept.get(key)) is None:
            self.misses["absent"] += 1
            return None
        if why := self._readings.why_outdated(found.reading):
            self.misses[why] += 1
            return None
        kept.move_to_end(key)
        self.hits += 1
        return found

    async def find_refreshed(self, *, page: bool, key: tuple[UserId, int]) -> KeptResponse | None:
        """As `find`, after the caches that the response depends on were asked, which may be due to ask the store."""
        found = (self.pages if page else self.posts).get(key)
        if found is None or found.reading.is_outdated:
            return None
        await self._readings.refresh(found.reading.watches)
        return self.find(page=page, key=key)

    def reading(self) -> AbstractContextManager[Reading | None]:
        """Around the reads of a response that may be kept."""
        return self._readings.reading()

    def keep(self, *, page: bool, key: tuple[UserId, int], made: KeptResponse) -> None:
        """To be called right after the reading has ended."""
        kept = self.pages if page else self.posts
        if (old := kept.pop(key, None)) is not None:
            self._dropped(old)
        if made.size > self.max_bytes or not self._readings.keep(made.reading):
            self.refused["size" if made.size > self.max_bytes else "changed"] += 1
            return
        kept[key] = made
        self.bytes += made.size
        while self.bytes > self.max_bytes:
            _, evicted = (self.pages or self.posts).popitem(last=False)
            self._dropped(evicted)
            self.evicted += 1

    def _dropped(self, old: KeptResponse) -> None:
        self.bytes -= old.size
        self._readings.drop(old.reading)

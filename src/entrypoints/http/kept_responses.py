"""Responses that are kept until something that they show changes.

Nothing is decided here about who may see what: the ordinary path has made each response for one reader, and it is sent
again to that reader only (readers without a token are one), and only while everything that it was read from is the same (`application.shared.readings`).
"""

from collections import Counter, OrderedDict
from contextlib import AbstractContextManager
from typing import NamedTuple

from application.shared.readings import Reading, Readings
from domain.shared import UserId
from entrypoints.http.compression import MIN_BYTES, OFF_LOOP_BYTES, compress
from entrypoints.http.etags import weak
from entrypoints.http.hot_targets import Target
from entrypoints.http.responses import RawHeaders, Tagged

_OVERHEAD, _PER_KEY = 1500, 150
"""The memory that a kept response takes beside its bytes, roughly, and for each key of its reading."""


class KeptKey(NamedTuple):
    """A response is sent again only for the same."""

    viewer: UserId | None
    """None for all readers without a token."""
    target: Target


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
    """The kept responses, bounded by their memory and that of the rows that they are made of. Pages are evicted before single
    resources, the least recently used first, and both before rows, which take at most half."""

    def __init__(self, readings: Readings, max_bytes: int) -> None:
        self._readings, self.max_bytes = readings, max_bytes
        readings.max_card_bytes = max_bytes // 2
        self.bytes = 0
        self.pages: OrderedDict[KeptKey, KeptResponse] = OrderedDict()
        self.singles: OrderedDict[KeptKey, KeptResponse] = OrderedDict()
        self.hits = 0
        self.misses: Counter[str] = Counter()
        """By the reason: `absent`, `rows`, `other process`, `store`, or the name of what a Watch found changed."""
        self.refused: Counter[str] = Counter()
        """Responses that could not be kept, by the reason: as for `misses`, and `size`, `keys` (too many, or not all
        known), `media` (not everybody may see them)."""
        self.evicted = 0

    def __len__(self) -> int:
        return len(self.pages) + len(self.singles)

    def find(self, key: KeptKey) -> KeptResponse | None:
        """The response that the ordinary path would make now. None if it is not kept, or may have changed."""
        kept = self._among(key)
        if (found := kept.get(key)) is None:
            self.misses["absent"] += 1
            return None
        if why := self._readings.why_outdated(found.reading):
            self.misses[why] += 1
            return None
        kept.move_to_end(key)
        self.hits += 1
        return found

    @property
    def needs_waiting(self) -> bool:
        """Whether the store has to be asked for changes, so that only `find_refreshed` finds anything."""
        return self._readings.catch_up is not None

    async def find_refreshed(self, key: KeptKey) -> KeptResponse | None:
        """As `find`, after the store was asked for changes, and the caches that the response depends on, which may be due to
        ask the store. Raises Unavailable."""
        found = self._among(key).get(key)
        if found is None or found.reading.is_outdated:
            return None
        if (catch_up := self._readings.catch_up) is not None and not await catch_up():
            self.misses["store"] += 1
            return None
        await self._readings.refresh(found.reading.watches)
        return self.find(key)

    async def is_caught_up(self) -> bool:
        """Ask the store for changes, if it has to be asked, before a response is read that may be kept. While it is read,
        rows and names in the memory of this process are used. False if they may have changed."""
        catch_up = self._readings.catch_up
        return catch_up is None or await catch_up()

    def reading(self) -> AbstractContextManager[Reading | None]:
        """Around the reads of a response that may be kept."""
        return self._readings.reading()

    def keep(self, key: KeptKey, made: KeptResponse, *, expires: bool) -> None:
        """To be called right after the reading has ended. A response that `expires` is not kept."""
        kept = self._among(key)
        if (old := kept.pop(key, None)) is not None:
            self._dropped(old)
        if expires:
            self.refused["media"] += 1
            return
        if made.size > self.max_bytes or not self._readings.keep(made.reading):
            self.refused[made.reading.refused or "size"] += 1
            return
        kept[key] = made
        self.bytes += made.size
        while self.bytes + self._readings.card_bytes > self.max_bytes and len(self):
            _, evicted = (self.pages or self.singles).popitem(last=False)
            self._dropped(evicted)
            self.evicted += 1

    def _among(self, key: KeptKey) -> OrderedDict[KeptKey, KeptResponse]:
        return self.pages if key.target.limit else self.singles

    def _dropped(self, old: KeptResponse) -> None:
        self.bytes -= old.size
        self._readings.drop(old.reading)

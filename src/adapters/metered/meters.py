"""The counts of this process that no other object has. They only grow; everything runs in one event loop, without locks."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds. A request is cancelled after five."""
WORK_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0)
"""Seconds, for work whose requests do not wait for it."""
DELAY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)
"""Seconds between an event and its effect."""
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD, UNMATCHED = "other", "unmatched"


class Distribution(NamedTuple):
    """A copy of a histogram."""

    bounds: Sequence[float]
    counts: Sequence[int]
    """By bucket, not cumulative; the last one is above all bounds."""
    sum: float


class Histogram:
    """Counts by bucket. An observation takes a fraction of a microsecond; the one of the metrics library takes a lock per
    number, for threads that are not there."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` are the upper bounds of the buckets, ascending."""
        self._bounds, self._counts, self._sum = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def read(self) -> Distribution:
        return Distribution(self._bounds, tuple(self._counts), self._sum)


class Histograms:
    """A histogram for each combination of labels, made at its first observation. The caller bounds their number."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.by_labels: dict[tuple[str, ...], Histogram] = {}

    def __getitem__(self, labels: tuple[str, ...]) -> Histogram:
        found = self.by_labels.get(labels)
        if found is None:
            found = self.by_labels[labels] = Histogram(self._bounds)
        return found


class RequestMeter:
    """HTTP requests by method, route template and class of status. What a client can make up becomes no label: an unknown
    method counts as `other`, and an address without a route as `unmatched`."""

    def __init__(self) -> None:
        self.durations = Histograms(REQUEST_BUCKETS)
        self.received_bytes = self.sent_bytes = 0
        self.in_flight: Callable[[], int] = lambda: 0
        """Set by the layer that counts them."""
        self._known: dict[tuple[str, str, int], Histogram] = {}

    def responded(self, method: str, template: str, status: int, seconds: float) -> None:
        """`template` comes from the router and never from a client; it is empty if no route matched."""
        key = method, template, status // 100
        histogram = self._known.get(key)
        if histogram is None:
            histogram = self._new(key)
        histogram.observe(seconds)

    def _new(self, key: tuple[str, str, int]) -> Histogram:
        method, template, status_class = key
        status = f"{status_class}xx"
        if method not in METHODS:  # not remembered: there may be any number of them
            return self.durations[OTHER_METHOD, template or UNMATCHED, status]
        histogram = self._known[key] = self.durations[method, template or UNMATCHED, status]
        return histogram


class StreamMeter:
    """Open streams, and the frames sent to them."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter(websocket=0, sse=0)
        """Streams by transport."""
        self.closed: Counter[int] = Counter()
        """Streams that Waggle ended, by close code."""
        self.frames: Counter[str] = Counter()
        self.delays = Histogram(DELAY_BUCKETS)
        """From the time of an entry to its frame, of streams that had everything before."""


class FragmentCache(Protocol):
    hits: int
    misses: int
    bytes: int

    def __len__(self) -> int: ...


class ReadModel(Protocol):
    """The responses that are kept."""

    hits: int
    misses: Counter[str]
    """By reason, as `refused`."""
    refused: Counter[str]
    evicted: int
    bytes: int

    def __len__(self) -> int: ...


@dataclass(slots=True)
class Meters:
    """All of them. They are there, and stay empty, while metrics are off."""

    requests: RequestMeter = field(default_factory=RequestMeter)
    streams: StreamMeter = field(default_factory=StreamMeter)
    limits: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """By the name of the rate, and whether the request was admitted."""
    cache_hits: Counter[bool] = field(default_factory=Counter)
    """Reads of the cache of rankings, by whether they found something."""
    deliveries: Histograms = field(default_factory=lambda: Histograms(WORK_BUCKETS))
    """Calls of event handlers by subscriber and outcome."""
    delays: Histogram = field(default_factory=lambda: Histogram(DELAY_BUCKETS))
    """From the event to the end of a call that handled it."""
    storage: Histograms = field(default_factory=lambda: Histograms(WORK_BUCKETS))
    """Calls by operation and outcome."""
    media: Histograms = field(default_factory=lambda: Histograms(WORK_BUCKETS))
    """Attempts to process an upload, by outcome."""
    mail: Counter[str] = field(default_factory=lambda: Counter(sent=0, refused=0, failed=0))
    security: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Security events by kind and outcome."""
    lag: Histogram = field(default_factory=lambda: Histogram(LAG_BUCKETS))
    """The delay with which the event loop ran a timer."""
    fragments: FragmentCache | None = None
    """The cache of encoded posts, which belongs to HTTP, as does `kept`."""
    kept: ReadModel | None = None
    """None if no response is kept."""

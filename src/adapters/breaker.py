"""A circuit breaker: stop calling a dependency that fails, and notice when it works again."""

from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW = 5
"""Seconds over which outcomes are counted."""
MIN_OUTCOMES = 20
"""The minimum number of outcomes in the window for their failure rate to count."""
TIMEOUTS = 5
"""This many timeouts in a row open the breaker by themselves."""
PROBE_SECONDS = 1.0
PROBES = 3
"""Successful probes in a row that close it again."""


@dataclass(slots=True)
class Breaker:
    """Closed while the dependency works. While it is open, only one probe per second may call the dependency.

    It opens when half of at least MIN_OUTCOMES outcomes in the last WINDOW seconds are failures, or after TIMEOUTS timeouts
    in a row. A call whose caller stopped waiting is not an outcome.
    """

    monotonic: Callable[[], float]
    closed: bool = True
    opened: int = 0
    """The number of times that it has opened."""
    _outcomes: dict[int, list[int]] = field(default_factory=dict)
    """The numbers of outcomes and of failures, by second."""
    _timeouts: int = 0
    _probed_at: float = 0.0
    _successes: int = 0

    def may_probe(self) -> bool:
        """Whether a probe is due: one per second while the breaker is open, none while it is closed."""
        now = self.monotonic()
        if self.closed or now - self._probed_at < PROBE_SECONDS:
            return False
        self._probed_at = now
        return True

    def succeeded(self, times: int = 1) -> None:
        self._timeouts = 0
        if self.closed:
            self._count(times, failed=0)
            return
        self._successes += times
        if self._successes >= PROBES:
            self.closed = True
            self._outcomes.clear()

    def failed(self) -> None:
        self._timeouts = 0
        self._fail()

    def timed_out(self) -> None:
        self._timeouts += 1
        self._fail()

    def _fail(self) -> None:
        self._successes = 0
        if not self.closed:
            return
        total, failed = self._count(1, failed=1)
        if self._timeouts >= TIMEOUTS or (total >= MIN_OUTCOMES and 2 * failed >= total):
            self.closed = False
            self.opened += 1
            self._timeouts = 0
            self._probed_at = self.monotonic()

    def _count(self, times: int, failed: int) -> tuple[int, int]:
        """Count outcomes. Returns the numbers of outcomes and failures in the window; zeros after a success."""
        now = int(self.monotonic())
        outcomes = self._outcomes
        second = outcomes.get(now)
        if second is None:
            for old in [old for old in outcomes if old <= now - WINDOW]:
                del outcomes[old]
            second = outcomes[now] = [0, 0]
        second[0] += times
        second[1] += failed
        if not failed:
            return 0, 0  # a success opens nothing, and is frequent
        return sum(counts[0] for counts in outcomes.values()), sum(counts[1] for counts in outcomes.values())

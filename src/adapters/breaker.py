"""Stop asking a dependency that does not answer, and notice when it does again."""

from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW = 5
"""Seconds over which outcomes are counted."""
ENOUGH = 20
"""Outcomes within the window below which their shares tell nothing."""
TIMEOUTS = 5
"""So many one after the other tell enough by themselves."""
PROBE_SECONDS = 1.0
PROBES = 3
"""Successes one after the other that close it again."""


@dataclass(slots=True)
class Breaker:
    """Closed while the dependency does its work; open, nobody is to ask it but one probe a second.

    It opens when half of at least ENOUGH outcomes of the last WINDOW seconds are failures, or after TIMEOUTS
    timeouts in a row. That somebody stopped waiting is no outcome.
    """

    monotonic: Callable[[], float]
    closed: bool = True
    _outcomes: dict[int, list[int]] = field(default_factory=dict)
    """Per second: how many there were, and how many of them failed."""
    _timeouts: int = 0
    _probed_at: float = 0.0
    _successes: int = 0

    def may_probe(self) -> bool:
        """Whether an open breaker lets somebody try; it lets in one a second. A closed one needs no probe."""
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
        if self._timeouts >= TIMEOUTS or (total >= ENOUGH and 2 * failed >= total):
            self.closed = False
            self._timeouts = 0
            self._probed_at = self.monotonic()

    def _count(self, times: int, failed: int) -> tuple[int, int]:
        """All outcomes of the window, and how many of them failed."""
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
            return 0, 0  # a success opens nothing, and is the hot path
        return sum(counts[0] for counts in outcomes.values()), sum(counts[1] for counts in outcomes.values())

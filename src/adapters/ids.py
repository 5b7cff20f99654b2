"""Time-ordered 64-bit ids: milliseconds since 1970, 8 bits of process number, 8 bits of sequence.

The time is the clock of whoever grants the lease (the database, if there is one), extrapolated with the monotonic clock. So
a wall clock that is wrong or jumps has no effect. A process number belongs to one process during its lease, and the time
of an id is within the lease, so ids are unique.
"""

from collections.abc import Callable
from dataclasses import dataclass

from domain.shared import Unavailable

PROCESSES = 256
PER_MILLISECOND = 256


@dataclass(frozen=True, slots=True)
class Lease:
    number: int
    now_ms: int
    """The grantor's clock when the lease was granted or renewed."""
    until_ms: int
    processes: int = 1
    """The number of processes that hold a number, including this one."""


class IdAllocator:
    """Makes ids. Not thread-safe: call it in the event loop."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lease: Lease | None = None
        self._number, self._processes = 0, 1
        self._anchor = 0.0
        self._last_ms = 0
        self._sequence = 0

    def processes(self) -> int:
        """The number of processes when the lease was last renewed; at least 1."""
        return self._processes

    def renewed(self, lease: Lease, *, asked_at: float) -> None:
        """Continue with `lease`. `asked_at` is the monotonic time before the request for it. Taken as the moment of
        `lease.now_ms`, it makes this clock run ahead by at most the time of the answer, so that the lease is given up that
        much before its end."""
        if lease.number != self._number:  # a smaller number makes smaller ids: start a new millisecond
            self._number, self._sequence = lease.number, PER_MILLISECOND
        self._lease, self._processes = lease, lease.processes
        self._anchor = asked_at

    def lost(self) -> None:
        self._lease = None

    async def check(self) -> None:
        """Raises Unavailable while no ids can be made."""
        self()

    def __call__(self) -> int:
        if self._lease is None:
            raise Unavailable("no process number: the database has not granted one yet")
        elapsed_ms = int((self._monotonic() - self._anchor) * 1000)
        now = self._lease.now_ms + max(0, elapsed_ms)
        if now > self._last_ms:
            self._last_ms, self._sequence = now, 0
        elif self._sequence + 1 < PER_MILLISECOND:
            self._sequence += 1
        else:  # more than 256 in a millisecond, or the clock went back a little: borrow from the next
            self._last_ms, self._sequence = self._last_ms + 1, 0
        if self._last_ms >= self._lease.until_ms:
            raise Unavailable("the lease of the process number has ended")
        return self._last_ms << 16 | self._lease.number << 8 | self._sequence

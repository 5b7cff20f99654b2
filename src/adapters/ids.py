"""Time-ordered 64-bit ids: milliseconds since 1970, then 8 bits of process number, 8 of sequence.

The time is the lease giver's clock (the database's, where there is one), carried on by the monotonic
clock: a process whose wall clock jumps or is wrong makes the same ids as the others. Within its lease
a process number belongs to one process, and an id's time lies within the lease, so no id is made twice.
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
    """The lease giver's clock when the lease was given or renewed."""
    until_ms: int
    processes: int = 1
    """How many processes hold a number, this one included."""


class IdAllocator:
    """Not thread-safe: ids are made in the event loop."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lease: Lease | None = None
        self._number, self._processes = 0, 1
        self._anchor = 0.0
        self._last_ms = 0
        self._sequence = 0

    def processes(self) -> int:
        """How many processes shared the work when the lease was renewed last; at least 1."""
        return self._processes

    def renewed(self, lease: Lease, *, asked_at: float) -> None:
        """Go on under `lease`. `asked_at` is the monotonic time before it was asked for: taken as the
        moment of `lease.now_ms` it errs, by the time of the answer, to the late side, and the lease is
        given up before its end by that much."""
        if lease.number != self._number:  # a smaller number makes smaller ids: begin a new millisecond
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
            raise Unavailable("no process number: the database has not given one yet")
        elapsed_ms = int((self._monotonic() - self._anchor) * 1000)
        now = self._lease.now_ms + max(0, elapsed_ms)
        if now > self._last_ms:
            self._last_ms, self._sequence = now, 0
        elif self._sequence + 1 < PER_MILLISECOND:
            self._sequence += 1
        else:  # more than 256 in a millisecond, or time was set back a little: borrow from the next
            self._last_ms, self._sequence = self._last_ms + 1, 0
        if self._last_ms >= self._lease.until_ms:
            raise Unavailable("the lease of the process number has ended")
        return self._last_ms << 16 | self._lease.number << 8 | self._sequence

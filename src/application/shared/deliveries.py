"""The other end of the outbox: what is still to be delivered, to whom, and what came of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, Protocol

from application.shared.events import Event
from domain.shared import EventId

NOT_DISTRIBUTED = ""
"""Stands in the place of a subscriber: the event was not brought to anybody yet."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way, leased to one relay: to everybody at first, later to a single subscriber."""

    seq: int
    """Position of the event in the outbox; greater means committed later within an aggregate."""
    subscriber: str
    event_id: EventId
    aggregate: str
    kind: str
    event: Event | None
    """None if this process cannot read it: mostly because a newer one wrote it."""
    attempts: int = 0
    """How often it failed before."""
    continue_from: str | None = None
    behind: frozenset[str] = frozenset()
    """Of an event to everybody: subscribers that still have an earlier event of the aggregate before them."""
    lease: int = field(default=0, compare=False)
    """Tells this lease from every other one of the delivery."""

    @property
    def key(self) -> tuple[int, str]:
        return self.seq, self.subscriber


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left to do for one subscriber after a try."""

    subscriber: str
    attempts: int = 0
    after: timedelta = timedelta()
    """From now until it is tried again."""
    continue_from: str | None = None
    error: str = ""
    """Why it failed; empty if it did not."""
    is_dead: bool = False
    """It is not tried again: it goes to the dead letters."""


class Settled(NamedTuple):
    delivery: Delivery
    remaining: Sequence[Remaining] = ()
    """Nothing, if it is done. For an event to everybody: one for each subscriber that does not have it for good."""


class DeadLetter(NamedTuple):
    delivery: Delivery
    error: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Deliveries of one subscriber; of EVERYBODY, those of events that were not brought to anybody yet."""

    pending: int = 0
    """Did not fail: they wait behind an earlier event, or go on in parts."""
    retrying: int = 0
    dead: int = 0


class OutboxQueue(Protocol):
    """Each call is a transaction of its own. None has an effect on a delivery whose lease was lost, because it ended
    and another relay claimed the delivery."""

    async def claim_events(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Lease up to `limit` due events that were not brought to anybody yet, oldest first. An event is never given
        while an earlier one of its aggregate is leased or waits, unless that one is in the same answer."""
        ...

    async def claim_remaining(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Lease up to `limit` due deliveries to single subscribers, longest due first. One is never given while an
        earlier one of the same aggregate and subscriber is left."""
        ...

    async def settle(self, settled: Sequence[Settled]) -> None:
        """End these leases: forget what is done, and keep what is left."""
        ...

    async def renew(self, deliveries: Sequence[Delivery], lease: timedelta) -> Sequence[Delivery]:
        """Those whose lease was not lost, with a lease that begins now. Only these can be settled or released."""
        ...

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Give deliveries back untried."""
        ...

    async def dead(self, limit: int, subscriber: str | None = None) -> Sequence[DeadLetter]:
        """The dead letters, of one subscriber or of all, oldest event first."""
        ...

    async def replay(self, seqs: Collection[int] | None = None, subscriber: str | None = None) -> int:
        """Make dead letters due as new: those of these events or of all, of this subscriber or of all. Each goes to
        its subscriber alone. Returns how many there were."""
        ...

    async def counts(self) -> Mapping[str, Counts]:
        """By subscriber; without those of which there is nothing to count."""
        ...

    async def waiting(self) -> int:
        """How many deliveries are not done yet, dead letters aside; an event to everybody is one."""
        ...

"""The receiving end of the outbox: pending deliveries and their outcomes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from typing import NamedTuple, Protocol

from application.shared.events import Event
from domain.dataclasses import dataclass
from domain.shared import EventId

NOT_DISTRIBUTED = ""
"""In place of a subscriber: no subscriber was called yet."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that is leased to one relay: for all subscribers at first, later for a single one."""

    seq: int
    """The position of the event in the outbox. Within an aggregate, a greater number was committed later."""
    subscriber: str
    event_id: EventId
    aggregate: str
    kind: str
    event: Event | None
    """None if this process cannot read it, mostly because a newer version wrote it."""
    attempts: int = 0
    """The number of earlier failures."""
    continue_from: str | None = None
    behind: frozenset[str] = frozenset()
    """For an event that is not distributed yet: the subscribers that still have an earlier event of the aggregate."""
    lease: int = field(default=0, compare=False)
    """Distinguishes this lease from earlier and later ones."""
    traceparent: str | None = field(default=None, compare=False)
    """The trace in which the event was published, in the form of W3C Trace Context; None if it is not recorded."""

    @property
    def key(self) -> tuple[int, str]:
        return self.seq, self.subscriber


@dataclass(frozen=True, slots=True)
class Remaining:
    """The work that remains for one subscriber after a call."""

    subscriber: str
    attempts: int = 0
    after: timedelta = timedelta()
    """The time until the next call."""
    continue_from: str | None = None
    error: str = ""
    """The reason of the failure; empty if it did not fail."""
    is_dead: bool = False
    """It becomes a dead letter and is not retried."""


class Settled(NamedTuple):
    delivery: Delivery
    remaining: Sequence[Remaining] = ()
    """Empty if the delivery is done. For an event for all subscribers: one item for each subscriber that is not done."""


class DeadLetter(NamedTuple):
    delivery: Delivery
    error: str


@dataclass(frozen=True, slots=True)
class Counts:
    """The deliveries of one subscriber; of NOT_DISTRIBUTED, the events that are not distributed yet."""

    pending: int = 0
    """Deliveries that did not fail: they wait behind an earlier event, or continue in parts."""
    retrying: int = 0
    dead: int = 0
    oldest: EventId | None = None
    """The oldest event of the pending and retrying deliveries. Its id contains its time."""


class OutboxQueue(Protocol):
    """Each call is a transaction of its own. No call changes a delivery whose lease was lost, which happens when the lease
    ends and another relay claims the delivery."""

    async def claim_events(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Lease up to `limit` due events that are not distributed yet, oldest first. An event is not leased while an
        earlier one of its aggregate is leased or waits, unless both are in the same result."""
        ...

    async def claim_remaining(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Lease up to `limit` due deliveries for single subscribers, the longest due first. A delivery is not leased while
        an earlier one of the same aggregate and subscriber remains."""
        ...

    async def settle(self, settled: Sequence[Settled]) -> None:
        """End these leases. Delete the deliveries that are done, and store what remains."""
        ...

    async def renew(self, deliveries: Sequence[Delivery], lease: timedelta) -> Sequence[Delivery]:
        """Extend the leases from now on. Returns the deliveries whose lease was not lost; only these can be settled or
        released."""
        ...

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """End the leases of deliveries that were not tried."""
        ...

    async def dead(self, limit: int, subscriber: str | None = None) -> Sequence[DeadLetter]:
        """The dead letters, of one subscriber or of all, oldest event first."""
        ...

    async def replay(self, seqs: Collection[int] | None = None, subscriber: str | None = None) -> int:
        """Make dead letters due again, with no failures: those of these events or of all, of this subscriber or of all.
        Each is delivered to its subscriber only. Returns their number."""
        ...

    async def counts(self, limit: int = 1_000_000) -> Mapping[str, Counts]:
        """The counts by subscriber. Subscribers without deliveries are left out. Of the events, of the deliveries and of
        the dead letters, the oldest `limit` are counted."""
        ...

    async def waiting(self) -> int:
        """The number of deliveries that are not done, without dead letters. An event that is not distributed yet counts once."""
        ...

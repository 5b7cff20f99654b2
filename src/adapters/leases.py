"""Leases of a store that belongs to one process: they need not outlive it, so they are not stored."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from application.shared.deliveries import Delivery


class Placed(Protocol):
    """A delivery, as the store has it."""

    @property
    def aggregate(self) -> str: ...
    @property
    def subscriber(self) -> str: ...
    @property
    def key(self) -> tuple[int, str]: ...


P = TypeVar("P", bound=Placed)


@dataclass(slots=True)
class OwnLeases:
    monotonic: Callable[[], float]
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _held: dict[tuple[int, str], tuple[int, float]] = field(default_factory=dict)
    """The number of the lease, and when it ends."""

    def __len__(self) -> int:
        return len(self._held)

    def take(self, due: Iterable[P], limit: int, lease: timedelta) -> tuple[list[P], int]:
        """Lease up to `limit` of what is `due`, which is in order: nothing behind what is leased. The second is the
        number of the lease."""
        now = self.monotonic()
        self._held = {key: held for key, held in self._held.items() if held[1] > now}
        held_up: set[tuple[str, str]] = set()
        taken: list[P] = []
        number, until = next(self._numbers), now + lease.total_seconds()
        for one in due:
            if one.key in self._held:
                held_up.add((one.aggregate, one.subscriber))
            elif len(taken) < limit and (one.aggregate, one.subscriber) not in held_up:
                taken.append(one)
        self._held.update((one.key, (number, until)) for one in taken)
        return taken, number

    def owns(self, delivery: Delivery) -> bool:
        """Whether this lease is still in force, or ended without anybody else claiming the delivery."""
        return self._held.get(delivery.key, (0, 0.0))[0] == delivery.lease

    def renew(self, deliveries: Sequence[Delivery], lease: timedelta) -> list[Delivery]:
        kept = [delivery for delivery in deliveries if self.owns(delivery)]
        until = self.monotonic() + lease.total_seconds()
        self._held.update((delivery.key, (delivery.lease, until)) for delivery in kept)
        return kept

    def end(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            if self.owns(delivery):
                del self._held[delivery.key]

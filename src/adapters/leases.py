"""Leases of a store that belongs to one process: they need not outlive it, so they are not stored."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from application.shared.deliveries import Delivery


@dataclass(slots=True)
class OwnLeases:
    monotonic: Callable[[], float]
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _held: dict[tuple[int, str], tuple[int, float]] = field(default_factory=dict)
    """The number of the lease, and when it ends."""

    def __len__(self) -> int:
        return len(self._held)

    def take(self, due: Iterable[Delivery], limit: int, lease: timedelta) -> list[Delivery]:
        """Lease up to `limit` of the `due` deliveries, which are in order: none behind one that is leased."""
        now = self.monotonic()
        self._held = {key: held for key, held in self._held.items() if held[1] > now}
        held_up: set[tuple[str, str]] = set()
        taken: list[Delivery] = []
        number, until = next(self._numbers), now + lease.total_seconds()
        for delivery in due:
            place = delivery.aggregate, delivery.subscriber
            if delivery.key in self._held:
                held_up.add(place)
            elif place not in held_up and len(taken) < limit:
                taken.append(replace(delivery, lease=number))
        self._held.update((delivery.key, (number, until)) for delivery in taken)
        return taken

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

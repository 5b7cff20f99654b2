"""The common parts of all stores in Memory."""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.memory.store import Store
from application.shared.ports import Clock, NewId


async def purge_nothing() -> int:
    """Implements `PurgeExpired`: memory keeps expired rows until the process ends."""
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """`adapters.memory.<module>.stores.stores` takes this and returns the stores of that module."""

    store: Store
    new_id: NewId
    """Makes the ids of events."""
    now: Clock
    """Replaces the clock of a database."""
    monotonic: Callable[[], float]
    """For leases, and for pauses before the next attempt."""

"""Memory as the stores of every module need it."""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.memory.store import Store
from application.shared.ports import Clock, NewId


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """`adapters.memory.<module>.stores.stores` makes the stores of a module of it."""

    store: Store
    new_id: NewId
    """For the ids of events."""
    now: Clock
    """Stands for the clock of a database."""
    monotonic: Callable[[], float]
    """For leases, and for pauses before the next attempt."""

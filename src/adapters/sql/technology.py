"""The common parts of all stores in SQLite or PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.sql.database import Database
from adapters.sql.sealing import Sealer
from application.shared.ports import NewId
from application.shared.readings import Readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Sql:
    """`adapters.sql.<module>.stores.stores` takes this and returns the stores of that module."""

    database: Database
    sealer: Sealer
    new_id: NewId
    """Makes the ids of events."""
    monotonic: Callable[[], float]
    """For leases that stay in this process."""
    readings: Readings = field(default_factory=Readings)
    """What caches of rows listen to."""

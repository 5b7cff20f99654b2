"""SQLite or PostgreSQL as the stores of every module need it."""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.sql.database import Database
from adapters.sql.sealing import Sealer
from application.shared.ports import NewId


@dataclass(frozen=True, slots=True, kw_only=True)
class Sql:
    """`adapters.sql.<module>.stores.stores` makes the stores of a module of it."""

    database: Database
    sealer: Sealer
    new_id: NewId
    """For the ids of events."""
    monotonic: Callable[[], float]
    """For leases that stay in this process."""

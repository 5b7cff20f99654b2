"""The limits of the database server, read once when a process starts."""

from sqlalchemy import text

from adapters.sql.database import Database
from adapters.sql.errors import DatabaseRefused
from adapters.sql.limits import POOLER_NEEDED, SERVER_SETTINGS

RESERVED = 10
"""Connections that are reserved for backups, migrations and operators (RE-6)."""

_ASK = text("""
SELECT current_setting('statement_timeout') AS timeout,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int AS slots,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS of_user,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS of_database
""")


async def allowed_connections(database: Database) -> int | None:
    """The number of connections that all processes together may open; None behind a pooler, which has limits of its own.
    Raises DatabaseRefused if the settings of a connection are dropped, as an undeclared pooler does."""
    if database.is_pooled:
        return None
    async with database.begin() as transaction:
        row = (await transaction.execute(_ASK)).one()
    if row.timeout != SERVER_SETTINGS["statement_timeout"]:
        raise DatabaseRefused(POOLER_NEEDED)
    limits = [limit for limit in (row.of_user, row.of_database) if limit >= 0]
    return int(min(row.slots - RESERVED, *limits)) if limits else int(row.slots - RESERVED)

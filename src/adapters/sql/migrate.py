"""Migrate a database to the schema of this code."""

from pathlib import Path

from sqlalchemy import Connection, String, column, select, table, text

from adapters.sql.database import Database
from adapters.sql.errors import DatabaseRefused
from adapters.sql.sealing import Sealer
from adapters.sql.statements import Prepared

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0022"
"""The newest migration. A test compares it with the files. So a start need not load Alembic, which takes half a second,
to find out that there is nothing to do."""

_LOCK = 0x7761676D
_version = table("alembic_version", column("version_num", String))
_VERSION = select(_version.c.version_num)
_READ_VERSION = Prepared(_VERSION)
_HAS_VERSION = {
    True: text("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"),
    False: text("SELECT to_regclass('alembic_version') IS NOT NULL"),
}
"""By whether the database is SQLite."""


class SchemaOlder(Exception):
    """The database lacks migrations that this code needs: an old backup was restored under a running process."""


class SchemaNewer(Exception):
    """A newer version has migrated the database. This process works on, and should be replaced by that version."""


async def current(database: Database) -> str | None:
    """The migration of the database; None if the database is empty."""
    async with database.begin() as transaction:
        if not (await transaction.execute(_HAS_VERSION[database.is_sqlite])).scalar_one():
            return None
        version: str | None = (await transaction.execute(_VERSION)).scalar()
        return version


async def check_schema(database: Database) -> None:
    """Raises DatabaseRefused unless the database has the schema of this code."""
    found = await current(database)
    _refuse_newer(found)
    if _outdated(found):
        raise DatabaseRefused(
            f"the database is at schema {found}, this code needs {HEAD}: run `waggle migrate`"
        )


async def require_schema(database: Database) -> None:
    """For a running process. Raises SchemaOlder and Unavailable."""
    if _outdated(await _read(database)):
        raise SchemaOlder


async def require_no_newer_schema(database: Database) -> None:
    """For a running process. Raises SchemaNewer and Unavailable."""
    if (await _read(database) or "") > HEAD:
        raise SchemaNewer


async def _read(database: Database) -> str | None:
    for (found,) in await database.fetch(_READ_VERSION):
        return str(found)
    return None


def _outdated(found: str | None) -> bool:
    return (found or "") < HEAD


def _refuse_newer(found: str | None) -> None:
    if (found or "") > HEAD:
        raise DatabaseRefused(
            f"the database is at schema {found}, which is newer than this version knows ({HEAD}): start the newer version, or "
            "restore a backup of this version"
        )


async def migrate(database: Database, sealer: Sealer | None = None) -> bool:
    """Apply the missing migrations in one transaction; False if there are none. Processes that migrate the same database
    concurrently run one after the other. `sealer` is needed if there are accounts. Raises DatabaseRefused if a newer version
    has migrated the database, and ValueError if addresses are sealed with another key."""
    _refuse_newer(found := await current(database))
    if not _outdated(found):
        return False
    from alembic import command, config  # noqa: PLC0415 - see HEAD

    from adapters.sql.engines import run_in_transaction  # noqa: PLC0415 - as above

    def upgrade(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            # Unlike a request, a migration may wait for locks and take long.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        settings = config.Config()
        settings.set_main_option("script_location", str(MIGRATIONS))
        settings.attributes["connection"] = connection
        settings.attributes["sealer"] = sealer
        command.upgrade(settings, "head")

    await run_in_transaction(database, upgrade)
    return True

"""The sequence of migrations, and the schemas that are accepted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from adapters.sql.database import Database
from adapters.sql.errors import DatabaseRefused
from adapters.sql.migrate import HEAD, MIGRATIONS, check_schema, migrate


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database.at(f"sqlite:///{tmp_path}/waggle.db")
    yield database
    await database.close()


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


def test_the_code_knows_its_newest_migration() -> None:
    assert scripts().get_heads() == [HEAD]


def test_migrations_have_no_branches() -> None:
    line = list(scripts().walk_revisions())

    assert [revision.down_revision for revision in line] == [revision.revision for revision in line[1:]] + [
        None
    ]
    assert {path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py")} == {r.revision for r in line}


@pytest.mark.parametrize("found", [None, "0000"])
async def test_an_empty_and_an_older_database_need_a_migration(database: Database, found: str | None) -> None:
    await at_schema(database, found)

    with pytest.raises(DatabaseRefused, match="waggle migrate"):
        await check_schema(database)


async def test_the_schema_of_this_code_is_accepted(database: Database) -> None:
    await at_schema(database, HEAD)

    await check_schema(database)

    assert await migrate(database) is False


async def test_a_schema_of_a_newer_version_is_refused(database: Database) -> None:
    await at_schema(database, "9999")

    with pytest.raises(DatabaseRefused, match="newer than this version knows"):
        await check_schema(database)
    with pytest.raises(DatabaseRefused, match="newer than this version knows"):
        await migrate(database)


async def at_schema(database: Database, version: str | None) -> None:
    async with database.begin() as transaction:
        if version is not None:
            await transaction.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
            await transaction.execute(text(f"INSERT INTO alembic_version VALUES ('{version}')"))


@pytest.mark.parametrize("path", sorted((MIGRATIONS / "versions").glob("0*.py")), ids=lambda path: path.stem)
def test_no_migration_uses_the_batch_mode(path: Path) -> None:
    """The batch mode recreates a table and loses parts of it: collations, triggers, rows that others refer to."""
    assert "batch_alter_table" not in path.read_text()

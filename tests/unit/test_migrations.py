"""The migrations and the tables, on SQLite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from adapters.sql.database import Database
from adapters.sql.migrate import HEAD, MIGRATIONS, outdated
from tests.unit.contracts.schema import SchemaContract


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database.at(f"sqlite:///{tmp_path}/waggle.db")
    yield database
    await database.close()


class TestSchema(SchemaContract): ...


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


def test_the_code_knows_its_newest_migration() -> None:
    assert scripts().get_heads() == [HEAD]


def test_migrations_form_one_line() -> None:
    line = list(scripts().walk_revisions())

    assert [revision.down_revision for revision in line] == [revision.revision for revision in line[1:]] + [
        None
    ]
    assert {path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py")} == {r.revision for r in line}


def test_an_empty_and_an_older_database_are_outdated_and_a_newer_one_is_not() -> None:
    verdicts = {found: outdated(found) for found in (None, "0000", HEAD, "9999")}

    assert verdicts == {None: True, "0000": True, HEAD: False, "9999": False}

"""The triggers of a migrated PostgreSQL."""

from sqlalchemy import text

from adapters.sql.change_triggers import functions
from adapters.sql.database import Database
from adapters.sql.identity.row_triggers import ROW_TRIGGERS as IDENTITY_TRIGGERS
from adapters.sql.posts.row_triggers import ROW_TRIGGERS as POSTS_TRIGGERS
from adapters.sql.statements import Prepared


async def test_the_triggers_are_those_that_the_modules_list(migrated_postgres: str) -> None:
    """If this fails, a migration is missing that creates the new ones."""
    database = Database.at(migrated_postgres)
    await database.open()
    expected = functions((*IDENTITY_TRIGGERS, *POSTS_TRIGGERS), "public")
    found = {
        row[0]: (row[1], row[2], row[3])
        for row in await database.fetch(
            Prepared(
                text(
                    r"""
                    SELECT t.tgname\:\:text, c.relname\:\:text, f.prosrc, t.tgenabled = 'A'
                    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
                    WHERE t.tgname LIKE 'waggle_changed_%'
                    """
                )
            )
        )
    }
    await database.close()
    assert found == {name: (one.table, one.body, True) for name, one in expected.items()}

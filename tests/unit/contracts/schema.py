"""The migrations make exactly the tables that the code declares."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from adapters.sql.database import Database
from adapters.sql.migrate import HEAD, current, migrate
from adapters.sql.tables import metadata


async def differences(database: Database) -> list[object]:
    """What the next migration would have to do."""

    def compare(connection: Connection) -> list[object]:
        settings = {"compare_type": True, "compare_server_default": True, "render_as_batch": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=settings), metadata))

    async with database.begin() as connection:
        return await connection.run_sync(compare)


class SchemaContract:
    """`database` is a new and empty one."""

    async def test_an_empty_database_is_at_no_schema(self, database: Database) -> None:
        assert await current(database) is None

    async def test_the_migrations_make_the_tables_of_the_code(self, database: Database) -> None:
        await migrate(database)

        assert await differences(database) == []
        assert await current(database) == HEAD

    async def test_a_table_that_differs_would_be_noticed(self, database: Database) -> None:
        await migrate(database)
        async with database.begin() as connection:
            await connection.execute(text("DROP INDEX ix_outbox_aggregate_seq"))
            await connection.execute(text("ALTER TABLE posts ADD COLUMN mood VARCHAR(10)"))

        assert len(await differences(database)) == 2

    async def test_a_second_migration_changes_nothing(self, database: Database) -> None:
        assert await migrate(database) is True
        assert await migrate(database) is False

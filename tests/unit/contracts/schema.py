"""The migrations make exactly the tables that the code declares."""

from collections.abc import Sequence

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from adapters.sql import posts
from adapters.sql.database import Database
from adapters.sql.migrate import HEAD, MIGRATIONS, current, migrate
from adapters.sql.posts.tables import FULL_TEXT
from adapters.sql.tables import metadata
from application.posts.ports import Tombstone
from application.posts.repair import RepairPosts
from application.shared.paging import Window
from domain.shared import PostId, Standing


async def differences(database: Database) -> list[object]:
    """What the next migration would have to do."""

    def compare(connection: Connection) -> list[object]:
        # Words are indexed by what each database has for it, on SQLite by tables that are no table of the code.
        words = {("index", "ix_post_words_words")} if database.is_sqlite else set[tuple[str, str]]()
        words |= {("table", f"{FULL_TEXT}{part}") for part in ("", "_data", "_idx", "_docsize", "_config")}
        settings = {
            "compare_type": True,
            "compare_server_default": True,
            "render_as_batch": True,
            "include_object": lambda _object, name, kind, *_: (kind, name) not in words,
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=settings), metadata))

    async with database.begin() as connection:
        return await connection.run_sync(compare)


async def migrate_to(database: Database, revision: str) -> None:
    def upgrade(connection: Connection) -> None:
        settings = Config()
        settings.set_main_option("script_location", str(MIGRATIONS))
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)

    async with database.begin() as connection:
        await connection.run_sync(upgrade)


FIRST_POSTS: Sequence[tuple[int, int | None, bool, str, int, int]] = [
    # id, reply_to, deleted, visibility, comments, likes
    (1, None, False, "public", 1, 1),
    (2, 1, True, "public", 0, 0),  # deleted, and so is what answered it, but not what answered that
    (3, 2, True, "public", 1, 0),
    (4, 3, False, "unlisted", 0, 0),
    (5, 1, False, "public", 1, 0),
    (6, 5, True, "public", 0, 0),  # deleted, with nothing below
    (7, 5, False, "direct", 1, 0),
    (8, 7, False, "direct", 0, 0),
    (9, 5, False, "public", 0, 0),
    (10, None, True, "public", 1, 0),
    (11, 10, False, "public", 0, 0),
]


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

    async def test_a_database_of_the_first_version_keeps_its_posts_and_their_threads(
        self, database: Database
    ) -> None:
        await migrate_to(database, "0001")
        async with database.begin() as connection:
            for id_, reply_to, deleted, visibility, comments, likes in FIRST_POSTS:
                await connection.execute(
                    text(
                        "INSERT INTO posts (id, author_id, reply_to, text, visibility, content_warning, mentioned,"
                        " deleted, comments, likes, version)"
                        " VALUES (:id, 77, :reply_to, 'hello', :visibility, '', '[]', :deleted, :comments, :likes, 1)"
                    ),
                    {
                        "id": id_,
                        "reply_to": reply_to,
                        "deleted": deleted,
                        "visibility": visibility,
                        "comments": comments,
                        "likes": likes,
                    },
                )
            await connection.execute(text("INSERT INTO likes (post_id, user_id, id) VALUES (1, 78, 12)"))

        await migrate(database)

        await database.open()
        assert sum((await RepairPosts(posts.SqlCounters(database))(mend=False)).values()) == 0
        shown = {
            id_: await posts.SqlPostsReader(database).comments(PostId(id_), Window(9), Standing())
            for id_ in (1, 2, 3, 5)
        }
        assert {id_: [row.id for row in rows] for id_, rows in shown.items()} == {
            1: [2, 5],
            2: [3],
            3: [4],
            5: [9],
        }
        assert [isinstance(row, Tombstone) for rows in shown.values() for row in rows] == [
            True, False, True, False, False
        ]  # fmt: skip

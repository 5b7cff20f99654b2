"""The migrations make exactly the tables that the code declares."""

import json
from collections.abc import Sequence

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, text

from adapters.sql.database import Database
from adapters.sql.deliveries import queue_on
from adapters.sql.engines import run_in_transaction
from adapters.sql.identity.accounts import email_context
from adapters.sql.identity.reading import SqlIdentityReader
from adapters.sql.identity.searching import SqlPeopleSearch
from adapters.sql.migrate import HEAD, MIGRATIONS, current, migrate
from adapters.sql.posts.counters import SqlCounters
from adapters.sql.posts.entries import SqlEntries
from adapters.sql.posts.reading import SqlPostsReader
from adapters.sql.posts.row_cards import PostCards
from adapters.sql.posts.searching import SqlSearch
from adapters.sql.posts.tables import FULL_TEXT, post_words
from adapters.sql.posts.writing import transactions
from adapters.sql.tables import metadata
from adapters.text import email_key, graphemes
from application.identity.searching import PeopleQuery
from application.posts.event_handlers import ApplyPrivacy
from application.posts.ports import Tombstone
from application.posts.repair import RepairPosts
from application.posts.searching import FoundTag, TagWindow
from application.shared.events import ProfileChanged
from application.shared.paging import Window
from application.shared.readings import Readings
from application.shared.relay import Relay
from application.shared.subscriptions import InProcess, on_long
from domain.posts.searching import PostQuery
from domain.shared import PostId, UserId, ViewerContext
from tests.port_contracts.stores import SECRETS, new_id


async def differences(database: Database) -> list[object]:
    """The changes that the next migration would have to make."""

    def compare(connection: Connection) -> list[object]:
        # Words are indexed by what each database has for it, on SQLite by tables that are no table of the code.
        words = {("index", "ix_post_words_words")} if database.is_sqlite else set[tuple[str, str]]()
        words |= {("table", f"{FULL_TEXT}{part}") for part in ("", "_data", "_idx", "_docsize", "_config")}
        settings = {
            "compare_type": True,
            "compare_server_default": True,
            "render_as_batch": True,
            "include_object": lambda _object, name, kind, *_: (kind, name) not in words,
            # Only PostgreSQL has these, with a type that SQLAlchemy does not know.
            "include_name": lambda name, *_: name not in {"row_changes", "row_change_log"},
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=settings), metadata))

    return await run_in_transaction(database, compare)


async def migrate_to(database: Database, revision: str) -> None:
    def upgrade(connection: Connection) -> None:
        settings = Config()
        settings.set_main_option("script_location", str(MIGRATIONS))
        settings.attributes.update(connection=connection, sealer=SECRETS)
        command.upgrade(settings, revision)

    await run_in_transaction(database, upgrade)


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


OLDER_POSTS = [
    # id, text, hashtags by the older rules, the words of the index by them
    (21, "Łódź is here #Łódź", {"łódź": (13, 18)}, "łodz is here łodz @77 #łódź"),
    (22, "A film: #col·legi", {"col": (8, 12)}, "a film col legi @77 #col"),
    (23, "From #İstanbul", {"i̇stanbul": (5, 14)}, "from istanbul @77 #i̇stanbul"),
    (24, "Honey\u200bbee in ascii #bee", {"bee": (19, 23)}, "honeybee in ascii bee @77 #bee"),
    (25, "Plain #bee", {"bee": (6, 10)}, "plain bee @77 #bee"),
]
"""As the schema 0012 had them."""


class SchemaContract:
    """`database` is a new and empty one."""

    async def test_an_empty_database_is_at_no_schema(self, database: Database) -> None:
        assert await current(database) is None

    async def test_the_migrations_make_the_tables_of_the_code(self, database: Database) -> None:
        await migrate(database)

        assert await differences(database) == []
        assert await current(database) == HEAD

    async def test_the_comparison_of_tables_finds_differences(self, database: Database) -> None:
        await migrate(database)
        async with database.begin() as transaction:
            await transaction.execute(text("DROP INDEX ix_outbox_aggregate_seq"))
            await transaction.execute(text("ALTER TABLE posts ADD COLUMN mood VARCHAR(10)"))

        assert len(await differences(database)) == 2

    async def test_a_second_migration_changes_nothing(self, database: Database) -> None:
        assert await migrate(database) is True
        assert await migrate(database) is False

    async def test_a_database_of_the_first_version_keeps_its_posts_and_their_threads(
        self, database: Database
    ) -> None:
        await migrate_to(database, "0001")
        async with database.begin() as transaction:
            for id_, reply_to, deleted, visibility, comments, likes in FIRST_POSTS:
                await transaction.execute(
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
            await transaction.execute(text("INSERT INTO likes (post_id, user_id, id) VALUES (1, 78, 12)"))

        await migrate(database)

        await database.open()
        assert sum((await RepairPosts(SqlCounters(database))(repair=False)).values()) == 0
        shown = {
            id_: await SqlPostsReader(database).comments(PostId(id_), Window(9), ViewerContext())
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

    async def test_posts_indexed_by_older_rules_are_found_by_the_current_rules(
        self, database: Database
    ) -> None:
        await migrate_to(database, "0012")
        async with database.begin() as transaction:
            for id_, said, tags, words in OLDER_POSTS:
                entities = [
                    {"type": "hashtag", "start": start, "end": end, "value": tag, "user": None}
                    for tag, (start, end) in tags.items()
                ]
                await transaction.execute(
                    text(
                        "INSERT INTO posts (id, author_id, text, visibility, content_warning, mentioned, entities,"
                        " deleted, comments, likes, version)"
                        " VALUES (:id, 77, :said, 'public', '', '[]', :entities, false, 0, 0, 1)"
                    ),
                    {"id": id_, "said": said, "entities": json.dumps(entities)},
                )
                await transaction.execute(insert(post_words), {"post_id": id_, "words": words.split()})
                for tag in tags:
                    await transaction.execute(
                        text("INSERT INTO hashtags (tag, post_id) VALUES (:tag, :id)"),
                        {"tag": tag, "id": id_},
                    )
            await transaction.execute(
                text(
                    "INSERT INTO accounts (id, username, email_index, email_sealed, password_hash, display_name, bio,"
                    " posts, version) VALUES (77, 'soren', :index, :sealed, '', 'Søren Łuk', '', 5, 1)"
                ),
                {"index": b"x", "sealed": SECRETS.seal(b"soren@example.org", email_context(77))},
            )
            for word in ("@soren", "soren", "søren", "łuk"):
                await transaction.execute(
                    text("INSERT INTO name_words (word, user_id) VALUES (:word, 77)"), {"word": word}
                )

        await migrate(database, SECRETS)

        await database.open()
        found = SqlSearch(database)

        async def ids(asked: str) -> list[int]:
            query = PostQuery.parsed(asked, graphemes)
            return [*await found.posts(query, (), Window(9), ViewerContext())]

        async def tags_from(beginning: str) -> list[FoundTag]:
            return [*await found.hashtags(beginning, TagWindow(9), ViewerContext())]

        asked = ("lodz", "#lodz", "#łódź", "#col·legi", "#col", "#istanbul", "honey", '"honey bee"', "#bee")
        assert {one: await ids(one) for one in asked} == {
            "lodz": [21],
            "#lodz": [21],
            "#łódź": [21],
            "#col·legi": [22],
            "#col": [],
            "#istanbul": [23],
            "honey": [24],
            '"honey bee"': [24],
            "#bee": [25, 24],
        }
        assert await tags_from("l") == [FoundTag("łódź", 1)]
        assert await tags_from("c") == [FoundTag("col·legi", 1)]
        assert await tags_from("i") == [FoundTag("istanbul", 1)]
        assert await tags_from("b") == [FoundTag("bee", 2)]
        tagged = SqlEntries(database, PostCards(Readings()))
        assert [entry.post for entry in await tagged.tagged("istanbul", Window(9), ViewerContext())] == [23]
        row = (await SqlPostsReader(database).by_ids([PostId(22)], ViewerContext()))[PostId(22)]
        assert [(entity.start, entity.end, entity.value) for entity in row.content.entities] == [
            (8, 17, "col·legi")
        ]
        people = SqlPeopleSearch(database)
        for name in ("soren luk", "Søren", "lu"):
            query = PeopleQuery.parsed(name, graphemes)
            one = await people.people(query, Window(9), ViewerContext())
            assert [person.card.username for person in one] == ["soren"], name

    async def test_comments_that_private_accounts_wrote_before_the_upgrade_are_withheld_after_it(
        self, database: Database
    ) -> None:
        await migrate_to(database, "0015")
        add = text(
            "INSERT INTO posts (id, author_id, reply_to, text, visibility, content_warning, mentioned, deleted,"
            " comments, answers, likes, version)"
            " VALUES (:id, :author, :above, 'hello', 'public', '', '[]', :deleted, :comments, :comments, 0, 1)"
        )
        rows = [(1, 77, None, 2), (2, 78, 1, 0), (3, 77, 1, 0)]
        async with database.begin() as transaction:
            for id_, author, above, comments in rows:
                row = {"id": id_, "author": author, "above": above, "comments": comments, "deleted": False}
                await transaction.execute(add, row)
            known = text(
                "INSERT INTO restricted_authors (user_id, private, version) VALUES (:id, :private, 3)"
            )
            for id_, private in ((78, True), (79, False)):
                await transaction.execute(known, {"id": id_, "private": private})

        await migrate(database)

        await database.open()
        restrict = ApplyPrivacy(transactions(database, new_id), lambda: 0.0)
        subscribers = InProcess([on_long(ProfileChanged, "posts.restrict_author", restrict)])
        assert await Relay(queue_on(database, lambda: 0.0), subscribers).deliver() == 1
        shown = await SqlPostsReader(database).post(PostId(1), ViewerContext())
        assert shown is not None
        assert shown.state.comments == 1
        assert sum((await RepairPosts(SqlCounters(database))(repair=False)).values()) == 0

    async def test_a_migration_indexes_addresses_by_the_current_rule(self, database: Database) -> None:
        """By the rule before, all of an address was folded, and the form of its domain was the one that was typed."""
        await migrate_to(database, "0012")
        addresses = {
            5: ("eve@exämple.org", "eve@exämple.org"),
            1: ("Ann@Example.org", "ann@example.org"),
            2: ("bob@München.de", "bob@münchen.de"),
            3: ("Straße@example.org", "strasse@example.org"),
            4: ("bob@xn--mnchen-3ya.de", "bob@xn--mnchen-3ya.de"),  # the mailbox of the second
        }
        insert = text(
            "INSERT INTO accounts (id, username, email_index, email_sealed, password_hash, display_name, bio, posts,"
            " version) VALUES (:id, :name, :index, :sealed, '', '', '', 0, 1)"
        )
        async with database.begin() as transaction:
            for id_, (address, folded) in addresses.items():
                sealed = SECRETS.seal(address.encode(), email_context(id_))
                row = {"id": id_, "name": f"user{id_}", "index": SECRETS.index(folded), "sealed": sealed}
                await transaction.execute(insert, row)

        with pytest.raises(RuntimeError):
            await migrate(database)
        await migrate(database, SECRETS)

        await database.open()
        reader = SqlIdentityReader(database, SECRETS)
        for address, id_ in {
            "ANN@example.org": 1,
            "bob@MÜNCHEN.de": 4,  # the one that had this index already; the other one logs in by its name
            "bob@xn--mnchen-3ya.de": 4,
            "eve@xn--exmple-cua.org": 5,
            "straße@example.org": 3,
        }.items():
            found = await reader.credentials(username="", email=email_key(address))
            assert found is not None
            assert found.user_id == id_
        assert await reader.credentials(username="", email=email_key("strasse@example.org")) is None
        assert (await reader.account(UserId(2))).email == "bob@München.de"

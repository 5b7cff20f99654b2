"""Every read uses an index: on SQLite a scan of all posts would block everybody else."""

import asyncio
import sqlite3
from collections.abc import Sequence

import pytest

from adapters.sql.database import Database
from adapters.sql.feeds import signals
from adapters.sql.graph import reading as graph
from adapters.sql.keyset import Keyset
from adapters.sql.notifications import mails, writing
from adapters.sql.notifications import reading as streams
from adapters.sql.posts import authors, engagements, entries, reading
from adapters.sql.statements import Prepared
from tests.port_contracts.stores import migrated

MODULES = (reading, entries, authors, signals, graph, streams, mails, engagements)
READS = {
    **{
        f"{of.__name__} {name}": read
        for of in MODULES
        for name, read in vars(of).items()
        if isinstance(read, Prepared)
    },
    **{
        f"{of.__name__} {name} {way}": getattr(keyset, way)
        for of in MODULES
        for name, keyset in vars(of).items()
        if isinstance(keyset, Keyset)
        for way in ("_ascending", "_descending")
    },
    **{
        f"{name} {way}": getattr(keyset, way)
        for name, keyset in graph._lists.items()
        for way in ("_ascending", "_descending")
    },
    **{
        f"by_sources {what} {descending=}": getattr(entries._BySources(descending=descending), what)
        for what in ("_heads", "_entries")
        for descending in (True, False)
    },
    **{
        f"by_sources of {few} {descending=}": entries._BySources(descending=descending)._of_few[few]
        for few in (1, 2, entries.FEW)
        for descending in (True, False)
    },
}
PARAMS = {
    "viewer": 1,
    "follows": "[]",
    "blocked": "[]",
    "muted": "[]",
    "author": 1,
    "post_id": 1,
    "ids": "[1]",
    "hidden": "[]",
    "sources": "[1]",
    "bound": 1,
    **{f"who_{number}": 1 for number in range(entries.FEW)},
    "tag": "bees",
    "user": 1,
    "each": 1,
    "n": 1,
    "edge": 1,
    "since": 1,
    "edge_at": 1,
    "edge_post_id": 1,
    "edge_user_id": 1,
    "edge_source": 1,
    "edge_tag": "bees",
    "others": "[1]",
    "now": 1,
    "after": 1,
    "seq": 1,
    "kinds": '["like"]',
    "users": "[1]",
    "post": 1,
    "actor": 1,
    "before": 1,
    "above": 1,
    "p": 1,
    "u": 1,
}
BY_HAND = {f"{streams.__name__} _too_long"}
"""Runs once an hour, in a read thread, on a table with one small row per user."""
CHANGES = {
    name: getattr(writing, name)
    for name in ("_there", "_lock", "_known", "_at", "_remove", "_between", "_newest", "_cut", "_preferences")
} | {f"_delete {number}": statement for number, statement in enumerate(writing._delete)}
VALUES = {
    "users": [1, 2],
    "seqs": [1, 2],
    "user": 1,
    "keys": [b"one", b"two"],
    "above": 1,
    "up_to": 9,
    "bottom": 2,
}
NEVER = {
    f"SCAN {table}"
    for table in (
        "posts",
        "above",
        "below",
        "post_edits",
        "likes",
        "reposts",
        "restricted_authors",
        "votes",
        "tag_votes",
        "follows",
        "follow_requests",
        "blocks",
        "mutes",
        "graph_users",
        "streams",
        "stream_entries",
        "notification_preferences",
        "stream_tickets",
        "mails_due",
    )
}
OF_FEW = "SCAN graph_users USING INDEX ix_graph_users_popular"
"""A partial index that contains few rows."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/waggle.db"
    return Database.at(asyncio.run(migrated(url)))


def plan_of(database: Database, sql: str, values: Sequence[object]) -> list[str]:
    connection = sqlite3.connect(str(database.address))
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    connection.close()
    return plan


@pytest.mark.parametrize("name", sorted(READS.keys() - BY_HAND))
def test_no_read_scans_the_posts(database: Database, name: str) -> None:
    plan = plan_of(database, *READS[name].bound(database.dialect, PARAMS))

    assert any(step.startswith("SEARCH ") or step == OF_FEW for step in plan), plan
    assert not NEVER & set(plan), plan


@pytest.mark.parametrize("name", CHANGES)
def test_no_change_of_a_stream_scans_the_streams(database: Database, name: str) -> None:
    """Nor does any scan all entries of one stream for a key."""
    compiled = CHANGES[name].compile(dialect=database.dialect)
    state = compiled.construct_expanded_state({key: VALUES.get(key, 0) for key in compiled.params})
    plan = plan_of(database, state.statement, state.positional_parameters)

    assert any(step.startswith("SEARCH ") for step in plan), plan
    assert not NEVER & set(plan), plan
    assert name != "_known" or any("uq_stream_entries_dedupe_key" in step for step in plan), plan

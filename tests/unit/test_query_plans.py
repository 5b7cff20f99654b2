"""Reads go by an index: on SQLite a scan of all posts would stop everybody else meanwhile."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from adapters.sql.database import Database, Prepared
from adapters.sql.posts import reading
from tests.unit.contracts.stores import migrated

READS = {name: read for name, read in vars(reading).items() if isinstance(read, Prepared)} | {
    f"{name} {way}": getattr(keyset, way)
    for name, keyset in vars(reading).items()
    if isinstance(keyset, reading.Keyset)
    for way in ("_rising", "_falling")
}
PARAMS = {
    "viewer": 1,
    "follows": "[]",
    "blocked": "[]",
    "author": 1,
    "post_id": 1,
    "ids": "[1]",
    "each": 1,
    "n": 1,
    "edge": 1,
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/waggle.db"
    return Database.at(asyncio.run(migrated(url)))


@pytest.mark.parametrize("name", READS)
def test_no_read_scans_the_posts(database: Database, name: str) -> None:
    sql, values = READS[name].bound(database.engine.dialect, PARAMS)
    connection = sqlite3.connect(Path(str(database.url.database)))
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    connection.close()

    assert any(step.startswith("SEARCH ") for step in plan)
    assert not {"SCAN posts", "SCAN above", "SCAN below", "SCAN post_edits"} & set(plan), plan

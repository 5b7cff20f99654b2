"""Statements are compiled once, and values are converted as SQLAlchemy would convert them."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from adapters.sql.metadata import Instant
from adapters.sql.statements import Result, compiled

SQLITE, POSTGRES = SQLiteDialect_pysqlite(), asyncpg_dialect()  # type: ignore[no-untyped-call]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
bees = Table(
    "bees",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("seen", Instant),
    Column("flies_now", Boolean, key="flies"),
    Column("weight", Float),
    Column("tag", LargeBinary),
)
ROW: dict[str, Any] = {"id": 1, "seen": NOON, "flies": True, "weight": 0.5, "tag": b"\x00"}


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE TABLE bees (id INTEGER, seen INTEGER, flies_now BOOLEAN, weight REAL, tag BLOB)"
    )
    return connection


def run(connection: sqlite3.Connection, statement: Any, params: dict[str, Any]) -> Any:
    form = compiled(statement, tuple(params), SQLITE)
    cursor = connection.execute(*form.converted(params))
    return form.records([column[0] for column in cursor.description or ()], cursor.fetchall())


def test_values_are_converted_in_both_directions(connection: sqlite3.Connection) -> None:
    run(connection, insert(bees), ROW)

    [bee] = run(connection, select(bees), {})

    assert bee._asdict() == ROW
    assert connection.execute("SELECT seen, flies_now FROM bees").fetchone() == (1_767_268_800_000, 1)


def test_a_list_beside_a_converted_value_is_expanded(connection: sqlite3.Connection) -> None:
    run(connection, insert(bees), ROW)
    run(connection, insert(bees), ROW | {"id": 2})

    change = update(bees).where(bees.c.id.in_([1, 3])).values(seen=bindparam("at"))
    run(connection, change, {"at": NOON.replace(year=2027)})

    assert [bee.seen.year for bee in run(connection, select(bees).order_by(bees.c.id), {})] == [2027, 2026]


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES])
def test_lists_of_the_same_length_share_a_form_and_others_do_not(dialect: Any) -> None:
    tags = bindparam("tags", type_=LargeBinary, expanding=True)
    chosen = select(bees.c.id).where(bees.c.id == bindparam("id"), bees.c.tag.in_(tags))
    form = compiled(chosen, ("tags", "id"), dialect)
    lists: list[list[bytes]] = [[b"a", b"b"], [b"c", b"d"], [b"e"], [], [b"f"] * 80]

    found = [form.converted({"tags": tags, "id": 3}) for tags in lists]

    assert [[bytes(value) for value in values[1:]] for _, values in found] == lists
    assert found[0][0] is found[1][0] != found[2][0]
    for sql, values in found:
        assert values[0] == 3
        assert sql.count("?") + sql.count("$") == len(values)


def test_forms_for_many_lengths_are_not_all_kept() -> None:
    form = compiled(select(bees).where(bees.c.id.in_(bindparam("ids", expanding=True))), ("ids",), SQLITE)

    for length in range(200):
        form.converted({"ids": range(length)})

    assert len(form._expanded) <= 64


def test_records_have_the_names_of_a_text(connection: sqlite3.Connection) -> None:
    [found] = run(connection, text("SELECT :a + 1 AS more, 7"), {"a": 1})

    assert (found.more, found[1]) == (2, 7)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (select(bees.c.id), True),
        (text("  select 1"), True),
        (text("SELECT 1"), True),
        (text("INSERT INTO bees (id) VALUES (1) RETURNING id"), True),
        (text("INSERT INTO bees (id) VALUES (1)"), False),
        (text("LOCK TABLE bees"), False),
        (update(bees).values(weight=1.0).returning(bees.c.id), True),
        (update(bees).values(weight=1.0), False),
        (insert(bees).inline(), False),
    ],
)
def test_statements_that_return_rows_are_told_from_others(statement: Any, expected: bool) -> None:
    assert compiled(statement, (), POSTGRES).returns_rows is expected


def test_a_statement_is_compiled_once_for_each_dialect_and_each_set_of_columns() -> None:
    statement = insert(bees)

    form = compiled(statement, ("id",), SQLITE)

    assert compiled(statement, ("id",), SQLITE) is form
    assert compiled(statement, ("id",), POSTGRES).sql == "INSERT INTO bees (id) VALUES ($1::INTEGER)"
    assert compiled(statement, ("id", "seen"), SQLITE).sql == "INSERT INTO bees (id, seen) VALUES (?, ?)"


def test_one_row_is_one_row() -> None:
    for rows in ((), ((1,), (2,))):
        with pytest.raises(ValueError, match="instead of one"):
            Result(rows, 0).one()
    with pytest.raises(ValueError, match="more than one"):
        Result(((1,), (2,)), 0).one_or_none()
    assert Result((), 0).one_or_none() is Result((), 0).scalar() is None
    assert Result(((1,),), 0).scalar_one() == 1

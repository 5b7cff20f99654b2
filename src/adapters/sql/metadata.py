"""Shared by all tables: types with the same meaning on SQLite and PostgreSQL, and the clock of the database."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Dialect,
    Integer,
    MetaData,
    String,
    TableValuedAlias,
    Text,
    TypeDecorator,
    column,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Id = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both. On SQLite only a primary key of type INTEGER is the row id."""


def CodePointString(length: int) -> String:  # noqa: N802 - used like a type
    """A string that sorts by code points on both, so that an index can find prefixes."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def millis(at: datetime) -> int:
    """Milliseconds since 1970; raises TypeError for a time without a zone."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def instant(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


class Instant(TypeDecorator[datetime]):
    """A time in UTC, stored as milliseconds since 1970: the same number in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else millis(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else instant(value)


class now_ms(FunctionElement[int]):  # noqa: N801 - used like an SQL function
    """The clock of the database in milliseconds since 1970. Leases use it, so the clocks of processes do not matter."""

    type = BigInteger()
    inherit_cache = True


@compiles(now_ms, "postgresql")
def _now_postgresql(_element: object, _compiler: SQLCompiler, **_: Any) -> str:
    return "(extract(epoch from clock_timestamp()) * 1000)::bigint"


@compiles(now_ms, "sqlite")
def _now_sqlite(_element: object, _compiler: SQLCompiler, **_: Any) -> str:
    return "cast((julianday('now') - 2440587.5) * 86400000 as integer)"


class comma_separated(FunctionElement[str]):  # noqa: N801 - used like an SQL function
    """The strings of a group in one, None of none."""

    type = Text()
    inherit_cache = True


@compiles(comma_separated, "postgresql")
def _separated_postgresql(element: "comma_separated", compiler: SQLCompiler, **how: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **how)}, ',')"


@compiles(comma_separated, "sqlite")
def _separated_sqlite(element: "comma_separated", compiler: SQLCompiler, **how: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **how)})"


IdList = Text().with_variant(ARRAY(BigInteger), "postgresql")
"""The type of a bound list of ids: an array for PostgreSQL, JSON for SQLite (see `Database.fetch`)."""
NameList = Text().with_variant(ARRAY(Text), "postgresql")
"""The same for strings."""


class among(FunctionElement[bool]):  # noqa: N801 - used like an SQL operator
    """`among(column, ids)`: the value of the column is in a bound list. It has one parameter and one plan, however many ids
    there are."""

    type = Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True  # otherwise it becomes `… = 1` on SQLite, which uses no index


@compiles(among, "postgresql")
def _among_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = element.clauses
    return f"{compiler.process(column, **kw)} = ANY ({compiler.process(ids, **kw)})"


@compiles(among, "sqlite")
def _among_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = element.clauses
    return f"{compiler.process(column, **kw)} IN (SELECT value FROM json_each({compiler.process(ids, **kw)}))"  # noqa: S608 - compiled


class one_of(FunctionElement[bool]):  # noqa: N801 - as above
    """`one_of(column, select)`: the value of the column is in the rows of a select, which may refer to other tables of the
    query and have a limit. The index of the column is used for each of the rows."""

    type = Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True  # otherwise it becomes `… = 1` on SQLite, which uses no index


@compiles(one_of, "postgresql")
def _one_of_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    column, rows = element.clauses
    return f"{compiler.process(column, **kw)} = ANY (ARRAY{compiler.process(rows, **kw)})"


@compiles(one_of, "sqlite")
def _one_of_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    column, rows = element.clauses
    return f"{compiler.process(column, **kw)} IN {compiler.process(rows, **kw)}"


class _each_of(FunctionElement[int]):  # noqa: N801 - used like an SQL function
    inherit_cache = True


@compiles(_each_of, "postgresql")
def _each_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **kw)}) AS value)"


@compiles(_each_of, "sqlite")
def _each_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


def each_of(ids: BindParameter[Any], name: str) -> TableValuedAlias:
    """A bound list of ids as a table with the column `value`, for a lookup per id."""
    return _each_of(ids).table_valued(column("value", Id), name=name)


class nearest_of(FunctionElement[int]):  # noqa: N801 - used like an SQL function
    """The greatest of some values, or the least with `descending=False`; none of them may be null."""

    type = BigInteger()
    inherit_cache = False  # it has a parameter that is not part of the cache key

    def __init__(self, *values: ColumnElement[int], descending: bool) -> None:
        self.descending = descending
        super().__init__(*values)


@compiles(nearest_of, "postgresql")
def _nearest_postgresql(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{'greatest' if element.descending else 'least'}({compiler.process(element.clauses, **kw)})"


@compiles(nearest_of, "sqlite")
def _nearest_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{'max' if element.descending else 'min'}({compiler.process(element.clauses, **kw)})"

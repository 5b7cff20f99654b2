"""SQLAlchemy builds statements and compiles each once; the driver runs them.

Running a small statement through SQLAlchemy costs more than the database needs for it. Measured: a read takes 90 µs instead
of 8 µs on SQLite, and 264 µs instead of 84 µs on PostgreSQL; an insert takes 49 to 70 µs instead of 4 µs on SQLite, and an
empty transaction 200 µs instead of 13 µs.
"""

import re
from collections import namedtuple
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import Executable
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import ExpandedState

Params: TypeAlias = Mapping[str, Any]
"""The values of a statement by the names of its parameters."""
Record: TypeAlias = Any
"""A row as a named tuple. Its columns are known only to the statement."""

_Convert: TypeAlias = Callable[[Any], Any]
_ANSWERS = re.compile(
    r"\s*(?:SELECT|WITH|VALUES|SHOW|PRAGMA|EXPLAIN)\b|.*\bRETURNING\b", re.DOTALL | re.IGNORECASE
)
_LENGTHS = 64
"""Forms of a statement with lists that are kept, one for each length. Making one takes 21 µs."""
_DOUBLE = 701
"""The type of a floating point number, as PostgreSQL calls it: only those are asked for theirs."""


class Prepared:
    """A statement for a single read (`Database.fetch`). Values are not converted, in either direction."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement

    def bound(self, dialect: Dialect, params: Params) -> tuple[str, Sequence[Any]]:
        """The SQL, and the values of its parameters in order."""
        return compiled(self.statement, (), dialect).bound(params)


class Result:
    """The rows that a statement returned, and how many rows it changed."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: Sequence[Record], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount
        """Of one execution. Not known for a list of parameters on PostgreSQL, where it is -1."""

    def __iter__(self) -> Iterator[Record]:
        return iter(self._rows)

    def all(self) -> Sequence[Record]:
        return self._rows

    def first(self) -> Record | None:
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Record | None:
        """Raises ValueError if there is more than one row."""
        if len(self._rows) > 1:
            raise ValueError("more than one row")
        return self.first()

    def one(self) -> Record:
        """Raises ValueError unless there is exactly one row."""
        if len(self._rows) != 1:
            raise ValueError(f"{len(self._rows)} rows instead of one")
        return self._rows[0]

    def scalars(self) -> Sequence[Any]:
        """The first column."""
        return [row[0] for row in self._rows]

    def scalar(self) -> Any:
        """The first value of the first row; None if there is no row."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        """The first value of the only row. Raises ValueError unless there is exactly one row."""
        return self.one()[0]


class Compiled:
    """A statement for one dialect."""

    def __init__(self, statement: Any, keys: Collection[str], dialect: Dialect) -> None:
        self._compiled = statement.compile(dialect=dialect, column_keys=[*keys] or None)
        self.sql = str(self._compiled)
        self._names: tuple[str, ...] = tuple(self._compiled.positiontup or ())
        binds = self._compiled.binds
        self._constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        """Literal values in the statement, which SQLAlchemy sends as parameters too."""
        self._binders = _present(
            {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in binds.items()}
        )
        self._lists = tuple(name for name, bind in binds.items() if bind.expanding)
        self._expanded: dict[tuple[int, ...], _Expanded] = {}
        """By the lengths of the lists."""
        returned = [*getattr(statement, "exported_columns", ())]
        readers = [
            column.type.dialect_impl(dialect).result_processor(dialect, _DOUBLE) for column in returned
        ]
        self._names_of_columns = [str(column.key) for column in returned]
        self._readers = [(at, reader) for at, reader in enumerate(readers) if reader is not None]
        self.returns_rows = bool(returned) or _ANSWERS.match(self.sql) is not None
        self._record: Callable[..., Record] | None = None

    def bound(self, params: Params) -> tuple[str, Sequence[Any]]:
        """The SQL, and the values in order, as they are."""
        if self._constants:
            params = {**self._constants, **params}
        return self.sql, [params[name] for name in self._names]

    def converted(self, params: Params) -> tuple[str, Sequence[Any]]:
        """The SQL, and the values in order, as the driver takes them. An IN with a list gets one parameter for each of its
        elements."""
        if self._constants:
            params = {**self._constants, **params}
        if self._lists:
            lengths = tuple([len(params[name]) for name in self._lists])
            if (expanded := self._expanded.get(lengths)) is None:
                expanded = self._expand(lengths, params)
            return expanded.sql, expanded.values(params)
        if not self._binders:
            return self.sql, [params[name] for name in self._names]
        binders = self._binders
        return self.sql, [
            binders[name](params[name]) if name in binders else params[name] for name in self._names
        ]

    def _expand(self, lengths: tuple[int, ...], params: Params) -> "_Expanded":
        state = self._compiled.construct_expanded_state(dict(params))
        if len(self._expanded) >= _LENGTHS:
            self._expanded.clear()
        made = self._expanded[lengths] = _Expanded(state, self._binders)
        return made

    def records(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Sequence[Record]:
        """The rows of the driver as named tuples. `names` are those that the driver gives to the columns, for a text that
        does not tell them itself."""
        if (record := self._record) is None:
            record = self._record = namedtuple("Record", self._names_of_columns or names, rename=True)  # noqa: PYI024 - known at run time only
        if not self._readers:
            return [record(*row) for row in rows]
        made = []
        for row in rows:
            values = [*row]
            for at, reader in self._readers:
                values[at] = reader(values[at])
            made.append(record(*values))
        return made


class _Expanded:
    """A statement for lists of certain lengths."""

    def __init__(self, state: ExpandedState, binders: Mapping[str, _Convert]) -> None:
        self.sql = state.statement
        origins: dict[str, tuple[str, int | None]] = {
            part: (name, at)
            for name, parts in state.parameter_expansion.items()
            for at, part in enumerate(parts)
        }
        processors = {**binders, **state.processors}
        self._sources = [
            (*origins.get(name, (name, None)), processors.get(name)) for name in state.positiontup or ()
        ]

    def values(self, params: Params) -> Sequence[Any]:
        made = []
        for name, at, convert in self._sources:
            value = params[name] if at is None else params[name][at]
            made.append(value if convert is None else convert(value))
        return made


def _present(processors: Mapping[str, _Convert | None]) -> dict[str, _Convert]:
    return {name: processor for name, processor in processors.items() if processor is not None}


@lru_cache(maxsize=512)
def compiled(statement: Executable, keys: tuple[str, ...], dialect: Dialect) -> Compiled:
    """The statement for this dialect. `keys` are the names of the parameters, which are the columns of an INSERT without
    VALUES. A form takes 9 KB, and some 200 µs to make: statements that run often belong to their module, not to a call."""
    return Compiled(statement, keys, dialect)

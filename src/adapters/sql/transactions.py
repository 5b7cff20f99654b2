"""Transactions on the driver."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Executable
from sqlalchemy.engine import Dialect

from adapters.sql.limits import PoolState
from adapters.sql.statements import Compiled, Params, Result, compiled

Around: TypeAlias = Callable[[str], AbstractContextManager[object]]


class Transaction(ABC):
    """A transaction that has begun. Its statements run one after the other."""

    around: Around | None = None
    """Entered with the SQL of each statement, while the statement runs."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.has_events = False
        """Whether it has added an event to the outbox."""

    async def execute(self, statement: Executable, params: Params | Sequence[Params] | None = None) -> Result:
        """Run a statement once, or once for each member of a list of parameters, which have the same names. Raises the
        errors of the driver."""
        if params is None or isinstance(params, Mapping):
            params = params or {}
            form = compiled(statement, tuple(params), self.dialect)
            sql, values = form.converted(params)
            if self.around is None:
                return await self._run(form, sql, values)
            with self.around(sql):
                return await self._run(form, sql, values)
        if not params:
            return Result((), 0)
        form = compiled(statement, tuple(params[0]), self.dialect)
        rows = [form.converted(one)[1] for one in params]
        if self.around is None:
            return await self._run_many(form.sql, rows)
        with self.around(form.sql):
            return await self._run_many(form.sql, rows)

    @abstractmethod
    async def _run(self, form: Compiled, sql: str, values: Sequence[Any]) -> Result: ...

    @abstractmethod
    async def _run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> Result: ...

    @abstractmethod
    async def commit(self) -> None:
        """End the transaction. If this raises, it was rolled back, or its outcome is unknown. A cancelled commit on SQLite
        is completed first."""

    @abstractmethod
    async def rollback(self) -> None:
        """End the transaction, and change nothing. Raises no error of the driver: a connection that cannot roll back is
        closed, which does the same."""


class Writer(Protocol):
    """Begins transactions."""

    dialect: Dialect

    async def begin(self, *, is_synced: bool) -> Transaction:
        """Raises TimeoutError and errors of the driver. See `Database.begin`."""
        ...

    def pool(self) -> PoolState: ...
    async def close(self) -> None: ...

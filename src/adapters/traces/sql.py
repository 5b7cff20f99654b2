"""Spans of statements and commits."""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import lru_cache
from typing import Any

from adapters.sql.address import PostgresAddress
from adapters.sql.database import Database, Row
from adapters.sql.statements import Prepared
from adapters.sql.tables import metadata
from adapters.sql.transactions import Transaction
from adapters.traces.spans import Attributes, Traces

_TABLE = re.compile(r'\b(?:FROM|JOIN|INTO|UPDATE)\s+"?([a-z_0-9]+)')
_WRITE = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")
_FIRST = re.compile(r"\s*([A-Z]+)")
_MOST_TABLES = 8


@lru_cache(maxsize=2048)
def operation_and_summary(sql: str) -> tuple[str, str]:
    """The operation, and a summary such as `SELECT posts accounts`: words of SQL and names of tables, nothing else."""
    first = _FIRST.match(sql)
    operation = first[1] if first else "SQL"
    if operation == "WITH":
        writes = _WRITE.search(sql)
        operation = writes[1] if writes else "SELECT"
    tables = dict.fromkeys(name for name in _TABLE.findall(sql) if name in metadata.tables)
    return operation, " ".join([operation, *[*tables][:_MOST_TABLES]])


class TracedDatabase(Database):
    """A database whose statements and commits are spans of the trace that they belong to."""

    @classmethod
    def traced(
        cls, traces: Traces, url: str, committed: Callable[[], None], connections: int
    ) -> "TracedDatabase":
        """The database at a URL as `Database.at` takes it."""
        database = cls.at(url, committed, connections=connections)
        database.trace(traces)
        return database

    def trace(self, traces: Traces) -> None:
        """Call it once, before the database is opened."""
        self._traces = traces
        system = "sqlite" if self.is_sqlite else "postgresql"
        self._common: dict[str, Any] = {"db.system.name": system}
        if isinstance(self.address, PostgresAddress):
            self._common |= {
                "db.namespace": self.address.database,
                "server.address": self.address.host,
                "server.port": self.address.port,
            }

    async def fetch(self, statement: Prepared, **params: Any) -> list[Row]:
        if not self._traces.is_recording():
            return await super().fetch(statement, **params)
        with self._span(statement.bound(self.dialect, params)[0]):
            return await super().fetch(statement, **params)

    async def fetch_slow(self, statement: Prepared, **params: Any) -> list[Row]:
        if not self._traces.is_recording():
            return await super().fetch_slow(statement, **params)
        with self._span(statement.bound(self.dialect, params)[0]):
            return await super().fetch_slow(statement, **params)

    @asynccontextmanager
    async def begin(self, *, is_synced: bool = True) -> AsyncIterator[Transaction]:
        began = 0
        async with super().begin(is_synced=is_synced) as transaction:
            if self._traces.is_recording():
                transaction.around = self._span
            yield transaction
            began = time.time_ns()
        span = self._traces.started("COMMIT", self._common | {"db.operation.name": "COMMIT"}, began)
        if span is not None:
            span.end()

    def _span(self, sql: str) -> AbstractContextManager[object]:
        return self._traces.call(*self._described(sql))

    def _described(self, sql: str) -> tuple[str, Attributes]:
        operation, summary = operation_and_summary(sql)
        return summary, self._common | {"db.operation.name": operation, "db.query.summary": summary}

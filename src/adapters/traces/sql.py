"""Spans of statements and commits."""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database, Prepared, Row
from adapters.sql.tables import metadata
from adapters.traces.spans import Attributes, Traces, failed

_TABLE = re.compile(r'\b(?:FROM|JOIN|INTO|UPDATE)\s+"?([a-z_0-9]+)')
_WRITE = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")
_FIRST = re.compile(r"\s*([A-Z]+)")
_MOST_TABLES = 8
_SPAN = "_waggle_span"


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
        if not self.is_sqlite:
            self._common["db.namespace"] = self.url.database or ""
            if self.url.host:
                self._common |= {"server.address": self.url.host, "server.port": self.url.port or 5432}
        engine = self.engine.sync_engine
        event.listen(engine, "before_cursor_execute", self._begin_statement)
        event.listen(engine, "after_cursor_execute", self._end_statement)
        event.listen(engine, "handle_error", self._fail_statement)

    async def fetch(self, statement: Prepared, **params: Any) -> list[Row]:
        if not self._traces.is_recording():
            return await super().fetch(statement, **params)
        with self._traces.call(*self._described(statement.bound(self.engine.dialect, params)[0])):
            return await super().fetch(statement, **params)

    async def fetch_slow(self, statement: Prepared, **params: Any) -> list[Row]:
        if not self._traces.is_recording():
            return await super().fetch_slow(statement, **params)
        with self._traces.call(*self._described(statement.bound(self.engine.dialect, params)[0])):
            return await super().fetch_slow(statement, **params)

    @asynccontextmanager
    async def begin(self, *, is_synced: bool = True) -> AsyncIterator[AsyncConnection]:
        began = 0
        async with super().begin(is_synced=is_synced) as connection:
            yield connection
            began = time.time_ns()
        span = self._traces.started("COMMIT", self._common | {"db.operation.name": "COMMIT"}, began)
        if span is not None:
            span.end()

    def _described(self, sql: str) -> tuple[str, Attributes]:
        operation, summary = operation_and_summary(sql)
        return summary, self._common | {"db.operation.name": operation, "db.query.summary": summary}

    def _begin_statement(
        self, _connection: Any, _cursor: Any, sql: str, _values: Any, context: Any, _many: Any
    ) -> None:
        if context is not None and self._traces.is_recording():
            setattr(context, _SPAN, self._traces.started(*self._described(sql)))

    @staticmethod
    def _end_statement(
        _connection: Any, _cursor: Any, _sql: str, _values: Any, context: Any, _many: Any
    ) -> None:
        if (span := getattr(context, _SPAN, None)) is not None:
            span.end()

    @staticmethod
    def _fail_statement(error: Any) -> None:
        if (span := getattr(error.execution_context, _SPAN, None)) is not None:
            failed(span, type(error.original_exception).__name__)
            span.end()

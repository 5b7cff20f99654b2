"""Keyset pagination: lists ordered by an id, read from an edge."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, bindparam

from adapters.sql.database import Database, Row
from adapters.sql.metadata import Id
from adapters.sql.statements import Prepared
from application.shared.paging import Window
from domain.shared import MAX_ID


class Keyset:
    """A list ordered by the id `key`, which can be read from an edge in both directions."""

    def __init__(self, query: Select[Any], key: ColumnElement[int], *, newest_first: bool) -> None:
        edge, limit = bindparam("edge", type_=Id), bindparam("n", type_=Integer)
        self._newest_first = newest_first
        self._descending = Prepared(query.where(key < edge).order_by(key.desc()).limit(limit))
        self._ascending = Prepared(query.where(key > edge).order_by(key).limit(limit))

    async def rows(
        self, database: Database, window: Window, params: dict[str, Any], *, slow: bool = False
    ) -> Sequence[Row]:
        descending = self._newest_first != window.back
        edge = window.edge if window.edge is not None else MAX_ID if descending else 0
        statement = self._descending if descending else self._ascending
        fetch = database.fetch_slow if slow else database.fetch
        rows = await fetch(statement, edge=edge, n=window.limit + 1, **params)
        return rows[::-1] if window.back else rows

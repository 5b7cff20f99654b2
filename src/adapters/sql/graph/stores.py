"""The stores of graph in SQL."""

from adapters.sql.graph.counters import SqlGraphCounters
from adapters.sql.graph.reading import SqlGraphReader
from adapters.sql.graph.tables import mutes
from adapters.sql.graph.writing import transactions
from adapters.sql.maintenance import SqlPurge
from adapters.sql.metadata import now_ms
from adapters.sql.technology import Sql
from application.graph.stores import GraphStores
from domain.graph import POPULAR


def stores(sql: Sql, popular_at: int = POPULAR) -> GraphStores:
    database = sql.database
    return GraphStores(
        open_tx=transactions(database, sql.new_id, popular_at),
        reader=SqlGraphReader(database),
        counters=SqlGraphCounters(database),
        purge_expired=SqlPurge(database, {mutes: mutes.c.until < now_ms()}),
    )

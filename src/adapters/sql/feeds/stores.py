"""The stores of feeds in SQL."""

from adapters.sql.feeds.signals import SqlSignalsReader, transactions
from adapters.sql.technology import Sql
from application.feeds.stores import FeedsStores


def stores(sql: Sql) -> FeedsStores:
    return FeedsStores(open_tx=transactions(sql.database), signals=SqlSignalsReader(sql.database))

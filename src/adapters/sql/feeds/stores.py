"""The stores of feeds in SQL."""

from datetime import timedelta

from adapters.sql.feeds.signals import SqlSignalsReader, transactions
from adapters.sql.feeds.tables import engagement_signals, hashtag_signals
from adapters.sql.maintenance import SqlPurge, ms_before_now
from adapters.sql.technology import Sql
from application.feeds.stores import FeedsStores
from application.feeds.trending_formula import WINDOW_MS

SIGNALS = timedelta(milliseconds=WINDOW_MS)
"""The time for which a signal is stored."""


def stores(sql: Sql) -> FeedsStores:
    database = sql.database
    return FeedsStores(
        open_tx=transactions(database),
        signals=SqlSignalsReader(database),
        purge_expired=SqlPurge(
            database,
            {
                engagement_signals: engagement_signals.c.at < ms_before_now(SIGNALS),
                hashtag_signals: hashtag_signals.c.at < ms_before_now(SIGNALS),
            },
        ),
    )

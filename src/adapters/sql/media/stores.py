"""The stores of media in SQL."""

from adapters.sql.media.queue import SqlProcessingQueue
from adapters.sql.media.reading import SqlMediaReader
from adapters.sql.media.writing import transactions
from adapters.sql.technology import Sql
from application.media.stores import MediaStores


def stores(sql: Sql) -> MediaStores:
    database = sql.database
    return MediaStores(
        open_tx=transactions(database, sql.new_id),
        reader=SqlMediaReader(database),
        jobs=SqlProcessingQueue(database),
    )

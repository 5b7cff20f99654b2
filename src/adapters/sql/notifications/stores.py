"""The stores of notifications in SQL."""

from adapters.sql.maintenance import SqlPurge
from adapters.sql.metadata import now_ms
from adapters.sql.notifications.mails import SqlMailQueue
from adapters.sql.notifications.reading import SqlStreamReader
from adapters.sql.notifications.tables import tickets
from adapters.sql.notifications.tickets import SqlStreamTickets
from adapters.sql.notifications.writing import transactions
from adapters.sql.technology import Sql
from application.notifications.stores import NotificationsStores


def stores(sql: Sql) -> NotificationsStores:
    database = sql.database
    return NotificationsStores(
        open_tx=transactions(database),
        reader=SqlStreamReader(database),
        tickets=SqlStreamTickets(database),
        mail_queue=SqlMailQueue(database),
        purge_expired=SqlPurge(database, {tickets: tickets.c.expires_at < now_ms()}),
    )

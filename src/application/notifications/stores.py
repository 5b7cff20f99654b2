"""The ports of notifications that a store implements."""

from application.notifications.ports import MailQueue, NotificationsTx, StreamReader, StreamTickets
from application.shared.ports import OpenTx, PurgeExpired
from domain.dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationsStores:
    """The stores of notifications. Each technology that can store their streams offers one."""

    open_tx: OpenTx[NotificationsTx]
    reader: StreamReader
    tickets: StreamTickets
    mail_queue: MailQueue
    purge_expired: PurgeExpired

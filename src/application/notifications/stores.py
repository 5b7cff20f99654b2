"""The driven ports of notifications that a store answers."""

from dataclasses import dataclass

from application.notifications.ports import MailQueue, NotificationsTx, StreamReader, StreamTickets
from application.shared.ports import OpenTx


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationsStores:
    """Each technology that can hold the streams of notifications offers one of these."""

    open_tx: OpenTx[NotificationsTx]
    reader: StreamReader
    tickets: StreamTickets
    mail_queue: MailQueue

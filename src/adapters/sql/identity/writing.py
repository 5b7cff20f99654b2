"""The transactions of identity."""

from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotency
from adapters.sql.identity.accounts import SqlAccounts
from adapters.sql.identity.pending import SqlPendingRegistrations
from adapters.sql.identity.sessions import SqlSessions
from adapters.sql.outbox import SqlInbox, SqlOutbox
from adapters.sql.sealing import Sealer
from adapters.sql.transactions import Transaction
from application.identity.ports import IdentityTx, PostCountsTx
from application.shared.ports import NewId, OpenTx


def transactions(database: Database, sealer: Sealer, new_id: NewId) -> OpenTx[IdentityTx]:
    def ports(transaction: Transaction) -> IdentityTx:
        return IdentityTx(
            SqlAccounts(transaction, sealer),
            SqlSessions(transaction, sealer),
            SqlPendingRegistrations(transaction, sealer, SqlAccounts(transaction, sealer)),
            SqlOutbox(transaction, new_id),
            SqlInbox(transaction),
            SqlIdempotency(transaction),
        )

    return database.transactions(ports)


def post_counts(database: Database, sealer: Sealer) -> OpenTx[PostCountsTx]:
    """Not synced, since only events change these counts: see `Database.begin`."""

    def ports(transaction: Transaction) -> PostCountsTx:
        return PostCountsTx(SqlAccounts(transaction, sealer), SqlInbox(transaction))

    return database.transactions(ports, is_synced=False)

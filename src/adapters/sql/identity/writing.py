"""The transactions of identity."""

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotency
from adapters.sql.identity.accounts import SqlAccounts
from adapters.sql.identity.pending import SqlPendingRegistrations
from adapters.sql.identity.sessions import SqlSessions
from adapters.sql.outbox import SqlInbox, SqlOutbox
from adapters.sql.sealing import Sealer
from application.identity.ports import IdentityTx, PostCountsTx
from application.shared.ports import NewId, OpenTx


def transactions(database: Database, sealer: Sealer, new_id: NewId) -> OpenTx[IdentityTx]:
    def ports(connection: AsyncConnection) -> IdentityTx:
        return IdentityTx(
            SqlAccounts(connection, sealer),
            SqlSessions(connection, sealer),
            SqlPendingRegistrations(connection, sealer, SqlAccounts(connection, sealer)),
            SqlOutbox(connection, new_id),
            SqlInbox(connection),
            SqlIdempotency(connection),
        )

    return database.transactions(ports)


def post_counts(database: Database, sealer: Sealer) -> OpenTx[PostCountsTx]:
    """Not synced, since only events change these counts: see `Database.begin`."""

    def ports(connection: AsyncConnection) -> PostCountsTx:
        return PostCountsTx(SqlAccounts(connection, sealer), SqlInbox(connection))

    return database.transactions(ports, is_synced=False)

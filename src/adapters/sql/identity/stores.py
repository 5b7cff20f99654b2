"""The stores of identity in SQL."""

from datetime import timedelta

from adapters.sql.identity.keys import SqlKeyStore
from adapters.sql.identity.pending import SqlConfirmationQueue
from adapters.sql.identity.reading import SqlIdentityReader
from adapters.sql.identity.searching import SqlPeopleSearch
from adapters.sql.identity.security import SqlSecurityRecords
from adapters.sql.identity.tables import pending_registrations, resting_names, sessions
from adapters.sql.identity.writing import post_counts, transactions
from adapters.sql.maintenance import SqlPurge, id_before_now
from adapters.sql.metadata import now_ms
from adapters.sql.technology import Sql
from application.identity.stores import IdentityStores
from domain.identity import SESSION_LIFE

SESSIONS = SESSION_LIFE + timedelta(days=1)
"""The time for which a session is stored."""


def stores(sql: Sql) -> IdentityStores:
    database, sealer = sql.database, sql.sealer
    return IdentityStores(
        open_tx=transactions(database, sealer, sql.new_id),
        open_post_counts=post_counts(database, sealer),
        reader=SqlIdentityReader(database, sealer),
        keys=SqlKeyStore(database),
        security_records=SqlSecurityRecords(database),
        people_search=SqlPeopleSearch(database),
        confirmations=SqlConfirmationQueue(database, sealer),
        purge_expired=SqlPurge(
            database,
            {
                resting_names: resting_names.c.until < now_ms(),
                pending_registrations: pending_registrations.c.expires_at < now_ms(),
                sessions: sessions.c.id < id_before_now(SESSIONS),
            },
        ),
    )

"""The stores of identity in SQL."""

from adapters.sql.identity.keys import SqlKeyStore
from adapters.sql.identity.pending import SqlConfirmationQueue
from adapters.sql.identity.reading import SqlIdentityReader
from adapters.sql.identity.searching import SqlPeopleSearch
from adapters.sql.identity.security import SqlSecurityRecords
from adapters.sql.identity.writing import post_counts, transactions
from adapters.sql.technology import Sql
from application.identity.stores import IdentityStores


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
    )

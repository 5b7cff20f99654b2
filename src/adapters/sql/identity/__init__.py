"""Accounts, sessions and signing keys, in SQLite and PostgreSQL."""

from adapters.sql.identity.keys import SqlKeyStore
from adapters.sql.identity.pending import SqlConfirmationQueue
from adapters.sql.identity.reading import SqlIdentityReader
from adapters.sql.identity.searching import SqlPeopleSearch
from adapters.sql.identity.security import SqlSecurityRecords
from adapters.sql.identity.writing import transactions

__all__ = [
    "SqlConfirmationQueue",
    "SqlIdentityReader",
    "SqlKeyStore",
    "SqlPeopleSearch",
    "SqlSecurityRecords",
    "transactions",
]

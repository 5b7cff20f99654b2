"""Accounts, sessions and signing keys in memory."""

from adapters.memory.identity.keys import MemoryKeyStore
from adapters.memory.identity.pending import MemoryConfirmationQueue
from adapters.memory.identity.reading import MemoryIdentityReader
from adapters.memory.identity.searching import MemoryPeopleSearch
from adapters.memory.identity.security import MemorySecurityRecords
from adapters.memory.identity.writing import transactions

__all__ = [
    "MemoryConfirmationQueue",
    "MemoryIdentityReader",
    "MemoryKeyStore",
    "MemoryPeopleSearch",
    "MemorySecurityRecords",
    "transactions",
]

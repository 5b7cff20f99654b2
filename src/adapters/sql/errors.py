"""What an error of a database means to those who use it."""

import socket
import sqlite3
import ssl
from collections.abc import Mapping

import asyncpg
from sqlalchemy import exc as sa

from application.shared.errors import StorageFull, full_disk
from domain.shared import Unavailable

POOLER_NEEDED = (
    "a pooler stands before the database server and refuses or drops settings of connections: add pooler=transaction to "
    "the URL"
)


class DatabaseRefused(Unavailable):
    """The database cannot be used until an operator changes something: a name, a right, a URL, a setting. The message is
    for the operator."""


_REFUSED: Mapping[type[BaseException], str] = {
    asyncpg.InvalidPasswordError: "the database server refuses the user or the password",
    asyncpg.InvalidAuthorizationSpecificationError: "the database server refuses the user",
    asyncpg.InvalidCatalogNameError: "the database server has no database of that name",
    asyncpg.InsufficientPrivilegeError: "the database user lacks a right that Waggle needs",
    asyncpg.ProtocolViolationError: POOLER_NEEDED,
    ssl.SSLCertVerificationError: "the certificate of the database server is not valid",
}
_SQLITE_REFUSED = {
    "file is not a database": "the database file is not one of SQLite",
    "unable to open database file": "the database file cannot be opened",
}
_AWAY = (
    sa.TimeoutError,
    TimeoutError,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut while it was being used: "cannot switch to state 12"
)


def translated(error: Exception) -> Exception:
    """Unavailable for what the database cannot do now; a mistake of ours stays what it is."""
    cause: object = error
    if _is_full(error):
        return StorageFull("the disk of the database is full: nothing can be written until there is room")
    if isinstance(error, sa.DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        if error.connection_invalidated or _sqlite_away(error.orig):
            return Unavailable("the database does not answer")
    if reason := _refusal(error, cause):
        return DatabaseRefused(reason)
    if isinstance(cause, _AWAY) or _sqlite_away(cause):
        return Unavailable("the database does not answer")
    return error


def _is_full(error: object) -> bool:
    if isinstance(error, sa.DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return _is_full(error.orig) or _is_full(cause)
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, asyncpg.DiskFullError) or (isinstance(error, OSError) and full_disk(error))


def _refusal(error: Exception, cause: object) -> str | None:
    if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
        return "the host of the database server is not known"
    by_kind = (said for kind, said in _REFUSED.items() if isinstance(cause, kind))
    by_words = (said for words, said in _SQLITE_REFUSED.items() if words in str(error))
    return next(by_kind, None) or next(by_words, None)


def _sqlite_away(error: object) -> bool:
    words = ("locked", "busy", "full", "disk i/o", "interrupted")
    return isinstance(error, sqlite3.OperationalError) and any(word in str(error).lower() for word in words)

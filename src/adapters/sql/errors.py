"""Translate the errors of databases to those of the application."""

import socket
import sqlite3
import ssl
from collections.abc import Mapping

import asyncpg

from application.shared.errors import StorageFull, full_disk
from domain.shared import Unavailable

POOLER_NEEDED = (
    "a pooler in front of the database server refuses or drops the settings of connections: add pooler=transaction to "
    "the URL"
)


class DatabaseRefused(Unavailable):
    """The database cannot be used until the operator changes something: a name, a permission, a URL, a setting. The message
    is for the operator."""


_REFUSED: Mapping[type[BaseException], str] = {
    asyncpg.InvalidPasswordError: "the database server refuses the user or the password",
    asyncpg.InvalidAuthorizationSpecificationError: "the database server refuses the user",
    asyncpg.InvalidCatalogNameError: "the database server has no database with this name",
    asyncpg.InsufficientPrivilegeError: "the database user lacks a permission that Waggle needs",
    asyncpg.ProtocolViolationError: POOLER_NEEDED,
    ssl.SSLCertVerificationError: "the certificate of the database server is not valid",
}
_SQLITE_REFUSED = {
    "file is not a database": "the database file is not an SQLite file",
    "unable to open database file": "the database file cannot be opened",
}
INTEGRITY_ERRORS = (sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError)
_UNAVAILABLE = (
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
    asyncpg.InternalClientError,  # a connection that was cut during use: "cannot switch to state 12"
)


def translated(error: Exception) -> Exception:
    """The Unavailable for an error that the database may recover from; any other error is returned unchanged."""
    cause = _of_driver(error)
    if _is_full(cause):
        return StorageFull("the disk of the database is full: nothing can be written until there is space")
    if reason := _refusal(error, cause):
        return DatabaseRefused(reason)
    if isinstance(cause, _UNAVAILABLE) or _sqlite_unavailable(cause):
        return Unavailable("the database does not answer")
    return error


def violated_constraint(error: Exception) -> str:
    """The name of the violated constraint, or a text that contains it. With PostgreSQL not the message: it also contains the
    value, which may be any name."""
    return getattr(error, "constraint_name", None) or str(error)


def _of_driver(error: Exception) -> BaseException:
    """The error of the driver. SQLAlchemy, which runs migrations, wraps it."""
    original = getattr(error, "orig", None)
    return getattr(original, "__cause__", None) or original or error


def _is_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, asyncpg.DiskFullError) or (isinstance(error, OSError) and full_disk(error))


def _refusal(error: Exception, cause: object) -> str | None:
    if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
        return "the host of the database server is unknown"
    by_kind = (reason for kind, reason in _REFUSED.items() if isinstance(cause, kind))
    by_text = (reason for words, reason in _SQLITE_REFUSED.items() if words in str(error))
    return next(by_kind, None) or next(by_text, None)


def _sqlite_unavailable(error: object) -> bool:
    words = ("locked", "busy", "full", "disk i/o", "interrupted")
    return isinstance(error, sqlite3.OperationalError) and any(word in str(error).lower() for word in words)

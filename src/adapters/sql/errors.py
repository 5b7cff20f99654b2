"""Translate the errors of databases to those of the application."""

import socket
import sqlite3
import ssl
from types import ModuleType

from application.shared.errors import StorageFull, full_disk
from domain.shared import Unavailable


class DatabaseRefused(Unavailable):
    """The database cannot be used until the operator changes something: a name, a permission, a URL, a setting. The message
    is for the operator."""


_SQLITE_REFUSED = {
    "file is not a database": "the database file is not an SQLite file",
    "unable to open database file": "the database file cannot be opened",
}


def translated(error: Exception) -> Exception:
    """The Unavailable for an error that the database may recover from; any other error is returned unchanged."""
    cause = _of_driver(error)
    if _is_full(cause):
        return StorageFull("the disk of the database is full: nothing can be written until there is space")
    if reason := _refusal(error, cause):
        return DatabaseRefused(reason)
    if isinstance(cause, (TimeoutError, OSError)) or _sqlite_unavailable(cause):
        return Unavailable("the database does not answer")
    if _is_of_asyncpg(cause) and isinstance(cause, _postgres().UNAVAILABLE):
        return Unavailable("the database does not answer")
    return error


def is_integrity_error(error: Exception) -> bool:
    """Whether the error is the violation of a constraint."""
    return isinstance(error, sqlite3.IntegrityError) or (
        _is_of_asyncpg(error) and isinstance(error, _postgres().INTEGRITY)
    )


def is_lock_not_available(error: Exception) -> bool:
    """Whether the statement waited for a lock of PostgreSQL for too long."""
    return _is_of_asyncpg(error) and isinstance(error, _postgres().LOCK_NOT_AVAILABLE)


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
    if _is_of_asyncpg(error):
        return isinstance(error, _postgres().FULL)
    return isinstance(error, OSError) and full_disk(error)


def _refusal(error: Exception, cause: BaseException) -> str | None:
    if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
        return "the host of the database server is unknown"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "the certificate of the database server is not valid"
    if _is_of_asyncpg(cause):
        return next((reason for kind, reason in _postgres().REFUSED.items() if isinstance(cause, kind)), None)
    return next((reason for words, reason in _SQLITE_REFUSED.items() if words in str(error)), None)


def _is_of_asyncpg(error: BaseException) -> bool:
    return any(kind.__module__.partition(".")[0] == "asyncpg" for kind in type(error).__mro__)


def _postgres() -> ModuleType:
    # Here and not above: with SQLite there are no such errors, and asyncpg takes 3 MB.
    from adapters.sql import postgres_errors  # noqa: PLC0415

    return postgres_errors


def _sqlite_unavailable(error: object) -> bool:
    words = ("locked", "busy", "full", "disk i/o", "interrupted")
    return isinstance(error, sqlite3.OperationalError) and any(word in str(error).lower() for word in words)

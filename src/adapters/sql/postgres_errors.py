"""The errors of PostgreSQL, by what they mean. A separate file, because only a process that uses PostgreSQL loads asyncpg."""

from collections.abc import Mapping

import asyncpg

from adapters.sql.limits import POOLER_NEEDED

REFUSED: Mapping[type[BaseException], str] = {
    asyncpg.InvalidPasswordError: "the database server refuses the user or the password",
    asyncpg.InvalidAuthorizationSpecificationError: "the database server refuses the user",
    asyncpg.InvalidCatalogNameError: "the database server has no database with this name",
    asyncpg.InsufficientPrivilegeError: "the database user lacks a permission that Waggle needs",
    asyncpg.ProtocolViolationError: POOLER_NEEDED,
}
UNAVAILABLE: tuple[type[BaseException], ...] = (
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
FULL = asyncpg.DiskFullError
INTEGRITY = asyncpg.IntegrityConstraintViolationError
LOCK_NOT_AVAILABLE = asyncpg.LockNotAvailableError

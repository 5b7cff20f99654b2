"""The address of PostgreSQL, parsed from its URL."""

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy import URL

Tls: TypeAlias = ssl.SSLContext | str | bool | None

MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
"""As in libpq, without `allow`, which no client needs."""
VERIFIED = ("verify-ca", "verify-full")
_KNOWN = {"sslmode", "sslrootcert", "host", "pooler"}


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """The connection parameters for both ways to connect: asyncpg, and SQLAlchemy for migrations."""

    host: str
    """A name, an address, or the folder of a Unix socket."""
    port: int
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls = field(default=None, repr=False, compare=False)
    """In the form of asyncpg. None leaves the choice to asyncpg, which prefers TLS but accepts plain connections."""
    sslmode: str = ""
    pooled: bool = False
    """Whether there is a pooler in transaction mode. Then each transaction may run on another server connection, so no
    state may be kept on a connection (prepared statements, settings)."""

    @classmethod
    def of(cls, url: str) -> "PostgresAddress":
        """Parse `postgresql://[user[:password]@]host[:port]/name`, with special characters percent-encoded, and with
        `?sslmode=verify-full` (or another of MODES), `&sslrootcert=/a/file` for your own certificate authorities,
        `?host=/a/folder` for a Unix socket and `&pooler=transaction`. Raises ValueError for anything else; the message
        contains no password."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
            pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:  # its message may contain a part of the password
            raise ValueError(
                "cannot be parsed: special characters of the password must be percent-encoded"
            ) from None
        given = dict(pairs)
        if parts.scheme != "postgresql" or port == 0 or parts.fragment or len(given) != len(pairs):
            raise ValueError("must be like postgresql://user:password@host:5432/name")
        if unknown := sorted(given.keys() - _KNOWN):
            raise ValueError(f"has unknown parameters: {', '.join(unknown)}")
        database = unquote(parts.path.removeprefix("/"))
        if not database or "/" in database:
            raise ValueError("must end in the name of a database")
        host = given.get("host") or host
        if not host or ("host" in given and not given["host"].startswith("/")):
            raise ValueError("must name a host, or the folder of a Unix socket as ?host=/a/folder")
        sslmode, pooler = given.get("sslmode"), given.get("pooler")
        if sslmode is not None and sslmode not in MODES:
            raise ValueError(f"has an sslmode that is not one of {', '.join(MODES)}")
        if pooler not in {None, "transaction"}:
            raise ValueError("has a pooler other than transaction")
        return cls(
            host=host,
            port=port or 5432,
            database=database,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=_tls(sslmode, given.get("sslrootcert")),
            sslmode=sslmode or "",
            pooled=pooler is not None,
        )

    @property
    def is_private(self) -> bool:
        """Whether the connection is protected from eavesdropping, tampering and impersonation of the server."""
        if self.sslmode in VERIFIED or self.host.startswith("/") or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments for `asyncpg.connect`."""
        named = {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password": self.password,
            "ssl": self.tls,
        }
        return {name: value for name, value in named.items() if value is not None}

    @property
    def url(self) -> URL:
        """The URL for SQLAlchemy, which gets the rest from `arguments`."""
        return URL.create("postgresql+asyncpg", database=self.database)


def _tls(sslmode: str | None, authorities: str | None) -> Tls:
    if authorities is not None and sslmode not in VERIFIED:
        raise ValueError("has an sslrootcert, which needs sslmode=verify-full or verify-ca")
    if authorities is not None and not Path(authorities).is_file():
        raise ValueError(f"names {authorities}, which is not a file")
    if sslmode in VERIFIED:
        try:
            context = ssl.create_default_context(cafile=authorities)
        except ssl.SSLError:
            raise ValueError(f"names {authorities}, which contains no certificate") from None
        context.check_hostname = sslmode == "verify-full"
        return context
    return False if sslmode == "disable" else sslmode

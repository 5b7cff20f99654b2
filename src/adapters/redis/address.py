"""The address of Redis, parsed from its URL."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    db: int
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, url: str) -> "Address":
        """Parse `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. The certificate is always verified,
        against the system's certificate authorities or those in `?ssl_ca_certs=/a/file`. Raises ValueError for anything
        else; the message contains no password."""
        # Imported here because it takes 0.2 s, which only servers with Redis should pay.
        from redis.connection import SSLConnection, parse_url  # noqa: PLC0415

        try:
            parsed = dict(parse_url(url))  # type: ignore[no-untyped-call]
        except ValueError:  # its message may contain a part of the password
            raise ValueError("cannot be parsed") from None
        tls = parsed.pop("connection_class", None) is SSLConnection
        authorities = parsed.pop("ssl_ca_certs", None) if tls else None
        known = {"host", "port", "db", "username", "password"}
        if unknown := sorted(parsed.keys() - known):
            raise ValueError(f"has unknown parameters: {', '.join(unknown)}")
        if authorities and not Path(authorities).is_file():
            raise ValueError(f"names {authorities}, which is not a file")
        return cls(
            host=parsed.get("host") or "127.0.0.1",
            port=parsed.get("port", 6379),
            db=parsed.get("db", 0),
            username=parsed.get("username") or "",
            password=parsed.get("password") or "",
            tls=ssl.create_default_context(cafile=authorities) if tls else None,
        )

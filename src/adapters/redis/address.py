"""Where Redis is, as its URL says."""

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
        """`redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS, whose certificate is always verified:
        against the system's authorities, or those of `?ssl_ca_certs=/a/file`. Raises ValueError, in words that
        name no password, for anything else."""
        # Here and not above: it takes 0.2 s, which only who has a Redis should pay.
        from redis.connection import SSLConnection, parse_url  # noqa: PLC0415

        try:
            parsed = dict(parse_url(url))  # type: ignore[no-untyped-call]
        except ValueError:  # its words may tell a part of the password
            raise ValueError("is not understood") from None
        tls = parsed.pop("connection_class", None) is SSLConnection
        authorities = parsed.pop("ssl_ca_certs", None) if tls else None
        known = {"host", "port", "db", "username", "password"}
        if unknown := sorted(parsed.keys() - known):
            raise ValueError(f"has parts that are not understood: {', '.join(unknown)}")
        if authorities and not Path(authorities).is_file():
            raise ValueError(f"names {authorities}, which is no file")
        return cls(
            host=parsed.get("host") or "127.0.0.1",
            port=parsed.get("port", 6379),
            db=parsed.get("db", 0),
            username=parsed.get("username") or "",
            password=parsed.get("password") or "",
            tls=ssl.create_default_context(cafile=authorities) if tls else None,
        )

"""Parsing the URL of the media storage."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")
_REGION = re.compile(r"[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class S3Address:
    host: str
    port: int
    bucket: str
    key: str
    secret: str = field(repr=False)
    region: str = "us-east-1"
    tls: bool = True
    public: str = ""
    """The origin under which clients reach the same server, if it differs."""

    @classmethod
    def of(cls, url: str) -> "S3Address":
        """Parse `s3://key:secret@host[:port]/bucket[?region=…&tls=off&public=https://…]`, with special characters of the
        secret percent-encoded. Raises ValueError, with a text that does not contain the secret, for any other URL."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError:  # its text may contain a part of the secret
            raise ValueError("is not a valid URL") from None
        if parts.scheme != "s3" or not host or port == 0 or parts.fragment:
            raise ValueError(
                "must be like s3://key:secret@host:9000/bucket, with special characters percent-encoded"
            )
        if not (parts.username and parts.password):
            raise ValueError("lacks the key or the secret")
        bucket = parts.path.removeprefix("/")
        if not _BUCKET.fullmatch(bucket):
            raise ValueError(
                "must end with the name of a bucket: 3 to 63 characters of a-z, 0-9, dot and dash"
            )
        if unknown := sorted(given.keys() - {"region", "tls", "public"}):
            raise ValueError(f"has unknown parameters: {', '.join(unknown)}")
        region, tls, public = (
            given.get("region", "us-east-1"),
            given.get("tls", "on"),
            given.get("public", ""),
        )
        if not _REGION.fullmatch(region):
            raise ValueError("has an invalid region")
        if tls not in {"on", "off"}:
            raise ValueError("has an invalid tls: it must be on or off")
        if public and not _ORIGIN.fullmatch(public):
            raise ValueError("has an invalid public: it must be like https://host:port")
        return cls(
            host=host,
            port=port or (443 if tls == "on" else 80),
            bucket=bucket,
            key=unquote(parts.username),
            secret=unquote(parts.password),
            region=region,
            tls=tls == "on",
            public=public,
        )

    @property
    def endpoint(self) -> str:
        """`host:port`, as S3 clients sign it: without the default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.endpoint}"

    @property
    def is_private(self) -> bool:
        """Whether nobody on the network can read or change the traffic: TLS, or a loopback address."""
        try:
            return self.tls or self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False


def folder_of(url: str) -> Path:
    """Return the path of a URL like `file:///a/folder`. Raises ValueError for any other URL."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc or parts.query or parts.fragment or not path.is_absolute():
        raise ValueError("must be like s3://key:secret@host:9000/bucket or file:///a/folder")
    return path

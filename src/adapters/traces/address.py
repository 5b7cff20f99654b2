"""Parsing the URL of the collector."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

PATH = "/v1/traces"
"""The path that OTLP over HTTP defines for traces. It is appended unless the URL ends with it."""


@dataclass(frozen=True, slots=True)
class CollectorAddress:
    url: str
    """The URL that spans are posted to."""
    ca_certs: str | None = None

    @classmethod
    def of(cls, url: str) -> Self:
        """Parse `http[s]://host[:port][/path][?ssl_ca_certs=/a/file]`. Raises ValueError, with a text that contains no
        password, for any other URL, and for a file that does not exist."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError:  # its text may contain a part of a password
            raise ValueError("is not a valid URL") from None
        if parts.scheme not in {"http", "https"} or not host or port == 0 or parts.fragment:
            raise ValueError("must be like http://collector:4318")
        if parts.username or parts.password:
            raise ValueError(
                "must contain no password: put the collector's header into OTEL_EXPORTER_OTLP_HEADERS"
            )
        if unknown := sorted(given.keys() - {"ssl_ca_certs"}):
            raise ValueError(f"has unknown parameters: {', '.join(unknown)[:100]}")
        ca_certs = given.get("ssl_ca_certs")
        if ca_certs is not None and parts.scheme != "https":
            raise ValueError("has ssl_ca_certs, but does not begin with https://")
        if ca_certs is not None and not Path(ca_certs).is_file():
            raise ValueError("has ssl_ca_certs, but there is no such file")
        path = parts.path.rstrip("/").removesuffix(PATH) + PATH
        return cls(urlunsplit((parts.scheme, parts.netloc, path, "", "")), ca_certs)

"""Settings that are invalid everywhere, whatever their range. `production.py` has those that only production refuses."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from entrypoints.access.limits import rates
from entrypoints.access.networks import Networks
from entrypoints.production import is_key
from entrypoints.web_addresses import CORS_SCHEMES, WEB_SCHEMES, is_host_pattern, is_origin, is_web_address

if TYPE_CHECKING:
    from entrypoints.settings import Settings

_SQLITE_FILE = re.compile(r"sqlite:///(?!:memory:)[^?#]+")


def invalid(settings: "Settings") -> str | None:
    """The first problem, as one line for the operator, without secrets; None if there is none."""
    return next(_problems(settings), None)


def _problems(settings: "Settings") -> Iterator[str]:
    if settings.shape == "unknown":
        yield "WAGGLE_DATABASE_URL must begin with postgresql://, sqlite:/// or memory:"
    if settings.database_url.startswith("sqlite:") and not _SQLITE_FILE.fullmatch(settings.database_url):
        yield "WAGGLE_DATABASE_URL must name a file, like sqlite:////srv/waggle/waggle.db"
    if settings.redis_url:
        yield from _redis(settings)
    if settings.media_url and not _is_media_url(settings.media_url):
        yield (
            "WAGGLE_MEDIA_URL must be like s3://key:secret@host:9000/bucket, with special characters percent-encoded, or "
            "file:///a/folder"
        )
    if settings.secret_key and not is_key(settings.secret_key):
        yield "WAGGLE_SECRET_KEY must be 64 random hexadecimal digits (openssl rand -hex 32)"
    try:
        Networks(settings.trusted_proxies)
    except ValueError as error:
        yield f"WAGGLE_TRUSTED_PROXIES: {error}"
    try:
        rates(settings.rate_limits)
    except ValueError as error:
        yield f"WAGGLE_RATE_LIMITS {error}"
    yield from _addresses(settings)


def _redis(settings: "Settings") -> Iterator[str]:
    if not settings.on_postgres:
        yield "WAGGLE_REDIS_URL is for processes that share a PostgreSQL database; a single process needs no Redis"
    try:
        url = urlsplit(settings.redis_url)
        understood = bool(url.hostname) and url.port != 0 and url.scheme in {"redis", "rediss"}
    except ValueError:  # its message may contain a part of the password
        understood = False
    if not understood:
        yield "WAGGLE_REDIS_URL must be like redis://:password@host:6379/0, with special characters percent-encoded"


def _is_media_url(text: str) -> bool:
    """Check the scheme and the port. The storage adapter checks everything else."""
    try:
        url = urlsplit(text)
        understood = url.scheme in {"s3", "file"} and url.port != 0
    except ValueError:  # its message may contain a part of the secret
        return False
    return understood


def _addresses(settings: "Settings") -> Iterator[str]:
    for origin in settings.cors_origins:
        if origin not in {"*", "null"} and not is_origin(origin, CORS_SCHEMES):
            yield (
                f"WAGGLE_CORS_ORIGINS contains {origin[:200]!r}, which no browser sends: an origin is like "
                "https://app.example.org, in lower case, without a path, a trailing slash or the default port"
            )
    if settings.media_origin and not is_origin(settings.media_origin.removesuffix("/"), WEB_SCHEMES):
        yield "WAGGLE_MEDIA_ORIGIN must be an origin like https://media.example.org"
    if settings.public_url and not is_web_address(settings.public_url):
        yield "WAGGLE_PUBLIC_URL must be like https://waggle.example.org"
    try:
        _ = settings.metrics_at
    except ValueError:
        yield "WAGGLE_METRICS_ADDRESS must be an IP address and a port, like 127.0.0.1:9091"
    if not all(map(is_host_pattern, settings.metrics_hosts)):
        yield "WAGGLE_METRICS_HOSTS must be host names in lower case without a port, such as waggle.internal or *.internal"

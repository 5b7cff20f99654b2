"""The settings that a server on the internet refuses to start with."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import groupby, pairwise
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from entrypoints.access.limits import RATES, rates
from entrypoints.access.networks import proxy_network

if TYPE_CHECKING:
    from entrypoints.settings import Settings

MAX_PASSWORD_COST = 14
"""Each step doubles the time of a login. At 15 a login takes half of a request's deadline or more on a usual machine."""
BROADEST_PROXY = {4: 8, 6: 20}
"""The shortest prefixes that proxies have (10.0.0.0/8; the /29 of a content network), by IP version. A larger block
contains clients."""
PRIVATE_IPV6 = IPv6Network("fc00::/7")
FACTOR = 100
"""A rate of a hundred times the default limits no client; with a hundredth of it no client can work."""
VERIFIED = {"verify-ca", "verify-full"}


def problem(settings: "Settings") -> str | None:
    """The first problem, as one line for the operator; None if there is none."""
    return next(_problems(settings), None)


def is_key(text: str) -> bool:
    return len(text) == 64 and all(char in "0123456789abcdefABCDEF" for char in text) and len(set(text)) > 8


def weak_key(key: str) -> bool:
    """Whether 64 hexadecimal digits contain a pattern or a text that does not occur by chance. One of 10^9 random keys is
    taken for a weak one."""
    octets = bytes.fromhex(key)
    steps = {(after - before) % 256 for before, after in pairwise(octets)}
    is_text = all(0x20 <= octet < 0x7F for octet in octets)
    longest_run = max(len([*run]) for _, run in groupby(octets))
    return is_text or longest_run >= 6 or min(len(set(octets)), len(steps)) <= 16


def _problems(settings: "Settings") -> Iterator[str]:
    if settings.shape == "memory":
        yield "WAGGLE_DATABASE_URL=memory: keeps no data and is not for production"
    if settings.on_postgres and not settings.secret_key:
        yield "WAGGLE_SECRET_KEY is needed in production: all processes must share it"
    if settings.secret_key and weak_key(settings.secret_key):
        yield "WAGGLE_SECRET_KEY is not random: create one with openssl rand -hex 32"
    if settings.on_postgres and not settings.media_url:
        yield (
            "WAGGLE_MEDIA_URL is needed in production with PostgreSQL: all processes must reach the same media; "
            "on one machine file:///a/folder is enough"
        )
    if settings.confirm_email == "on" and not settings.mail_url:
        yield "WAGGLE_CONFIRM_EMAIL needs WAGGLE_MAIL_URL in production: without mail no account could be created"
    yield from _origins(settings)
    yield from _plain(settings)
    yield from _limits(settings)


def _origins(settings: "Settings") -> Iterator[str]:
    if not settings.public_url.startswith("https://"):
        yield "WAGGLE_PUBLIC_URL must be an https:// address in production"
    if settings.media_origin and not settings.media_origin.startswith("https://"):
        yield "WAGGLE_MEDIA_ORIGIN must be an https:// origin in production"
    for origin in settings.cors_origins:
        if origin in {"*", "null"}:
            yield f"WAGGLE_CORS_ORIGINS must name origins in production, not {origin}"
        if origin.startswith("http:"):
            yield f"WAGGLE_CORS_ORIGINS must name https:// origins in production, not {origin}"
    for proxy in settings.trusted_proxies:
        network = proxy_network(proxy)
        if network.prefixlen < BROADEST_PROXY[network.version] and not _is_private(network):
            yield (
                f"WAGGLE_TRUSTED_PROXIES must name the reverse proxies, not {proxy}: any client could claim the address "
                "that limits are counted by"
            )


def _is_private(network: IPv4Network | IPv6Network) -> bool:
    return isinstance(network, IPv6Network) and network.subnet_of(PRIVATE_IPV6)


def _plain(settings: "Settings") -> Iterator[str]:
    """Connections that would cross a network unencrypted, or to an unverified server."""
    database, redis, media = (
        urlsplit(url) for url in (settings.database_url, settings.redis_url, settings.media_url)
    )
    asked = parse_qs(database.query)
    host = asked.get("host", [database.hostname or ""])[0]
    if settings.on_postgres and not (_is_here(host) or VERIFIED & set(asked.get("sslmode", ()))):
        yield (
            "WAGGLE_DATABASE_URL must have ?sslmode=verify-full in production, unless the server is on this host; "
            "add &sslrootcert=/a/file for a certificate authority of your own"
        )
    if redis.scheme == "redis" and not _is_here(redis.hostname or ""):
        yield "WAGGLE_REDIS_URL must be a rediss:// address in production, unless it is on this host"
    options = parse_qs(media.query)
    if media.scheme == "s3" and "off" in options.get("tls", ()) and not _is_here(media.hostname or ""):
        yield "WAGGLE_MEDIA_URL must use TLS in production, unless it is on this host"
    if any(origin.startswith("http:") for origin in options.get("public", ())):
        yield "WAGGLE_MEDIA_URL must have an https:// origin as public in production"


def _limits(settings: "Settings") -> Iterator[str]:
    if settings.password_cost < 12:
        yield "WAGGLE_PASSWORD_COST below 12 is for tests, not for production"
    if settings.password_cost > MAX_PASSWORD_COST:
        yield f"WAGGLE_PASSWORD_COST above {MAX_PASSWORD_COST} makes a login take longer than a request may in production"
    if settings.rate_limits == "off":
        yield "WAGGLE_RATE_LIMITS=off is for tests, not for production"
    for name, rate in (rates(settings.rate_limits) or {}).items():
        usual = RATES[name].limit / RATES[name].seconds
        if not usual / FACTOR <= rate.limit / rate.seconds <= usual * FACTOR:
            yield (
                f"WAGGLE_RATE_LIMITS sets {name} to {rate.limit}/{rate.seconds}, which is more than {FACTOR} times or "
                f"less than a {FACTOR}th of the default: too high to protect the server, or too low to work with"
            )
    if settings.media_file_mb > settings.media_user_mb:
        yield "WAGGLE_MEDIA_FILE_MB is above WAGGLE_MEDIA_USER_MB: no user could upload such a file"
    if settings.port == 0:
        yield "PORT must be the port that your proxy connects to, not 0"


def _is_here(host: str) -> bool:
    """Whether the host is this machine: loopback, or the folder of a Unix socket."""
    try:
        return host == "localhost" or host.startswith("/") or ip_address(host).is_loopback
    except ValueError:
        return False

"""Settings, read once from the environment. `waggle settings` prints this table with what is in force."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from entrypoints.access.limits import rates
from entrypoints.access.networks import Networks
from entrypoints.production import problem

EX_CONFIG = 78
"""The exit status of a process that was configured wrong (sysexits.h)."""
EX_UNAVAILABLE = 69
"""That of a process that found its database away. Starting it again later is all it takes."""


NOT_SETTINGS = ("WAGGLE_TEST_", "WAGGLE_SERVICE_", "WAGGLE_PORT")
"""Names that are not for us: the tests' own, and what Kubernetes gives every process of a namespace in
which there is a service called waggle."""


ONE_OF = {
    "env": ("development", "production"),
    "access_log": ("all", "problems", "off"),
    "media_audio": ("on", "off"),
    "media_confinement": ("best-effort", "required"),
    "hsts_subdomains": ("on", "off"),
    "confirm_email": ("on", "off"),
}
BETWEEN = {
    "password_cost": (4, 16),
    "database_connections": (2, 500),
    "sockets_per_network": (1, 10_000),
    "trending_seconds": (1, 3600),
    "drain_seconds": (0, 300),
    "mail_delay_seconds": (0, 86_400),
    "mail_every_seconds": (0, 86_400),
    "media_file_mb": (1, 2_000),
    "media_user_mb": (1, 1_000_000),
    "media_files_a_day": (1, 1_000_000),
}


WEB_SCHEMES = {"https": 443, "http": 80}
"""And their usual ports."""
CORS_SCHEMES = WEB_SCHEMES | dict.fromkeys(
    ("app", "capacitor", "chrome-extension", "ionic", "moz-extension", "tauri"), None
)
"""Also those by which apps that are made with web techniques name their own pages."""


_SQLITE_FILE = re.compile(r"sqlite:///(?!:memory:)[^?#]+")
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\]")


class BadSettings(Exception):
    """A setting cannot be used; the message is one line for the operator."""


def _setting(default: Any, about: str, name: str = "") -> Any:
    return field(default=default, metadata={"about": about, "name": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    env: str = _setting("development", "`development` or `production`, which refuses settings made for tests")
    host: str = _setting("127.0.0.1", "the address to listen on")
    port: int = _setting(8000, "the port to listen on", name="PORT")
    data_dir: Path = _setting(Path("data"), "the folder of the embedded shape: database, media, keys")
    database_url: str = _setting(
        "",
        "`postgresql://user:password@host/name`, special characters quoted, with `?sslmode=verify-full` for TLS "
        "(`&sslrootcert=/a/file` for authorities of your own), and `&pooler=transaction` behind PgBouncer or another "
        "pooler in transaction mode; or `memory:`. Empty is SQLite in the data folder",
    )
    database_connections: int = _setting(
        16,
        "how many connections to PostgreSQL a process opens at most, 2 to 500, half of them for reads; those of all "
        "processes together must fit its `max_connections`",
    )
    redis_url: str = _setting(
        "",
        "with PostgreSQL, the `redis://:password@host/0` that all processes share; `rediss://` for TLS, with "
        "`?ssl_ca_certs=/a/file` for authorities of your own; empty is none",
    )
    media_url: str = _setting(
        "",
        "where the bytes of media lie: `s3://key:secret@host:9000/bucket?region=us-east-1`, special characters of the "
        "secret quoted, with `&tls=off` for plain HTTP and `&public=https://files.example.org` if clients reach the "
        "same server under another origin; or `file:///a/folder`, shared by all processes. Empty is the folder "
        "`media` in the data folder, or memory",
    )
    public_url: str = _setting(
        "", "where clients reach this server, also the issuer of its tokens; empty is http://host:port"
    )
    secret_key: str = _setting(
        "",
        "the master key, 64 hexadecimal digits, the same for all processes; "
        "empty makes one at the first start and keeps it in the data folder",
    )
    password_cost: int = _setting(
        12, "bcrypt's cost: each step doubles the time of a login; below 12 for tests only"
    )
    cors_origins: tuple[str, ...] = _setting(
        (), "origins of browser clients, separated by commas; in development localhost is allowed as well"
    )
    hsts_subdomains: str = _setting(
        "off",
        "`on` or `off`: whether browsers that came over HTTPS use nothing but HTTPS for all subdomains of the public URL's "
        "host, too (HSTS); for the host itself they always do",
    )
    drain_seconds: int = _setting(
        10,
        "how long a process that got SIGTERM goes on answering while `/readyz` says 503, so that load balancers "
        "notice first, in seconds, 0 to 300; a second signal, or Ctrl-C, ends it early",
    )
    access_log: str = _setting(
        "problems", "which requests are logged: `all`, `problems` (status 500 and above, or slow), `off`"
    )

    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "addresses and CIDR blocks of the reverse proxies in front, separated by commas: only what they say of a "
        "client's address is believed. They must set X-Forwarded-For, or drop it and set Forwarded",
    )
    rate_limits: str = _setting(
        "on",
        "`on`, `off` (for tests), or changes as `read=2400/60,anonymous=600/60`: so many requests per so many "
        "seconds, of `read`, `write`, `expensive` and `auth` per user, of `anonymous`, `media` and `probe` per network",
    )
    sockets_per_network: int = _setting(
        50, "how many streams a network may have open at once, 1 to 10000: an office shares one address"
    )
    trending_seconds: int = _setting(
        60,
        "how often what trends is made anew, in seconds, 1 to 3600; what people may see is asked at each read",
    )

    mail_url: str = _setting(
        "",
        "the server that takes mail, `smtp://user:password@host:587?from=waggle@example.org` (with STARTTLS, unless it is "
        "on this host) or `smtps://`; special characters quoted, with `&ssl_ca_certs=/a/file` for authorities of your "
        "own. Empty sends none; in development the log shows them",
    )
    mail_delay_seconds: int = _setting(
        120,
        "how long after a notification its mail is sent, unless it was read by then, in seconds, 0 to 86400",
    )
    mail_every_seconds: int = _setting(
        900, "the rest between two mails about notifications to the same user, in seconds, 0 to 86400"
    )

    confirm_email: str = _setting(
        "off",
        "`on` (or `true`) or `off`: whether an account is opened only once its e-mail address is confirmed by a token that "
        "is mailed; needs WAGGLE_MAIL_URL, except in development",
    )

    media_origin: str = _setting(
        "",
        "where clients reach the files of media, if not at the public URL: an origin of its own that leads here, too, "
        "keeps what users uploaded apart from everything else",
    )
    media_audio: str = _setting("on", "`on` or `off`: whether films may have sound")
    media_confinement: str = _setting(
        "best-effort",
        "`best-effort` or `required`: whether Waggle refuses to start where the system does not offer every layer that "
        "confines the process that decodes uploads (Landlock, seccomp, a network namespace, a process limit). "
        "`best-effort` warns at the start and names what is missing",
    )
    media_file_mb: int = _setting(
        200, "how large an upload may be, in megabytes (of 1,048,576 bytes), 1 to 2000"
    )
    media_user_mb: int = _setting(
        2_000,
        "how large all uploads of a user may be together, in megabytes; those of the last 24 hours count also if deleted",
    )
    media_files_a_day: int = _setting(
        200, "how many files a user may upload in 24 hours, deleted ones included"
    )

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Raises BadSettings for a value that makes no sense, and for a WAGGLE_ name that is unknown:
        a setting that is misspelt must not be silently without effect."""
        known = {environment_name(setting): setting for setting in fields(cls)}
        for name in environ:
            if name == "WAGGLE_PORT" and environ[name].isdigit():  # Kubernetes writes an address into it
                raise BadSettings("the port is set by PORT, not by WAGGLE_PORT")
            if name.startswith("WAGGLE_") and not name.startswith(NOT_SETTINGS) and name not in known:
                raise BadSettings(f"{name} is not a setting of Waggle")
        values = {
            setting.name: _parse(name, environ[name], setting.default)
            for name, setting in known.items()
            if environ.get(name, "") != ""
        }
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        for name, (*some, last) in ONE_OF.items():
            if getattr(self, name) not in {*some, last}:
                raise BadSettings(f"WAGGLE_{name.upper()} must be {', '.join(some)} or {last}")
        if self.port > 65_535:
            raise BadSettings("PORT must be at most 65535")
        for name, (least, most) in BETWEEN.items():
            if not least <= getattr(self, name) <= most:
                raise BadSettings(f"WAGGLE_{name.upper()} must be between {least} and {most}")
        if self.database_url and self.shape not in {"memory", "embedded", "scaled"}:
            raise BadSettings("WAGGLE_DATABASE_URL must begin with postgresql://, sqlite:/// or memory:")
        if self.database_url.startswith("sqlite:") and not _SQLITE_FILE.fullmatch(self.database_url):
            raise BadSettings("WAGGLE_DATABASE_URL must name a file, like sqlite:////srv/waggle/waggle.db")
        self._check_redis()
        self._check_media()
        if self.secret_key and not is_key(self.secret_key):
            raise BadSettings("WAGGLE_SECRET_KEY must be 64 hexadecimal digits (openssl rand -hex 32)")
        try:
            Networks(self.trusted_proxies)
        except ValueError as error:
            raise BadSettings(f"WAGGLE_TRUSTED_PROXIES: {error}") from None
        try:
            rates(self.rate_limits)
        except ValueError as error:
            raise BadSettings(f"WAGGLE_RATE_LIMITS {error}") from None
        self._check_addresses()
        if self.env == "production" and (found := problem(self)):
            raise BadSettings(found)

    def _check_addresses(self) -> None:
        for origin in self.cors_origins:
            if origin not in {"*", "null"} and not _is_origin(origin, CORS_SCHEMES):
                raise BadSettings(
                    f"WAGGLE_CORS_ORIGINS names {origin[:200]!r}, which no browser sends: an origin is like "
                    "https://app.example.org, in lower case, without path, slash and usual port"
                )
        if self.media_origin and not _is_origin(self.media_origin.removesuffix("/"), WEB_SCHEMES):
            raise BadSettings("WAGGLE_MEDIA_ORIGIN must be an origin like https://media.example.org")
        if self.public_url and not _is_web_address(self.public_url):
            raise BadSettings("WAGGLE_PUBLIC_URL must be like https://waggle.example.org")

    def _check_redis(self) -> None:
        if not self.redis_url:
            return
        if self.shape != "scaled":
            raise BadSettings(
                "WAGGLE_REDIS_URL is for processes that share a PostgreSQL; one alone needs no Redis"
            )
        try:
            url = urlsplit(self.redis_url)
            host, understood = url.hostname, url.port != 0 and url.scheme in {"redis", "rediss"}
        except ValueError:  # its words may tell a part of the password
            understood = False
        if not (understood and host):
            raise BadSettings(
                "WAGGLE_REDIS_URL must be like redis://:password@host:6379/0, special characters quoted"
            )

    def _check_media(self) -> None:
        """What else can be wrong with it, its adapter tells."""
        if not self.media_url:
            return
        try:
            url = urlsplit(self.media_url)
            understood = url.scheme in {"s3", "file"} and url.port != 0
        except ValueError:  # its words may tell a part of the secret
            understood = False
        if not understood:
            raise BadSettings(
                "WAGGLE_MEDIA_URL must be like s3://key:secret@host:9000/bucket, special characters quoted, or "
                "file:///a/folder"
            )

    @property
    def shape(self) -> str:
        """`memory`, `embedded`, `scaled`, or what the URL begins with if that is none of them."""
        scheme = self.database_url.partition(":")[0]
        return {"": "embedded", "sqlite": "embedded", "memory": "memory", "postgresql": "scaled"}.get(
            scheme, scheme
        )

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'waggle.db'}"

    @property
    def url(self) -> str:
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"


def environment_name(setting: Any) -> str:
    name: str = setting.metadata["name"] or f"WAGGLE_{setting.name.upper()}"
    return name


def _parse(name: str, text: str, default: Any) -> Any:
    if isinstance(default, int):
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise BadSettings(f"{name} must be a number")
        return int(text)
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name == "WAGGLE_CONFIRM_EMAIL":
        return {"true": "on", "false": "off"}.get(text, text)
    return type(default)(text)


def is_key(text: str) -> bool:
    return len(text) == 64 and all(char in "0123456789abcdefABCDEF" for char in text) and len(set(text)) > 8


def _is_web_address(text: str) -> bool:
    """Whether it is an http(s) URL of a server: without user, query and fragment."""
    try:
        url = urlsplit(text)
        known = url.scheme in WEB_SCHEMES and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return known and not (url.username or url.query or url.fragment) and text.isascii() and text.isprintable()


def _is_origin(text: str, schemes: Mapping[str, int | None]) -> bool:
    """Whether a browser can send it as `Origin` (RFC 6454), letter by letter."""
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        return False
    if not host or url.scheme not in schemes or (port is not None and port in {0, schemes[url.scheme]}):
        return False
    named = f"[{host}]" if ":" in host else host
    return _HOST.fullmatch(named) is not None and text == f"{url.scheme}://{named}" + (
        f":{port}" if port else ""
    )

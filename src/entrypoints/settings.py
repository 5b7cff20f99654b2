"""Settings, read once from the environment. `waggle settings` prints them with the values in force."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from entrypoints.production import problem
from entrypoints.settings_check import invalid
from entrypoints.web_addresses import listener_address

EX_CONFIG = 78
"""The exit status of a process with a wrong configuration (sysexits.h)."""
EX_UNAVAILABLE = 69
"""The exit status of a process whose database was unavailable. It is enough to start it again later."""


NOT_SETTINGS = ("WAGGLE_TEST_", "WAGGLE_SERVICE_", "WAGGLE_PORT")
"""Beginnings of names that are no settings: those of the tests, and those that Kubernetes sets in every process of a
namespace with a service called waggle."""


ONE_OF = {
    "env": ("development", "production"),
    "access_log": ("all", "problems", "off"),
    "media_audio": ("on", "off"),
    "media_confinement": ("best-effort", "required"),
    "hsts_subdomains": ("on", "off"),
    "confirm_email": ("on", "off"),
    "traces_continue": ("on", "off"),
    "read_model": ("auto", "on", "off"),
}
BETWEEN = {
    "password_cost": (4, 16),
    "database_connections": (2, 500),
    "sockets_per_network": (1, 10_000),
    "trending_seconds": (1, 3600),
    "drain_seconds": (0, 300),
    "mail_delay_seconds": (0, 86_400),
    "mail_every_seconds": (0, 86_400),
    "read_model_mb": (1, 10_000),
    "media_file_mb": (1, 2_000),
    "media_user_mb": (1, 1_000_000),
    "media_files_a_day": (1, 1_000_000),
    "traces_ratio": (0, 1),
}


_DECIMAL = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")


class BadSettings(Exception):
    """A setting cannot be used. The message is one line for the operator."""


def _setting(default: Any, about: str, name: str = "") -> Any:
    return field(default=default, metadata={"about": about, "name": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    env: str = _setting(
        "development", "`development` or `production`; `production` refuses settings that are only for tests"
    )
    host: str = _setting("127.0.0.1", "the address to listen on")
    port: int = _setting(8000, "the port to listen on", name="PORT")
    data_dir: Path = _setting(Path("data"), "the folder for the SQLite database, media and keys")
    database_url: str = _setting(
        "",
        "`postgresql://user:password@host/name`, with special characters percent-encoded. Add `?sslmode=verify-full` for TLS "
        "(with `&sslrootcert=/a/file` for a certificate authority of your own), and `&pooler=transaction` behind PgBouncer "
        "or another pooler in transaction mode. Or `sqlite:////a/file`, or `memory:`. Empty: SQLite in the data folder",
    )
    database_connections: int = _setting(
        16,
        "the maximum number of connections that a process opens to PostgreSQL, 2 to 500, half of them for reads; the sum over "
        "all processes must fit into `max_connections`",
    )
    redis_url: str = _setting(
        "",
        "with PostgreSQL, the `redis://:password@host/0` that all processes share; `rediss://` for TLS, with "
        "`?ssl_ca_certs=/a/file` for a certificate authority of your own. Empty: no Redis",
    )
    media_url: str = _setting(
        "",
        "where media files are stored: `s3://key:secret@host:9000/bucket?region=us-east-1`, with special characters of the "
        "secret percent-encoded. Add `&tls=off` for plain HTTP, and `&public=https://files.example.org` if clients reach "
        "the same server under another origin. Or `file:///a/folder`, shared by all processes. Empty: the folder `media` "
        "in the data folder, or memory if the database is in memory",
    )
    public_url: str = _setting(
        "",
        "the URL under which clients reach this server, also the issuer of its tokens. Empty: http://host:port",
    )
    secret_key: str = _setting(
        "",
        "the master key, 64 hexadecimal digits, the same for all processes. "
        "Empty: a key is created at the first start and kept in the data folder",
    )
    password_cost: int = _setting(
        12, "the cost of bcrypt, 4 to 16: each step doubles the time of a login; below 12 only for tests"
    )
    cors_origins: tuple[str, ...] = _setting(
        (), "the origins of browser clients, separated by commas; in development localhost is allowed as well"
    )
    hsts_subdomains: str = _setting(
        "off",
        "`on` or `off`: whether HSTS covers the subdomains of the public URL's host, so that browsers reach them over HTTPS "
        "only; it always covers the host itself",
    )
    drain_seconds: int = _setting(
        10,
        "the seconds, 0 to 300, for which a process continues to serve after SIGTERM while `/readyz` responds with 503, so that load "
        "balancers notice first; a second signal, or Ctrl-C, ends this early",
    )
    access_log: str = _setting(
        "problems", "which requests are logged: `all`, `problems` (status 500 and above, or slow), `off`"
    )

    metrics_address: str = _setting(
        "",
        "the address of a listener of its own that serves metrics for Prometheus at `/metrics`, such as `127.0.0.1:9091` or "
        "`[::1]:9091`; each process on a machine needs a port of its own. With port 0 the system chooses one, which the log names. Empty: no "
        "metrics",
    )
    metrics_hosts: tuple[str, ...] = _setting(
        (),
        "host names with a dot under which metrics may be scraped, separated by commas, such as `waggle.internal` or "
        "`*.waggle.svc.cluster.local`. Addresses, `localhost` and names without a dot need not be named",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "addresses and CIDR blocks of the reverse proxies in front of Waggle, separated by commas: only they are trusted to "
        "name the client's address. They must set X-Forwarded-For, or remove it and set Forwarded",
    )
    rate_limits: str = _setting(
        "on",
        "`on`, `off` (for tests), or changes to the defaults such as `read=2400/60,anonymous=600/60`, in requests per seconds. "
        "`read`, `write`, `expensive` and `auth` count per user; `anonymous`, `media` and `probe` per network",
    )
    sockets_per_network: int = _setting(
        50,
        "how many WebSockets a network may have open at once, 1 to 10000; a whole office may share one address",
    )
    trending_seconds: int = _setting(
        60,
        "how often the trending lists are computed, in seconds, 1 to 3600; what a viewer may see is checked at each read",
    )
    read_model: str = _setting(
        "auto",
        "`on`, `off` or `auto`: whether frequent responses are kept in memory until what they show changes. `auto` is on with "
        "SQLite, and off with PostgreSQL, where a process that keeps them needs one connection more. Never in the memory shape",
    )
    read_model_mb: int = _setting(
        64, "the memory for kept responses and the rows they are made of, in megabytes, 1 to 10000"
    )

    mail_url: str = _setting(
        "",
        "the mail server, `smtp://user:password@host:587?from=waggle@example.org` (with STARTTLS, unless it is on this host) "
        "or `smtps://`, with special characters percent-encoded, and `&ssl_ca_certs=/a/file` for a certificate authority of "
        "your own. Empty: no mail is sent; in development it is printed",
    )
    mail_delay_seconds: int = _setting(
        120,
        "how long after a notification its mail is sent, unless the notification was read by then, in seconds, 0 to 86400",
    )
    mail_every_seconds: int = _setting(
        900, "the minimum time between two mails about notifications to the same user, in seconds, 0 to 86400"
    )

    confirm_email: str = _setting(
        "off",
        "`on` (or `true`) or `off`: whether an account is created only after its e-mail address is confirmed with a token sent "
        "by mail; needs WAGGLE_MAIL_URL, except in development",
    )

    media_origin: str = _setting(
        "",
        "the origin under which clients reach media files, if it is not the public URL. A separate origin that also leads to "
        "this server isolates uploaded files from everything else",
    )
    media_audio: str = _setting("on", "`on` or `off`: whether videos may have sound")
    media_confinement: str = _setting(
        "best-effort",
        "`best-effort` or `required`: with `required`, Waggle refuses to start if the system does not offer every layer that "
        "confines the process that decodes uploads (Landlock, seccomp, a network namespace, a process limit); with "
        "`best-effort` it logs a warning at the start that names the missing layers",
    )
    media_file_mb: int = _setting(
        200, "the maximum size of an upload, in megabytes (of 1,048,576 bytes), 1 to 2000"
    )
    media_user_mb: int = _setting(
        2_000,
        "the maximum size of all uploads of a user together, in megabytes; uploads of the last 24 hours count even if deleted",
    )
    media_files_a_day: int = _setting(
        200, "the maximum number of files that a user may upload in 24 hours, including deleted ones"
    )

    traces_url: str = _setting(
        "",
        "the OpenTelemetry collector that spans are sent to, `http://collector:4318` or `https://`, with "
        "`?ssl_ca_certs=/a/file` for a certificate authority of your own. Empty: no traces, which then cost nothing",
    )
    traces_ratio: float = _setting(1.0, "the part of the requests whose traces are recorded, 0 to 1")
    traces_continue: str = _setting(
        "off",
        "`on` or `off`: whether a request with the header `traceparent` continues the trace of its caller, who then decides "
        "whether it is recorded. Only behind a proxy that sets or removes this header",
    )

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Raises BadSettings for an invalid value, and for an unknown name that begins with WAGGLE_: a misspelt setting
        must not be ignored silently."""
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
        if found := invalid(self):
            raise BadSettings(found)
        if self.env == "production" and (found := problem(self)):
            raise BadSettings(found)

    @property
    def shape(self) -> str:
        """`memory`: everything in memory; `embedded`: one process with SQLite; `postgres`: processes that share PostgreSQL;
        `scaled`: the same with Redis; `unknown`: none of them, which `check` refuses."""
        scheme = self.database_url.partition(":")[0]
        if scheme == "postgresql":
            return "scaled" if self.redis_url else "postgres"
        return {"": "embedded", "sqlite": "embedded", "memory": "memory"}.get(scheme, "unknown")

    @property
    def keeps_responses(self) -> bool:
        """See `read_model`."""
        return (
            self.shape == "embedded"
            if self.read_model == "auto"
            else self.read_model == "on" and self.shape != "memory"
        )

    @property
    def on_postgres(self) -> bool:
        """Whether several processes may share the database."""
        return self.shape in {"postgres", "scaled"}

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'waggle.db'}"

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """The host and the port of WAGGLE_METRICS_ADDRESS; None if metrics are off."""
        return listener_address(self.metrics_address) if self.metrics_address else None

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
    if isinstance(default, float):
        if not _DECIMAL.fullmatch(text):
            raise BadSettings(f"{name} must be a number such as 0.01")
        return float(text)
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name == "WAGGLE_CONFIRM_EMAIL":
        return {"true": "on", "false": "off"}.get(text, text)
    return type(default)(text)

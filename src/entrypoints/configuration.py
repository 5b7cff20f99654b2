"""Build the container from the settings."""

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import make_url

from adapters.mail.server import MailServer
from adapters.redis.address import Address
from adapters.sql.address import PostgresAddress
from adapters.storage.address import S3Address, folder_of
from application.media.uploading import UploadLimits
from application.shared.caching import Times
from application.shared.mail import Site
from entrypoints.container import Container
from entrypoints.data_folder import check_closed, master_key, prepare
from entrypoints.settings import BadSettings, Settings

TRENDING_STALE = 600.0
"""Seconds for which an old trending list is still shown, and can be paged through, when no new one can be computed."""
MB = 1024 * 1024


def build(settings: Settings) -> Container:
    """The container for `settings`. Nothing is opened yet. Raises BadSettings."""
    container = Container()
    if settings.shape == "embedded":
        prepare(settings)
    try:
        if settings.on_postgres:
            PostgresAddress.of(settings.database_url)
    except ValueError as error:
        raise BadSettings(f"WAGGLE_DATABASE_URL {error}") from None
    try:
        redis = Address.of(settings.redis_url) if settings.redis_url else None
    except (ValueError, OSError) as error:
        raise BadSettings(f"WAGGLE_REDIS_URL {error}") from None
    try:
        mail_server = MailServer.of(settings.mail_url) if settings.mail_url else None
    except (ValueError, OSError) as error:
        raise BadSettings(f"WAGGLE_MAIL_URL {error}") from None
    try:
        media_store, media_folder, media_address = _media_storage(settings)
    except ValueError as error:
        raise BadSettings(f"WAGGLE_MEDIA_URL {error}") from None
    database_folder = _data_folder(settings)
    for name, folder in (("WAGGLE_DATABASE_URL", database_folder), ("WAGGLE_MEDIA_URL", media_folder)):
        if folder is not None:
            check_closed(settings, name, folder)
    host = urlsplit(settings.url).hostname or "waggle"
    container.config.from_dict(
        {
            "store": "memory" if settings.shape == "memory" else "sql",
            "database_url": settings.database,
            "database_connections": settings.database_connections,
            "issuer": settings.url,
            "site_names": ("waggle", host),
            "site": Site(settings.url, host),
            "password_cost": settings.password_cost,
            "card_ttl": 10.0 if settings.on_postgres else 60.0,
            "limits": "off" if settings.rate_limits == "off" else "on",
            "trending": Times(fresh=settings.trending_seconds, stale=TRENDING_STALE),
            "timelines": "none" if settings.on_postgres else "memory",
            "redis": "on" if settings.redis_url else "off",
            "redis_address": redis,
            "mail": "smtp" if mail_server else "log" if settings.env == "development" else "none",
            "mail_server": mail_server,
            "own_host": host.encode("idna").decode(),
            "confirm_email": settings.confirm_email,
            "mail_delay": timedelta(seconds=settings.mail_delay_seconds),
            "mail_every": timedelta(seconds=settings.mail_every_seconds),
            "media_store": media_store,
            "media_folder": media_folder,
            "media_address": media_address,
            "media_origin": settings.media_origin.rstrip("/") or settings.url,
            "media_limits": UploadLimits(
                settings.media_file_mb * MB, settings.media_user_mb * MB, settings.media_files_a_day
            ),
            "media_audio": settings.media_audio == "on",
            "media_confinement_required": settings.media_confinement == "required",
            "disk": "on" if settings.shape == "embedded" else "off",
            "data_folder": database_folder,
            "temporary": _temporary(settings),
            "master_key": master_key(settings),
        }
    )
    return container


def _media_storage(settings: Settings) -> tuple[str, Path | None, S3Address | None]:
    """The kind of storage, with its folder or its address. Raises ValueError."""
    if settings.media_url.startswith("s3:"):
        return "s3", None, S3Address.of(settings.media_url)
    if settings.media_url:
        return "folder", folder_of(settings.media_url), None
    if settings.shape == "memory":
        return "memory", None, None
    return "folder", settings.data_dir.absolute() / "media", None


def _data_folder(settings: Settings) -> Path | None:
    """The folder of the database file; None if the database is not embedded."""
    return Path(str(make_url(settings.database).database)).parent if settings.shape == "embedded" else None


def _temporary(settings: Settings) -> Path:
    """The folder for uploads in progress. It is on the same file system as the media folder, so a file can be moved there."""
    if settings.shape == "memory":
        return Path(tempfile.gettempdir()) / f"waggle-{os.getuid()}"
    return settings.data_dir.absolute() / "tmp"

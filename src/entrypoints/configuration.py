"""The settings as adapters need them: parsed addresses, folders, and the master key."""

import os
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from sqlalchemy import make_url

from adapters.mail.server import MailServer
from adapters.redis.address import Address
from adapters.sql.address import PostgresAddress
from adapters.storage.address import S3Address, folder_of
from adapters.traces.address import CollectorAddress
from application.media.uploading import UploadLimits
from application.notifications.module import MailDelay, MailPause
from application.shared.caching import Times
from application.shared.mail import Site
from entrypoints.data_folder import check_closed, master_key, prepare
from entrypoints.settings import BadSettings, Settings

MB = 1024 * 1024
TRENDING_STALE = 600.0
"""Seconds for which an old trending list is still shown, and can be paged through, when no new one can be computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    settings: Settings
    redis_address: Address | None
    mail_server: MailServer | None
    media_place: S3Address | Path | None
    """A bucket or a folder; None for memory."""
    collector: CollectorAddress | None
    """The collector that spans are exported to; None if no traces are recorded."""
    data_folder: Path | None
    """The folder of an embedded database."""
    temporary: Path
    master_key: bytes

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Creates the data folder and its master key if they are missing. Opens nothing. Raises BadSettings."""
        if settings.shape == "embedded":
            prepare(settings)
        try:
            if settings.on_postgres:
                PostgresAddress.of(settings.database_url)
        except ValueError as error:
            raise BadSettings(f"WAGGLE_DATABASE_URL {error}") from None
        try:
            redis_address = Address.of(settings.redis_url) if settings.redis_url else None
        except (ValueError, OSError) as error:
            raise BadSettings(f"WAGGLE_REDIS_URL {error}") from None
        try:
            mail_server = MailServer.of(settings.mail_url) if settings.mail_url else None
        except (ValueError, OSError) as error:
            raise BadSettings(f"WAGGLE_MAIL_URL {error}") from None
        try:
            collector = CollectorAddress.of(settings.traces_url) if settings.traces_url else None
        except ValueError as error:
            raise BadSettings(f"WAGGLE_TRACES_URL {error}") from None
        try:
            media_place = _media_place(settings)
        except ValueError as error:
            raise BadSettings(f"WAGGLE_MEDIA_URL {error}") from None
        database_folder = _data_folder(settings)
        for name, folder in (("WAGGLE_DATABASE_URL", database_folder), ("WAGGLE_MEDIA_URL", media_place)):
            if isinstance(folder, Path):
                check_closed(settings, name, folder)
        return cls(
            settings=settings,
            redis_address=redis_address,
            mail_server=mail_server,
            media_place=media_place,
            collector=collector,
            data_folder=database_folder,
            temporary=_temporary(settings),
            master_key=master_key(settings),
        )

    @property
    def store(self) -> Literal["memory", "sql"]:
        """The technology of the stores, whose data must not be lost."""
        return "memory" if self.settings.shape == "memory" else "sql"

    @property
    def media_in_s3(self) -> bool:
        """True if clients upload to an S3 directly."""
        return isinstance(self.media_place, S3Address)

    @property
    def site(self) -> Site:
        return Site.at(self.settings.url)

    @property
    def media_origin(self) -> str:
        return self.settings.media_origin.rstrip("/") or self.settings.url

    @property
    def media_limits(self) -> UploadLimits:
        settings = self.settings
        return UploadLimits(
            file_bytes=settings.media_file_mb * MB,
            user_bytes=settings.media_user_mb * MB,
            files_a_day=settings.media_files_a_day,
        )

    @property
    def mail_delay(self) -> MailDelay:
        return MailDelay(timedelta(seconds=self.settings.mail_delay_seconds))

    @property
    def mail_pause(self) -> MailPause:
        return MailPause(timedelta(seconds=self.settings.mail_every_seconds))

    @property
    def trending(self) -> Times:
        return Times(fresh=self.settings.trending_seconds, stale=TRENDING_STALE)

    @property
    def card_ttl(self) -> float:
        """Seconds for which names are cached. A change in another process is noticed only after this time."""
        return 10.0 if self.settings.on_postgres else 60.0


def _media_place(settings: Settings) -> S3Address | Path | None:
    """Raises ValueError."""
    if settings.media_url.startswith("s3:"):
        return S3Address.of(settings.media_url)
    if settings.media_url:
        return folder_of(settings.media_url)
    return None if settings.shape == "memory" else settings.data_dir.absolute() / "media"


def _data_folder(settings: Settings) -> Path | None:
    """The folder of the database file; None if the database is not embedded."""
    return Path(str(make_url(settings.database).database)).parent if settings.shape == "embedded" else None


def _temporary(settings: Settings) -> Path:
    """The folder for uploads in progress. It is on the same file system as the media folder, so a file can be moved there."""
    if settings.shape == "memory":
        return Path(tempfile.gettempdir()) / f"waggle-{os.getuid()}"
    return settings.data_dir.absolute() / "tmp"

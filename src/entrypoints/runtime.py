"""From settings to a running Waggle, and down again."""

import asyncio
import logging
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import make_url

from adapters.ids import IdAllocator, Lease
from adapters.mail.server import MailServer
from adapters.processing.confinement import LAYERS
from adapters.redis.address import Address
from adapters.security.tokens import load_keys
from adapters.sql.address import PostgresAddress
from adapters.sql.database import Database
from adapters.sql.housekeeping import keep_house
from adapters.sql.migrate import HEAD, check_schema, migrate
from adapters.sql.process_numbers import LEASE, ProcessNumbers
from adapters.sql.server import allowed_connections
from adapters.storage.address import S3Address, folder_of
from application.identity.security import flushed
from application.media.uploading import UploadLimits
from application.shared.caching import Times
from application.shared.mail import Site
from domain.shared import MAX_ID, Unavailable
from entrypoints.background import in_background, refresh_trending, sweep_objects
from entrypoints.container import Container
from entrypoints.data_folder import check_closed, master_key, prepare
from entrypoints.lock import data_folder, only_process
from entrypoints.security import security_noted
from entrypoints.settings import BadSettings, Settings

log = logging.getLogger(__name__)


HOUSEKEEPING_SECONDS = 3600.0
OTHER_KEY = "WAGGLE_SECRET_KEY (or secret.key) is not the one this data was made with"
TRENDING_STALE = 600.0
"""Seconds for which what trended is still shown when it cannot be made anew, and can be paged through."""
MB = 1024 * 1024
KEYS_SECONDS = 2.0
"""How often a process looks for changes of the signing keys."""


def build(settings: Settings) -> Container:
    """The container for `settings`; nothing is opened yet. Raises BadSettings."""
    container = Container()
    if settings.shape == "embedded":
        prepare(settings)
    try:
        if settings.shape == "scaled":
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
        media_store, media_folder, media_address = _media_place(settings)
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
            "card_ttl": 10.0 if settings.shape == "scaled" else 60.0,
            "limits": "off" if settings.rate_limits == "off" else "on",
            "trending": Times(fresh=settings.trending_seconds, stale=TRENDING_STALE),
            "timelines": "none" if settings.shape == "scaled" else "memory",
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


def _media_place(settings: Settings) -> tuple[str, Path | None, S3Address | None]:
    """Which storage, and where it is. Raises ValueError."""
    if settings.media_url.startswith("s3:"):
        return "s3", None, S3Address.of(settings.media_url)
    if settings.media_url:
        return "folder", folder_of(settings.media_url), None
    if settings.shape == "memory":
        return "memory", None, None
    return "folder", settings.data_dir.absolute() / "media", None


def _data_folder(settings: Settings) -> Path | None:
    """Of the embedded shape: where its database is."""
    return Path(str(make_url(settings.database).database)).parent if settings.shape == "embedded" else None


def _temporary(settings: Settings) -> Path:
    """Beside the media folder, so that what came in can be moved there."""
    if settings.shape == "memory":
        return Path(tempfile.gettempdir()) / f"waggle-{os.getuid()}"
    return settings.data_dir.absolute() / "tmp"


@asynccontextmanager
async def running(container: Container, settings: Settings) -> AsyncIterator[None]:
    """Everything that is open and busy while Waggle runs; closed again when the block ends."""
    async with AsyncExitStack() as stack:
        confinement = asyncio.create_task(_tell_confinement(container, settings))
        stack.callback(confinement.cancel)
        if settings.media_confinement == "required":  # refused before anything is opened
            await confinement
        if settings.shape == "memory":
            container.ids().renewed(Lease(0, _wall_ms(container), MAX_ID >> 16), asked_at=time.monotonic())
        else:
            await _open_database(stack, container, settings)
        if settings.redis_url:  # whether it is there or not
            await in_background(stack, "Redis", container.redis().run)
            await in_background(stack, "timelines", container.redis_timelines().keep_whole)
            await in_background(stack, "hints", container.redis_hints().listen)
        try:
            await container.ensure_keys()()
            await load_keys(container.keys(), container.key_store(), container.secrets(), container.now()())
        except ValueError:
            raise BadSettings(OTHER_KEY) from None
        if settings.shape != "memory":  # nobody else reaches the keys there
            await in_background(stack, "signing keys", lambda: _follow_keys(container))
        stack.callback(container.passwords().close)
        await in_background(stack, "trending", lambda: refresh_trending(container, settings.trending_seconds))
        await stack.enter_async_context(security_noted(container))
        hub = container.hub()
        await in_background(stack, "heads of streams", hub.follow_heads)
        await in_background(stack, "sessions of streams", hub.follow_sessions)
        await in_background(stack, "housekeeping", lambda: _keep_house(container, settings))
        await in_background(stack, "mails", container.notifications.send_mails().run)
        if settings.confirm_email == "on":
            await in_background(stack, "confirmations", container.identity.send_confirmations().run)
        if settings.media_url.startswith("s3:"):  # whether it is there or not
            await in_background(stack, "storage", container.storage().run)
        folders = container.folder()
        folders.clean()
        stack.callback(folders.close)
        await in_background(stack, "media", container.media.process_media().run)
        await in_background(stack, "objects of media", lambda: sweep_objects(container))
        await in_background(stack, "relay", container.relay().run)
        container.disk().opened()
        await confinement  # it took as long as all of the above, beside it
        yield


async def _tell_confinement(container: Container, settings: Settings) -> None:
    """Log what confines the decoding of uploads. Raises BadSettings if layers are required and one is
    missing, Unavailable if they are required and no process can be started to tell."""
    try:
        missing = await container.processor().missing_layers()
    except Unavailable as error:
        if settings.media_confinement == "required":
            raise
        log.warning("what confines the decoding of uploads is not known: %s", error)
        return
    in_force = [layer for layer in LAYERS if layer not in missing]
    if missing and settings.media_confinement == "required":
        raise BadSettings(
            f"WAGGLE_MEDIA_CONFINEMENT=required, and this system does not offer: {', '.join(missing)}"
        )
    log.info("uploads are decoded under: %s", ", ".join(in_force) or "limits of memory and time only")
    if missing:
        log.warning(
            "uploads are decoded without: %s. This system does not offer it; WAGGLE_MEDIA_CONFINEMENT=required refuses "
            "to start without it",
            ", ".join(missing),
        )


@asynccontextmanager
async def open_database(
    container: Container, settings: Settings, *, alone: bool = True, writes_events: bool = False
) -> AsyncIterator[None]:
    """The database for a command that works on what is there, with nothing else running in this process. If it
    has to be `alone`, the embedded shape is held meanwhile: a server on the same folder makes it fail, and the other
    way round."""
    async with AsyncExitStack() as stack:
        database = container.database()
        if settings.shape == "embedded" and alone:
            stack.enter_context(only_process(data_folder(container)))
        stack.push_async_callback(database.close)
        await database.open()
        await check_schema(database)
        if writes_events:
            await _number(stack, container, settings)
        stack.push_async_callback(flushed, container.security(), everything=True)
        yield


async def _open_database(stack: AsyncExitStack, container: Container, settings: Settings) -> None:
    database = container.database()
    if settings.shape == "embedded":
        stack.enter_context(only_process(data_folder(container)))
        container.disk().prepare()
        database.check_room = container.disk().check
    stack.push_async_callback(database.close)
    await database.open()
    if settings.shape == "embedded":
        try:
            changed = await migrate(database, container.secrets())
        except ValueError:
            raise BadSettings(OTHER_KEY) from None
        if changed:
            log.info("the database is now at schema %s", HEAD)
        await container.outbox_queue().free_all()  # whoever held a lease is dead: the lock says so
        await container.media_jobs().free_all()
    else:
        await check_schema(database)
    await _number(stack, container, settings)


async def _number(stack: AsyncExitStack, container: Container, settings: Settings) -> None:
    """Have a process number, without which there are no ids."""
    database = container.database()
    numbers = ProcessNumbers(database, secrets.token_hex(8))
    lease = await _take(numbers, container.ids())
    if settings.shape == "scaled":
        await _check_connections(database, settings.database_connections, lease.processes)
    await in_background(stack, "process number", lambda: _keep(numbers, container.ids(), lease))


async def _check_connections(database: Database, connections: int, processes: int) -> None:
    """Compare what the processes may open with what the server allows. One that cannot fit alone is refused; several
    that do not fit together are warned of, since one of them may be about to stop."""
    allowed = await allowed_connections(database)
    if allowed is None:
        return
    if connections > allowed:
        raise BadSettings(
            f"WAGGLE_DATABASE_CONNECTIONS is {connections}, but the database server allows this user {allowed} beside "
            "what it keeps for others"
        )
    if processes * connections > allowed:
        log.warning(
            "%s processes with WAGGLE_DATABASE_CONNECTIONS=%s may open %s connections, but the database server allows %s: "
            "requests will fail under load",
            processes, connections, processes * connections, allowed,
        )  # fmt: skip


def _wall_ms(container: Container) -> int:
    return int(container.now()().timestamp() * 1000)


async def _take(numbers: ProcessNumbers, ids: IdAllocator) -> Lease:
    asked_at = time.monotonic()
    lease = await numbers.take()
    ids.renewed(lease, asked_at=asked_at)
    return lease


async def _keep(numbers: ProcessNumbers, ids: IdAllocator, lease: Lease | None) -> None:
    """Renew the lease of the process number well before it ends. The allocator stops by itself when it
    could not be renewed in time; another number is taken as soon as there is a database again."""
    pause = LEASE.total_seconds() / 3
    while True:
        await asyncio.sleep(pause)
        pause = 1.0  # after a failure writes may be refused already: each second counts
        try:
            asked_at = time.monotonic()
            if lease and (lease := await numbers.renew(lease)) is None:
                ids.lost()
            if lease is None:
                asked_at = time.monotonic()
                lease = await numbers.take()
        except Unavailable as error:
            log.warning("the process number is not renewed: %s", error)
            continue
        ids.renewed(lease, asked_at=asked_at)
        pause = LEASE.total_seconds() / 3


async def _follow_keys(container: Container) -> None:
    """Learn what `waggle keys` did: a key that was revoked is refused within seconds."""
    keys, store, secrets = container.keys(), container.key_store(), container.secrets()
    while True:
        await asyncio.sleep(KEYS_SECONDS)
        if await load_keys(keys, store, secrets, container.now()()):
            container.identity.authenticate().forget()


async def _keep_house(container: Container, settings: Settings) -> None:
    while True:
        try:
            await container.notifications.trim_streams()()
            await container.purge_security_events()()
            if settings.shape != "memory":
                await container.posts.sweep_gone()()
                await keep_house(container.database())
            await container.media.sweep_media()()  # last: the storage may be away while all else is there
        except Unavailable as error:
            log.warning("housekeeping waits for its next turn: %s", error)
        except Exception:
            log.exception("housekeeping failed and waits for its next turn")
        await asyncio.sleep(HOUSEKEEPING_SECONDS)

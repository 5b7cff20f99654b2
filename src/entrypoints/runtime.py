"""Run Waggle: open everything, do the background work, close everything again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from adapters.ids import Lease
from adapters.processing.confinement import LAYERS
from adapters.security.tokens import load_keys
from adapters.sql.identity.row_triggers import ROW_TRIGGERS as IDENTITY_TRIGGERS
from adapters.sql.media.queue import SqlProcessingQueue
from adapters.sql.migrate import HEAD, check_schema, migrate
from adapters.sql.posts.row_triggers import ROW_TRIGGERS as POSTS_TRIGGERS
from application.identity.security import flushed
from application.shared.log import log
from domain.shared import MAX_ID, Unavailable
from entrypoints.background import (
    follow_keys,
    in_background,
    refresh_trending,
    run_maintenance,
    sweep_objects,
)
from entrypoints.container import Container
from entrypoints.lock import data_folder, only_process
from entrypoints.log_events import (
    ConfinementActive,
    ConfinementIncomplete,
    ConfinementUnknown,
    SchemaMigrated,
)
from entrypoints.logs import current_trace
from entrypoints.process_number import hold_process_number
from entrypoints.security import security_events_stored
from entrypoints.settings import BadSettings, Settings

OTHER_KEY = "WAGGLE_SECRET_KEY (or secret.key) is not the key that this data was created with"


@asynccontextmanager
async def running(container: Container, settings: Settings) -> AsyncIterator[None]:
    """Open the stores and run the background work. Both end with the block. Raises BadSettings and Unavailable."""
    async with AsyncExitStack() as stack:
        if (
            traces := container.traces()
        ) is not None:  # closed last, so that it exports the spans of everything
            stack.push_async_callback(traces.close)
            current_trace.append(traces.current_ids)
            stack.callback(current_trace.clear)
        confinement = asyncio.create_task(_report_confinement(container, settings))
        stack.callback(confinement.cancel)
        if settings.media_confinement == "required":  # refuse before anything is opened
            await confinement
        if settings.shape == "memory":
            now_ms = int(container.now()().timestamp() * 1000)
            container.ids().renewed(Lease(0, now_ms, MAX_ID >> 16), asked_at=time.monotonic())
        else:
            await _open_database(stack, container, settings)
        if settings.redis_url:  # also while Redis is unavailable
            await in_background(stack, "Redis", container.redis().run)
            await in_background(stack, "timelines", container.redis_timelines().renew_epochs)
            await in_background(stack, "hints", container.redis_hints().listen)
        try:
            await container.identity().ensure_keys()
            await load_keys(
                container.keys(), container.identity_stores().keys, container.secrets(), container.now()()
            )
        except ValueError:
            raise BadSettings(OTHER_KEY) from None
        if settings.shape != "memory":  # no other process can change keys in memory
            await in_background(stack, "signing keys", lambda: follow_keys(container))
        stack.callback(container.passwords().close)
        await in_background(stack, "trending", lambda: refresh_trending(container, settings.trending_seconds))
        await stack.enter_async_context(security_events_stored(container))
        hub = container.hub()
        await in_background(stack, "heads of streams", hub.follow_heads)
        await in_background(stack, "sessions of streams", hub.follow_sessions)
        await in_background(stack, "maintenance", lambda: run_maintenance(container, settings))
        await in_background(stack, "mails", container.notifications().send_mails.run)
        if settings.confirm_email == "on":
            await in_background(stack, "confirmations", container.identity().send_confirmations.run)
        if container.config().media_in_s3:  # also while the storage is unavailable
            await in_background(stack, "storage", container.s3().run)
        folders = container.folder()
        folders.clean()
        stack.callback(folders.close)
        await in_background(stack, "media", container.media().process_media.run)
        await in_background(stack, "objects of media", lambda: sweep_objects(container))
        relay = container.relay()
        await in_background(stack, "relay", relay.run_events)
        await in_background(stack, "retries", relay.run_remaining)
        container.disk().opened()
        await confinement  # it ran beside all of the above, and takes about as long
        yield


async def _report_confinement(container: Container, settings: Settings) -> None:
    """Log which layers confine the decoding of uploads. If all layers are required, raises BadSettings if one is missing,
    and Unavailable if no process can be started to find out."""
    try:
        missing = await container.processor().missing_layers()
    except Unavailable as error:
        if settings.media_confinement == "required":
            raise
        log(ConfinementUnknown(reason=str(error)))
        return
    in_force = [layer for layer in LAYERS if layer not in missing]
    if missing and settings.media_confinement == "required":
        raise BadSettings(
            f"WAGGLE_MEDIA_CONFINEMENT=required, but this system does not offer: {', '.join(missing)}"
        )
    log(ConfinementActive(layers=", ".join(in_force) or "limits of memory and time only"))
    if missing:
        log(ConfinementIncomplete(layers=", ".join(missing)))


@asynccontextmanager
async def open_database(
    container: Container, settings: Settings, *, alone: bool = True, writes_events: bool = False
) -> AsyncIterator[None]:
    """Open the database for a command, with nothing else running in this process.

    If the command has to be `alone`, it holds the data folder of an embedded database: it fails while a server runs on
    the same folder, and a server cannot start meanwhile. `writes_events` gives the command a process number, since
    events need ids."""
    async with AsyncExitStack() as stack:
        database = container.database()
        if settings.shape == "embedded" and alone:
            stack.enter_context(only_process(data_folder(container)))
        stack.push_async_callback(database.close)
        await database.open()
        await check_schema(database)
        if writes_events:
            await hold_process_number(stack, container, settings)
        stack.push_async_callback(flushed, container.identity().security, everything=True)
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
            log(SchemaMigrated(revision=HEAD))
        await SqlProcessingQueue(
            database
        ).free_all()  # the lock proves that the holders of all leases are dead
        if settings.keeps_responses:
            await database.report_changes(container.readings(), (*IDENTITY_TRIGGERS, *POSTS_TRIGGERS))
    else:
        from adapters.sql.change_log import ChangeLog  # noqa: PLC0415 - the driver of PostgreSQL takes 5 MB
        from adapters.sql.change_trimming import ChangeTrimming  # noqa: PLC0415 - as above

        await check_schema(database)
        if settings.keeps_responses:
            changes = ChangeLog(database, container.readings())
            stack.push_async_callback(changes.close)
            await changes.open()
            await in_background(stack, "row changes", changes.run)
        await in_background(stack, "trimming", ChangeTrimming(database).run)
    await hold_process_number(stack, container, settings)

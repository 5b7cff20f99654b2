"""Removing media in three steps: mark the row as deleted, delete the objects, delete the row."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from application.media.ports import MediaReader, MediaTx, Storage, StoredObject
from application.media.uploading import require_owner
from application.shared.events import AttachedMediaChanged
from application.shared.log import log
from application.shared.log_events import MediaObjectMissing, MediaPurgeDeferred, OrphansKept
from application.shared.ports import Clock, OpenTx
from domain.media import ATTACH_WITHIN, FailureReason, Media, MediaNotFound, MediaState
from domain.shared import MediaId, Unavailable, UserId, id_from

PAGE = 100
A_DAY = timedelta(days=1)
ORPHAN_AGE = timedelta(hours=1)
"""A younger object may belong to an upload or to processing that is in progress."""
SETTLED_AGE = timedelta(minutes=10)
"""The same for PurgeOrphanedObjects, which soon checks again: it only avoids work on objects that are about to be removed."""
SUSPICIOUS_ORPHANS = 100
_OBJECT = re.compile(r"[1-9][0-9]{0,18}/[A-Za-z0-9_-]{22}/[A-Za-z0-9_.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class PurgeMedia:
    """Remove every object of media that is marked as deleted, then its row. Idempotent. Raises Unavailable when the
    storage is unreachable; maintenance then removes it later."""

    open_tx: OpenTx[MediaTx]
    storage: Storage

    async def __call__(self, media: Media) -> None:
        while stored := await self.storage.list(media.prefix):
            await self.storage.delete([one.key for one in stored])
        async with self.open_tx() as tx:
            await tx.media.delete(media.id)


@dataclass(frozen=True, slots=True)
class DeleteMedia:
    """Delete media that no post has. Raises MediaNotFound and MediaInUse."""

    open_tx: OpenTx[MediaTx]
    purge: PurgeMedia

    async def __call__(self, owner: UserId, media_id: MediaId) -> None:
        async with self.open_tx() as tx:
            media = require_owner(await tx.media.get(media_id), owner).removed()
            await tx.media.save(media)
        await purge_or_defer(self.purge, [media])


async def purge_or_defer(purge: PurgeMedia, deleted: list[Media]) -> None:
    """Purge media that is marked as deleted. If the storage is unreachable, leave it to maintenance."""
    try:
        for media in deleted:
            await purge(media)
    except Unavailable as error:
        log(MediaPurgeDeferred(reason=str(error)))


@dataclass(frozen=True, slots=True)
class PurgeExpiredMedia:
    """Remove media that is marked as deleted, and media that no post has `older_than` after its registration. Returns the
    number of removed media."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    purge: PurgeMedia
    now: Clock

    async def __call__(self, older_than: timedelta = ATTACH_WITHIN) -> int:
        before = _ids_at(self.now() - older_than)
        purged = 0
        while stale := await self.reader.stale(before, PAGE):
            for media in stale:
                if await self._mark_deleted(media):
                    await self.purge(media)
                    purged += 1
            if len(stale) < PAGE:
                break
        async with self.open_tx() as tx:
            await tx.media.purge_upload_records(_ids_at(self.now() - A_DAY))
        return purged

    async def _mark_deleted(self, media: Media) -> bool:
        """Return False if a post has the media now, or if its row is gone."""
        if media.deleted:
            return True
        async with self.open_tx() as tx:
            try:
                now = await tx.media.get(media.id)
            except MediaNotFound:
                return False
            if now.post is None:
                await tx.media.save(replace(now, deleted=True))
        return now.post is None


@dataclass(slots=True)
class PurgeOrphanedObjects:
    """Remove objects that belong to no media, some pages per call. Each call continues where the last one ended, and a new
    round begins `every` after the start of the last one. So neither the memory nor the number of requests depends on the
    size of the storage. Only objects with names like those of media are touched. If a page has many orphans, and they
    are the majority, they are kept and a warning is logged: the storage then probably belongs to another database.
    Returns the number of removed objects; raises Unavailable when the storage is unreachable."""

    reader: MediaReader
    storage: Storage
    now: Clock
    pages: int = 10
    """Pages per call, each of at most 1,000 objects."""
    every: timedelta = timedelta(minutes=20)
    """The time from the start of one round to the start of the next."""
    _after: str = ""
    _next_round: datetime | None = None

    async def __call__(self) -> int:
        if not self._after:
            if self._next_round is not None and self.now() < self._next_round:
                return 0
            self._next_round = self.now() + self.every
        removed = 0
        for _ in range(self.pages):
            page = await self.storage.list("", self._after)
            if not page:
                self._after = ""
                break
            removed += await self._purge_page(page)
            self._after = page[-1].key
        return removed

    async def _purge_page(self, page: Sequence[StoredObject]) -> int:
        ours = [one for one in page if _OBJECT.fullmatch(one.key)]
        orphans = await orphaned_objects(self.reader, ours, self.now() - SETTLED_AGE)
        if len(orphans) > SUSPICIOUS_ORPHANS and len(orphans) > len(page) // 2:
            first = page[0].key.partition("/")[0]
            log(OrphansKept(count=len(orphans), total=len(page), media_id=first))
            return 0
        await self.storage.delete([one.key for one in orphans])
        return len(orphans)


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    rows: int
    processing: int
    """Rows in state PROCESSING."""
    objects: int
    without_row: int
    """Objects that belong to no media."""
    without_object: int
    """Ready media with a missing object."""


@dataclass(frozen=True, slots=True)
class ReconcileMedia:
    """Compare rows and objects in both directions. Unless it is a dry run, delete objects without media, and mark media
    with a missing object as failed (LOST). Reads everything: meant for an operator, from time to time. The server
    compares objects by itself (PurgeOrphanedObjects); only this compares rows."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    storage: Storage
    now: Clock

    async def __call__(self, *, dry_run: bool, older_than: timedelta = ORPHAN_AGE) -> ReconciliationReport:
        objects, orphans = 0, 0
        async for page in self._pages():
            objects += len(page)
            found = await orphaned_objects(self.reader, page, self.now() - older_than)
            orphans += len(found)
            if found and not dry_run:
                await self.storage.delete([stored.key for stored in found])
        rows, processing, lost = await self._rows(dry_run=dry_run)
        return ReconciliationReport(rows, processing, objects, orphans, lost)

    async def _pages(self) -> AsyncIterator[list[StoredObject]]:
        after = ""
        while page := await self.storage.list("", after):
            yield [*page]
            after = page[-1].key

    async def _rows(self, *, dry_run: bool) -> tuple[int, int, int]:
        rows, processing, lost, after = 0, 0, 0, MediaId(0)
        while page := await self.reader.all_after(after, PAGE):
            after = page[-1].id
            rows += len(page)
            for media in page:
                processing += media.state is MediaState.PROCESSING and not media.deleted
                if (
                    media.state is MediaState.READY
                    and not media.deleted
                    and not await self._is_complete(media)
                ):
                    lost += 1
                    log(MediaObjectMissing(media_id=media.id, user_id=media.owner))
                    if not dry_run:
                        await self._mark_lost(media)
        return rows, processing, lost

    async def _is_complete(self, media: Media) -> bool:
        stored_keys = {stored.key for stored in await self.storage.list(media.prefix)}
        return object_keys(media) <= stored_keys

    async def _mark_lost(self, media: Media) -> None:
        async with self.open_tx() as tx:
            try:
                now = await tx.media.get(media.id)
            except MediaNotFound:
                return
            if now.state is not MediaState.READY or now.deleted:
                return
            now = now.failed(FailureReason.LOST)
            await tx.media.save(now)
            if now.post is not None:
                await tx.outbox.add(
                    AttachedMediaChanged(
                        media_id=now.id, post_id=now.post, owner_id=now.owner, version=now.version
                    )
                )


async def orphaned_objects(
    reader: MediaReader, page: Sequence[StoredObject], newest: datetime
) -> list[StoredObject]:
    """Return the objects of the page, of at most 1,000 and older than `newest`, that no media has. The rows are read after
    the objects were listed. That keeps objects safe that are put in the meantime, because the row is inserted first."""
    ids = {_media_of(stored) for stored in page}
    known = await reader.media([id_ for id_ in ids if id_ is not None])
    return [
        stored
        for stored in page
        if stored.modified < newest and not _belongs(stored.key, known.get(_media_of(stored) or MediaId(0)))
    ]


def _ids_at(moment: datetime) -> MediaId:
    """A bound: every id that was created before `moment` is smaller."""
    return MediaId(int(moment.timestamp() * 1000) << 16)


def _media_of(stored: StoredObject) -> MediaId | None:
    id_ = id_from(stored.key.partition("/")[0] or "-")
    return None if id_ is None else MediaId(id_)


def _belongs(key: str, media: Media | None) -> bool:
    """During processing, any object with the prefix belongs to the media: its renditions are not known yet."""
    if media is None:
        return False
    return key.startswith(media.prefix) if media.state is MediaState.PROCESSING else key in object_keys(media)


def object_keys(media: Media) -> set[str]:
    """The keys that the media may have in its current state. Ready media must have all of them."""
    if media.state is MediaState.READY and media.result is not None:
        return {media.key(rendition) for rendition in media.result.renditions}
    return {media.upload} if media.state is not MediaState.FAILED else set()

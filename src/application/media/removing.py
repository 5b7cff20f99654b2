"""Removing media: the row says so first, then the objects go, then the row."""

import logging
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from application.media.ports import MediaReader, MediaTx, Storage, StoredObject
from application.media.uploading import require_owner
from application.shared.events import AttachedMediaChanged
from application.shared.ports import Clock, OpenTx
from domain.media import ATTACH_WITHIN, FailureReason, Media, MediaNotFound, MediaState
from domain.shared import MediaId, Unavailable, UserId, id_from

PAGE = 100
A_DAY = timedelta(days=1)
ORPHAN_AGE = timedelta(hours=1)
"""An object younger than this may belong to something that is under way."""
SETTLED_AGE = timedelta(minutes=10)
"""The same, where one looks again soon: it only spares looks at what is about to be removed."""
SUSPICIOUS_ORPHANS = 100
_OBJECT = re.compile(r"[1-9][0-9]{0,18}/[A-Za-z0-9_-]{22}/[A-Za-z0-9_.-]+", re.ASCII)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PurgeMedia:
    """Removes every object of media that is marked as deleted, and then its row. Harmless to repeat; raises
    Unavailable when the storage is away, and the sweep does it later."""

    open_tx: OpenTx[MediaTx]
    storage: Storage

    async def __call__(self, media: Media) -> None:
        while stored := await self.storage.list(media.prefix):
            await self.storage.delete([one.key for one in stored])
        async with self.open_tx() as tx:
            await tx.media.delete(media.id)


@dataclass(frozen=True, slots=True)
class DeleteMedia:
    """Remove media that no post has. Raises MediaNotFound and MediaAttached."""

    open_tx: OpenTx[MediaTx]
    discard: PurgeMedia

    async def __call__(self, owner: UserId, media_id: MediaId) -> None:
        async with self.open_tx() as tx:
            media = require_owner(await tx.media.get(media_id), owner).removed()
            await tx.media.save(media)
        await purge_or_defer(self.discard, [media])


async def purge_or_defer(discard: PurgeMedia, gone: list[Media]) -> None:
    """Remove what is marked; what cannot be removed now is left to the sweep."""
    try:
        for media in gone:
            await discard(media)
    except Unavailable as error:
        log.warning("what is deleted stays in the storage for a while: %s", error)


@dataclass(frozen=True, slots=True)
class PurgeExpiredMedia:
    """Removes what is deleted, and what no post has so long after it was announced. Returns how many it were."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    discard: PurgeMedia
    now: Clock

    async def __call__(self, older_than: timedelta = ATTACH_WITHIN) -> int:
        before = _ids_at(self.now() - older_than)
        swept = 0
        while stale := await self.reader.stale(before, PAGE):
            for media in stale:
                if await self._marked(media):
                    await self.discard(media)
                    swept += 1
            if len(stale) < PAGE:
                break
        async with self.open_tx() as tx:
            await tx.media.purge_upload_records(_ids_at(self.now() - A_DAY))
        return swept

    async def _marked(self, media: Media) -> bool:
        """False if a post has it by now."""
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
    """Removes objects that belong to no media, some pages at a time: each call goes on where the last one ended, and a
    new round begins some time after the last one. So neither memory nor the number of requests depends on the size of
    the storage. Only what is named like an object of media is touched. Where a page holds mostly orphans, and many,
    they are left alone and a warning is logged: it is then more likely that this is the storage of another database.
    Returns how many were removed; raises Unavailable when the storage is away."""

    reader: MediaReader
    storage: Storage
    now: Clock
    pages: int = 10
    """In one call, of at most 1,000 objects."""
    every: timedelta = timedelta(minutes=20)
    """From the beginning of a round to that of the next."""
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
            removed += await self._swept(page)
            self._after = page[-1].key
        return removed

    async def _swept(self, page: Sequence[StoredObject]) -> int:
        ours = [one for one in page if _OBJECT.fullmatch(one.key)]
        orphans = await orphaned_objects(self.reader, ours, self.now() - SETTLED_AGE)
        if len(orphans) > SUSPICIOUS_ORPHANS and len(orphans) > len(page) // 2:
            log.warning(
                "%d of %d objects from %s on belong to no media of this database, and are left alone: if they are to "
                "go, run `waggle media sweep`",
                len(orphans),
                len(page),
                page[0].key.partition("/")[0],
            )
            return 0
        await self.storage.delete([one.key for one in orphans])
        return len(orphans)


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    rows: int
    processing: int
    """Of them."""
    objects: int
    orphaned_objects: int
    """Objects that belong to no media."""
    without_object: int
    """Media that lack an object they should have."""


@dataclass(frozen=True, slots=True)
class ReconcileMedia:
    """Compares rows and objects in both directions. What belongs to nothing is deleted, and media that lacks an object
    fails as lost, unless it is a dry run. Reads everything: for an operator, from
    time to time. Objects are compared by the server, too (PurgeOrphanedObjects), rows only by this."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    storage: Storage
    now: Clock

    async def __call__(self, *, dry_run: bool, older_than: timedelta = ORPHAN_AGE) -> ReconciliationReport:
        objects, orphans = 0, 0
        async for page in self._pages():
            objects += len(page)
            wrong = await orphaned_objects(self.reader, page, self.now() - older_than)
            orphans += len(wrong)
            if wrong and not dry_run:
                await self.storage.delete([stored.key for stored in wrong])
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
                if media.state is MediaState.READY and not media.deleted and not await self._whole(media):
                    lost += 1
                    log.warning("media %s of user %s lacks an object", media.id, media.owner)
                    if not dry_run:
                        await self._mark_lost(media)
        return rows, processing, lost

    async def _whole(self, media: Media) -> bool:
        there = {stored.key for stored in await self.storage.list(media.prefix)}
        return object_keys(media) <= there

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
    """Those objects, of at most 1,000 and older than `newest`, that no media has. Rows are read after the objects were
    listed, so what is put meanwhile is safe: the row of an object comes before it."""
    ids = {_media_of(stored) for stored in page}
    known = await reader.media([id_ for id_ in ids if id_ is not None])
    return [
        stored
        for stored in page
        if stored.modified < newest and not _belongs(stored.key, known.get(_media_of(stored) or MediaId(0)))
    ]


def _ids_at(moment: datetime) -> MediaId:
    """What ids that were made before are below."""
    return MediaId(int(moment.timestamp() * 1000) << 16)


def _media_of(stored: StoredObject) -> MediaId | None:
    id_ = id_from(stored.key.partition("/")[0] or "-")
    return None if id_ is None else MediaId(id_)


def _belongs(key: str, media: Media | None) -> bool:
    """Of one that is processed anything may be there, until it says what it is."""
    if media is None:
        return False
    return key.startswith(media.prefix) if media.state is MediaState.PROCESSING else key in object_keys(media)


def object_keys(media: Media) -> set[str]:
    """The objects that media may have, as it is now; a ready one must have them all."""
    if media.state is MediaState.READY and media.result is not None:
        return {media.key(rendition) for rendition in media.result.renditions}
    return {media.upload} if media.state is not MediaState.FAILED else set()

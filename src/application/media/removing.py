"""Removing media: the row says so first, then the objects go, then the row."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from application.media.ports import MediaReader, MediaTx, Storage, Stored
from application.media.uploading import owned
from application.shared.events import AttachedMediaChanged
from application.shared.ports import Clock, OpenTx
from domain.media import ATTACH_WITHIN, Media, MediaNotFound, Reason, State
from domain.shared import MediaId, Unavailable, UserId, id_from

PAGE = 100
GRACE = timedelta(hours=1)
"""An object younger than this may belong to something that is under way."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Discard:
    """Removes every object of media that is marked as deleted, and then its row. Harmless to repeat; raises
    Unavailable when the storage is away, and the sweep does it later."""

    open_tx: OpenTx[MediaTx]
    storage: Storage

    async def __call__(self, media: Media) -> None:
        while stored := await self.storage.list(media.prefix):
            await self.storage.delete([one.key for one in stored])
        async with self.open_tx() as tx:
            await tx.media.forget(media.id)


@dataclass(frozen=True, slots=True)
class RemoveMedia:
    """Remove media that no post has. Raises MediaNotFound and MediaAttached."""

    open_tx: OpenTx[MediaTx]
    discard: Discard

    async def __call__(self, owner: UserId, media_id: MediaId) -> None:
        async with self.open_tx() as tx:
            media = owned(await tx.media.get(media_id), owner).removed()
            await tx.media.save(media)
        await at_best(self.discard, [media])


async def at_best(discard: Discard, gone: list[Media]) -> None:
    """Remove what is marked; what cannot be removed now is left to the sweep."""
    try:
        for media in gone:
            await discard(media)
    except Unavailable as error:
        log.warning("what is deleted stays in the storage for a while: %s", error)


@dataclass(frozen=True, slots=True)
class SweepMedia:
    """Removes what is deleted, and what no post has so long after it was announced. Returns how many it were."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    discard: Discard
    now: Clock

    async def __call__(self, older_than: timedelta = ATTACH_WITHIN) -> int:
        before = MediaId(int((self.now() - older_than).timestamp() * 1000) << 16)
        swept = 0
        while stale := await self.reader.stale(before, PAGE):
            for media in stale:
                if await self._marked(media):
                    await self.discard(media)
                    swept += 1
            if len(stale) < PAGE:
                break
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


@dataclass(frozen=True, slots=True)
class Reconciled:
    rows: int
    processing: int
    """Of them."""
    objects: int
    without_row: int
    """Objects that belong to no media."""
    without_object: int
    """Media that lack an object they should have."""


@dataclass(frozen=True, slots=True)
class ReconcileMedia:
    """Compares rows and objects in both directions. What belongs to nothing is deleted, and media that lacks an object
    fails as lost, unless it is a dry run. Reads everything: for an operator, from
    time to time. By a ticket one may put an object again after it was processed or deleted: only this finds it."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    storage: Storage
    now: Clock

    async def __call__(self, *, dry_run: bool, older_than: timedelta = GRACE) -> Reconciled:
        objects, orphans = 0, 0
        async for page in self._pages():
            objects += len(page)
            wrong = await self._without_row(page, self.now() - older_than)
            orphans += len(wrong)
            if wrong and not dry_run:
                await self.storage.delete([stored.key for stored in wrong])
        rows, processing, lost = await self._rows(dry_run=dry_run)
        return Reconciled(rows, processing, objects, orphans, lost)

    async def _pages(self) -> AsyncIterator[list[Stored]]:
        after = ""
        while page := await self.storage.list("", after):
            yield [*page]
            after = page[-1].key

    async def _without_row(self, page: list[Stored], newest: datetime) -> list[Stored]:
        ids = {_media_of(stored) for stored in page}
        known = await self.reader.media([id_ for id_ in ids if id_ is not None])
        return [
            stored
            for stored in page
            if stored.modified < newest
            and not _belongs(stored.key, known.get(_media_of(stored) or MediaId(0)))
        ]

    async def _rows(self, *, dry_run: bool) -> tuple[int, int, int]:
        rows, processing, lost, after = 0, 0, 0, MediaId(0)
        while page := await self.reader.all_after(after, PAGE):
            after = page[-1].id
            rows += len(page)
            for media in page:
                processing += media.state is State.PROCESSING and not media.deleted
                if media.state is State.READY and not media.deleted and not await self._whole(media):
                    lost += 1
                    log.warning("media %s of user %s lacks an object", media.id, media.owner)
                    if not dry_run:
                        await self._mark_lost(media)
        return rows, processing, lost

    async def _whole(self, media: Media) -> bool:
        there = {stored.key for stored in await self.storage.list(media.prefix)}
        return keys_of(media) <= there

    async def _mark_lost(self, media: Media) -> None:
        async with self.open_tx() as tx:
            try:
                now = await tx.media.get(media.id)
            except MediaNotFound:
                return
            if now.state is not State.READY or now.deleted:
                return
            now = now.failed(Reason.LOST)
            await tx.media.save(now)
            if now.post is not None:
                await tx.outbox.add(
                    AttachedMediaChanged(
                        media_id=now.id, post_id=now.post, owner_id=now.owner, version=now.version
                    )
                )


def _media_of(stored: Stored) -> MediaId | None:
    id_ = id_from(stored.key.partition("/")[0] or "-")
    return None if id_ is None else MediaId(id_)


def _belongs(key: str, media: Media | None) -> bool:
    """Of one that is processed anything may be there, until it says what it is."""
    if media is None:
        return False
    return key.startswith(media.prefix) if media.state is State.PROCESSING else key in keys_of(media)


def keys_of(media: Media) -> set[str]:
    """The objects that media may have, as it is now; a ready one must have them all."""
    if media.state is State.READY and media.made is not None:
        return {media.key(rendition) for rendition in media.made.renditions}
    return {media.upload} if media.state is not State.FAILED else set()

"""Handlers of the events of posts and identity. All of them are idempotent."""

from dataclasses import replace

from application.media.ports import MediaTx
from application.media.removing import PurgeMedia, purge_or_defer
from application.shared.events import (
    AccountDeleted,
    AttachedMediaChanged,
    MediaAttached,
    MediaDetached,
    PostDeleted,
)
from application.shared.ports import OpenTx
from domain.dataclasses import dataclass
from domain.media import Media, MediaInUse, MediaNotFound, MediaState
from domain.shared import EventId, MediaId, PostId, UserId

PAGE = 100


@dataclass(frozen=True, slots=True)
class AttachMedia:
    """Attach media to its post. If its processing has already ended, posts may have read the state before that, so publish
    AttachedMediaChanged."""

    open_tx: OpenTx[MediaTx]

    async def __call__(self, event: MediaAttached, _event_id: EventId) -> None:
        async with self.open_tx() as tx:
            for media_id in sorted(event.media_ids):
                try:
                    media = await tx.media.get(MediaId(media_id))
                    if media.deleted or media.owner != event.author_id:
                        continue
                    attached = media.attached(PostId(event.post_id), open=event.open)
                except (MediaNotFound, MediaInUse):
                    continue
                if attached is media:  # the event comes again
                    continue
                media = attached
                await tx.media.save(media)
                if media.state in {MediaState.READY, MediaState.FAILED}:
                    await tx.outbox.add(
                        AttachedMediaChanged(
                            media_id=media.id,
                            post_id=event.post_id,
                            owner_id=media.owner,
                            version=media.version,
                        )
                    )


@dataclass(frozen=True, slots=True)
class DeletePostMedia:
    """Delete the media of a deleted post, with all of their objects."""

    open_tx: OpenTx[MediaTx]
    purge: PurgeMedia

    async def __call__(self, event: PostDeleted, _event_id: EventId) -> None:
        async with self.open_tx() as tx:
            deleted = [_deleted(media) for media in await tx.media.of_post(PostId(event.post_id))]
            for media in deleted:
                await tx.media.save(media)
        await purge_or_defer(self.purge, deleted)


@dataclass(frozen=True, slots=True)
class DeleteDetachedMedia:
    """Delete media that an author removes from a post, with all of its objects: no page shows it any more, and its public
    URL must stop working."""

    open_tx: OpenTx[MediaTx]
    purge: PurgeMedia

    async def __call__(self, event: MediaDetached, _event_id: EventId) -> None:
        deleted: list[Media] = []
        async with self.open_tx() as tx:
            for media_id in sorted(event.media_ids):
                try:
                    media = await tx.media.get(MediaId(media_id))
                except MediaNotFound:
                    continue
                if media.owner == event.author_id and media.post in {None, event.post_id}:
                    deleted.append(_deleted(media))
                    await tx.media.save(deleted[-1])
        await purge_or_defer(self.purge, deleted)


@dataclass(frozen=True, slots=True)
class DeleteOwnerMedia:
    """Delete all media of a deleted account."""

    open_tx: OpenTx[MediaTx]
    purge: PurgeMedia

    async def __call__(self, event: AccountDeleted, _event_id: EventId) -> None:
        async with self.open_tx() as tx:
            await tx.media.anonymise_uploads(UserId(event.user_id))
        after, more = MediaId(0), True
        while more:
            async with self.open_tx() as tx:
                page = await tx.media.of_owner(UserId(event.user_id), after, PAGE)
                deleted = [_deleted(media) for media in page]
                for media in deleted:
                    await tx.media.save(media)
            await purge_or_defer(self.purge, deleted)
            more = len(deleted) == PAGE
            after = deleted[-1].id if deleted else after


def _deleted(media: Media) -> Media:
    return replace(media, deleted=True)

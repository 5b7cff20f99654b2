"""What media does when posts and identity tell it something. All of it is safe to repeat."""

from dataclasses import dataclass, replace

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
from domain.media import Media, MediaNotFound, MediaState
from domain.media import MediaAttached as AttachedElsewhere
from domain.shared import EventId, MediaId, PostId, UserId

PAGE = 100


@dataclass(frozen=True, slots=True)
class Attach:
    """Media belongs to its post. If it had settled before, posts may have seen it as it was before that: it is told."""

    open_tx: OpenTx[MediaTx]

    async def __call__(self, event: MediaAttached, _event_id: EventId) -> None:
        async with self.open_tx() as tx:
            for media_id in sorted(event.media_ids):
                try:
                    media = await tx.media.get(MediaId(media_id))
                    if media.deleted or media.owner != event.author_id:
                        continue
                    media = media.attached(PostId(event.post_id), open=event.open)
                except (MediaNotFound, AttachedElsewhere):
                    continue
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
class ForgetPost:
    """What a post had goes with it, every byte."""

    open_tx: OpenTx[MediaTx]
    discard: PurgeMedia

    async def __call__(self, event: PostDeleted, _event_id: EventId) -> None:
        async with self.open_tx() as tx:
            gone = [_gone(media) for media in await tx.media.of_post(PostId(event.post_id))]
            for media in gone:
                await tx.media.save(media)
        await purge_or_defer(self.discard, gone)


@dataclass(frozen=True, slots=True)
class Detach:
    """Media that an author removes from a post is deleted, every byte: nothing shows it any more, and its open address
    must not outlive it."""

    open_tx: OpenTx[MediaTx]
    discard: PurgeMedia

    async def __call__(self, event: MediaDetached, _event_id: EventId) -> None:
        gone: list[Media] = []
        async with self.open_tx() as tx:
            for media_id in sorted(event.media_ids):
                try:
                    media = await tx.media.get(MediaId(media_id))
                except MediaNotFound:
                    continue
                if media.owner == event.author_id and media.post in {None, event.post_id}:
                    gone.append(_gone(media))
                    await tx.media.save(gone[-1])
        await purge_or_defer(self.discard, gone)


@dataclass(frozen=True, slots=True)
class ForgetOwner:
    """What somebody uploaded goes with their account."""

    open_tx: OpenTx[MediaTx]
    discard: PurgeMedia

    async def __call__(self, event: AccountDeleted, _event_id: EventId) -> None:
        async with self.open_tx() as tx:
            await tx.media.anonymise_uploads(UserId(event.user_id))
        after, more = MediaId(0), True
        while more:
            async with self.open_tx() as tx:
                gone = [_gone(media) for media in await tx.media.of_owner(UserId(event.user_id), after, PAGE)]
                for media in gone:
                    await tx.media.save(media)
            await purge_or_defer(self.discard, gone)
            more = len(gone) == PAGE
            after = gone[-1].id if gone else after


def _gone(media: Media) -> Media:
    return replace(media, deleted=True)

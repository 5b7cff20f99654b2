"""Tickets to upload straight to the storage: what they still allow, and what is left when they end."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from application.media.ports import (
    ExpiredTicket,
    MediaReader,
    MediaTx,
    Sessions,
    Storage,
    TicketRefused,
)
from application.media.removing import PurgeMedia, object_keys
from application.shared.ports import Clock, OpenTx
from domain.media import Media, MediaNotFound, MediaState
from domain.shared import MediaId, id_from

PAGE = 100
LAST_CHECK = timedelta(minutes=50)
"""After the end of a ticket; the first is soon after it. A storage looks at the time when a transfer begins, so a slow one may end much later."""


@dataclass(frozen=True, slots=True)
class ReceiveUpload:
    """Store what came by a ticket, as long as the ticket is good: its media waits for it, and the session that got it
    lives. Only for storages that Waggle serves by itself."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    storage: Storage
    sessions: Sessions

    async def check(self, key: str) -> None:
        """Raises TicketRefused."""
        media_id = _media_of(key)
        media = (await self.reader.media([media_id])).get(media_id)
        if not _awaits(media, key) or not await self._session_lives(media_id):
            raise _refused()

    async def __call__(self, key: str, source: Path, content_type: str) -> None:
        """Raises TicketRefused, and Unavailable if the storage is away."""
        await self.check(key)
        await self.storage.put(key, source, content_type)
        # What ended the ticket meanwhile may not have seen the object.
        media_id = _media_of(key)
        async with self.open_tx() as tx:
            try:
                media: Media | None = await tx.media.get(media_id)
            except MediaNotFound:
                media = None
        if media is not None and media.state is MediaState.PROCESSING and not media.deleted:
            return  # it was completed at this moment: the upload is needed, and goes when it is processed
        if not _awaits(media, key) or not await self._session_lives(media_id):
            await self.storage.delete([key])
            raise _refused()

    async def _session_lives(self, media_id: MediaId) -> bool:
        session = await self.reader.ticket_session(media_id)
        return session is not None and session in await self.sessions.alive([session])


@dataclass(frozen=True, slots=True)
class CheckExpiredTickets:
    """Removes what was uploaded by tickets that have ended and that nothing needs: where the storage is not served by
    Waggle it does not see uploads, and a ticket can be used after its media was completed or deleted. Looks at the
    objects of each such media twice, so the cost does not grow with the storage. Media that was not completed by the
    last look is removed. Returns the number of looks; raises Unavailable when the storage is away."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    storage: Storage
    sessions: Sessions
    discard: PurgeMedia
    now: Clock

    async def __call__(self) -> int:
        looks = 0
        while ended := await self.reader.expired_tickets(self.now(), PAGE):
            for ticket in ended:
                await self._look(ticket)
                looks += 1
        return looks

    async def _look(self, ticket: ExpiredTicket) -> None:
        again = ticket.until + LAST_CHECK
        is_last = self.now() >= again
        media = (await self.reader.media([ticket.media_id])).get(ticket.media_id)
        if is_last and media is not None and media.state is MediaState.PENDING and media.post is None:
            media = await self._given_up(media)
        if media is None or media.state is not MediaState.PROCESSING or media.deleted:
            there = {stored.key for stored in await self.storage.list(ticket.prefix)}
            wanted = await self._wanted(ticket, media) if there else set()
            await self.storage.delete(there - wanted)
        async with self.open_tx() as tx:
            await tx.media.record_check(ticket.media_id, None if is_last else again)

    async def _wanted(self, ticket: ExpiredTicket, media: Media | None) -> set[str]:
        if media is None or media.deleted:
            return set()
        if media.state is MediaState.PENDING and ticket.session not in await self.sessions.alive(
            [ticket.session]
        ):
            return set()
        return object_keys(media)

    async def _given_up(self, media: Media) -> Media | None:
        """None if it is removed."""
        async with self.open_tx() as tx:
            try:
                now = await tx.media.get(media.id)
            except MediaNotFound:
                return None
            if now.state is not MediaState.PENDING or now.post is not None:
                return now
            now = replace(now, deleted=True)
            await tx.media.save(now)
        await self.discard(now)
        return None


def _awaits(media: Media | None, key: str) -> bool:
    return (
        media is not None and not media.deleted and media.state is MediaState.PENDING and media.upload == key
    )


def _media_of(key: str) -> MediaId:
    return MediaId(id_from(key.partition("/")[0] or "-") or 0)


def _refused() -> TicketRefused:
    return TicketRefused(
        "this ticket is not good any more: its upload was completed or deleted, or the session that got it has ended"
    )

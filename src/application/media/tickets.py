"""Tickets for direct uploads: which uploads they still allow, and the clean-up after they expire."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from application.media.ports import (
    ExpiredTicket,
    MediaReader,
    MediaTx,
    Storage,
    TicketRefused,
)
from application.media.removing import PurgeMedia, object_keys
from application.shared.ports import ActiveSessions, Clock, OpenTx
from domain.dataclasses import dataclass
from domain.media import Media, MediaNotFound, MediaState
from domain.shared import MediaId, id_from

PAGE = 100
LAST_CHECK = timedelta(minutes=50)
"""The time from the expiry of a ticket to the last check of its objects. A storage checks the expiry only when a transfer
begins, so a slow transfer may end much later."""


@dataclass(frozen=True, slots=True)
class ReceiveUpload:
    """Store an upload that came with a ticket, while the ticket is valid: its media is pending, and the session that got
    the ticket is active. Only for storages that Waggle serves itself."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    storage: Storage
    sessions: ActiveSessions

    async def check(self, key: str) -> None:
        """Raises TicketRefused."""
        media_id = _media_of(key)
        media = (await self.reader.media([media_id])).get(media_id)
        if not _is_pending(media, key) or not await self._session_lives(media_id):
            raise _refused()

    async def __call__(self, key: str, source: Path, content_type: str) -> None:
        """Raises TicketRefused, and Unavailable if the storage is unreachable."""
        await self.check(key)
        await self.storage.put(key, source, content_type)
        # The ticket may have ended during the transfer: the clean-up then has not seen the object.
        media_id = _media_of(key)
        async with self.open_tx() as tx:
            try:
                media: Media | None = await tx.media.get(media_id)
            except MediaNotFound:
                media = None
        if media is not None and media.state is MediaState.PROCESSING and not media.deleted:
            return  # it was completed in the meantime: the upload is needed, and deleted after processing
        if not _is_pending(media, key) or not await self._session_lives(media_id):
            await self.storage.delete([key])
            raise _refused()

    async def _session_lives(self, media_id: MediaId) -> bool:
        session = await self.reader.ticket_session(media_id)
        return session is not None and session in await self.sessions.alive([session])


@dataclass(frozen=True, slots=True)
class CheckExpiredTickets:
    """Remove objects that were uploaded with expired tickets and are not needed. A storage that Waggle does not serve
    accepts uploads that Waggle does not see, and a ticket can be used after its media was completed or deleted. The
    objects of each such media are checked twice, so the cost does not grow with the storage. Media that is still pending
    at the last check is removed. Returns the number of checks; raises Unavailable when the storage is unreachable."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    storage: Storage
    sessions: ActiveSessions
    purge: PurgeMedia
    now: Clock

    async def __call__(self) -> int:
        checks = 0
        while expired := await self.reader.expired_tickets(self.now(), PAGE):
            for ticket in expired:
                await self._check(ticket)
                checks += 1
        return checks

    async def _check(self, ticket: ExpiredTicket) -> None:
        last_check = ticket.until + LAST_CHECK
        is_last = self.now() >= last_check
        media = (await self.reader.media([ticket.media_id])).get(ticket.media_id)
        if is_last and media is not None and media.state is MediaState.PENDING and media.post is None:
            media = await self._abandon(media)
        if media is None or media.state is not MediaState.PROCESSING or media.deleted:
            stored_keys = {stored.key for stored in await self.storage.list(ticket.prefix)}
            needed = await self._needed_keys(ticket, media) if stored_keys else set()
            await self.storage.delete(stored_keys - needed)
        async with self.open_tx() as tx:
            await tx.media.record_check(ticket.media_id, None if is_last else last_check)

    async def _needed_keys(self, ticket: ExpiredTicket, media: Media | None) -> set[str]:
        if media is None or media.deleted:
            return set()
        if media.state is MediaState.PENDING and ticket.session not in await self.sessions.alive(
            [ticket.session]
        ):
            return set()
        return object_keys(media)

    async def _abandon(self, media: Media) -> Media | None:
        """Remove media that is still pending. Returns None if it no longer exists, else its current state."""
        async with self.open_tx() as tx:
            try:
                now = await tx.media.get(media.id)
            except MediaNotFound:
                return None
            if now.state is not MediaState.PENDING or now.post is not None:
                return now
            now = replace(now, deleted=True)
            await tx.media.save(now)
        await self.purge(now)
        return None


def _is_pending(media: Media | None, key: str) -> bool:
    return (
        media is not None and not media.deleted and media.state is MediaState.PENDING and media.upload == key
    )


def _media_of(key: str) -> MediaId:
    return MediaId(id_from(key.partition("/")[0] or "-") or 0)


def _refused() -> TicketRefused:
    return TicketRefused(
        "this ticket is no longer valid: its upload was completed or deleted, or the session that got it has ended"
    )

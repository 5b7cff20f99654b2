"""The tables of notifications in memory, shared by reading and writing.

Entries are found by sequence number, never by a scan: a stream has no gaps."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from adapters.memory.store import Rows
from domain.notifications import NotificationKind, Stream, StreamEntry
from domain.shared import UserId

STREAMS, ENTRIES = "streams", "stream_entries"
KEYS, KEY_OF = "stream_keys", "stream_key_of"  # by key, and by entry
PREFERENCES, TICKETS, MAILS = "notification_preferences", "stream_tickets", "mails_due"


@dataclass(frozen=True, slots=True)
class DueRow:
    user: UserId
    since: int
    last: int
    """The latest sequence number for which a mail was scheduled. Below `since` during the cooldown after a mail."""
    due: datetime
    attempts: int = 0
    lease: int = 0
    leased_until: float = 0.0


def notifications(
    rows: Rows, user: UserId, kinds: Collection[NotificationKind] = tuple(NotificationKind)
) -> Iterator[StreamEntry]:
    """The user's notifications without tombstones, newest first."""
    stream: Stream | None = rows.get(STREAMS, user)
    for seq in range(stream.head, stream.floor - 1, -1) if stream else ():
        entry: StreamEntry | None = rows.get(ENTRIES, (user, seq))
        if entry is not None and entry.is_notification and entry.type in kinds:
            yield entry

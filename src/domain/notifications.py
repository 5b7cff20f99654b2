"""Notifications: a stream of entries per user, numbered without gaps, with its counters and its rules."""

from collections.abc import Collection, Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import TypeAlias

from domain.dataclasses import dataclass
from domain.shared import PostId, UserId

MAX_STREAM_ENTRIES = 5_000
"""Most entries that a stream keeps. The oldest are deleted first."""
RETENTION_DAYS = 30
MAX_REPEATS_PER_DAY = 3
"""Most notifications per day about the same action by the same account, if the account undoes the action and repeats
it."""


class NotificationKind(StrEnum):
    """The kinds of notification. A user can turn each of them off."""

    LIKE = "like"
    REPOST = "repost"
    COMMENT = "comment"
    MENTION = "mention"
    FOLLOW = "follow"
    FOLLOW_REQUEST = "follow_request"
    FOLLOW_ACCEPTED = "follow_accepted"
    EDIT = "edit"
    """A post was edited that the user liked, reposted or replied to."""
    MEDIA_READY = "media_ready"
    """An upload of the user was processed and can be shown."""
    MEDIA_FAILED = "media_failed"
    """An upload of the user could not be processed, and never will be. The media itself has the reason."""

    @property
    def is_quiet(self) -> bool:
        """Whether a notification of this kind appears in the list and the stream only. It is never unread and never
        mailed: the user caused it and expects it, so it needs no attention."""
        return self is NotificationKind.MEDIA_READY


class StreamChange(StrEnum):
    """Entries that are not notifications. With them all devices of a user arrive at the same list and the same
    counters."""

    READ = "read"
    """The read marker moved to `refs[0]`."""
    REMOVED = "removed"
    """The notifications with the sequence numbers `refs` were removed: dismissed, retracted, or no longer visible to
    the user."""


EntryType: TypeAlias = NotificationKind | StreamChange


class Channel(StrEnum):
    APP = "app"
    """The list of notifications and the stream. A kind that is off here is not stored at all."""
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The notifications that a user wants, per channel. Defaults: everything in the app, nothing by mail. Only changes
    are stored."""

    changed: Mapping[Channel, Mapping[NotificationKind, bool]] = field(default_factory=dict)

    def wants(self, kind: NotificationKind, channel: Channel) -> bool:
        return self.changed.get(channel, {}).get(kind, channel is Channel.APP)

    def with_changes(self, changes: Mapping[Channel, Mapping[NotificationKind, bool]]) -> "Preferences":
        """Kinds that `changes` does not name keep their setting."""
        return Preferences(
            {channel: {**self.changed.get(channel, {}), **changes.get(channel, {})} for channel in Channel}
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """The state of a user's stream. Whoever holds it locked decides which entry comes next."""

    user: UserId
    epoch: str
    """Changes when the history is rewritten, for example by a restore. Cursors of an earlier epoch are invalid."""
    floor: int = 1
    """The lowest sequence number that is still kept; `head + 1` if nothing is kept."""
    head: int = 0
    """The highest sequence number; 0 if there never was an entry."""
    read: int = 0
    """Entries up to this sequence number are read."""
    unread: Mapping[NotificationKind, int] = field(default_factory=dict)
    """Unread notifications by kind: those above `read` that are not removed. Contains neither zeros nor quiet kinds."""

    @property
    def total(self) -> int:
        return sum(self.unread.values())

    def with_entry(self, type_: EntryType) -> "Stream":
        """The stream after one more entry, which is the new head. A StreamChange does not count as unread."""
        unread = self._counted({type_: 1}) if isinstance(type_, NotificationKind) else self.unread
        return replace(self, head=self.head + 1, unread=unread)

    def without_removed(self, removed: Collection[tuple[int, NotificationKind]]) -> "Stream":
        """The stream after these notifications (sequence number and kind) were removed. Each may be given once, and
        must not have been removed before."""
        decrements: dict[NotificationKind, int] = {}
        for seq, kind in removed:
            if seq > self.read:
                decrements[kind] = decrements.get(kind, 0) - 1
        return replace(self, unread=self._counted(decrements))

    def read_up_to(self, seq: int, passed: Mapping[NotificationKind, int]) -> "Stream":
        """The stream with the read marker at `seq`. `passed` counts by kind the unread notifications between the old
        marker and the new one. The marker never moves back."""
        if seq <= self.read:
            return self
        less = {kind: -count for kind, count in passed.items()}
        return replace(self, read=min(seq, self.head), unread=self._counted(less))

    def trimmed_to(self, floor: int, lost: Mapping[NotificationKind, int]) -> "Stream":
        """The stream after all entries below `floor` were deleted. `lost` counts the unread notifications among them by
        kind; they count as read."""
        if floor <= self.floor:
            return self
        less = {kind: -count for kind, count in lost.items()}
        return replace(self, floor=floor, read=max(self.read, floor - 1), unread=self._counted(less))

    def _counted(self, changes: Mapping[NotificationKind, int]) -> Mapping[NotificationKind, int]:
        counts = {kind: self.unread.get(kind, 0) + changes.get(kind, 0) for kind in (*self.unread, *changes)}
        return {kind: count for kind, count in counts.items() if count > 0 and not kind.is_quiet}


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry of a user's stream."""

    user: UserId
    """The owner of the stream."""
    seq: int
    id: int
    """Contains the time (see `made_at`)."""
    type: EntryType
    actor: UserId | None = None
    """The account that acted."""
    post: PostId | None = None
    """The subject: the comment itself, or the post that was liked."""
    refs: tuple[int, ...] = ()
    """For a StreamChange see there. Otherwise the id of the media, or of the event if the action can be undone."""
    removed: bool = False
    """A tombstone: the entry keeps its number and its `refs`; everything else is erased."""
    traceparent: str | None = field(default=None, compare=False)
    """The trace in which the entry was added, as the store recorded it."""

    @property
    def is_notification(self) -> bool:
        return isinstance(self.type, NotificationKind) and not self.removed

    def is_read(self, stream: Stream) -> bool:
        return self.seq <= stream.read or (isinstance(self.type, NotificationKind) and self.type.is_quiet)


Resume: TypeAlias = tuple[str, int]
"""The epoch, and the last sequence number that a client has applied."""


def recovers(stream: Stream, resume: Resume) -> bool:
    """Whether the stream still has every entry after `resume`. Does not check whether `resume` lies beyond the head;
    the caller does."""
    return resume[0] == stream.epoch and resume[1] >= stream.floor - 1

"""What a user is told: a stream of entries, numbered without a gap, and what follows from it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from domain.shared import PostId, UserId

MAX_STREAM_ENTRIES = 5_000
"""Entries of one stream, at most; the oldest go first."""
RETENTION_DAYS = 30
MAX_REPEATS_PER_DAY = 3
"""How often a day a user is told, at most, that the same person did the same thing again after taking it back."""


class Kind(StrEnum):
    """What a user can be told, and may not want to be."""

    LIKE = "like"
    REPOST = "repost"
    COMMENT = "comment"
    MENTION = "mention"
    FOLLOW = "follow"
    FOLLOW_REQUEST = "follow_request"
    FOLLOW_ACCEPTED = "follow_accepted"
    EDIT = "edit"
    """A post was edited that the user liked, reposted or answered."""
    MEDIA_READY = "media_ready"
    """An upload of the user can be shown."""
    MEDIA_FAILED = "media_failed"
    """An upload of the user cannot be shown, and never will; the media itself says why."""

    @property
    def is_quiet(self) -> bool:
        """Whether it stands in the list and the stream only: it is never unread and never mailed. The user caused it
        and expects it, so it needs no attention."""
        return self is Kind.MEDIA_READY


class StreamChange(StrEnum):
    """What else stands in a stream, so that all devices of a user come to the same list and the same counts."""

    READ = "read"
    """The read marker moved to `refs[0]`."""
    REMOVED = "removed"
    """What stood at `refs` is gone: dismissed, taken back, or not to be seen any more."""


EntryType: TypeAlias = Kind | StreamChange


class Channel(StrEnum):
    APP = "app"
    """The list of notifications and the stream. What is off here is not noted at all."""
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a user wants to be told, and how: everything in the app, nothing by mail, but for what is changed."""

    changed: Mapping[Channel, Mapping[Kind, bool]] = field(default_factory=dict)

    def wants(self, kind: Kind, channel: Channel) -> bool:
        return self.changed.get(channel, {}).get(kind, channel is Channel.APP)

    def with_changes(self, changes: Mapping[Channel, Mapping[Kind, bool]]) -> "Preferences":
        """What is not named stays as it was."""
        return Preferences(
            {channel: {**self.changed.get(channel, {}), **changes.get(channel, {})} for channel in Channel}
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """Where a user's stream stands. Locked, whoever holds it decides what comes next."""

    user: UserId
    epoch: str
    """Another one when history was rewritten: a cursor of an earlier one means nothing."""
    floor: int = 1
    """The lowest sequence number that is still kept; 1 + `head` if there is none."""
    head: int = 0
    """The highest one; 0 if nothing was ever told."""
    read: int = 0
    """What stands at this or below has been read."""
    unread: Mapping[Kind, int] = field(default_factory=dict)
    """Notifications above `read` that are not removed, by kind; no zeros, and no quiet kinds."""

    @property
    def total(self) -> int:
        return sum(self.unread.values())

    def with_entry(self, type_: EntryType) -> "Stream":
        """With one entry more, which stands at the new head. Changes are nothing to be read."""
        unread = self._counted({type_: 1}) if isinstance(type_, Kind) else self.unread
        return replace(self, head=self.head + 1, unread=unread)

    def without_removed(self, removed: Collection[tuple[int, Kind]]) -> "Stream":
        """Less those that were removed, given by sequence number and kind, each once and not removed before."""
        gone: dict[Kind, int] = {}
        for seq, kind in removed:
            if seq > self.read:
                gone[kind] = gone.get(kind, 0) - 1
        return replace(self, unread=self._counted(gone))

    def read_up_to(self, seq: int, passed: Mapping[Kind, int]) -> "Stream":
        """With the marker at `seq`, which `passed` so many unread notifications, by kind. It never goes back."""
        if seq <= self.read:
            return self
        less = {kind: -count for kind, count in passed.items()}
        return replace(self, read=min(seq, self.head), unread=self._counted(less))

    def trimmed_to(self, floor: int, lost: Mapping[Kind, int]) -> "Stream":
        """With nothing left below `floor`, where `lost` unread notifications stood. They count as read."""
        if floor <= self.floor:
            return self
        less = {kind: -count for kind, count in lost.items()}
        return replace(self, floor=floor, read=max(self.read, floor - 1), unread=self._counted(less))

    def _counted(self, changes: Mapping[Kind, int]) -> Mapping[Kind, int]:
        counts = {kind: self.unread.get(kind, 0) + changes.get(kind, 0) for kind in (*self.unread, *changes)}
        return {kind: count for kind, count in counts.items() if count > 0 and not kind.is_quiet}


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry of a user's stream."""

    user: UserId
    """Whose stream it is."""
    seq: int
    id: int
    """Tells when."""
    type: EntryType
    actor: UserId | None = None
    """Who did it."""
    post: PostId | None = None
    """The post it is about: the comment itself, the post that was liked."""
    refs: tuple[int, ...] = ()
    """Of a StreamChange; or the media it is about; or the event that it tells of, if that can be taken back."""
    removed: bool = False
    """A hole that keeps its number: what it was is not kept, but for `refs`."""

    @property
    def is_notification(self) -> bool:
        return isinstance(self.type, Kind) and not self.removed

    def is_read(self, stream: Stream) -> bool:
        return self.seq <= stream.read or (isinstance(self.type, Kind) and self.type.is_quiet)


Resume: TypeAlias = tuple[str, int]
"""The epoch and the last sequence number that a client has applied."""


def recovers(stream: Stream, resume: Resume) -> bool:
    """Whether the stream holds everything that comes after `resume`; of one beyond the head, that it is none of ours
    is for the caller to see."""
    return resume[0] == stream.epoch and resume[1] >= stream.floor - 1

"""What stands in a stream, as clients get it: in lists, when they ask what is new, and in frames."""

from typing import Any, Self, TypeAlias, cast

from application.notifications.hydration import HydratedEntry
from application.notifications.queries import HydratedGroup, News
from domain.notifications import Kind, Stream, StreamChange
from domain.shared import made_at
from entrypoints.http.answers import OneOf, Out
from entrypoints.http.fragments import Fragments
from entrypoints.http.resources import rfc3339
from entrypoints.http.shapes import Author, PostOut

MAX_SEQ = 2**53
"""The numbers that clients may send: those that every one of them can represent."""


class Unread(Out):
    """How much is unread. A `media_ready` is never unread: nothing needs to be done about it."""

    total: int
    by_type: dict[Kind, int]
    """No zeros."""

    @classmethod
    def of(cls, stream: Stream) -> Self:
        return cls(stream.total, dict(stream.unread))


class StreamState(Out):
    """How far the stream reaches, and what of it was read."""

    epoch: str
    """Another one after the history was rewritten: no number of an earlier one means anything any more."""
    seq: int
    """Of the last entry; 0 if there is none."""
    read: int
    """What stands at this number or below has been read."""
    unread: Unread

    @classmethod
    def of(cls, stream: Stream) -> Self:
        return cls(stream.epoch, stream.head, stream.read, Unread.of(stream))


class Notification(Out):
    """Something that a user was told."""

    seq: int
    id: str
    type: Kind
    actor: Author | None
    """Who did it."""
    post: PostOut | None
    """What it is about: the comment or the mention itself, the post that was liked."""
    media_id: str | None
    """The upload that it is about."""
    created_at: str
    read: bool

    @classmethod
    def of(cls, seen: HydratedEntry, stream: Stream, fragments: Fragments) -> Self:
        entry = seen.entry
        return cls(
            entry.seq,
            str(entry.id),
            Kind(entry.type),
            _author(seen),
            _post(seen.post, fragments),
            _media(seen),
            rfc3339(made_at(entry.id)),
            entry.is_read(stream),
        )


class NotificationGroup(Out):
    """Likes or reposts of one post, or a notification that stands alone."""

    seq: int
    """Of the newest of them."""
    oldest: int
    """Of the oldest."""
    count: int
    type: Kind
    actors: list[Author]
    """Who did it, the last first, at most 5."""
    post: PostOut | None
    media_id: str | None
    created_at: str
    """Of the newest."""
    read: bool
    """All of them."""

    @classmethod
    def of(cls, group: HydratedGroup, stream: Stream, fragments: Fragments) -> Self:
        newest = group.newest[0]
        entry = newest.entry
        return cls(
            entry.seq,
            group.oldest,
            group.count,
            Kind(entry.type),
            [Author.of(one.actor) for one in group.newest if one.actor is not None],
            _post(newest.post, fragments),
            _media(newest),
            rfc3339(made_at(entry.id)),
            entry.is_read(stream),
        )


class Notifications(Out, tag_field="view", tag="list"):
    """Part of the list of notifications. `next` is null at the end of the list, and only there. What else is told is as
    it was before the items were read: from `seq` on, the stream has what comes after them."""

    items: list[Notification]
    next: str | None
    prev: str | None
    epoch: str
    seq: int
    floor: int
    """The lowest number that is still kept."""
    read: int
    unread: Unread

    @classmethod
    def of(cls, stream: Stream, items: list[Any], following: str | None, before: str | None) -> Self:
        unread = Unread.of(stream)
        return cls(items, following, before, stream.epoch, stream.head, stream.floor, stream.read, unread)


class NotificationGroups(Notifications, tag="groups"):
    """The same with groups: likes and reposts of one post are listed as one."""

    items: list[NotificationGroup]  # type: ignore[assignment]  # what differs


class ToldData(Out):
    """Of a notification."""

    actor: Author | None
    """None of what nobody did."""
    post: PostOut | None
    media_id: str | None
    """The upload that it is about."""


class ReadData(Out):
    """Of `read`: what stands at this number or below has been read."""

    seq: int


class RemovedData(Out):
    """Of `removed`: what stood at these numbers is gone."""

    seqs: list[int]


class VoidData(Out):
    """Of `void`: there is nothing to be seen but its number."""


class Data(OneOf):
    """A notification's, or of `read`, `removed` or `void`."""

    told: ToldData
    read: ReadData
    removed: RemovedData
    void: VoidData


EventData: TypeAlias = ToldData | ReadData | RemovedData | VoidData

VOID = VoidData()


class _Event(Out):
    seq: int
    id: str
    at: str


class ToldEvent(_Event):
    """Something was told."""

    type: Kind
    data: ToldData


class ReadEvent(_Event, tag_field="type", tag="read"):
    """Up to a number everything was read."""

    data: ReadData


class RemovedEvent(_Event, tag_field="type", tag="removed"):
    """Entries are gone."""

    data: RemovedData


class VoidEvent(_Event, tag_field="type", tag="void"):
    """There is nothing to be seen of this entry but its number."""

    data: VoidData


class Event(OneOf):
    """One entry of a stream. `type` is a notification's, or `read`, `removed` or `void`, and tells what `data` holds."""

    told: ToldEvent
    read: ReadEvent
    removed: RemovedEvent
    void: VoidEvent


def event_of(seen: HydratedEntry, fragments: Fragments) -> ToldEvent | ReadEvent | RemovedEvent | VoidEvent:
    entry = seen.entry
    seq, id_, at = entry.seq, str(entry.id), rfc3339(made_at(entry.id))
    match data_of(seen, fragments):
        case ReadData() as data:
            return ReadEvent(seq, id_, at, data)
        case RemovedData() as data:
            return RemovedEvent(seq, id_, at, data)
        case VoidData() as data:
            return VoidEvent(seq, id_, at, data)
        case data:
            return ToldEvent(seq, id_, at, Kind(entry.type), data)


class NotificationNews(Out, tag_field="view", tag="news"):
    """What stands in the stream after a number."""

    recovered: bool
    """If not, the number is of another epoch or older than what is kept, and there are no items: the list is to be
    read anew."""
    epoch: str
    seq: int
    """Up to here this answer reaches: `after` of the next request."""
    floor: int
    read: int
    unread: Unread
    items: list[Event]
    """Without a gap, the lowest first."""
    more: bool
    """There is more at this moment."""

    @classmethod
    def of(cls, news: News, fragments: Fragments) -> Self:
        stream = news.stream
        return cls(
            news.recovered,
            stream.epoch,
            news.last,
            stream.floor,
            stream.read,
            Unread.of(stream),
            [cast("Event", event_of(seen, fragments)) for seen in news.items],
            news.more,
        )


class NotificationsOrNews(OneOf):
    """`news` if `after` was sent, else part of the list, in `groups` if that was asked for. `view` tells which."""

    list: Notifications
    groups: NotificationGroups
    news: NotificationNews


def event_type(seen: HydratedEntry) -> str:
    return "void" if seen.void else seen.entry.type.value


def data_of(seen: HydratedEntry, fragments: Fragments) -> EventData:
    entry = seen.entry
    if seen.void:
        return VOID
    if entry.type is StreamChange.READ:
        return ReadData(entry.refs[0])
    if entry.type is StreamChange.REMOVED:
        return RemovedData(list(entry.refs))
    return ToldData(_author(seen), _post(seen.post, fragments), _media(seen))


def _author(seen: HydratedEntry) -> Author | None:
    return None if seen.actor is None else Author.of(seen.actor)


def _media(seen: HydratedEntry) -> str | None:
    entry = seen.entry
    return str(entry.refs[0]) if entry.type in {Kind.MEDIA_READY, Kind.MEDIA_FAILED} else None


def _post(post: Any, fragments: Fragments) -> Any:
    """Bytes of a PostOut: most of it was made before."""
    return None if post is None else fragments(post)

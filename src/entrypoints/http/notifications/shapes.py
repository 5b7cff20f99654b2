"""The public shapes of stream entries: in lists, in responses to polling clients, and in frames."""

from typing import Any, Self, TypeAlias, cast

from application.notifications.hydration import HydratedEntry
from application.notifications.queries import HydratedGroup, News
from domain.notifications import NotificationKind, Stream, StreamChange
from domain.shared import made_at
from entrypoints.http.fragments import Fragments
from entrypoints.http.resources import rfc3339
from entrypoints.http.responses import OneOf, Out
from entrypoints.http.shapes import Author, PostOut

MAX_SEQ = 2**53
"""The greatest sequence number that a client may send: every JSON parser can represent it."""


class Unread(Out):
    """Unread notifications. A `media_ready` is never unread: it needs no attention."""

    total: int
    by_type: dict[NotificationKind, int]
    """Contains no zeros."""

    @classmethod
    def of(cls, stream: Stream) -> Self:
        return cls(stream.total, dict(stream.unread))


class StreamState(Out):
    """The position of the stream, and how much of it was read."""

    epoch: str
    """Changes when the history is rewritten. Sequence numbers of an earlier epoch are invalid."""
    seq: int
    """Of the last entry; 0 if there is none."""
    read: int
    """Everything up to this number is read."""
    unread: Unread

    @classmethod
    def of(cls, stream: Stream) -> Self:
        return cls(stream.epoch, stream.head, stream.read, Unread.of(stream))


class Notification(Out):
    """One notification."""

    seq: int
    id: str
    type: NotificationKind
    actor: Author | None
    """The account that acted."""
    post: PostOut | None
    """The subject: the comment or the mention itself, or the post that was liked."""
    media_id: str | None
    """The upload that the notification is about."""
    created_at: str
    read: bool

    @classmethod
    def of(cls, seen: HydratedEntry, stream: Stream, fragments: Fragments) -> Self:
        entry = seen.entry
        return cls(
            entry.seq,
            str(entry.id),
            NotificationKind(entry.type),
            _author(seen),
            _post(seen.post, fragments),
            _media(seen),
            rfc3339(made_at(entry.id)),
            entry.is_read(stream),
        )


class NotificationGroup(Out):
    """Likes or reposts of one post, or a single notification."""

    seq: int
    """Of the newest notification in the group."""
    oldest: int
    """Of the oldest notification in the group."""
    count: int
    type: NotificationKind
    actors: list[Author]
    """The accounts that acted, latest first, at most 5."""
    post: PostOut | None
    media_id: str | None
    created_at: str
    """Of the newest notification in the group."""
    read: bool
    """Whether all of them are read."""

    @classmethod
    def of(cls, group: HydratedGroup, stream: Stream, fragments: Fragments) -> Self:
        newest = group.newest[0]
        entry = newest.entry
        return cls(
            entry.seq,
            group.oldest,
            group.count,
            NotificationKind(entry.type),
            [Author.of(one.actor) for one in group.newest if one.actor is not None],
            _post(newest.post, fragments),
            _media(newest),
            rfc3339(made_at(entry.id)),
            entry.is_read(stream),
        )


class Notifications(Out, tag_field="view", tag="list"):
    """A page of notifications. `next` is null at the end of the list, and only there. The other members are as of
    before the items were read: the stream has everything that comes after `seq`."""

    items: list[Notification]
    next: str | None
    prev: str | None
    epoch: str
    seq: int
    floor: int
    """The lowest sequence number that is still kept."""
    read: int
    unread: Unread

    @classmethod
    def of(cls, stream: Stream, items: list[Any], following: str | None, before: str | None) -> Self:
        unread = Unread.of(stream)
        return cls(items, following, before, stream.epoch, stream.head, stream.floor, stream.read, unread)


class NotificationGroups(Notifications, tag="groups"):
    """A page of groups: likes and reposts of one post are listed as one."""

    items: list[NotificationGroup]  # type: ignore[assignment]  # the subclass narrows it


class ToldData(Out):
    """The data of a notification."""

    actor: Author | None
    """Null if no other account acted."""
    post: PostOut | None
    media_id: str | None
    """The upload that the notification is about."""


class ReadData(Out):
    """The data of `read`: everything up to this number is read."""

    seq: int


class RemovedData(Out):
    """The data of `removed`: the notifications with these numbers were removed."""

    seqs: list[int]


class VoidData(Out):
    """The data of `void`: nothing of the entry is visible except its number."""


class Data(OneOf):
    """The data of a notification, or of `read`, `removed` or `void`."""

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
    """A new notification."""

    type: NotificationKind
    data: ToldData


class ReadEvent(_Event, tag_field="type", tag="read"):
    """Everything up to a number was marked as read."""

    data: ReadData


class RemovedEvent(_Event, tag_field="type", tag="removed"):
    """Notifications were removed."""

    data: RemovedData


class VoidEvent(_Event, tag_field="type", tag="void"):
    """Nothing of this entry is visible except its number."""

    data: VoidData


class Event(OneOf):
    """One entry of the stream. `type` is a kind of notification, or `read`, `removed` or `void`, and determines the
    form of `data`."""

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
            return ToldEvent(seq, id_, at, NotificationKind(entry.type), data)


class NotificationNews(Out, tag_field="view", tag="news"):
    """The entries of the stream after a sequence number."""

    recovered: bool
    """False if the number is of another epoch, or older than what is kept. Then there are no items, and the client must
    read the list again."""
    epoch: str
    seq: int
    """The number that this response reaches. Send it as `after` in the next request."""
    floor: int
    read: int
    unread: Unread
    items: list[Event]
    """Lowest first, without gaps."""
    more: bool
    """Whether there are further entries at this moment."""

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
    """`news` if `after` was sent; otherwise a page of the list, in `groups` if requested. `view` tells which."""

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
    return (
        str(entry.refs[0])
        if entry.type in {NotificationKind.MEDIA_READY, NotificationKind.MEDIA_FAILED}
        else None
    )


def _post(post: Any, fragments: Fragments) -> Any:
    """Encoded JSON of a PostOut, most of which is cached."""
    return None if post is None else fragments(post)

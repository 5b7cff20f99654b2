"""Notifies users. Decides who may be notified; visibility is checked again at every read."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from application.notifications.ports import BATCH, NotificationPosts, NotificationsTx, StreamHint, StreamHints
from application.shared.people import Cards
from application.shared.ports import Clock, NewId, OpenTx, ViewerContexts
from domain.dataclasses import dataclass
from domain.notifications import MAX_REPEATS_PER_DAY, Channel, NotificationKind, Stream, StreamEntry
from domain.shared import EventId, MediaId, PostId, UserId, ViewerContext, made_at


@dataclass(frozen=True, slots=True)
class NotificationRequest:
    """A request to notify users of an action. A user is notified once per request, however often it is repeated. If the
    action can be undone and repeated, the user is notified again, up to MAX_REPEATS_PER_DAY times a day, each time for
    another event."""

    kind: NotificationKind
    actor: UserId
    post: PostId | None = None
    media: MediaId | None = None
    dedupe: tuple[object, ...] = ()
    """Identifies the request, if the action cannot be undone."""
    event: EventId | None = None
    """Set if the action can be undone. Identifies this occurrence of it."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The dedupe keys that may be used, in order."""
        if self.event is None:
            return (_joined(self.dedupe),)
        day = made_at(self.event).date().toordinal()
        times = range(1, MAX_REPEATS_PER_DAY + 1)
        return tuple(_joined((self.kind.value, self.actor, self.post, day, n)) for n in times)

    @property
    def refs(self) -> tuple[int, ...]:
        number = self.media if self.event is None else self.event
        return () if number is None else (number,)

    def key_for(self, user: UserId, known: Mapping[tuple[UserId, str], tuple[int, ...]]) -> str | None:
        """The dedupe key with which to notify the user, given the keys that are used already. None if the user was
        notified of this event, or often enough."""
        for key in self.keys:
            refs = known.get((user, key))
            if refs is None:
                return key
            if self.event in refs:
                return None
        return None


def _joined(parts: Sequence[object]) -> str:
    return ":".join(map(str, parts))


@dataclass(frozen=True, slots=True)
class Notify:
    """Notifies those of the given users who want to know and may know. Users are never notified of their own actions,
    of accounts that they block or mute, of accounts that block them, or of posts that they may not see."""

    open_tx: OpenTx[NotificationsTx]
    viewer_contexts: ViewerContexts
    people: Cards
    posts: NotificationPosts
    new_id: NewId
    hints: StreamHints
    now: Clock
    mail_delay: timedelta
    """The delay of a mail, which is sent only if the user has not read the notification by then."""

    async def __call__(self, request: NotificationRequest, users: Collection[UserId]) -> None:
        others = sorted({*users} - {request.actor})
        for start in range(0, len(others), BATCH):
            recipients = await self._allowed_recipients(request, others[start : start + BATCH])
            if recipients:
                await self._add_entries(request, recipients)

    async def notify_owner(self, request: NotificationRequest) -> None:
        """Notify the owner of the subject of something that no other account did."""
        if request.actor in await self.people.cards([request.actor]):
            await self._add_entries(request, [request.actor])

    async def _allowed_recipients(
        self, request: NotificationRequest, users: Sequence[UserId]
    ) -> list[UserId]:
        existing = await self.people.cards({request.actor, *users})
        if request.actor not in existing:
            return []
        contexts: list[ViewerContext] = []
        for user in users:
            if user in existing:
                viewer_context = await self.viewer_contexts.of(user)
                if request.actor not in viewer_context.blocked and request.actor not in viewer_context.muted:
                    contexts.append(viewer_context)
        if request.post is not None and contexts:
            allowed = await self.posts.who_sees(request.post, contexts)
            contexts = [viewer_context for viewer_context in contexts if viewer_context.viewer in allowed]
        return [viewer_context.viewer for viewer_context in contexts if viewer_context.viewer is not None]

    async def _add_entries(self, request: NotificationRequest, recipients: Sequence[UserId]) -> None:
        async with self.open_tx() as tx:
            streams = await tx.streams.lock(recipients)
            known = await tx.streams.known([(user, key) for user in recipients for key in request.keys])
            preferences = await tx.streams.preferences(recipients)
            added: list[Stream] = []
            entries: list[tuple[StreamEntry, str | None]] = []
            for user in recipients:
                key = request.key_for(user, known)
                if key is None or not preferences[user].wants(request.kind, Channel.APP):
                    continue
                stream = streams[user].with_entry(request.kind)
                actor = request.actor if request.media is None else None
                entry = StreamEntry(
                    user, stream.head, self.new_id(), request.kind, actor, request.post, request.refs
                )
                added.append(stream)
                entries.append((entry, key))
            await tx.streams.add(entries)
            await tx.streams.save(added)
            due = self.now() + self.mail_delay
            for stream in added:
                if not request.kind.is_quiet and preferences[stream.user].wants(request.kind, Channel.EMAIL):
                    await tx.streams.schedule_mail(stream.user, stream.head, due)
        if added:
            await self.hints.send_hint([stream.user for stream in added], StreamHint.STREAM)

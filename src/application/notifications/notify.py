"""Telling people of something: who may be told is decided here, and looked at again whenever it is read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from application.notifications.ports import BATCH, NotificationsTx, Posts, StreamHint, StreamHints
from application.shared.people import Cards
from application.shared.ports import Clock, NewId, OpenTx, ViewerContexts
from domain.notifications import MAX_REPEATS_PER_DAY, Channel, Kind, Stream, StreamEntry
from domain.shared import EventId, MediaId, PostId, UserId, ViewerContext, made_at


@dataclass(frozen=True, slots=True)
class NotificationRequest:
    """Something that somebody is told once, however often it is said. What can be taken back and done again is told
    again, up to MAX_REPEATS_PER_DAY times a day: each time by another event."""

    kind: Kind
    actor: UserId
    post: PostId | None = None
    media: MediaId | None = None
    dedupe: tuple[object, ...] = ()
    """What tells it from other causes for the same person, if it cannot be taken back."""
    event: EventId | None = None
    """Says that it can be taken back, and which of the times it is."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The dedupe keys under which it may be told, the first one first."""
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
        """The key under which to tell this user, given the known ones; None if they were told, or often enough."""
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
    """Tells those of some people who want to know, and who may: nobody hears of themselves, of whom they block or
    mute, of who blocks them, or of a post that they may not see."""

    open_tx: OpenTx[NotificationsTx]
    viewer_contexts: ViewerContexts
    people: Cards
    posts: Posts
    new_id: NewId
    hints: StreamHints
    now: Clock
    mail_delay: timedelta
    """So much later a mail is due, for who has not read it by then."""

    async def __call__(self, request: NotificationRequest, people: Collection[UserId]) -> None:
        everybody = sorted({*people} - {request.actor})
        for start in range(0, len(everybody), BATCH):
            may_know = await self._allowed_recipients(request, everybody[start : start + BATCH])
            if may_know:
                await self._add_entries(request, may_know)

    async def notify_owner(self, request: NotificationRequest) -> None:
        """Tells the one whom it is about, of something that nobody did."""
        if request.actor in await self.people.cards([request.actor]):
            await self._add_entries(request, [request.actor])

    async def _allowed_recipients(
        self, request: NotificationRequest, people: Sequence[UserId]
    ) -> list[UserId]:
        there = await self.people.cards({request.actor, *people})
        if request.actor not in there:
            return []
        near: list[ViewerContext] = []
        for user in people:
            if user in there:
                viewer_context = await self.viewer_contexts.of(user)
                if request.actor not in viewer_context.blocked and request.actor not in viewer_context.muted:
                    near.append(viewer_context)
        if request.post is not None and near:
            seeing = await self.posts.who_sees(request.post, near)
            near = [viewer_context for viewer_context in near if viewer_context.viewer in seeing]
        return [viewer_context.viewer for viewer_context in near if viewer_context.viewer is not None]

    async def _add_entries(self, request: NotificationRequest, people: Sequence[UserId]) -> None:
        async with self.open_tx() as tx:
            streams = await tx.streams.lock(people)
            known = await tx.streams.known([(user, key) for user in people for key in request.keys])
            wishes = await tx.streams.preferences(people)
            added: list[Stream] = []
            said: list[tuple[StreamEntry, str | None]] = []
            for user in people:
                key = request.key_for(user, known)
                if key is None or not wishes[user].wants(request.kind, Channel.APP):
                    continue
                stream = streams[user].with_entry(request.kind)
                actor = request.actor if request.media is None else None
                entry = StreamEntry(
                    user, stream.head, self.new_id(), request.kind, actor, request.post, request.refs
                )
                added.append(stream)
                said.append((entry, key))
            await tx.streams.add(said)
            await tx.streams.save(added)
            due = self.now() + self.mail_delay
            for stream in added:
                if not request.kind.is_quiet and wishes[stream.user].wants(request.kind, Channel.EMAIL):
                    await tx.streams.schedule_mail(stream.user, stream.head, due)
        if added:
            await self.hints.send_hint([stream.user for stream in added], StreamHint.STREAM)

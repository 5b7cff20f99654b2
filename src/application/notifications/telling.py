"""Telling people of something: who may be told is decided here, and looked at again whenever it is read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from application.notifications.ports import BATCH, Hint, Hints, NotificationsTx, Posts
from application.shared.people import Cards
from application.shared.ports import Clock, NewId, OpenTx, ViewerContexts
from domain.notifications import TOLD_A_DAY, Channel, Entry, Kind, Stream
from domain.shared import EventId, MediaId, PostId, UserId, ViewerContext, made_at


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that somebody is told once, however often it is said. What can be taken back and done again is told
    again, up to TOLD_A_DAY times a day: each time by another event."""

    kind: Kind
    actor: UserId
    post: PostId | None = None
    media: MediaId | None = None
    once: tuple[object, ...] = ()
    """What tells it from other causes for the same person, if it cannot be taken back."""
    event: EventId | None = None
    """Says that it can be taken back, and which of the times it is."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The dedupe keys under which it may be told, the first one first."""
        if self.event is None:
            return (_joined(self.once),)
        day = made_at(self.event).date().toordinal()
        times = range(1, TOLD_A_DAY + 1)
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
class Tell:
    """Tells those of some people who want to know, and who may: nobody hears of themselves, of whom they block or
    mute, of who blocks them, or of a post that they may not see."""

    open_tx: OpenTx[NotificationsTx]
    viewer_contexts: ViewerContexts
    people: Cards
    posts: Posts
    new_id: NewId
    hints: Hints
    now: Clock
    mail_delay: timedelta
    """So much later a mail is due, for who has not read it by then."""

    async def __call__(self, cause: Cause, people: Collection[UserId]) -> None:
        everybody = sorted({*people} - {cause.actor})
        for start in range(0, len(everybody), BATCH):
            may_know = await self._may_know(cause, everybody[start : start + BATCH])
            if may_know:
                await self._tell(cause, may_know)

    async def to_owner(self, cause: Cause) -> None:
        """Tells the one whom it is about, of something that nobody did."""
        if cause.actor in await self.people.cards([cause.actor]):
            await self._tell(cause, [cause.actor])

    async def _may_know(self, cause: Cause, people: Sequence[UserId]) -> list[UserId]:
        there = await self.people.cards({cause.actor, *people})
        if cause.actor not in there:
            return []
        near: list[ViewerContext] = []
        for user in people:
            if user in there:
                viewer_context = await self.viewer_contexts.of(user)
                if cause.actor not in viewer_context.blocked and cause.actor not in viewer_context.muted:
                    near.append(viewer_context)
        if cause.post is not None and near:
            seeing = await self.posts.who_sees(cause.post, near)
            near = [viewer_context for viewer_context in near if viewer_context.viewer in seeing]
        return [viewer_context.viewer for viewer_context in near if viewer_context.viewer is not None]

    async def _tell(self, cause: Cause, people: Sequence[UserId]) -> None:
        async with self.open_tx() as tx:
            streams = await tx.streams.lock(people)
            known = await tx.streams.known([(user, key) for user in people for key in cause.keys])
            wishes = await tx.streams.preferences(people)
            told: list[Stream] = []
            said: list[tuple[Entry, str | None]] = []
            for user in people:
                key = cause.key_for(user, known)
                if key is None or not wishes[user].wants(cause.kind, Channel.APP):
                    continue
                stream = streams[user].told(cause.kind)
                actor = cause.actor if cause.media is None else None
                entry = Entry(user, stream.head, self.new_id(), cause.kind, actor, cause.post, cause.refs)
                told.append(stream)
                said.append((entry, key))
            await tx.streams.add(said)
            await tx.streams.save(told)
            due = self.now() + self.mail_delay
            for stream in told:
                if not cause.kind.is_quiet and wishes[stream.user].wants(cause.kind, Channel.EMAIL):
                    await tx.streams.mail_later(stream.user, stream.head, due)
        if told:
            await self.hints.tell([stream.user for stream in told], Hint.STREAM)

"""Telling people of something: who may be told is decided here, and looked at again whenever it is read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from application.notifications.ports import BATCH, Hint, Hints, NotificationsTx, Posts
from application.shared.people import Cards
from application.shared.ports import Clock, NewId, OpenTx, Standings
from domain.notifications import Channel, Entry, Kind, Stream
from domain.shared import MediaId, PostId, Standing, UserId


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that somebody is told once, however often it is said."""

    kind: Kind
    actor: UserId
    post: PostId | None = None
    media: MediaId | None = None
    once: tuple[object, ...] = ()
    """What tells it from other causes for the same person, if kind, actor and post are not it."""

    @property
    def key(self) -> str:
        return ":".join(map(str, self.once or (self.kind.value, self.actor, self.post)))


@dataclass(frozen=True, slots=True)
class Tell:
    """Tells those of some people who want to know, and who may: nobody hears of themselves, of whom they block or
    mute, of who blocks them, or of a post that they may not see."""

    open_tx: OpenTx[NotificationsTx]
    standings: Standings
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
        near: list[Standing] = []
        for user in people:
            if user in there:
                standing = await self.standings.of(user)
                if cause.actor not in standing.blocked and cause.actor not in standing.muted:
                    near.append(standing)
        if cause.post is not None and near:
            seeing = await self.posts.who_sees(cause.post, near)
            near = [standing for standing in near if standing.viewer in seeing]
        return [standing.viewer for standing in near if standing.viewer is not None]

    async def _tell(self, cause: Cause, people: Sequence[UserId]) -> None:
        key = cause.key
        async with self.open_tx() as tx:
            streams = await tx.streams.lock(people)
            known = await tx.streams.known([(user, key) for user in people])
            wishes = await tx.streams.preferences(people)
            told: list[Stream] = []
            said: list[tuple[Entry, str | None]] = []
            for user in people:
                if (user, key) in known or not wishes[user].wants(cause.kind, Channel.APP):
                    continue
                stream = streams[user].told(cause.kind)
                actor = cause.actor if cause.media is None else None
                refs = () if cause.media is None else (cause.media,)
                entry = Entry(user, stream.head, self.new_id(), cause.kind, actor, cause.post, refs)
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

"""Who listens in this process. A listener costs a few words of memory: what it has not sent stands in the database."""

import asyncio
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from application.notifications.ports import Sessions, StreamHint, StreamReader
from domain.shared import SessionId, TooMany, Unavailable, UserId

PER_USER = 10
HEADS_SECONDS = 5.0
"""How often all streams that are listened to are compared with what was sent: a hint that was lost costs no more."""
SESSIONS_SECONDS = 2.0
"""How often all sessions that listen are asked for: whoever ends one has silenced it soon, in every process."""
PATIENCE = 30.0
"""Seconds without a database after which listeners are sent away, to try elsewhere."""

log = logging.getLogger(__name__)


class TooManyListeners(TooMany):
    """One user listens at too many places at once."""

    code = "too_many_streams"


class EndReason(Enum):
    """Why a listener has to go."""

    SESSION = auto()
    """Its session has ended."""
    DRAIN = auto()
    """The process is about to stop."""
    AWAY = auto()
    """The database is away."""


@dataclass(slots=True, eq=False)
class Listener:
    """One open stream. Whoever sends it waits for something to do, and then looks."""

    user: UserId
    session: SessionId
    last: int = 0
    """The highest sequence number that was sent."""
    home_updated: bool = False
    """There are new posts in the home feed, and nobody said so yet."""
    behind: bool = True
    """There may be something after `last`."""
    end_reason: EndReason | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self, hint: StreamHint = StreamHint.STREAM) -> None:
        if hint is StreamHint.HOME:
            self.home_updated = True
        else:
            self.behind = True
        self._woken.set()

    def take_pending(self) -> bool:
        """Whether there may be something after `last`; asked once for each time that somebody said so."""
        behind, self.behind = self.behind, False
        return behind

    def end(self, why: EndReason) -> None:
        self.end_reason = self.end_reason or why
        self._woken.set()

    async def wait(self) -> None:
        """Until there may be something to do. To be asked before one looks: what comes while one looks is not missed."""
        await self._woken.wait()
        self._woken.clear()


@dataclass(slots=True)
class Hub:
    """Wakes those who listen. It is `StreamHints` where there is one process."""

    reader: StreamReader
    sessions: Sessions
    per_user: int = PER_USER
    _of: dict[UserId, list[Listener]] = field(default_factory=dict)
    _draining: bool = False
    _empty: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def __iter__(self) -> Iterator[Listener]:
        """Those at this moment."""
        return iter([listener for some in self._of.values() for listener in some])

    def join(self, user: UserId, session: SessionId) -> Listener:
        """Before the stream is read for the first time, so that nothing falls between. Raises TooManyListeners; those
        who were there first stay."""
        some = self._of.get(user, [])
        if len(some) >= self.per_user:
            raise TooManyListeners(f"at most {self.per_user} streams at once", retry_after=60)
        listener = Listener(user, session)
        if self._draining:
            listener.end(EndReason.DRAIN)
        self._of[user] = [*some, listener]
        return listener

    def leave(self, listener: Listener) -> None:
        some = [other for other in self._of.get(listener.user, ()) if other is not listener]
        if some:
            self._of[listener.user] = some
        else:
            self._of.pop(listener.user, None)
            if not self._of:
                self._empty.set()

    def wake(self, users: Collection[UserId], hint: StreamHint) -> None:
        for user in self._of.keys() & users:  # of thousands who follow somebody, few listen
            for listener in self._of[user]:
                listener.wake(hint)

    def wake_all(self) -> None:
        """StreamHints may have been lost."""
        for listener in self:
            listener.wake()

    async def send_hint(self, users: Collection[UserId], hint: StreamHint) -> None:
        self.wake(users, hint)

    async def wait_until_empty(self) -> None:
        """When nobody listens any more."""
        while self._of:
            self._empty.clear()
            await self._empty.wait()

    def drain(self) -> None:
        """Send everybody away, who comes later too."""
        self._draining = True
        for listener in self:
            listener.end(EndReason.DRAIN)

    async def follow_heads(self) -> None:
        """Until cancelled: wake who is behind, whatever became of the hints. One question for all."""
        since_answer = 0.0
        while True:
            await asyncio.sleep(HEADS_SECONDS)
            try:
                heads = await self.reader.heads([*self._of]) if self._of else {}
            except Unavailable as error:
                since_answer += HEADS_SECONDS
                log.warning("streams are not looked at: %s", error)
                if since_answer >= PATIENCE:
                    self._end_all(EndReason.AWAY)
                continue
            since_answer = 0.0
            for user, head in heads.items():
                for listener in self._of.get(user, ()):
                    if listener.last != head:  # beyond it, if a restore has put an older history there
                        listener.wake()

    async def follow_sessions(self) -> None:
        """Until cancelled: end those whose sessions have ended. That a question failed is no end."""
        while True:
            await asyncio.sleep(SESSIONS_SECONDS)
            asked = {listener.session for listener in self}
            try:
                alive = await self.sessions.alive(asked) if asked else frozenset[SessionId]()
            except Unavailable:
                continue
            for listener in self:
                if listener.session in asked and listener.session not in alive:
                    listener.end(EndReason.SESSION)

    def _end_all(self, why: EndReason) -> None:
        for listener in self:
            listener.end(why)

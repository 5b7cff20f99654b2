"""The streams that are open in this process. A listener takes a few words of memory: entries that were not sent yet are
read from the database."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from application.notifications.ports import StreamHint, StreamReader
from application.shared.log import log
from application.shared.log_events import StreamHeadsUnknown
from application.shared.ports import ActiveSessions
from domain.shared import SessionId, TooMany, Unavailable, UserId

PER_USER = 10
HEADS_SECONDS = 5.0
"""Interval at which the heads of all open streams are compared with what was sent. A lost hint delays an entry by no
more than this."""
SESSIONS_SECONDS = 2.0
"""Interval at which the sessions of all open streams are checked. An ended session loses its streams this soon, in
every process."""
TURNS = 2
"""Turns of the event loop that a sender of hints leaves to those who are woken: one to read, which waits for nothing on
SQLite, and one in which the event loop writes to sockets. Otherwise the relay settles its batch first."""
DATABASE_TIMEOUT = 30.0
"""Seconds without a database after which listeners are closed, so that their clients try another process."""


class TooManyListeners(TooMany):
    """The user has too many open streams."""

    code = "too_many_streams"


class EndReason(Enum):
    """Why a listener has to end."""

    SESSION = auto()
    """Its session has ended."""
    DRAIN = auto()
    """The process is about to stop."""
    AWAY = auto()
    """The database is unavailable."""


@dataclass(slots=True, eq=False)
class Listener:
    """One open stream. Its sender waits for a wake-up and then looks what there is to send."""

    user: UserId
    session: SessionId
    last: int = 0
    """The highest sequence number that was sent."""
    home_updated: bool = False
    """The home feed has new posts, and the client was not notified yet."""
    behind: bool = True
    """There may be entries after `last`."""
    end_reason: EndReason | None = None
    at_once: Callable[[StreamHint], bool] | None = None
    """Sends what a hint is about while the sender sleeps. False if it cannot, and the sender has to be woken."""
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_woken(self) -> bool:
        """Whether the sender is about to look for work."""
        return self._woken.is_set()

    def notify(self, hint: StreamHint) -> None:
        """Send what the hint is about at once, or wake the sender."""
        if self.at_once is None or not self.at_once(hint):
            self.wake(hint)

    def wake(self, hint: StreamHint = StreamHint.STREAM) -> None:
        if hint is StreamHint.HOME:
            self.home_updated = True
        else:
            self.behind = True
        self._woken.set()

    def take_pending(self) -> bool:
        """Whether there may be entries after `last`. Resets the flag."""
        behind, self.behind = self.behind, False
        return behind

    def end(self, reason: EndReason) -> None:
        self.end_reason = self.end_reason or reason
        self._woken.set()

    async def wait(self) -> None:
        """Returns when there may be something to do. Call it before looking for work, so that no wake-up is missed in
        between."""
        await self._woken.wait()
        self._woken.clear()


@dataclass(slots=True)
class Hub:
    """Wakes the listeners of this process. With a single process it serves as `StreamHints`."""

    reader: StreamReader
    sessions: ActiveSessions
    per_user: int = PER_USER
    _by_user: dict[UserId, list[Listener]] = field(default_factory=dict)
    _draining: bool = False
    _empty: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        return sum(map(len, self._by_user.values()))

    def __iter__(self) -> Iterator[Listener]:
        """A snapshot of the listeners."""
        return iter([listener for streams in self._by_user.values() for listener in streams])

    def join(self, user: UserId, session: SessionId) -> Listener:
        """Register a listener. Call it before the first read of the stream, so that no entry is missed in between.
        Raises TooManyListeners; existing listeners stay."""
        streams = self._by_user.get(user, [])
        if len(streams) >= self.per_user:
            raise TooManyListeners(f"a user can have at most {self.per_user} open streams", retry_after=60)
        listener = Listener(user, session)
        if self._draining:
            listener.end(EndReason.DRAIN)
        self._by_user[user] = [*streams, listener]
        return listener

    def leave(self, listener: Listener) -> None:
        streams = [other for other in self._by_user.get(listener.user, ()) if other is not listener]
        if streams:
            self._by_user[listener.user] = streams
        else:
            self._by_user.pop(listener.user, None)
            if not self._by_user:
                self._empty.set()

    def wake(self, users: Collection[UserId], hint: StreamHint) -> None:
        for user in (
            self._by_user.keys() & users
        ):  # thousands may follow an account, but few have an open stream
            for listener in self._by_user[user]:
                listener.notify(hint)

    def wake_all(self) -> None:
        """Hints may have been lost: wake every listener."""
        for listener in self:
            listener.wake()

    async def send_hint(self, users: Collection[UserId], hint: StreamHint) -> None:
        self.wake(users, hint)
        for _ in range(TURNS):  # the caller has more to do, and listeners wait
            await asyncio.sleep(0)

    async def wait_until_empty(self) -> None:
        """Returns when no listener is left."""
        while self._by_user:
            self._empty.clear()
            await self._empty.wait()

    def drain(self) -> None:
        """End all listeners, including those that join later."""
        self._draining = True
        for listener in self:
            listener.end(EndReason.DRAIN)

    async def follow_heads(self) -> None:
        """Wake listeners that are behind, whatever became of the hints. One query for all streams. Runs until
        cancelled."""
        since_read = 0.0
        while True:
            await asyncio.sleep(HEADS_SECONDS)
            try:
                heads = await self.reader.heads([*self._by_user]) if self._by_user else {}
            except Unavailable as error:
                since_read += HEADS_SECONDS
                log(StreamHeadsUnknown(reason=str(error)))
                if since_read >= DATABASE_TIMEOUT:
                    self._end_all(EndReason.AWAY)
                continue
            since_read = 0.0
            for user, head in heads.items():
                for listener in self._by_user.get(user, ()):
                    if (
                        listener.last != head
                    ):  # it may lie beyond the head after a restore of an older history
                        listener.wake()

    async def follow_sessions(self) -> None:
        """End the listeners of ended sessions. A failed query ends none. Runs until cancelled."""
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

    def _end_all(self, reason: EndReason) -> None:
        for listener in self:
            listener.end(reason)

"""A pipelined connection to Redis: commands are sent together, replies arrive in order."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import hiredis

from adapters.breaker import Breaker
from domain.shared import Unavailable

TIMEOUT = 0.25
"""Seconds for a command, including its time in the queue. It is not retried."""
SILENCE = 1.0
"""Seconds without any reply, while replies are due, after which the connection is closed."""
MAX_PENDING = 5_000
"""Commands whose replies are due."""
MAX_BYTES = 4 * 1024 * 1024
"""Bytes that are not written to the network yet."""

_NOTHING: Any = object()


class RedisAway(Unavailable):
    """Redis did not run the command, or did not reply in time. Waggle works without everything that Redis stores."""


class RedisRefused(RedisAway):
    """Redis replied with an error; the message has its text."""


@dataclass(slots=True)
class CommandStats:
    """The commands of this process so far, over all connections."""

    answered: int = 0
    """Replies to commands, including errors and late replies."""
    seconds: float = 0.0
    """From sending these commands to their replies, in total."""
    refused: int = 0
    """Replies that are errors, except of a script that Redis does not know yet."""
    timed_out: int = 0
    lost: int = 0
    """Commands without a reply when the connection was lost."""


class Connection(asyncio.Protocol):
    """Commands of one iteration of the event loop are written together.

    A reply belongs to the oldest command without a reply. So a command whose caller no longer waits, because of a timeout
    or a cancellation, keeps its place until its reply has arrived: no other caller gets it.
    """

    def __init__(self, breaker: Breaker, lost: Callable[[], None], stats: CommandStats | None = None) -> None:
        self.breaker = breaker
        """Receives the outcomes of commands, except of those whose callers no longer wait."""
        self.stats = stats or CommandStats()
        self._loop = asyncio.get_running_loop()
        self._lost = lost
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._due: deque[tuple[float, asyncio.Future[Any]]] = deque()
        """The time at which each command was sent, and the future of its caller."""
        self._expired = 0
        """The number of commands, the oldest ones, that have timed out."""
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._heard_at = 0.0

    @property
    def open(self) -> bool:
        return self._transport is not None

    @property
    def pending(self) -> int:
        """Commands without a reply."""
        return len(self._due)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self.connection_lost(None)

    def send(self, *command: Any) -> "asyncio.Future[Any]":
        """The reply: bytes, an int, a list of these, or None. Raises RedisAway, here or in the future."""
        transport = self._transport
        if transport is None:
            raise RedisAway("Redis is unavailable")
        packed = hiredis.pack_command(command)
        full = self._unsent_bytes + transport.get_write_buffer_size() + len(packed) > MAX_BYTES
        if full or len(self._due) >= MAX_PENDING:
            raise RedisAway("too many commands are waiting for Redis")
        loop = self._loop
        now = loop.time()
        if not self._unsent:
            loop.call_soon(self._flush)
        self._unsent.append(packed)
        self._unsent_bytes += len(packed)
        answer = loop.create_future()
        if not self._due:
            self._heard_at = now
            if self._watch is None:
                self._watch = loop.call_later(TIMEOUT, self._expire)
        self._due.append((now, answer))
        return answer

    def _flush(self) -> None:
        unsent, self._unsent, self._unsent_bytes = self._unsent, [], 0
        if self._transport is not None:
            self._transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def _expire(self) -> None:
        """Time out overdue commands. One timer serves all: the oldest commands are due first."""
        self._watch = None
        due, now = self._due, self._loop.time()
        while self._expired < len(due):
            given, answer = due[self._expired]
            if given + TIMEOUT > now:
                break
            self._expired += 1
            if not answer.done():
                answer.set_exception(RedisAway("Redis took too long"))
                self.breaker.timed_out()
                self.stats.timed_out += 1
        if self._transport is None:
            return
        if due and now - max(self._heard_at, due[0][0]) > SILENCE:
            self.close()
        elif due:
            next_one = due[self._expired][0] if self._expired < len(due) else now
            self._watch = self._loop.call_at(max(next_one + TIMEOUT, now + 0.005), self._expire)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's transport is one too, but no subclass

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        due, get, stats = self._due, self._reader.gets, self.stats
        good = 0
        try:
            self._reader.feed(data)
            while (reply := get()) is not _NOTHING:
                given, answer = due.popleft()
                stats.answered += 1
                stats.seconds += self._heard_at - given
                if self._expired:
                    self._expired -= 1  # already counted, as a timeout
                elif isinstance(reply, hiredis.ReplyError):
                    stats.refused += not str(reply).startswith("NOSCRIPT")
                    if not answer.done():
                        answer.set_exception(RedisRefused(str(reply)))
                else:
                    good += 1
                    if not answer.done():
                        answer.set_result(reply)
        except (hiredis.ProtocolError, IndexError):  # not Redis, or a reply without a command
            self.close()
        if good:
            self.breaker.succeeded(good)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._transport = None
        if self._watch is not None:
            self._watch.cancel()
        due, self._due = self._due, deque()
        for _, answer in due:
            if not answer.done():
                answer.set_exception(RedisAway("the connection to Redis was lost"))
                self.breaker.failed()
                self.stats.lost += 1
        self._lost()

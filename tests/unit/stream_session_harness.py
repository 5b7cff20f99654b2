"""A hub with stream sessions over stores in memory, and clients that record their frames."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from adapters.metered.meters import StreamMeter
from adapters.storage.signing import MediaAddresses
from application.notifications.hub import Hub, Listener
from application.notifications.read_stream import OpenStream, ReadAfter
from domain.notifications import Resume, StreamChange
from domain.shared import SessionId, Unavailable, UserId
from entrypoints.http.fragments import Fragments
from entrypoints.http.notifications.stream import frames
from entrypoints.http.notifications.stream.at_once import Pushes
from entrypoints.http.notifications.stream.services import StreamGrant, StreamServices
from entrypoints.http.notifications.stream.session import StreamClosed, StreamSession
from tests.unit import stream_harness

MAYA, WILLY = UserId(1), UserId(2)
SESSION = SessionId(7)
T = TypeVar("T")


@dataclass
class StreamServer:
    """A hub and its streams. The entries are READ changes; other tests cover what entries contain."""

    streams: stream_harness.StreamHarness = field(default_factory=stream_harness.StreamHarness)
    ended: set[SessionId] = field(default_factory=set)
    database_unavailable: bool = False
    failed_queries: int = 0

    def __post_init__(self) -> None:
        self.hub = Hub(self.streams.reader, self)
        self.meter = StreamMeter()
        self.read_after: Callable[[UserId, int], Awaitable[Any]] = ReadAfter(
            self.streams.find_stream, self.streams.reader, self.streams.hydrate
        )
        self.pushes = Pushes(self._read)

    async def _read(self, user: UserId, last: int) -> Any:
        return await self.read_after(user, last)  # which a test may have replaced

    async def alive(self, sessions: Collection[SessionId]) -> frozenset[SessionId]:
        if self.database_unavailable:
            self.failed_queries += 1
            raise Unavailable("the database is away")
        return frozenset(sessions) - self.ended

    async def add(self) -> int:
        return await self.streams.add(MAYA, StreamChange.READ, post=None, refs=(1,))

    @asynccontextmanager
    async def session(
        self,
        resume: Resume | None = None,
        lifetime: timedelta = timedelta(hours=1),
        *,
        answers_pings: bool = True,
        writes_frames: bool = False,
    ) -> AsyncIterator["Client"]:
        listener = self.hub.join(MAYA, SESSION)
        client = Client(listener)
        until = datetime.now(UTC) + lifetime
        common = StreamServices(
            self.hub,
            OpenStream(self.streams.find_stream),
            self.read_after,  # type: ignore[arg-type]  # or a fake
            self.pushes,
            lambda: datetime.now(UTC),
            Fragments(MediaAddresses(b"key", "http://waggle.test")),
            self.meter,
        )
        client.session = StreamSession(
            common,
            listener,
            StreamGrant(MAYA, SESSION, until),
            client.receive,
            answers_pings=answers_pings,
            write_frames=client.write if writes_frames else None,
        )
        try:
            await client.session.open(resume)
            client.task = asyncio.create_task(client.session.run())
            yield client
        finally:
            self.hub.leave(listener)
            if client.task is not None:
                client.task.cancel()
                with suppress(asyncio.CancelledError, StreamClosed, OSError):
                    await client.task


@dataclass
class Client:
    """A client that records the frames that it receives."""

    listener: Listener
    received: list[Any] = field(default_factory=list)
    session: Any = None
    task: "asyncio.Task[None] | None" = None
    stalled: bool = False
    on_receive: Callable[[], Awaitable[None]] | None = None
    """Runs while a frame is being sent."""
    written: list[bytes] = field(default_factory=list)
    """The frames that the session wrote without waking up."""
    accepts_frames: bool = True
    """Whether it can: the connection is open, and its buffer is empty."""

    def write(self, ready_made: bytes) -> bool:
        if self.accepts_frames:
            self.written.append(ready_made)
        return self.accepts_frames

    async def receive(self, frame: frames.Outbound) -> None:
        if self.stalled:
            await asyncio.Event().wait()
        if self.on_receive is not None:
            await self.on_receive()
        self.received.append(frame)

    @property
    def seqs(self) -> list[int]:
        return [frame.seq for frame in self.received if isinstance(frame, frames.Event)]

    async def closed(self) -> StreamClosed:
        assert self.task is not None
        async with asyncio.timeout(5):
            with pytest.raises(StreamClosed) as raised:
                await self.task
        return raised.value


async def settle() -> None:
    """Run all pending tasks. Everything happens in memory, so a fixed number of turns is enough."""
    for _ in range(50):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)

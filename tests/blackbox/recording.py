"""A device that follows the stream, and writes down whether it was sent each entry once and in order.

with devices() as run:
phone = Recorder(maya, [waggle.base_url], chance)
run(phone)
...
check(phone)
"""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from waggle_client import ListReloaded, Live, Notifications, Stream, StreamEvent
from waggle_client.protocol import OVERLOAD_PAUSE, Action, ProtocolError, SendFrame, StreamProtocol

from .client import Json, Member, done, eventually

HASTE = 0.1
"""Tests have less time than people: pauses are so much shorter."""


@dataclass
class Watching(StreamProtocol):
    """The client, and what it should not have been sent."""

    faults: list[str] = field(default_factory=list)
    events: dict[tuple[str, int], StreamEvent] = field(default_factory=dict)
    """All that were applied."""
    connections: int = 0
    codes: list[int | None] = field(default_factory=list)
    """How the connections ended."""
    _next: int | None = None
    """The number that has to come next on this connection; None before it is ready."""
    _is_live: bool = False

    def hello(self, ticket: str | None = None) -> str:
        self.connections += 1
        self._next, self._is_live = None, False
        return super().hello(ticket)

    def receive(self, text: str | bytes) -> Action | None:
        self._check(json.loads(text))
        try:
            step = super().receive(text)
        except ProtocolError as error:
            self.faults.append(f"broken: {error}")
            raise
        if isinstance(step, SendFrame) and "resume" in step.frame:
            self.faults.append(f"asked with {step.frame} after {text[:80]!r}")
        if isinstance(step, StreamEvent):
            if (self.state.epoch, step.seq) in self.events:
                self.faults.append(f"{self.state.epoch}:{step.seq} was applied twice")
            self.events[self.state.epoch, step.seq] = step
        return step

    def listed(self, page: Any) -> None:
        again = page["epoch"] == self.state.epoch and not self._cursor_rejected
        if again and page["seq"] < self.state.seq:
            self.faults.append(f"the list goes back from {self.state.seq} to {page['seq']}")
        super().listed(page)

    def closed(self, code: int | None, chance: float) -> float:
        self.codes.append(code)
        pause = super().closed(code, chance)
        return pause if pause == OVERLOAD_PAUSE else pause * HASTE

    def _check(self, frame: Json) -> None:
        match frame["op"]:
            case "ready":
                if self._next is not None:
                    self.faults.append("ready twice")
                self._next = frame["seq"] + 1
            case "event":
                if frame["seq"] != self._next:
                    self.faults.append(f"{frame['seq']} was sent in place of {self._next}")
                self._next = frame["seq"] + 1
            case "live":
                if self._is_live or self._next != frame["seq"] + 1:
                    self.faults.append(f"live at {frame['seq']} before {self._next}, {self._is_live=}")
                self._is_live = True


@dataclass
class Recorder:
    """A device of `member`, which connects to any of `urls`."""

    member: Member
    urls: Sequence[str]
    chance: random.Random
    state: Notifications = field(default_factory=Notifications)
    """Where it goes on: as it left off, or from the beginning."""
    stream: Stream = field(init=False)
    lives: int = 0
    lists: int = 0
    _going: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.stream = Stream(self.urls[0], self._token, self.state)
        self.stream.protocol = Watching(self.state)
        self._going.set()

    @property
    def watching(self) -> Watching:
        assert isinstance(self.stream.protocol, Watching)
        return self.stream.protocol

    async def run(self) -> None:
        async with self.stream as stream:
            async for item in stream:
                self.lives += isinstance(item, Live)
                self.lists += isinstance(item, ListReloaded)
                await self._going.wait()

    async def cut(self) -> None:
        """As when the cable is pulled."""
        if self.stream._socket is not None:
            self.stream._socket.transport.abort()

    async def stall(self) -> None:
        """Read nothing more."""
        self._going.clear()

    async def go_on(self) -> None:
        self._going.set()

    async def _token(self) -> str:
        self.stream.url = self.chance.choice(self.urls)
        return str(self.member.tokens["access_token"])


@dataclass
class Run:
    """Where the devices run: an event loop in another thread."""

    portal: BlockingPortal
    _running: dict[int, tuple[Recorder, Future[None]]] = field(default_factory=dict)

    def __call__(self, *recorders: Recorder) -> None:
        """Follow from now on."""
        for recorder in recorders:
            self._running[id(recorder)] = recorder, self.portal.start_task_soon(recorder.run)
        soon(lambda: all(recorder.lives or self._over(recorder) for recorder in recorders), 60)

    def stop(self, *recorders: Recorder) -> None:
        """Switch off those that are not off already."""
        for recorder in recorders:
            _, task = self._running.pop(id(recorder), (recorder, None))
            if task is not None:
                task.cancel()

    def result(self, recorder: Recorder, seconds: float = 10.0) -> None:
        """Raise what ends it."""
        _, task = self._running.pop(id(recorder))
        task.result(seconds)

    async def cut_all(self) -> None:
        for recorder, _ in self._running.values():
            await recorder.cut()

    def _over(self, recorder: Recorder) -> bool:
        """Raise what ended it."""
        _, task = self._running[id(recorder)]
        return task.done() and task.result() is None

    def end(self) -> None:
        for recorder, task in self._running.values():
            self._over(recorder)
            task.cancel()


@contextmanager
def devices() -> Iterator[Run]:
    with start_blocking_portal() as portal:
        run = Run(portal)
        try:
            yield run
        finally:
            run.end()


def soon(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until it is so."""

    def check() -> None:
        assert condition()

    eventually(check, seconds)


def the_list(member: Member, limit: int = 100) -> tuple[Json, list[Json]]:
    """The first page, and the items of all pages."""
    pages = list(member.pages("/api/v1/notifications", limit))
    return pages[0], [item for page in pages for item in page["items"]]


def plain(item: Any) -> tuple[Any, ...]:
    """What of a notification does not change while others like and comment. It may be hidden: then it is not listed."""
    of = tuple(item[name] and item[name]["id"] for name in ("actor", "post"))
    return (item["seq"], item["id"], item["type"], *of, item["created_at"], item["read"])


def snapshot(member: Member) -> Notifications:
    """What a device shows that has just been switched on."""
    pages = member.pages("/api/v1/notifications", 50)
    state = Notifications.from_page(next(pages))
    for page in pages:
        assert state.more is not None
        assert state.add_older(state.more, page)
    return state


def check(recorder: Recorder, snapshots: Sequence[Notifications] = (), seconds: float = 20.0) -> None:
    """As soon as all is quiet: the device shows what the list has, and so does each of the snapshots with all events
    that came after it. No entry was missing, came twice, or came in another order."""

    def same() -> None:
        page, items = the_list(recorder.member)
        state = recorder.state
        shown, listed = map(plain, _whole(recorder)), map(plain, items)
        found = (state.epoch, state.seq, state.read, state.unread, list(shown))
        expected = (page["epoch"], page["seq"], page["read"], page["unread"], list(listed))
        assert found == expected, f"{found}\nis not\n{expected}"

    eventually(same, seconds)
    watching = recorder.watching
    assert watching.faults == [], watching.faults
    final = recorder.state
    for state in snapshots:
        began = state.seq
        for seq in range(began + 1, final.seq + 1):
            state.apply(watching.events[state.epoch, seq])
        assert [plain(item) for item in state.newest_first] == [plain(item) for item in final.newest_first]
        if began < final.seq:
            assert (state.read, state.unread) == (final.read, final.unread)


def _whole(recorder: Recorder) -> list[Json]:
    """All that the device shows when one scrolls to the end."""
    state = recorder.state
    while state.more:
        page = done(recorder.member.get("/api/v1/notifications", params={"cursor": state.more}))
        assert state.add_older(state.more, page)
    return [dict(item) for item in state.newest_first]

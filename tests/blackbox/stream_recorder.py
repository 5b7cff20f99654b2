"""A device that follows the stream and records whether every entry was sent once and in order.

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

PAUSE_FACTOR = 0.1
"""Pauses are shortened by this factor."""


@dataclass
class CheckingProtocol(StreamProtocol):
    """The client protocol, which also records what the server should not have sent."""

    violations: list[str] = field(default_factory=list)
    events: dict[tuple[str, int], StreamEvent] = field(default_factory=dict)
    """All events that were applied."""
    connections: int = 0
    codes: list[int | None] = field(default_factory=list)
    """The close codes of the connections."""
    _next: int | None = None
    """The next number on this connection; None before `ready`."""
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
            self.violations.append(f"broken: {error}")
            raise
        if isinstance(step, SendFrame) and "resume" in step.frame:
            self.violations.append(f"asked with {step.frame} after {text[:80]!r}")
        if isinstance(step, StreamEvent):
            if (self.state.epoch, step.seq) in self.events:
                self.violations.append(f"{self.state.epoch}:{step.seq} was applied twice")
            self.events[self.state.epoch, step.seq] = step
        return step

    def listed(self, page: Any) -> None:
        again = page["epoch"] == self.state.epoch and not self._cursor_rejected
        if again and page["seq"] < self.state.seq:
            self.violations.append(f"the list goes back from {self.state.seq} to {page['seq']}")
        super().listed(page)

    def closed(self, code: int | None, chance: float) -> float:
        self.codes.append(code)
        pause = super().closed(code, chance)
        return pause if pause == OVERLOAD_PAUSE else pause * PAUSE_FACTOR

    def _check(self, frame: Json) -> None:
        match frame["op"]:
            case "ready":
                if self._next is not None:
                    self.violations.append("ready twice")
                self._next = frame["seq"] + 1
            case "event":
                if frame["seq"] != self._next:
                    self.violations.append(f"{frame['seq']} was sent in place of {self._next}")
                self._next = frame["seq"] + 1
            case "live":
                if self._is_live or self._next != frame["seq"] + 1:
                    self.violations.append(f"live at {frame['seq']} before {self._next}, {self._is_live=}")
                self._is_live = True


@dataclass
class Recorder:
    """A device of `member` that connects to a random one of `urls`."""

    member: Member
    urls: Sequence[str]
    chance: random.Random
    state: Notifications = field(default_factory=Notifications)
    """The state from which it continues: that of an earlier device, or the beginning."""
    stream: Stream = field(init=False)
    live_count: int = 0
    list_count: int = 0
    _reading: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.stream = Stream(self.urls[0], self._token, self.state)
        self.stream.protocol = CheckingProtocol(self.state)
        self._reading.set()

    @property
    def protocol(self) -> CheckingProtocol:
        assert isinstance(self.stream.protocol, CheckingProtocol)
        return self.stream.protocol

    async def run(self) -> None:
        async with self.stream as stream:
            async for item in stream:
                self.live_count += isinstance(item, Live)
                self.list_count += isinstance(item, ListReloaded)
                await self._reading.wait()

    async def abort(self) -> None:
        """As if the cable were unplugged."""
        if self.stream._socket is not None:
            self.stream._socket.transport.abort()

    async def stall(self) -> None:
        """Stop reading."""
        self._reading.clear()

    async def resume(self) -> None:
        self._reading.set()

    async def _token(self) -> str:
        self.stream.url = self.chance.choice(self.urls)
        return str(self.member.tokens["access_token"])


@dataclass
class DeviceRunner:
    """Runs devices in an event loop in another thread."""

    portal: BlockingPortal
    _running: dict[int, tuple[Recorder, Future[None]]] = field(default_factory=dict)

    def __call__(self, *recorders: Recorder) -> None:
        """Start these devices and wait until they are live."""
        for recorder in recorders:
            self._running[id(recorder)] = recorder, self.portal.start_task_soon(recorder.run)
        wait_until(lambda: all(recorder.live_count or self._ended(recorder) for recorder in recorders), 60)

    def stop(self, *recorders: Recorder) -> None:
        """Stop these devices, unless they are stopped already."""
        for recorder in recorders:
            _, task = self._running.pop(id(recorder), (recorder, None))
            if task is not None:
                task.cancel()

    def result(self, recorder: Recorder, seconds: float = 10.0) -> None:
        """Raise the exception that ends the device."""
        _, task = self._running.pop(id(recorder))
        task.result(seconds)

    async def abort_all(self) -> None:
        for recorder, _ in self._running.values():
            await recorder.abort()

    def _ended(self, recorder: Recorder) -> bool:
        """Raises the exception that ended the device."""
        _, task = self._running[id(recorder)]
        return task.done() and task.result() is None

    def end(self) -> None:
        for recorder, task in self._running.values():
            self._ended(recorder)
            task.cancel()


@contextmanager
def devices() -> Iterator[DeviceRunner]:
    with start_blocking_portal() as portal:
        run = DeviceRunner(portal)
        try:
            yield run
        finally:
            run.end()


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until the condition holds."""

    def check() -> None:
        assert condition()

    eventually(check, seconds)


def list_all(member: Member, limit: int = 100) -> tuple[Json, list[Json]]:
    """The first page, and the items of all pages."""
    pages = list(member.pages("/api/v1/notifications", limit))
    return pages[0], [item for page in pages for item in page["items"]]


def comparable(item: Any) -> tuple[Any, ...]:
    """The parts of a notification that do not change while others like and comment."""
    of = tuple(item[name] and item[name]["id"] for name in ("actor", "post"))
    return (item["seq"], item["id"], item["type"], *of, item["created_at"], item["read"])


def snapshot(member: Member) -> Notifications:
    """The state of a device that was just switched on."""
    pages = member.pages("/api/v1/notifications", 50)
    state = Notifications.from_page(next(pages))
    for page in pages:
        assert state.more is not None
        assert state.add_older(state.more, page)
    return state


def check(recorder: Recorder, snapshots: Sequence[Notifications] = (), seconds: float = 20.0) -> None:
    """Once nothing is in flight, the device shows what the list contains, and so does every snapshot after applying the
    events that followed it. No entry was missing, duplicated or out of order."""

    def same() -> None:
        page, items = list_all(recorder.member)
        state = recorder.state
        shown, listed = map(comparable, _all_items(recorder)), map(comparable, items)
        found = (state.epoch, state.seq, state.read, state.unread, list(shown))
        expected = (page["epoch"], page["seq"], page["read"], page["unread"], list(listed))
        assert found == expected, f"{found}\nis not\n{expected}"

    eventually(same, seconds)
    protocol = recorder.protocol
    assert protocol.violations == [], protocol.violations
    final = recorder.state
    for state in snapshots:
        began = state.seq
        for seq in range(began + 1, final.seq + 1):
            state.apply(protocol.events[state.epoch, seq])
        assert [comparable(item) for item in state.newest_first] == [
            comparable(item) for item in final.newest_first
        ]
        if began < final.seq:
            assert (state.read, state.unread) == (final.read, final.unread)


def _all_items(recorder: Recorder) -> list[Json]:
    """Everything that the device shows after scrolling to the end."""
    state = recorder.state
    while state.more:
        page = done(recorder.member.get("/api/v1/notifications", params={"cursor": state.more}))
        assert state.add_older(state.more, page)
    return [dict(item) for item in state.newest_first]

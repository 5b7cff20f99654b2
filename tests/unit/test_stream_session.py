"""What is said on a stream: in order, nothing lost, nothing twice, whatever becomes of the hints."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.storage.signing import MediaAddresses
from application.notifications.hub import EndReason, Hub, Listener, TooManyListeners
from application.notifications.ports import StreamHint
from application.notifications.read_stream import CursorAhead, OpenStream, ReadAfter
from domain.notifications import Resume, StreamChange
from domain.shared import SessionId, Unavailable, UserId
from entrypoints.http.fragments import Fragments
from entrypoints.http.notifications.shapes import VOID, Unread
from entrypoints.http.notifications.stream import frames, session
from entrypoints.http.notifications.stream.session import StreamClosed, StreamGrant, StreamSession
from tests.unit import stream_harness

MAYA, WILLY = UserId(1), UserId(2)
SESSION = SessionId(7)
T = TypeVar("T")


@dataclass
class World:
    """A hub and the streams it tells of. Entries are marks of what was read: what they show is tried elsewhere."""

    streams: stream_harness.Streams = field(default_factory=stream_harness.Streams)
    ended: set[SessionId] = field(default_factory=set)
    away: bool = False

    def __post_init__(self) -> None:
        self.hub = Hub(self.streams.reader, self)
        self.read_on: Callable[[UserId, int], Awaitable[Any]] = ReadAfter(
            self.streams.find, self.streams.reader, self.streams.show
        )

    async def alive(self, sessions: Collection[SessionId]) -> frozenset[SessionId]:
        if self.away:
            raise Unavailable("the database is away")
        return frozenset(sessions) - self.ended

    async def add(self) -> int:
        return await self.streams.add(MAYA, StreamChange.READ, post=None, refs=(1,))

    @asynccontextmanager
    async def session(
        self, resume: Resume | None = None, lasts: timedelta = timedelta(hours=1), *, answers: bool = True
    ) -> AsyncIterator["Client"]:
        listener = self.hub.join(MAYA, SESSION)
        client = Client(listener)
        until = datetime.now(UTC) + lasts
        common = session.StreamServices(
            self.hub,
            OpenStream(self.streams.find),
            self.read_on,  # type: ignore[arg-type]  # or a fake of it
            lambda: datetime.now(UTC),
            Fragments(MediaAddresses(b"key", "http://waggle.test")),
        )
        client.session = StreamSession(
            common, listener, StreamGrant(MAYA, SESSION, until), client.take, answers_pings=answers
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
    """Has what was said."""

    listener: Listener
    said: list[Any] = field(default_factory=list)
    session: Any = None
    task: "asyncio.Task[None] | None" = None
    stalled: bool = False
    before: Callable[[], Awaitable[None]] | None = None
    """Happens while a frame is on its way."""

    async def take(self, frame: frames.Outbound) -> None:
        if self.stalled:
            await asyncio.Event().wait()
        if self.before is not None:
            await self.before()
        self.said.append(frame)

    @property
    def seqs(self) -> list[int]:
        return [frame.seq for frame in self.said if isinstance(frame, frames.Event)]

    async def closed(self) -> StreamClosed:
        assert self.task is not None
        async with asyncio.timeout(5):
            with pytest.raises(StreamClosed) as raised:
                await self.task
        return raised.value


async def settle() -> None:
    """Until nobody has anything to do; all of it happens in memory."""
    for _ in range(50):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what happens in memory has nothing to wait for
            await asyncio.sleep(0.001)


def run(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(test())


async def test_a_new_client_is_ready_and_live_and_then_gets_what_happens() -> None:
    world = World()
    await world.add()
    async with world.session() as client:
        await settle()
        await world.add()
        world.hub.wake([MAYA], StreamHint.STREAM)
        await settle()
    ready, live, event = client.said
    assert (ready.recovered, ready.seq) == (False, 1)
    assert (live, event.seq) == (frames.Live(1), 2)


async def test_who_resumes_gets_what_was_missed_then_live() -> None:
    world = World()
    for _ in range(250):
        await world.add()
    epoch = (await world.streams.find(MAYA)).epoch
    async with world.session((epoch, 20)) as client:
        await settle()
    assert client.said[0].recovered
    assert client.seqs == [*range(21, 251)]
    assert client.said[-1] == frames.Live(250)


async def test_a_cursor_of_another_epoch_gets_no_half_of_a_recovery() -> None:
    world = World()
    for _ in range(3):
        await world.add()
    async with world.session(("another", 1)) as client:
        await settle()
    assert (client.said[0].recovered, client.said[0].seq, client.seqs) == (False, 3, [])


async def test_a_cursor_beyond_the_head_is_refused() -> None:
    world = World()
    epoch = (await world.streams.find(MAYA)).epoch
    with pytest.raises(CursorAhead):
        async with world.session((epoch, 1)):
            pass
    assert len(world.hub) == 0


async def _follow(acts: list[str], known: int) -> tuple[list[int], int]:
    """What a client has applied in the end, and the head."""
    world, pending = World(), iter(acts)
    for _ in range(known):
        await world.add()
    applied = [*range(1, known + 1)]
    epoch = (await world.streams.find(MAYA)).epoch
    connections = acts.count("again") + 1
    for number in range(1, connections + 1):
        async with world.session((epoch, len(applied))) as client:
            client.before = partial(_do_next, pending, world, client)
            for name in pending:
                if name == "again":
                    break
                await _do(name, world, client)
            if number == connections:  # what the question for the heads makes good
                world.hub.wake_all()
                await settle()
            for seq in client.seqs:
                assert seq <= len(applied) + 1, "there is a gap"
                if seq == len(applied) + 1:
                    applied.append(seq)
    return applied, (await world.streams.find(MAYA)).head


async def _do_next(pending: Iterator[str], world: World, client: "Client") -> None:
    await _do(next(pending, "nothing"), world, client)


async def _do(name: str, world: World, client: "Client") -> None:
    match name:
        case "tell":
            await world.add()
        case "hint":
            world.hub.wake([MAYA], StreamHint.STREAM)
        case "home":
            world.hub.wake([MAYA], StreamHint.HOME)
        case "wake all":
            world.hub.wake_all()
        case "back":
            client.session.rewind(max(0, client.listener.last - 2))
        case "look":
            await settle()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(["tell", "tell", "hint", "wake all", "home", "back", "again", "look"]), max_size=40
    ),
    st.integers(0, 5),
)
def test_nothing_is_lost_or_out_of_order_whatever_becomes_of_the_hints(acts: list[str], known: int) -> None:
    """A client that keeps to the rules: it applies the next number, drops what it has, and asks for what it misses."""
    applied, head = run(lambda: _follow(acts, known))
    assert applied == [*range(1, head + 1)]


async def test_without_going_back_nothing_comes_twice() -> None:
    world = World()
    async with world.session() as client:

        async def tell_more() -> None:
            if (await world.streams.find(MAYA)).head < 30:
                await world.add()
            world.hub.wake([MAYA, MAYA], StreamHint.STREAM)

        client.before = tell_more
        await world.add()
        world.hub.wake_all()
        await until(lambda: len(client.seqs) >= 30)
        client.before = None
        await settle()
    assert client.seqs == [*range(client.said[0].seq + 1, 31)]


async def test_who_asks_for_what_was_not_sent_is_sent_away() -> None:
    world = World()
    async with world.session() as client:
        await settle()
        with pytest.raises(StreamClosed) as raised:
            client.session.rewind(1)
    assert raised.value.code == 4007


async def test_the_floor_passes_the_cursor() -> None:
    world = World()
    for _ in range(5):
        await world.add()
    async with world.session() as client:
        await settle()
        async with world.streams.open_tx() as tx:
            stream = (await tx.streams.lock([MAYA]))[MAYA]
            await tx.streams.cut(MAYA, 6)
            await tx.streams.save([stream.trimmed_to(6, {})])
        client.session.rewind(2)
        assert (await client.closed()).code == 4013


async def test_a_rewritten_history_is_not_gone_on_with() -> None:
    world = World()
    async with world.session() as client:
        await settle()
        async with world.streams.open_tx() as tx:
            stream = (await tx.streams.lock([MAYA]))[MAYA]
            await tx.streams.save([replace(stream, epoch="restored")])
        world.hub.wake_all()
        assert (await client.closed()).code == 4013


async def test_a_reader_that_takes_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SEND_SECONDS", 0.01)
    world = World()
    async with world.session() as client:
        await settle()
        client.stalled = True
        await world.add()
        world.hub.wake_all()
        assert (await client.closed()).code == 4008


async def test_what_was_read_long_ago_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow client gets what it may see when it is sent, not what it might see when it was read."""
    monkeypatch.setattr(session, "FRESH_SECONDS", 0.0)
    world = World()
    for _ in range(3):
        await world.streams.add(MAYA, actor=WILLY)
    epoch = (await world.streams.find(MAYA)).epoch
    async with world.session((epoch, 0)) as client:

        async def hide() -> None:
            if client.said:
                world.streams.hidden.add(stream_harness.POST)

        client.before = hide
        monkeypatch.setattr(StreamSession, "_event", _bare_event)
        await settle()
    types = [frame.type for frame in client.said if isinstance(frame, frames.Event)]
    assert types[:3] == ["like", "void", "void"]


def _bare_event(self: StreamSession, seen: Any, stream: Any) -> frames.Event:
    """Without the post, which is a word here."""
    type_ = "void" if seen.void else seen.entry.type.value
    return frames.Event(seen.entry.seq, "1", type_, "", VOID, Unread.of(stream))  # type: ignore[arg-type]  # one of them


@pytest.mark.parametrize(
    ("why", "code", "bye"),
    [(EndReason.SESSION, 4403, 0), (EndReason.DRAIN, 1012, 1), (EndReason.AWAY, 4014, 1)],
)
async def test_who_has_to_go_is_told_when_to_come_back(why: EndReason, code: int, bye: int) -> None:
    world = World()
    async with world.session() as client:
        await settle()
        client.listener.end(why)
        assert (await client.closed()).code == code
    assert sum(isinstance(frame, frames.Bye) for frame in client.said) == bye


async def test_an_ending_does_not_wait_for_a_backlog() -> None:
    world = World()
    for _ in range(90):
        await world.add()
    epoch = (await world.streams.find(MAYA)).epoch
    async with world.session((epoch, 0)) as client:

        async def end_it() -> None:
            if len(client.seqs) == 3:
                client.listener.end(EndReason.SESSION)

        client.before = end_it
        assert (await client.closed()).code == 4403
    assert client.seqs == [1, 2, 3, 4]


async def test_a_token_that_ends_is_said_before() -> None:
    world = World()
    async with world.session(lasts=timedelta(seconds=0.05)) as client:
        assert (await client.closed()).code == 4401
    assert any(isinstance(frame, frames.ReauthSoon) for frame in client.said)


async def test_a_new_ticket_lets_it_go_on() -> None:
    world = World()
    async with world.session(lasts=timedelta(seconds=0.05)) as client:
        await settle()
        client.session.extend_until(datetime.now(UTC) + timedelta(hours=1))
        client.listener.wake()
        assert client.task is not None
        await asyncio.wait([client.task], timeout=0.1)
        assert not client.task.done()


async def test_who_answers_no_ping_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(session, "PONG_SECONDS", 0.02)
    world = World()
    async with world.session() as client:
        assert (await client.closed()).code == 4010
    assert sum(isinstance(frame, frames.Ping) for frame in client.said) == 1


async def test_a_database_that_is_away_for_a_moment_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "RETRY_SECONDS", 0.01)
    world = World()
    read_on, failures = world.read_on, [Unavailable("away"), Unavailable("away")]

    async def flaky(user: UserId, last: int) -> Any:
        if failures:
            raise failures.pop()
        return await read_on(user, last)

    world.read_on = flaky
    await world.add()
    epoch = (await world.streams.find(MAYA)).epoch
    async with world.session((epoch, 0)) as client:
        await until(lambda: frames.Live(1) in client.said)
    assert client.seqs == [1]


async def test_one_user_has_ten_streams_and_the_first_stay() -> None:
    world = World()
    listeners = [world.hub.join(MAYA, SESSION) for _ in range(10)]
    with pytest.raises(TooManyListeners):
        world.hub.join(MAYA, SESSION)
    world.hub.join(WILLY, SESSION)
    world.hub.leave(listeners[4])
    world.hub.join(MAYA, SESSION)
    assert (len(world.hub), any(listener.end_reason for listener in world.hub)) == (11, False)


async def test_the_hub_wakes_who_is_behind_without_any_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.notifications.hub.HEADS_SECONDS", 0.01)
    world = World()
    following = asyncio.create_task(world.hub.follow_heads())
    async with world.session() as client:
        await settle()
        await world.add()
        await until(lambda: bool(client.seqs))
    following.cancel()
    assert client.seqs == [1]


async def test_an_ended_session_ends_its_streams_but_a_question_that_fails_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("application.notifications.hub.SESSIONS_SECONDS", 0.01)
    world = World(away=True)
    world.ended.add(SESSION)
    mine, other = world.hub.join(MAYA, SESSION), world.hub.join(MAYA, SessionId(8))
    following = asyncio.create_task(world.hub.follow_sessions())
    await asyncio.sleep(0.05)
    assert not mine.end_reason
    world.away = False
    await until(lambda: mine.end_reason is not None)
    following.cancel()
    assert [mine.end_reason, other.end_reason] == [EndReason.SESSION, None]


async def test_a_draining_hub_ends_who_comes_later_too() -> None:
    world = World()
    first = world.hub.join(MAYA, SESSION)
    world.hub.drain()
    later = world.hub.join(WILLY, SESSION)
    assert (first.end_reason, later.end_reason) == (EndReason.DRAIN, EndReason.DRAIN)
    wait_until_empty = asyncio.create_task(world.hub.wait_until_empty())
    for listener in (first, later):
        assert not wait_until_empty.done()
        world.hub.leave(listener)
        await settle()
    assert wait_until_empty.done()


@pytest.mark.parametrize("frame", ['{"a":' + "[" * 4000, '{"op":"dance"}', "", '{"op":"read","seq":-1}'])
def test_whatever_a_client_sends_is_a_mistake_at_most(frame: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        frames.decode(frame)

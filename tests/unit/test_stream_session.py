"""Stream sessions: entries arrive in order, completely and once, whatever happens to hints."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.notifications.hub import EndReason
from application.notifications.ports import StreamHint
from application.notifications.read_stream import CursorAhead
from domain.shared import Unavailable, UserId
from entrypoints.http.notifications.shapes import VOID, Unread
from entrypoints.http.notifications.stream import frames, session
from entrypoints.http.notifications.stream.session import StreamClosed, StreamSession
from tests.unit import stream_harness
from tests.unit.stream_session_harness import MAYA, WILLY, Client, StreamServer, settle, until

T = TypeVar("T")


def run(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(test())


async def test_a_new_client_gets_ready_and_live_and_then_new_entries() -> None:
    server = StreamServer()
    await server.add()
    async with server.session() as client:
        await settle()
        await server.add()
        server.hub.wake([MAYA], StreamHint.STREAM)
        await settle()
    ready, live, event = client.received
    assert (ready.recovered, ready.seq) == (False, 1)
    assert (live, event.seq) == (frames.Live(1), 2)


async def test_a_resuming_client_gets_the_missed_entries_and_then_live() -> None:
    server = StreamServer()
    for _ in range(250):
        await server.add()
    epoch = (await server.streams.find_stream(MAYA)).epoch
    async with server.session((epoch, 20)) as client:
        await settle()
    assert client.received[0].recovered
    assert client.seqs == [*range(21, 251)]
    assert client.received[-1] == frames.Live(250)


async def test_a_cursor_of_another_epoch_is_not_recovered_partly() -> None:
    server = StreamServer()
    for _ in range(3):
        await server.add()
    async with server.session(("another", 1)) as client:
        await settle()
    assert (client.received[0].recovered, client.received[0].seq, client.seqs) == (False, 3, [])


async def test_a_cursor_beyond_the_head_is_refused() -> None:
    server = StreamServer()
    epoch = (await server.streams.find_stream(MAYA)).epoch
    with pytest.raises(CursorAhead):
        async with server.session((epoch, 1)):
            pass
    assert len(server.hub) == 0


async def _run_client(actions: list[str], known: int) -> tuple[list[int], int]:
    """The entries that a client has applied in the end, and the head."""
    server, pending = StreamServer(), iter(actions)
    for _ in range(known):
        await server.add()
    applied = [*range(1, known + 1)]
    epoch = (await server.streams.find_stream(MAYA)).epoch
    connections = actions.count("reconnect") + 1
    for number in range(1, connections + 1):
        async with server.session((epoch, len(applied))) as client:
            client.on_receive = partial(_do_next, pending, server, client)
            for name in pending:
                if name == "reconnect":
                    break
                await _do(name, server, client)
            if number == connections:  # stands in for the poll of heads
                server.hub.wake_all()
                await settle()
            for seq in client.seqs:
                assert seq <= len(applied) + 1, "there is a gap"
                if seq == len(applied) + 1:
                    applied.append(seq)
    return applied, (await server.streams.find_stream(MAYA)).head


async def _do_next(pending: Iterator[str], server: StreamServer, client: "Client") -> None:
    await _do(next(pending, "nothing"), server, client)


async def _do(name: str, server: StreamServer, client: "Client") -> None:
    match name:
        case "add":
            await server.add()
        case "hint":
            server.hub.wake([MAYA], StreamHint.STREAM)
        case "home hint":
            server.hub.wake([MAYA], StreamHint.HOME)
        case "wake all":
            server.hub.wake_all()
        case "rewind":
            client.session.rewind(max(0, client.listener.last - 2))
        case "settle":
            await settle()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(["add", "add", "hint", "wake all", "home hint", "rewind", "reconnect", "settle"]),
        max_size=40,
    ),
    st.integers(0, 5),
)
def test_entries_arrive_completely_and_in_order_whatever_happens_to_hints(
    actions: list[str], known: int
) -> None:
    """The client follows the protocol: it applies the next number, ignores known ones, and asks for missing ones."""
    applied, head = run(lambda: _run_client(actions, known))
    assert applied == [*range(1, head + 1)]


async def test_without_a_rewind_no_entry_is_sent_twice() -> None:
    server = StreamServer()
    async with server.session() as client:

        async def tell_more() -> None:
            if (await server.streams.find_stream(MAYA)).head < 30:
                await server.add()
            server.hub.wake([MAYA, MAYA], StreamHint.STREAM)

        client.on_receive = tell_more
        await server.add()
        server.hub.wake_all()
        await until(lambda: len(client.seqs) >= 30)
        client.on_receive = None
        await settle()
    assert client.seqs == [*range(client.received[0].seq + 1, 31)]


async def test_a_rewind_beyond_the_last_sent_entry_closes_the_session() -> None:
    server = StreamServer()
    async with server.session() as client:
        await settle()
        with pytest.raises(StreamClosed) as raised:
            client.session.rewind(1)
    assert raised.value.code == 4007


async def test_a_cursor_below_the_floor_closes_the_session() -> None:
    server = StreamServer()
    for _ in range(5):
        await server.add()
    async with server.session() as client:
        await settle()
        async with server.streams.open_tx() as tx:
            stream = (await tx.streams.lock([MAYA]))[MAYA]
            await tx.streams.cut(MAYA, 6)
            await tx.streams.save([stream.trimmed_to(6, {})])
        client.session.rewind(2)
        assert (await client.closed()).code == 4013


async def test_a_rewritten_history_closes_the_session() -> None:
    server = StreamServer()
    async with server.session() as client:
        await settle()
        async with server.streams.open_tx() as tx:
            stream = (await tx.streams.lock([MAYA]))[MAYA]
            await tx.streams.save([replace(stream, epoch="restored")])
        server.hub.wake_all()
        assert (await client.closed()).code == 4013


async def test_a_client_that_accepts_no_frames_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SEND_SECONDS", 0.01)
    server = StreamServer()
    async with server.session() as client:
        await settle()
        client.stalled = True
        await server.add()
        server.hub.wake_all()
        assert (await client.closed()).code == 4008


async def test_entries_read_too_long_ago_are_read_again_before_sending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slow client gets what it may see when the entry is sent, not when it was read."""
    monkeypatch.setattr(session, "FRESH_SECONDS", 0.0)
    server = StreamServer()
    for _ in range(3):
        await server.streams.add(MAYA, actor=WILLY)
    epoch = (await server.streams.find_stream(MAYA)).epoch
    async with server.session((epoch, 0)) as client:

        async def hide() -> None:
            if client.received:
                server.streams.hidden.add(stream_harness.POST)

        client.on_receive = hide
        monkeypatch.setattr(StreamSession, "event", _bare_event)
        await settle()
    types = [frame.type for frame in client.received if isinstance(frame, frames.Event)]
    assert types[:3] == ["like", "void", "void"]


def _bare_event(self: StreamSession, seen: Any, stream: Any) -> frames.Event:
    """Without the post, which is a plain string here."""
    type_ = "void" if seen.void else seen.entry.type.value
    return frames.Event(seen.entry.seq, "1", type_, "", VOID, Unread.of(stream))  # type: ignore[arg-type]  # a member of the union


@pytest.mark.parametrize(
    ("why", "code", "bye"),
    [(EndReason.SESSION, 4403, 0), (EndReason.DRAIN, 1012, 1), (EndReason.AWAY, 4014, 1)],
)
async def test_a_session_ends_with_its_close_code_and_says_bye_unless_it_was_ended(
    why: EndReason, code: int, bye: int
) -> None:
    server = StreamServer()
    async with server.session() as client:
        await settle()
        client.listener.end(why)
        assert (await client.closed()).code == code
    assert sum(isinstance(frame, frames.Bye) for frame in client.received) == bye


async def test_an_end_does_not_wait_for_a_backlog() -> None:
    server = StreamServer()
    for _ in range(90):
        await server.add()
    epoch = (await server.streams.find_stream(MAYA)).epoch
    async with server.session((epoch, 0)) as client:

        async def end_it() -> None:
            if len(client.seqs) == 3:
                client.listener.end(EndReason.SESSION)

        client.on_receive = end_it
        assert (await client.closed()).code == 4403
    assert client.seqs == [1, 2, 3, 4]


async def test_an_expiring_token_is_announced() -> None:
    server = StreamServer()
    async with server.session(lifetime=timedelta(seconds=0.05)) as client:
        assert (await client.closed()).code == 4401
    assert any(isinstance(frame, frames.ReauthSoon) for frame in client.received)


async def test_a_new_ticket_extends_the_session() -> None:
    server = StreamServer()
    async with server.session(lifetime=timedelta(seconds=0.05)) as client:
        await settle()
        client.session.extend_until(datetime.now(UTC) + timedelta(hours=1))
        client.listener.wake()
        assert client.task is not None
        await asyncio.wait([client.task], timeout=0.1)
        assert not client.task.done()


async def test_a_client_that_answers_no_ping_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(session, "PONG_SECONDS", 0.02)
    server = StreamServer()
    async with server.session() as client:
        assert (await client.closed()).code == 4010
    assert sum(isinstance(frame, frames.Ping) for frame in client.received) == 1


async def test_a_short_database_outage_does_not_end_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "RETRY_SECONDS", 0.01)
    server = StreamServer()
    read_after, failures = server.read_after, [Unavailable("away"), Unavailable("away")]

    async def flaky(user: UserId, last: int) -> Any:
        if failures:
            raise failures.pop()
        return await read_after(user, last)

    server.read_after = flaky
    await server.add()
    epoch = (await server.streams.find_stream(MAYA)).epoch
    async with server.session((epoch, 0)) as client:
        await until(lambda: frames.Live(1) in client.received)
    assert client.seqs == [1]


@pytest.mark.parametrize("frame", ['{"a":' + "[" * 4000, '{"op":"dance"}', "", '{"op":"read","seq":-1}'])
def test_invalid_frames_raise_decode_errors_only(frame: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        frames.decode(frame)

"""Frames that are written while the session sleeps: when, and what is sent the ordinary way instead."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from application.notifications.hub import EndReason
from application.notifications.ports import StreamHint
from domain.shared import Unavailable, UserId
from entrypoints.http.notifications.stream import at_once, frames, session
from entrypoints.http.notifications.stream.at_once import HOME_HINT, text_frame
from tests.unit.stream_session_harness import MAYA, Client, StreamServer, settle, until

HOME = frames.Hint("home")


def payloads(written: bytes) -> list[bytes]:
    """The text messages in what a server sends, as RFC 6455 describes them."""
    found: list[bytes] = []
    while written:
        assert written[0] == 0x81, "a final text frame without compression"
        size, start = written[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(written[2:start])
        found.append(written[start : start + size])
        assert len(found[-1]) == size
        written = written[start + size :]
    return found


def written_seqs(client: Client) -> list[int]:
    texts = [text for written in client.written for text in payloads(written)]
    return [msgspec.json.decode(text)["seq"] for text in texts if b'"op":"event"' in text]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_ready_made_frame_has_the_header_of_its_length(size: int) -> None:
    assert payloads(text_frame(b"x" * size)) == [b"x" * size]


async def test_a_resting_session_gets_a_hint_without_waking_up() -> None:
    server = StreamServer()
    async with server.session(writes_frames=True) as client:
        await settle()
        before = len(client.received)
        server.hub.wake([MAYA], StreamHint.HOME)
        assert client.written == [HOME_HINT]
        assert (client.listener.is_woken, client.listener.home_updated) == (False, False)
        await settle()
    assert len(client.received) == before
    assert server.meter.frames["hint"] == 1


async def test_hints_that_follow_soon_are_sent_as_one_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HOME_SECONDS", 0.05)
    server = StreamServer()
    async with server.session(writes_frames=True) as client:
        await settle()
        for _ in range(5):
            server.hub.wake([MAYA], StreamHint.HOME)
        await until(lambda: HOME in client.received)
        await settle()
        assert client.received.count(HOME) == 1
    assert client.written == [HOME_HINT]


def _buffer(client: Client) -> None:
    client.accepts_frames = False


def _close(client: Client) -> None:
    client.session.closing = ConnectionResetError()


def _end(client: Client) -> None:
    client.listener.end(EndReason.SESSION)


def _wake(client: Client) -> None:
    client.listener.wake()


@pytest.mark.parametrize("change", [_buffer, _close, _end, _wake])
@pytest.mark.parametrize("hint", [*StreamHint])
async def test_nothing_is_written_to_a_full_buffer_or_for_a_session_that_has_other_work(
    change: Callable[[Client], None], hint: StreamHint
) -> None:
    server = StreamServer()
    async with server.session(writes_frames=True) as client:
        await settle()
        await server.add()
        change(client)
        server.hub.wake([MAYA], hint)
        assert client.listener.is_woken or hint is StreamHint.STREAM
        await settle()
    assert client.written == []


async def test_a_session_with_a_full_buffer_gets_hint_and_entry_the_ordinary_way() -> None:
    server = StreamServer()
    async with server.session(writes_frames=True) as client:
        await settle()
        client.accepts_frames = False
        await server.add()
        server.hub.wake([MAYA], StreamHint.HOME)
        server.hub.wake([MAYA], StreamHint.STREAM)
        await until(lambda: bool(client.seqs))
    assert (client.seqs, client.received.count(HOME), client.written) == ([1], 1, [])


async def test_a_hint_waits_for_the_frame_that_is_being_sent() -> None:
    server = StreamServer()
    async with server.session(writes_frames=True) as client:
        await settle()
        client.accepts_frames = False

        async def hint() -> None:
            client.accepts_frames = True
            server.hub.wake([MAYA], StreamHint.HOME)
            assert client.written == []

        client.on_receive = hint
        await server.add()
        server.hub.wake([MAYA], StreamHint.STREAM)
        await until(lambda: HOME in client.received)
    assert [type(frame) for frame in client.received[-2:]] == [frames.Event, frames.Hint]


async def test_a_session_that_has_not_caught_up_gets_no_entry_before_those_that_it_lacks() -> None:
    server = StreamServer()
    for _ in range(3):
        await server.add()
    epoch = (await server.streams.find_stream(MAYA)).epoch
    async with server.session((epoch, 0), writes_frames=True) as client:
        server.hub.wake([MAYA], StreamHint.STREAM)
        assert client.written == []
        await settle()
        await server.add()
        server.hub.wake([MAYA], StreamHint.STREAM)
        await until(lambda: bool(client.written))
    assert (client.seqs, written_seqs(client)) == ([1, 2, 3], [4])


async def test_an_entry_is_read_and_encoded_once_for_all_resting_sessions_of_a_user() -> None:
    server = StreamServer()
    reads = 0
    read_after = server.read_after

    async def counted(user: UserId, last: int) -> Any:
        nonlocal reads
        reads += 1
        return await read_after(user, last)

    server.read_after = counted
    async with server.session(writes_frames=True) as one, server.session(writes_frames=True) as other:
        await settle()
        reads = 0
        await server.add()
        server.hub.wake([MAYA], StreamHint.STREAM)
        server.hub.wake([MAYA], StreamHint.STREAM)
        await until(lambda: bool(other.written))
        await settle()
    assert (reads, written_seqs(one), one.written) == (1, [1], other.written)
    assert one.written[0] is other.written[0]
    assert (one.seqs, other.seqs, one.listener.last) == ([], [], 1)


async def test_entries_that_arrive_during_a_push_follow_in_order_and_once() -> None:
    server = StreamServer()
    read_after = server.read_after
    during = [2, 3]
    """The entries that are added while the first one is being read."""

    async def slow(user: UserId, last: int) -> Any:
        page = await read_after(user, last)
        if during and client.listener.last == 0:
            during.pop()
            await server.add()
            server.hub.wake([MAYA], StreamHint.STREAM)
            await settle()
        return page

    async with server.session(writes_frames=True) as client:
        await settle()
        server.read_after = slow
        await server.add()
        server.hub.wake([MAYA], StreamHint.STREAM)
        await until(lambda: client.listener.last == 3)
        await settle()
    assert sorted([*client.seqs, *written_seqs(client)]) == [1, 2, 3]


async def test_a_failed_push_is_repeated_by_the_session_itself() -> None:
    server = StreamServer()
    read_after, failures = server.read_after, [Unavailable("away")]

    async def flaky(user: UserId, last: int) -> Any:
        if failures and last == 0 and client.listener.last == 0 and client.session._live:
            raise failures.pop()
        return await read_after(user, last)

    server.read_after = flaky
    async with server.session(writes_frames=True) as client:
        await settle()
        await server.add()
        server.hub.wake([MAYA], StreamHint.STREAM)
        await until(lambda: bool(client.seqs))
    assert (client.seqs, client.written, failures) == ([1], [], [])


@pytest.mark.parametrize("limit", ["AT_ONCE", "MAX_BYTES"])
async def test_what_is_too_much_for_one_write_is_sent_one_by_one(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(at_once, limit, 2)
    server = StreamServer()
    async with server.session(writes_frames=True) as client:
        await settle()
        await server.add()
        await server.add()
        server.hub.wake([MAYA], StreamHint.STREAM)
        await until(lambda: len(client.seqs) == 2)
    assert (client.seqs, client.written) == ([1, 2], [])


async def test_a_history_that_was_rewritten_is_not_pushed() -> None:
    server = StreamServer()
    async with server.session(writes_frames=True) as client:
        await settle()
        await server.add()
        async with server.streams.open_tx() as tx:
            stream = (await tx.streams.lock([MAYA]))[MAYA]
            await tx.streams.save([replace(stream, epoch="restored")])
        server.hub.wake([MAYA], StreamHint.STREAM)
        assert (await client.closed()).code == 4013
    assert client.written == []


async def test_nothing_is_written_after_the_session_has_ended() -> None:
    server = StreamServer()
    async with server.session(lifetime=timedelta(seconds=0.05), writes_frames=True) as client:
        assert (await client.closed()).code == 4401
        server.hub.wake([MAYA], StreamHint.HOME)
        server.hub.wake([MAYA], StreamHint.STREAM)
        await settle()
    assert (client.written, client.listener.at_once) == ([], None)

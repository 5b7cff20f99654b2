"""The hub: which listeners it wakes, and which it ends."""

import asyncio

import pytest

from application.notifications.hub import EndReason, TooManyListeners
from application.notifications.ports import StreamHint
from domain.shared import SessionId
from tests.unit.stream_session_harness import MAYA, SESSION, WILLY, StreamServer, settle, until


async def test_a_user_can_have_ten_streams_and_existing_ones_stay() -> None:
    server = StreamServer()
    listeners = [server.hub.join(MAYA, SESSION) for _ in range(10)]
    with pytest.raises(TooManyListeners):
        server.hub.join(MAYA, SESSION)
    server.hub.join(WILLY, SESSION)
    server.hub.leave(listeners[4])
    server.hub.join(MAYA, SESSION)
    assert (len(server.hub), any(listener.end_reason for listener in server.hub)) == (11, False)


async def test_the_hub_wakes_listeners_that_are_behind_without_a_hint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("application.notifications.hub.HEADS_SECONDS", 0.01)
    server = StreamServer()
    following = asyncio.create_task(server.hub.follow_heads())
    async with server.session() as client:
        await settle()
        await server.add()
        await until(lambda: bool(client.seqs))
    following.cancel()
    assert client.seqs == [1]


async def test_an_ended_session_ends_its_streams_but_a_failed_query_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("application.notifications.hub.SESSIONS_SECONDS", 0.01)
    server = StreamServer(database_unavailable=True)
    server.ended.add(SESSION)
    mine, other = server.hub.join(MAYA, SESSION), server.hub.join(MAYA, SessionId(8))
    following = asyncio.create_task(server.hub.follow_sessions())
    await until(lambda: server.failed_queries >= 2)
    assert not mine.end_reason
    server.database_unavailable = False
    await until(lambda: mine.end_reason is not None)
    following.cancel()
    assert [mine.end_reason, other.end_reason] == [EndReason.SESSION, None]


async def test_a_draining_hub_also_ends_listeners_that_join_later() -> None:
    server = StreamServer()
    first = server.hub.join(MAYA, SESSION)
    server.hub.drain()
    later = server.hub.join(WILLY, SESSION)
    assert (first.end_reason, later.end_reason) == (EndReason.DRAIN, EndReason.DRAIN)
    wait_until_empty = asyncio.create_task(server.hub.wait_until_empty())
    for listener in (first, later):
        assert not wait_until_empty.done()
        server.hub.leave(listener)
        await settle()
    assert wait_until_empty.done()


async def test_whoever_sends_a_hint_goes_on_after_the_entry_was_sent() -> None:
    server = StreamServer()
    async with server.session(writes_frames=True) as client:
        await settle()
        await server.add()
        assert client.written == []
        await server.hub.send_hint([MAYA], StreamHint.STREAM)
        assert len(client.written) == 1

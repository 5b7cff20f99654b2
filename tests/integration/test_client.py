"""The stream client over a real socket, against a server with faults."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest

from tests.integration.stream_server import StreamServer, a_stream_server
from tests.unit.reference_stream import Json
from waggle_client import ListReloaded, Live, LoginRequired, Stream, StreamEnded, StreamEvent, StreamHint
from waggle_client import stream as stream_module

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StreamServer]:
    monkeypatch.setattr("waggle_client.protocol.MIN_PAUSE", 0.01)
    monkeypatch.setattr("waggle_client.protocol.OVERLOAD_PAUSE", 0.02)
    async with a_stream_server() as server:
        yield server


async def a_token() -> str:
    return "a token"


async def until(stream: Stream, seq: int) -> list[int]:
    """The numbers of the events until that entry was applied."""
    seqs: list[int] = []
    while stream.state.seq < seq:
        item = await anext(stream)
        if isinstance(item, StreamEvent):
            seqs.append(item.seq)
    return seqs


async def live(stream: Stream) -> None:
    while not isinstance(await anext(stream), Live):
        pass


async def test_the_client_lists_first_and_then_follows_the_stream(server: StreamServer) -> None:
    await server.add_entries(5)
    async with Stream(server.url, a_token) as stream:
        assert await anext(stream) == ListReloaded()
        assert [item["seq"] for item in stream.state.newest_first] == [5, 4, 3]
        await server.add_entries()
        await live(stream)

        assert await until(stream, 6) == [6]
        assert stream.state.newest_first[0]["seq"] == 6
        assert stream.state.unread["total"] == 6


async def test_nothing_is_lost_or_duplicated_whatever_closes_the_connection(
    server: StreamServer,
) -> None:
    async with Stream(server.url, a_token) as stream:
        await live(stream)
        seqs: list[int] = []
        for code in (None, 1001, 1012, 4000, 4008, 4009, 4010, 4014, 4029, 4401):
            await server.add_entries(3)
            if code is None:
                server.abort_all()
            else:
                await server.close_all(code)
            await server.add_entries(3)
            seqs += await until(stream, server.model.head)

        assert seqs == list(range(1, 61))
        assert server.connections == 11


@pytest.mark.parametrize("times", [0, 2])
async def test_lost_frames_are_requested_and_duplicates_are_dropped(server: StreamServer, times: int) -> None:
    damaged = {3, 4, 7, 30}

    def copies_of(frame: Json) -> int:
        if frame["seq"] not in damaged:
            return 1
        damaged.remove(frame["seq"])
        return times

    server.copies_of = copies_of
    async with Stream(server.url, a_token) as stream:
        await live(stream)
        await server.add_entries(30)
        await server.add_entries()  # the gap before the last one shows that frames were lost

        assert await until(stream, 31) == list(range(1, 32))


@pytest.mark.parametrize("code", [4007, 4013])
async def test_the_client_lists_again_if_the_cursor_is_invalid(server: StreamServer, code: int) -> None:
    async with Stream(server.url, a_token) as stream:
        await live(stream)
        await server.add_entries(4)
        await until(stream, 4)
        server.model.restore(2)
        await server.close_all(code)

        assert await anext(stream) == ListReloaded()
        assert [item["seq"] for item in stream.state.newest_first] == [2, 1]


async def test_the_client_lists_again_after_a_restore(server: StreamServer) -> None:
    await server.add_entries(4)
    async with Stream(server.url, a_token) as stream:
        await live(stream)
        server.model.restore(2)
        server.model.epoch = "two"
        await server.close_all(1012)

        assert await anext(stream) == ListReloaded()
        assert (stream.state.epoch, stream.state.seq) == ("two", 2)


@pytest.mark.parametrize(("code", "kind"), [(4400, StreamEnded), (4406, StreamEnded), (4403, LoginRequired)])
async def test_the_client_ends_on_permanent_close_codes(
    server: StreamServer, code: int, kind: type[StreamEnded]
) -> None:
    async with Stream(server.url, a_token) as stream:
        await live(stream)
        await server.close_all(code)
        with pytest.raises(kind):
            await anext(stream)


async def test_each_connection_requests_a_token(server: StreamServer) -> None:
    tokens = iter(["one", "its list", "two"])

    async def token() -> str:
        return next(tokens)

    async with Stream(server.url, token) as stream:
        await live(stream)
        await server.close_all(4401)
        await live(stream)

    assert server.tokens == ["one", "two"]


@pytest.mark.parametrize(
    "status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE]
)
async def test_the_client_reconnects_after_a_temporary_refusal(
    server: StreamServer, status: HTTPStatus
) -> None:
    server.refusals = [status, status]
    async with Stream(server.url, a_token) as stream:
        await live(stream)

    assert server.refusals == []


async def test_the_client_ends_after_a_permanent_refusal(server: StreamServer) -> None:
    server.refusals = [HTTPStatus.NOT_FOUND]
    async with Stream(server.url, a_token) as stream:
        with pytest.raises(StreamEnded):
            await anext(stream)


async def test_the_client_sends_the_read_marker_at_once_or_after_reconnecting(server: StreamServer) -> None:
    await server.add_entries(5)
    async with Stream(server.url, a_token) as stream:
        await stream.mark_read(2)
        await live(stream)
        await stream.mark_read(4)
        async with asyncio.timeout(5):
            while len(server.reads) < 2:  # noqa: ASYNC110 - the test server has no event for it
                await asyncio.sleep(0.01)  # between two looks

    assert server.reads == [2, 4]


async def test_the_client_gets_a_ticket_before_its_token_expires(server: StreamServer) -> None:
    asked: list[tuple[str, str, str]] = []

    async def request(method: str, url: str, token: str) -> Any:
        asked.append((method, url.removeprefix(server.url), token))
        return {"ticket": "secret"} if method == "POST" else server.model.page()

    async with Stream(server.url, a_token, request=request) as stream:
        await live(stream)
        await server.send_all({"op": "reauth", "in_s": 60})
        await server.send_all({"op": "hint", "hint": "home"})
        assert await anext(stream) == StreamHint("home")

    assert asked[1:] == [("POST", "/api/v1/stream/ticket", "a token")]


async def test_the_client_reconnects_if_the_server_is_silent(
    server: StreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is gone, but the connection was not closed."""
    async with Stream(server.url, a_token) as stream:
        await live(stream)
        monkeypatch.setattr(stream_module, "TIMEOUT", 0.2)
        stream.protocol.heartbeat = 0.05
        await live(stream)

    assert server.connections == 2

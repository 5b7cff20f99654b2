"""A start that takes long, asked in the middle: the probes of a server that is not complete."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from entrypoints.http.starting import responding_to_probes


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def get(listener: socket.socket, method: str, path: str) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}{path}"
    async with httpx.AsyncClient(timeout=20) as http:
        answer = await http.request(method, url)
    return answer.status_code, answer.json()


async def test_the_probes_of_a_server_that_starts(listener: socket.socket) -> None:
    async with responding_to_probes(listener):
        assert await get(listener, "GET", "/livez") == (200, {"status": "ok", "checks": {}})
        unready = {"status": "unready", "checks": {"process": "starting"}}
        assert await get(listener, "GET", "/startupz") == (503, unready)
        assert await get(listener, "GET", "/readyz") == (503, unready)
        status, problem = await get(listener, "POST", "/api/v1/auth/login")
        assert (status, problem["code"]) == (503, "overloaded")


async def test_a_connection_that_comes_later_is_answered_by_the_server_itself(
    listener: socket.socket,
) -> None:
    async with responding_to_probes(listener):
        idle = await asyncio.open_connection(*listener.getsockname())
        await asyncio.sleep(0)
    early = asyncio.create_task(get(listener, "GET", "/livez"))
    await asyncio.sleep(0.05)  # real time must pass: an answer of the ended responder would come in it
    assert not early.done()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, sock=listener.dup()):
        assert await early == (200, {})
    assert await idle[0].read() == b""
    idle[1].close()

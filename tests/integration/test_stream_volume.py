"""Very many entries, added as fast as the store accepts them, over real sockets that are closed now and then.

Quick: 3,000. With `WAGGLE_TEST_LONG=1` a million, or `WAGGLE_TEST_EVENTS`, which takes some minutes."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from application.notifications.notify import NotificationRequest
from domain.notifications import NotificationKind
from domain.shared import UserId
from entrypoints.container import Container, build
from entrypoints.http.app import create_app
from entrypoints.runtime import running
from entrypoints.settings import Settings
from tests.blackbox.client import Json, fresh_name
from waggle_client import Stream, StreamEvent

LONG = os.environ.get("WAGGLE_TEST_LONG", "") not in {"", "0"}
EVENTS = int(os.environ.get("WAGGLE_TEST_EVENTS", "1000000" if LONG else "3000"))
USERS = 100 if LONG else 20
CUT = 50
"""Entries of each user between two aborted connections."""


@asynccontextmanager
async def a_server(folder: Path) -> AsyncIterator[tuple[Container, str]]:
    """A server in this process, so that the test can call its use cases."""
    settings = Settings.read(
        {"WAGGLE_DATA_DIR": str(folder), "WAGGLE_PASSWORD_COST": "4", "WAGGLE_RATE_LIMITS": "off"}
    )
    container = build(settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with running(container, settings):
            config = uvicorn.Config(
                create_app(container, settings),
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                ws_ping_interval=None,
                lifespan="off",
                log_config=None,
                timeout_graceful_shutdown=1,
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server._serve(sockets=[listener]))
            yield container, f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
            await serving


async def register(http: httpx.AsyncClient) -> Json:
    name = fresh_name()
    body = {"username": name, "email": f"{name}@example.org", "password": "correct horse battery"}
    found: Json = (await http.post("/api/v1/auth/register", json=body)).json()
    return found


async def count(stream: Stream, up_to: int, counted: list[int]) -> None:
    """Record the numbers of events until that entry was applied."""
    async for item in stream:
        if isinstance(item, StreamEvent):
            counted.append(item.seq)
            stream.state.items.clear()  # keeps the memory small
            if item.seq == up_to:
                return


@pytest.mark.timeout(1800 if LONG else 120)
async def test_each_of_very_many_entries_arrives_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waggle_client.protocol.MIN_PAUSE", 0.02)
    rounds, chance = EVENTS // USERS, random.Random(1)  # noqa: S311 - no secret
    async with a_server(tmp_path) as (container, url):
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            actor, *people = [await register(http) for _ in range(USERS + 1)]

        def token_of(person: Json) -> str:
            return str(person["tokens"]["access_token"])

        async def following(person: Json, counted: list[int]) -> None:
            async def token() -> str:
                return token_of(person)

            async with Stream(url, token) as stream:
                streams.append(stream)
                await count(stream, rounds, counted)

        streams: list[Stream] = []
        counted: list[list[int]] = [[] for _ in people]
        tasks = [asyncio.create_task(following(*each)) for each in zip(people, counted, strict=True)]
        while len(streams) < USERS or not all(one.protocol.connected for one in streams):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        notify, users = container.notifications().notify, [UserId(int(one["user"]["id"])) for one in people]
        for number in range(rounds):
            await notify(
                NotificationRequest(
                    NotificationKind.FOLLOW, UserId(int(actor["user"]["id"])), dedupe=(number,)
                ),
                users,
            )
            if number % CUT == 0:
                broken = chance.choice(streams)._socket
                if broken is not None:
                    broken.transport.abort()
        await asyncio.gather(*tasks)

    assert [seqs == [*range(1, rounds + 1)] for seqs in counted] == [True] * USERS
    print(f"{rounds * USERS} entries, {rounds // CUT} cuts: each arrived once")  # noqa: T201

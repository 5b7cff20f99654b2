"""Loads, servers and database changes for test_stream_proof.py."""

import asyncio
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from .client import Api, Member, done, eventually
from .conftest import stores_of
from .load import register_members
from .network_proxy import NetworkProxy, network_proxy
from .notification_load import NotificationLoad, Recipient, keys_of
from .process import Waggle
from .stream_recorder import DeviceRunner, Recorder, check, list_all, wait_until

RECIPIENTS, ACTORS = 3, 8


class Pair(NamedTuple):
    """Two servers on one PostgreSQL and one Redis, whose connections can be cut."""

    servers: list[Waggle]
    database: NetworkProxy
    redis: NetworkProxy
    urls: list[str]


@contextmanager
def pair_of_servers(request: pytest.FixtureRequest, folder: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        url, named = stack.enter_context(stores_of(request, "scaled"))
        database = stack.enter_context(network_proxy(url))
        redis = stack.enter_context(network_proxy(named["WAGGLE_REDIS_URL"]))
        settings = {"WAGGLE_PUBLIC_URL": "http://waggle.test", "WAGGLE_REDIS_URL": redis.url}
        servers = [Waggle("scaled", folder, database.url, settings=settings) for _ in range(2)]
        servers[0].migrate()
        for waggle in servers:
            stack.callback(waggle.kill)
            waggle.start()
        yield Pair(servers, database, redis, [waggle.base_url for waggle in servers])
        assert [waggle.stop() for waggle in servers] == [0, 0]


@contextmanager
def running_load(run: DeviceRunner, load: NotificationLoad) -> Iterator[Callable[[int], None]]:
    """Runs the load until the `with` block ends. Yields a function that waits for a number of actions."""
    running = run.portal.start_task_soon(load.run)

    def wait(actions: int) -> None:
        until = load.actions + actions
        wait_until(lambda: load.actions >= until or running.done(), 60)
        if running.done():
            running.result()

    try:
        yield wait
    finally:
        run.portal.call(load.end)
    running.result()


def notification_load(api: Api, chance: random.Random, urls: Sequence[str]) -> NotificationLoad:
    people = register_members(api, RECIPIENTS + ACTORS)
    return NotificationLoad.of(urls, people[:RECIPIENTS], people[RECIPIENTS:], chance)


def devices_of(load: NotificationLoad, chance: random.Random, per_recipient: int = 1) -> list[Recorder]:
    return [
        Recorder(recipient.member, load.urls, chance)
        for recipient in load.recipients
        for _ in range(per_recipient)
    ]


def check_recipients(load: NotificationLoad) -> None:
    """Each recipient has each notification once, and none for something that was undone."""

    def check_one(recipient: Recipient) -> None:
        found = Counter(keys_of(list_all(recipient.member)[1]))
        lost, too_many = recipient.keys - found.keys(), found - Counter(recipient.keys)
        assert (lost, too_many) == (set(), Counter()), f"of {len(recipient.keys)}: {lost=}, {too_many=}"

    for recipient in load.recipients:
        eventually(partial(check_one, recipient), 45)  # leases of a killed server last half a minute


def violations(*recorders: Recorder) -> list[str]:
    """The entries that the devices got twice, out of order or not at all, once each of them shows what its list contains."""
    for recorder in recorders:
        check(recorder)
    return [fault for recorder in recorders for fault in recorder.protocol.violations]


def print_summary(what: str, recorders: Sequence[Recorder]) -> None:
    events = sum(len(one.protocol.events) for one in recorders)
    connections = sum(one.protocol.connections for one in recorders)
    violations = sum(len(one.protocol.violations) for one in recorders)
    counts = f"{connections} connections, {events} events, {violations} lost, duplicated or out of order"
    print(f"{what}: {counts}")  # noqa: T201


def read_and_dismiss(recipient: Recipient, recorder: Recorder, chance: random.Random) -> None:
    """Change the same stream by another device of the user."""
    items = list(recorder.state.items.items())
    if len(items) > 3:
        done(recipient.member.put("/api/v1/notifications/read", json={"seq": chance.choice(items)[0]}))
        seq, item = chance.choice(items)
        assert recipient.member.delete(f"/api/v1/notifications/{seq}").status_code in {204, 404}
        recipient.keys -= set(keys_of([item]))


def trim_to(waggle: Waggle, member: Member, floor: int) -> None:
    """Trim the stream directly in the database, since waiting for it would take too long."""
    mine = f"user_id = {member.id}"
    unread = json.dumps({"like": 9 - floor})
    execute_sql(
        waggle,
        f"DELETE FROM stream_entries WHERE {mine} AND seq < {floor}",
        f"UPDATE streams SET floor = {floor}, read_to = {floor - 1}, unread = '{unread}' WHERE {mine}",
    )


def execute_sql(waggle: Waggle, *statements: str) -> None:
    """Execute statements directly in the database of the server."""
    if waggle.shape == "embedded":
        with closing(sqlite3.connect(waggle.data_dir / "waggle.db", timeout=10)) as database, database:
            for statement in statements:
                database.execute(statement)
        return

    async def run() -> None:
        connection = await asyncpg.connect(waggle.database_url)
        try:
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())

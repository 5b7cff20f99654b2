"""Nothing of a stream is lost, nothing comes twice, and all comes in order, whatever happens to whom.

Quick: a storm and one of each fault. `WAGGLE_TEST_LONG=1`: many, and what they came to is printed.
"""

import asyncio
import json
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from tests.integration._servers.stores import ask_redis
from waggle_client import LoginRequired, Notifications

from .client import Api, Member, done, eventually
from .conftest import LONG, RUNNING, SHAPES, a_waggle, stores_of
from .load import register_members
from .network_proxy import NetworkProxy, network_proxy
from .notification_load import NotificationLoad, Recipient, keys_of
from .process import Waggle
from .recording import Recorder, Run, check, devices, snapshot, soon, the_list

TOLD, ACTORS = 3, 8
ROUNDS = 60 if LONG else 5
"""How often something happens to somebody in a storm."""
DEEDS = 25 if LONG else 15
"""Between two of these."""
KEPT = [shape for shape in SHAPES if shape == "embedded" or (LONG and shape != "memory")] or ["none"]


@pytest.fixture(params=KEPT)
def waggle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    """A server of its own, since it will be killed."""
    if RUNNING or request.param == "none":
        pytest.skip("this needs its own server that keeps its data")
    with a_waggle(request, request.param, tmp_path) as running:
        yield running


@pytest.fixture
def run() -> Iterator[Run]:
    with devices() as run:
        yield run


class Pair(NamedTuple):
    """Two processes on one PostgreSQL and one Redis, which can both be cut off."""

    servers: list[Waggle]
    database: NetworkProxy
    redis: NetworkProxy
    urls: list[str]


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if RUNNING or "scaled" not in SHAPES:
        pytest.skip("the shape scaled is not among those that are tested")
    with ExitStack() as stack:
        url, named = stack.enter_context(stores_of(request, "scaled"))
        database = stack.enter_context(network_proxy(url))
        redis = stack.enter_context(network_proxy(named["WAGGLE_REDIS_URL"]))
        settings = {"WAGGLE_PUBLIC_URL": "http://waggle.test", "WAGGLE_REDIS_URL": redis.url}
        folder = tmp_path_factory.mktemp("pair")
        servers = [Waggle("scaled", folder, database.url, settings=settings) for _ in range(2)]
        servers[0].migrate()
        for waggle in servers:
            stack.callback(waggle.kill)
            waggle.start()
        yield Pair(servers, database, redis, [waggle.base_url for waggle in servers])
        assert [waggle.stop() for waggle in servers] == [0, 0]


@contextmanager
def running_load(run: Run, load: NotificationLoad) -> Iterator[Callable[[int], None]]:
    """Runs the load until the block ends. Yields a function that waits for a number of actions."""
    running = run.portal.start_task_soon(load.run)

    def wait(actions: int) -> None:
        until = load.actions + actions
        soon(lambda: load.actions >= until or running.done(), 60)
        if running.done():
            running.result()

    try:
        yield wait
    finally:
        run.portal.call(load.end)
    running.result()


def notification_load(api: Api, chance: random.Random, urls: Sequence[str]) -> NotificationLoad:
    people = register_members(api, TOLD + ACTORS)
    return NotificationLoad.of(urls, people[:TOLD], people[TOLD:], chance)


def every_recipient_is_notified_once(load: NotificationLoad) -> None:
    """Each recipient has each notification once, and none for something that was undone."""

    def check_one(recipient: Recipient) -> None:
        found = Counter(keys_of(the_list(recipient.member)[1]))
        lost, too_many = recipient.keys - found.keys(), found - Counter(recipient.keys)
        assert (lost, too_many) == (set(), Counter()), f"of {len(recipient.keys)}: {lost=}, {too_many=}"

    for recipient in load.recipients:
        eventually(
            partial(check_one, recipient), 45
        )  # what a killed process had begun is leased for half a minute


def sum_up(what: str, recorders: Sequence[Recorder]) -> None:
    events = sum(len(one.watching.events) for one in recorders)
    connections = sum(one.watching.connections for one in recorders)
    faults = sum(len(one.watching.faults) for one in recorders)
    print(f"{what}: {connections} connections, {events} events, {faults} lost, doubled or out of order")  # noqa: T201


@pytest.mark.timeout(900 if LONG else 120)
def test_whatever_cuts_a_stream_its_user_is_told_everything_once(
    waggle: Waggle, run: Run, chance: random.Random
) -> None:
    """Cables are pulled, devices sleep and wake, one is switched on now and then, the server is killed."""
    with closing(Api(waggle.base_url)) as api:
        load = notification_load(api, chance, [waggle.base_url])
        steady = [Recorder(recipient.member, load.urls, chance) for recipient in load.recipients]
        others = [Recorder(recipient.member, load.urls, chance) for recipient in load.recipients]
        run(*steady, *others)
        snapshots: list[tuple[int, Notifications]] = []
        with running_load(run, load) as wait:
            for number in range(ROUNDS):
                who = chance.randrange(TOLD)
                if number % 6 == 3:
                    waggle.kill()
                    waggle.start()
                elif number % 2:
                    run.portal.call(others[who].stall)
                snapshots.append((who, snapshot(load.recipients[who].member)))
                _reads_and_dismisses(load.recipients[who], steady[who], chance)
                run.portal.call(chance.choice([*steady, *others]).cut)
                wait(DEEDS)
                run.portal.call(others[who].go_on)
        every_recipient_is_notified_once(load)
        for who, recorder in enumerate(steady):
            check(recorder, [state for whose, state in snapshots if whose == who])
        for recorder in others:
            check(recorder)
        sum_up(f"storm on {waggle.shape}", [*steady, *others])


def _reads_and_dismisses(told: Recipient, recorder: Recorder, chance: random.Random) -> None:
    """Changes of the same stream, by a device of the user."""
    items = list(recorder.state.items.items())
    if len(items) > 3:
        done(told.member.put("/api/v1/notifications/read", json={"seq": chance.choice(items)[0]}))
        seq, item = chance.choice(items)
        assert told.member.delete(f"/api/v1/notifications/{seq}").status_code in {204, 404}
        told.keys -= set(keys_of([item]))


@pytest.mark.skipif(not LONG, reason="takes half a minute: runs with make test-long")
@pytest.mark.scaled
@pytest.mark.timeout(900 if LONG else 120)
def test_op7_a_rolling_restart_loses_nothing(pair: Pair, run: Run, chance: random.Random) -> None:
    with closing(Api(pair.urls[0])) as api:
        load = notification_load(api, chance, pair.urls)
        recorders = [
            Recorder(recipient.member, load.urls, chance) for recipient in load.recipients for _ in range(2)
        ]
        run(*recorders)
        with running_load(run, load) as wait:
            for _ in range(5 if LONG else 1):
                for waggle in pair.servers if LONG else pair.servers[:1]:
                    assert waggle.stop() == 0
                    waggle.start()
                    wait(DEEDS)
        every_recipient_is_notified_once(load)
        for recorder in recorders:
            check(recorder)
            assert set(recorder.watching.codes) <= {1012, None}  # None: nobody was there to connect to
        sum_up("rolling restart", recorders)


@pytest.mark.scaled
@pytest.mark.timeout(600 if LONG else 120)
def test_re4_re11_redis_may_be_away_hang_and_forget(pair: Pair, run: Run, chance: random.Random) -> None:
    with closing(Api(pair.urls[0])) as api:
        load = notification_load(api, chance, pair.urls)
        recorders = [
            Recorder(recipient.member, load.urls, chance) for recipient in load.recipients for _ in range(2)
        ]
        run(*recorders)
        with running_load(run, load) as wait:
            for _ in range(10 if LONG else 1):
                for fault in (pair.redis.cut, pair.redis.hang):
                    fault()
                    wait(DEEDS)
                    pair.redis.restore()
                    wait(DEEDS)
                ask_redis(pair.redis.url, ("FLUSHALL",))
                wait(DEEDS)
        every_recipient_is_notified_once(load)
        for recorder in recorders:
            check(recorder)
            assert recorder.watching.codes == []  # nobody who listens has noticed
        sum_up("Redis away", recorders)


@pytest.mark.skipif(not LONG, reason="takes half a minute: runs with make test-long")
@pytest.mark.scaled
@pytest.mark.timeout(600 if LONG else 120)
def test_the_database_may_be_away_and_come_back(pair: Pair, run: Run, chance: random.Random) -> None:
    with closing(Api(pair.urls[0])) as api:
        load = notification_load(api, chance, pair.urls)
        recorders = [
            Recorder(recipient.member, load.urls, chance) for recipient in load.recipients for _ in range(2)
        ]
        run(*recorders)
        with running_load(run, load) as wait:
            for _ in range(10 if LONG else 1):
                chance.choice([pair.database.cut, pair.database.hang])()
                run.portal.call(recorders[0].cut)
                time.sleep(chance.uniform(0.3, 2))  # there is nothing to wait for: nothing happens
                pair.database.restore()
                wait(DEEDS)
        every_recipient_is_notified_once(load)
        for recorder in recorders:
            check(recorder)
        sum_up("database away", recorders)


@pytest.mark.told_by("embedded")
@pytest.mark.timeout(900 if LONG else 60)
def test_who_connects_while_others_write_misses_nothing_between_the_list_and_the_stream(
    api: Api, base_url: str, run: Run, chance: random.Random
) -> None:
    load = notification_load(api, chance, [base_url])
    steady = [Recorder(recipient.member, load.urls, chance) for recipient in load.recipients]
    run(*steady)
    late: list[tuple[Recorder, Recorder]] = []
    with running_load(run, load) as wait:
        for number in range(500 if LONG else 15):
            beside = chance.choice(steady)
            state = chance.choice([Notifications(), snapshot(beside.member)])
            recorder = Recorder(beside.member, load.urls, chance, state)
            late.append((beside, recorder))
            run(recorder)
            wait(chance.randrange(4))
            if number % 2:
                run.stop(recorder)
    run.stop(*[recorder for _, recorder in late[:-6]])
    every_recipient_is_notified_once(load)
    for recorder in steady:
        check(recorder)
    for beside, recorder in late:
        assert recorder.watching.faults == []
        for place, event in recorder.watching.events.items():
            assert event.type in {beside.watching.events[place].type, "void"}
    sum_up("connecting while others write", [recorder for _, recorder in late])


def test_op8_after_a_restore_devices_list_again(waggle: Waggle, run: Run, chance: random.Random) -> None:
    """What they were told since the backup is not there, and its numbers are given to others."""
    with closing(Api(waggle.base_url)) as api:
        maya, *others = register_members(api, 7)
        post = maya.publishes()
        device = Recorder(maya, [waggle.base_url], chance)
        run(device)
        for other in others[:3]:
            other.likes(post)
        soon(lambda: len(device.state.items) == 3)
        epoch = device.state.epoch
        if waggle.shape == "embedded":
            waggle.stop()
            backup = waggle.folder / "backup"
            shutil.copytree(waggle.data_dir, backup)
            waggle.start()
            for other in others[3:5]:
                other.likes(post)
            soon(lambda: len(device.state.items) == 5)
            waggle.stop()
            shutil.rmtree(waggle.data_dir)
            backup.rename(waggle.data_dir)
        renewed = waggle.command("streams", "renew")  # on PostgreSQL the server does not stop for it
        assert renewed.returncode == 0, renewed.stderr
        if waggle.shape == "embedded":
            waggle.start()
        others[5].likes(post)

        soon(lambda: len(device.state.items) == 4)
        check(device)
        assert device.state.epoch != epoch
        assert device.lists == 2


def test_a_cursor_that_was_made_up_and_one_that_is_too_old_make_devices_list_again(
    api: Api, base_url: str, run: Run, chance: random.Random
) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    willy.likes(post)
    soon(lambda: the_list(maya)[1])
    state = snapshot(maya)
    forged, other = deepcopy(state), deepcopy(state)
    forged.seq += 1000
    other.epoch = "0123456789abcdef"
    devices = [Recorder(maya, [base_url], chance, one) for one in (state, forged, other)]
    run(*devices)
    willy.comments(post)
    for device in devices:
        check(device)
    assert [device.lists for device in devices] == [0, 1, 1]
    assert devices[1].watching.codes == [4007]


def test_what_is_not_kept_any_more_makes_devices_list_again(
    waggle: Waggle, run: Run, chance: random.Random
) -> None:
    with closing(Api(waggle.base_url)) as api:
        maya, *others = register_members(api, 9)
        post = maya.publishes()
        here, away, just_there = (Recorder(maya, [waggle.base_url], chance) for _ in range(3))
        run(here, away, just_there)
        others[0].likes(post)
        soon(lambda: all(len(one.state.items) == 1 for one in (here, away, just_there)))
        run.stop(away)
        others[1].likes(post)
        soon(lambda: len(here.state.items) == len(just_there.state.items) == 2)
        run.stop(just_there)
        for other in others[2:]:
            other.likes(post)
        soon(lambda: len(here.state.items) == 8)
        _keep_from(waggle, maya, 3)
        run(away, just_there)

        for device in (away, just_there):
            check(device)
        assert [device.lists for device in (here, away, just_there)] == [1, 2, 1]
        assert sorted(just_there.state.items) == [3, 4, 5, 6, 7, 8]


def _keep_from(waggle: Waggle, member: Member, floor: int) -> None:
    """As time does, which is too long for a test."""
    mine = f"user_id = {member.id}"
    unread = json.dumps({"like": 9 - floor})
    write(
        waggle,
        f"DELETE FROM stream_entries WHERE {mine} AND seq < {floor}",
        f"UPDATE streams SET floor = {floor}, read_to = {floor - 1}, unread = '{unread}' WHERE {mine}",
    )


def write(waggle: Waggle, *statements: str) -> None:
    """Into the database of the server, beside it."""
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


@pytest.mark.parametrize("by", ["a block", "a deletion", "a device"])
def test_ws3_what_was_taken_back_before_it_was_sent_is_not_shown(
    api: Api, base_url: str, run: Run, chance: random.Random, by: str
) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    asleep = Recorder(maya, [base_url], chance)
    awake = Recorder(maya, [base_url], chance)
    run(asleep, awake)
    run.stop(asleep)
    comment = willy.comments(post, "honey for you")
    soon(lambda: awake.state.items)
    if by == "a block":
        done(maya.put(f"/api/v1/users/{willy.id}/block"))
    elif by == "a deletion":
        willy.removes(comment)
    else:
        done(maya.delete(f"/api/v1/notifications/{awake.state.seq}"), 204)
    soon(lambda: not awake.state.items)
    run(asleep)

    check(asleep)
    check(awake)
    assert [event.type for event in awake.watching.events.values()] == ["comment", "removed"]
    assert [event.type for event in asleep.watching.events.values()] == ["void", "removed"]
    assert the_list(maya)[1] == []
    assert "honey" not in str(asleep.watching.events)


@pytest.mark.scaled
def test_id7_a_session_that_ends_elsewhere_is_silenced_without_redis_too(
    pair: Pair, run: Run, chance: random.Random
) -> None:
    here, there = pair.urls
    with closing(Api(here)) as api, closing(Api(there)) as other:
        maya = api.someone()
        for fault in (pair.redis.restore, pair.redis.cut):
            fault()
            kept, ended = (Recorder(one, [there], chance) for one in (maya, other.logs_in(maya.username)))
            run(kept, ended)

            done(maya.post("/api/v1/auth/logout-all", params={"keep_current": "true"}), 204)

            with pytest.raises(LoginRequired):
                run.result(ended)
            api.someone().likes(maya.publishes())
            check(kept)
            assert kept.watching.codes == []
            run.stop(kept)
        pair.redis.restore()


@pytest.mark.told_by("embedded")
@pytest.mark.timeout(600 if LONG else 60)
def test_all_may_come_back_at_once(api: Api, base_url: str, run: Run, chance: random.Random) -> None:
    """Three thousand in the long form. A process takes ten sockets of each user."""
    people = register_members(api, 300 if LONG else 12)
    posts = [member.publishes() for member in people]
    recorders = [Recorder(member, [base_url], chance) for member in people for _ in range(10)]
    run(*recorders)
    before = [recorder.lives for recorder in recorders]
    for number, post in enumerate(posts):
        people[number - 1].likes(post)
    run.portal.call(run.cut_all)
    for number, post in enumerate(posts):
        people[number - 2].likes(post)

    for recorder, lives in zip(recorders, before, strict=True):
        soon(lambda recorder=recorder, lives=lives: recorder.lives > lives, 60)  # type: ignore[misc]
    for recorder in recorders[:: 10 if LONG else 3]:
        check(recorder)
    assert [fault for recorder in recorders for fault in recorder.watching.faults] == []
    sum_up("all at once", recorders)

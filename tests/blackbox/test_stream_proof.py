"""No entry of a stream is lost, duplicated or out of order, whatever fails.

Quick: a storm and one of each fault. With `WAGGLE_TEST_LONG=1`: many, and a summary is printed."""

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path

import pytest

from tests.integration._servers.stores import ask_redis
from waggle_client import LoginRequired, Notifications

from .client import Api, done
from .conftest import KEPT_DATA, LONG, RUNNING, SHAPES, a_waggle, needs_shape
from .load import register_members
from .process import Waggle
from .stream_proof import (
    Pair,
    check_recipients,
    devices_of,
    notification_load,
    pair_of_servers,
    print_summary,
    read_and_dismiss,
    running_load,
    trim_to,
    violations,
)
from .stream_recorder import DeviceRunner, Recorder, check, devices, list_all, snapshot, wait_until

ROUNDS = 60 if LONG else 5
"""Interruptions in a storm."""
ACTIONS = 25 if LONG else 15
"""Actions between two interruptions."""
PERSISTENT_SHAPES = [shape for shape in SHAPES if shape == "embedded" or (LONG and shape != "memory")] or [
    "none"
]


@pytest.fixture(params=PERSISTENT_SHAPES)
def waggle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    """A server for this test alone, since it will be killed."""
    if RUNNING or request.param == "none":
        pytest.skip(KEPT_DATA)
    with a_waggle(request, request.param, tmp_path) as running:
        yield running


@pytest.fixture
def run() -> Iterator[DeviceRunner]:
    with devices() as run:
        yield run


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if RUNNING or "scaled" not in SHAPES:
        pytest.skip(needs_shape("scaled"))
    with pair_of_servers(request, tmp_path_factory.mktemp("pair")) as pair:
        yield pair


@pytest.mark.timeout(900 if LONG else 120)
def test_every_entry_arrives_once_whatever_interrupts_the_stream(
    waggle: Waggle, run: DeviceRunner, chance: random.Random
) -> None:
    """Connections are aborted, devices stop reading and resume, snapshots are taken, and the server is killed."""
    with closing(Api(waggle.base_url)) as api:
        load = notification_load(api, chance, [waggle.base_url])
        reference_devices, others = devices_of(load, chance), devices_of(load, chance)
        run(*reference_devices, *others)
        snapshots: list[tuple[int, Notifications]] = []
        with running_load(run, load) as wait:
            for number in range(ROUNDS):
                index = chance.randrange(len(load.recipients))
                if number % 6 == 3:
                    waggle.kill()
                    waggle.start()
                elif number % 2:
                    run.portal.call(others[index].stall)
                snapshots.append((index, snapshot(load.recipients[index].member)))
                read_and_dismiss(load.recipients[index], reference_devices[index], chance)
                run.portal.call(chance.choice([*reference_devices, *others]).abort)
                wait(ACTIONS)
                run.portal.call(others[index].resume)
        check_recipients(load)
        for index, recorder in enumerate(reference_devices):
            check(recorder, [state for owner, state in snapshots if owner == index])
        assert violations(*others) == []
        print_summary(f"storm on {waggle.shape}", [*reference_devices, *others])


@pytest.mark.skipif(not LONG, reason="takes half a minute: runs with WAGGLE_TEST_LONG=1 (make test-long)")
@pytest.mark.scaled
@pytest.mark.timeout(900 if LONG else 120)
def test_a_rolling_restart_loses_nothing(pair: Pair, run: DeviceRunner, chance: random.Random) -> None:
    with closing(Api(pair.urls[0])) as api:
        load = notification_load(api, chance, pair.urls)
        recorders = devices_of(load, chance, 2)
        run(*recorders)
        with running_load(run, load) as wait:
            for _ in range(5 if LONG else 1):
                for waggle in pair.servers if LONG else pair.servers[:1]:
                    assert waggle.stop() == 0
                    waggle.start()
                    wait(ACTIONS)
        check_recipients(load)
        for recorder in recorders:
            check(recorder)
            assert set(recorder.protocol.codes) <= {1012, None}  # None: the server accepted no connection
        print_summary("rolling restart", recorders)


@pytest.mark.scaled
@pytest.mark.timeout(600 if LONG else 120)
def test_nothing_is_lost_while_redis_is_unavailable_hangs_or_loses_its_data(
    pair: Pair, run: DeviceRunner, chance: random.Random
) -> None:
    with closing(Api(pair.urls[0])) as api:
        load = notification_load(api, chance, pair.urls)
        recorders = devices_of(load, chance, 2)
        run(*recorders)
        with running_load(run, load) as wait:
            for _ in range(10 if LONG else 1):
                for fault in (pair.redis.cut, pair.redis.hang):
                    fault()
                    wait(ACTIONS)
                    pair.redis.restore()
                    wait(ACTIONS)
                ask_redis(pair.redis.url, ("FLUSHALL",))
                wait(ACTIONS)
        check_recipients(load)
        for recorder in recorders:
            check(recorder)
            assert recorder.protocol.codes == []  # no listening client has noticed
        print_summary("Redis away", recorders)


@pytest.mark.skipif(not LONG, reason="takes half a minute: runs with WAGGLE_TEST_LONG=1 (make test-long)")
@pytest.mark.scaled
@pytest.mark.timeout(600 if LONG else 120)
def test_nothing_is_lost_while_the_database_is_unavailable(
    pair: Pair, run: DeviceRunner, chance: random.Random
) -> None:
    with closing(Api(pair.urls[0])) as api:
        load = notification_load(api, chance, pair.urls)
        recorders = devices_of(load, chance, 2)
        run(*recorders)
        with running_load(run, load) as wait:
            for _ in range(10 if LONG else 1):
                chance.choice([pair.database.cut, pair.database.hang])()
                run.portal.call(recorders[0].abort)
                time.sleep(chance.uniform(0.3, 2))  # nothing happens that could be waited for
                pair.database.restore()
                wait(ACTIONS)
        check_recipients(load)
        assert violations(*recorders) == []
        print_summary("database away", recorders)


@pytest.mark.short_run_shapes("embedded")
@pytest.mark.timeout(900 if LONG else 60)
def test_connecting_during_writes_misses_nothing_between_list_and_stream(
    api: Api, base_url: str, run: DeviceRunner, chance: random.Random
) -> None:
    load = notification_load(api, chance, [base_url])
    reference_devices = devices_of(load, chance)
    run(*reference_devices)
    late_devices: list[tuple[Recorder, Recorder]] = []
    with running_load(run, load) as wait:
        for number in range(500 if LONG else 15):
            reference = chance.choice(reference_devices)
            state = chance.choice([Notifications(), snapshot(reference.member)])
            recorder = Recorder(reference.member, load.urls, chance, state)
            late_devices.append((reference, recorder))
            run(recorder)
            wait(chance.randrange(4))
            if number % 2:
                run.stop(recorder)
    run.stop(*[recorder for _, recorder in late_devices[:-6]])
    check_recipients(load)
    for recorder in reference_devices:
        check(recorder)
    for reference, recorder in late_devices:
        assert recorder.protocol.violations == []
        for place, event in recorder.protocol.events.items():
            assert event.type in {reference.protocol.events[place].type, "void"}
    print_summary("connecting while others write", [recorder for _, recorder in late_devices])


def test_devices_list_again_after_a_restore(waggle: Waggle, run: DeviceRunner, chance: random.Random) -> None:
    """The restored stream lacks the entries since the backup, and gives their numbers to other entries."""
    with closing(Api(waggle.base_url)) as api:
        maya, *others = register_members(api, 7)
        post = maya.publishes()
        device = Recorder(maya, [waggle.base_url], chance)
        run(device)
        for other in others[:3]:
            other.likes(post)
        wait_until(lambda: len(device.state.items) == 3)
        epoch = device.state.epoch
        if waggle.shape == "embedded":
            waggle.stop()
            backup = waggle.folder / "backup"
            shutil.copytree(waggle.data_dir, backup)
            waggle.start()
            for other in others[3:5]:
                other.likes(post)
            wait_until(lambda: len(device.state.items) == 5)
            waggle.stop()
            shutil.rmtree(waggle.data_dir)
            backup.rename(waggle.data_dir)
        renewed = waggle.command("streams", "renew")  # on PostgreSQL the server keeps running
        assert renewed.returncode == 0, renewed.stderr
        if waggle.shape == "embedded":
            waggle.start()
        others[5].likes(post)

        wait_until(lambda: len(device.state.items) == 4)
        check(device)
        assert device.state.epoch != epoch
        assert device.list_count == 2


def test_devices_list_again_if_their_cursor_is_invalid(
    api: Api, base_url: str, run: DeviceRunner, chance: random.Random
) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    willy.likes(post)
    wait_until(lambda: list_all(maya)[1])
    state = snapshot(maya)
    forged, other = deepcopy(state), deepcopy(state)
    forged.seq += 1000
    other.epoch = "0123456789abcdef"
    devices = [Recorder(maya, [base_url], chance, one) for one in (state, forged, other)]
    run(*devices)
    willy.comments(post)
    for device in devices:
        check(device)
    assert [device.list_count for device in devices] == [0, 1, 1]
    assert devices[1].protocol.codes == [4007]


def test_devices_list_again_after_trimming(waggle: Waggle, run: DeviceRunner, chance: random.Random) -> None:
    with closing(Api(waggle.base_url)) as api:
        maya, *others = register_members(api, 9)
        post = maya.publishes()
        connected, disconnected, barely_behind = (Recorder(maya, [waggle.base_url], chance) for _ in range(3))
        run(connected, disconnected, barely_behind)
        others[0].likes(post)
        wait_until(lambda: all(len(one.state.items) == 1 for one in (connected, disconnected, barely_behind)))
        run.stop(disconnected)
        others[1].likes(post)
        wait_until(lambda: len(connected.state.items) == len(barely_behind.state.items) == 2)
        run.stop(barely_behind)
        for other in others[2:]:
            other.likes(post)
        wait_until(lambda: len(connected.state.items) == 8)
        trim_to(waggle, maya, 3)
        run(disconnected, barely_behind)

        for device in (disconnected, barely_behind):
            check(device)
        assert [device.list_count for device in (connected, disconnected, barely_behind)] == [1, 2, 1]
        assert sorted(barely_behind.state.items) == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("by", ["a block", "a deletion", "a device"])
def test_entries_retracted_before_they_are_sent_are_not_shown(
    api: Api, base_url: str, run: DeviceRunner, chance: random.Random, by: str
) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    asleep = Recorder(maya, [base_url], chance)
    awake = Recorder(maya, [base_url], chance)
    run(asleep, awake)
    run.stop(asleep)
    comment = willy.comments(post, "honey for you")
    wait_until(lambda: awake.state.items)
    if by == "a block":
        done(maya.put(f"/api/v1/users/{willy.id}/block"))
    elif by == "a deletion":
        willy.removes(comment)
    else:
        done(maya.delete(f"/api/v1/notifications/{awake.state.seq}"), 204)
    wait_until(lambda: not awake.state.items)
    run(asleep)

    check(asleep)
    check(awake)
    assert [event.type for event in awake.protocol.events.values()] == ["comment", "removed"]
    assert [event.type for event in asleep.protocol.events.values()] == ["void", "removed"]
    assert list_all(maya)[1] == []
    assert "honey" not in str(asleep.protocol.events)


@pytest.mark.scaled
def test_ending_a_session_on_another_server_ends_its_streams_even_without_redis(
    pair: Pair, run: DeviceRunner, chance: random.Random
) -> None:
    first, second = pair.urls
    with closing(Api(first)) as api, closing(Api(second)) as other:
        maya = api.someone()
        for fault in (pair.redis.restore, pair.redis.cut):
            fault()
            kept, ended = (Recorder(one, [second], chance) for one in (maya, other.logs_in(maya.username)))
            run(kept, ended)

            done(maya.post("/api/v1/auth/logout-all", params={"keep_current": "true"}), 204)

            with pytest.raises(LoginRequired):
                run.result(ended)
            api.someone().likes(maya.publishes())
            check(kept)
            assert kept.protocol.codes == []
            run.stop(kept)
        pair.redis.restore()


@pytest.mark.short_run_shapes("embedded")
@pytest.mark.timeout(600 if LONG else 60)
def test_all_devices_can_reconnect_at_once(
    api: Api, base_url: str, run: DeviceRunner, chance: random.Random
) -> None:
    """Three thousand devices in the long form. A server allows ten sockets per user."""
    people = register_members(api, 300 if LONG else 12)
    posts = [member.publishes() for member in people]
    recorders = [Recorder(member, [base_url], chance) for member in people for _ in range(10)]
    run(*recorders)
    before = [recorder.live_count for recorder in recorders]
    for number, post in enumerate(posts):
        people[number - 1].likes(post)
    run.portal.call(run.abort_all)
    for number, post in enumerate(posts):
        people[number - 2].likes(post)

    for recorder, live_count in zip(recorders, before, strict=True):
        wait_until(lambda recorder=recorder, live_count=live_count: recorder.live_count > live_count, 60)  # type: ignore[misc]
    assert violations(*recorders[:: 10 if LONG else 3]) == []
    assert [fault for recorder in recorders for fault in recorder.protocol.violations] == []
    print_summary("all at once", recorders)

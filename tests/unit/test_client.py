"""The stream client without a socket: whatever the connection does, it ends with the state of the server."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.client_simulation import DeviceSimulation
from tests.unit.reference_stream import ReferenceStream
from waggle_client.notifications import MissingEvent, Notifications, StreamEvent
from waggle_client.protocol import (
    OVERLOAD_PAUSE,
    Action,
    ListRequired,
    Live,
    LoginRequired,
    ProtocolError,
    ReauthRequired,
    SendFrame,
    StreamEnded,
    StreamHint,
    StreamProtocol,
)

STEPS = 400


@given(st.integers())
def test_the_client_ends_with_the_state_of_the_server_whatever_the_connection_does(seed: int) -> None:
    device = DeviceSimulation(random.Random(seed))  # noqa: S311 - no secret
    for _ in range(STEPS):
        device.step()

    device.finish()

    assert device.shown() == device.stored()


# --- Examples


def event(seq: int, type_: str = "like", **data: Any) -> str:
    unread = {"total": seq, "by_type": {"like": seq}}
    about = {"op": "event", "seq": seq, "id": str(seq), "type": type_, "at": "now"}
    return json.dumps({**about, "data": {"actor": None, "post": None, **data}, "unread": unread})


def ready(seq: int, *, recovered: bool = True, epoch: str = "e") -> str:
    about = {"op": "ready", "recovered": recovered, "epoch": epoch, "seq": seq, "floor": 1, "read": 0}
    return json.dumps({**about, "unread": {"total": 0, "by_type": {}}, "heartbeat_s": 25})


def a_connected_client(seq: int) -> StreamProtocol:
    """A connected client that has applied everything up to `seq`."""
    client = StreamProtocol(Notifications("e", seq))
    assert json.loads(client.hello())["resume"] == {"epoch": "e", "seq": seq}
    assert client.receive(ready(seq)) is None
    return client


def steps(client: StreamProtocol, *frames: str) -> list[Action | None]:
    return [client.receive(frame) for frame in frames]


def test_the_client_returns_each_entry_once() -> None:
    client = a_connected_client(3)

    found = steps(client, event(4), event(4), event(3), event(5))

    assert [one.seq if isinstance(one, StreamEvent) else one for one in found] == [4, None, None, 5]
    assert client.state.seq == 5


def test_missing_entries_are_requested_once_and_later_ones_are_held_back() -> None:
    client = a_connected_client(3)

    found = steps(client, event(5), event(6), event(4), event(5), event(6))

    assert found[0] == SendFrame('{"op": "resume", "seq": 3}')
    assert found[1] is None
    assert [one.seq for one in found[2:] if isinstance(one, StreamEvent)] == [4, 5, 6]


def test_missing_entries_are_requested_again_after_an_insufficient_rewind_before_giving_up() -> None:
    client = a_connected_client(3)

    asked = steps(client, event(6), event(5), event(5))

    assert all(isinstance(step, SendFrame) for step in asked)
    with pytest.raises(ProtocolError):
        client.receive(event(5))


def test_the_client_maps_every_frame_to_its_action() -> None:
    client = a_connected_client(3)
    frames = (
        {"op": "ping"},
        {"op": "reauth", "in_s": 60},
        {"op": "hint", "hint": "home"},
        {"op": "live", "seq": 3},
        {"op": "pong"},
        {"op": "dance"},
    )

    found = steps(client, *map(json.dumps, frames))

    assert found == [SendFrame('{"op":"pong"}'), ReauthRequired(), StreamHint("home"), Live(3), None, None]


@pytest.mark.parametrize(
    "bad", ["", "{}", "[]", "null", '{"op":"event"}', '{"op":"ready"}', '{"op":"bye"}', "\x00"]
)
def test_an_invalid_frame_ends_the_connection_and_changes_nothing(bad: str) -> None:
    client = a_connected_client(3)

    with pytest.raises(ProtocolError):
        client.receive(bad)

    assert client.state == Notifications("e", 3)


def test_events_before_ready_or_before_the_list_are_protocol_errors() -> None:
    client = StreamProtocol(Notifications("e", 3))
    client.hello()
    with pytest.raises(ProtocolError):
        client.receive(event(4))
    client.hello()
    assert client.receive(ready(9, recovered=False)) == ListRequired()
    with pytest.raises(ProtocolError):
        client.receive(event(10))


@pytest.mark.parametrize("claim", [ready(2), ready(3, epoch="f")])
def test_a_recovery_at_another_position_is_a_protocol_error(claim: str) -> None:
    client = StreamProtocol(Notifications("e", 3))
    client.hello()

    with pytest.raises(ProtocolError):
        client.receive(claim)


def test_a_list_of_another_history_is_applied_and_ends_the_connection() -> None:
    model = ReferenceStream(epoch="later")
    model.add_entry("like")
    client = StreamProtocol()
    client.hello()
    client.receive(ready(0, recovered=False))

    with pytest.raises(ProtocolError):
        client.listed(model.page())

    assert json.loads(client.hello())["resume"] == {"epoch": "later", "seq": 1}


@pytest.mark.parametrize("code", [4007, 4013])
def test_an_invalid_cursor_is_not_sent_again_before_the_next_list(code: int) -> None:
    client = a_connected_client(3)

    assert client.closed(code, 1.0) == 0
    assert "resume" not in json.loads(client.hello())
    client.closed(None, 1.0)  # before the list arrived
    assert "resume" not in json.loads(client.hello())


def test_pauses_grow_to_half_a_minute_are_randomized_and_reset_when_live() -> None:
    client = a_connected_client(0)

    longest = [client.closed(code, 1.0) for code in (None, 1006, 4000, 4008, 4010, 4014)]
    assert longest == [2.0, 8.0, 30.0, 30.0, 30.0, 30.0]
    assert client.closed(None, 0.0) == 0.5
    client.hello()
    steps(client, ready(0), '{"op":"live","seq":0}')
    assert client.closed(1012, 1.0) == 2.0


def test_a_bye_frame_sets_the_pause_before_reconnecting() -> None:
    client = a_connected_client(0)
    client.receive('{"op":"bye","retry_ms":1500}')

    assert client.closed(1012, 0.7) == 1.5
    assert client.closed(None, 0.0) == 0.5


@pytest.mark.parametrize("code", [4009, 4029])
def test_an_overloaded_server_is_left_alone_for_a_minute(code: int) -> None:
    assert a_connected_client(0).closed(code, 0.5) == OVERLOAD_PAUSE


def test_a_new_token_is_tried_at_once_then_with_pauses() -> None:
    client = a_connected_client(0)

    assert [client.closed(4401, 0.0) for _ in range(3)] == [0.0, 0.5, 0.5]


@pytest.mark.parametrize("code", [4400, 4406])
def test_the_client_ends_on_permanent_errors(code: int) -> None:
    with pytest.raises(StreamEnded) as ended:
        a_connected_client(0).closed(code, 0.5)
    assert ended.value.code == code


def test_an_ended_session_requires_a_login() -> None:
    with pytest.raises(LoginRequired):
        a_connected_client(0).closed(4403, 0.5)


def test_an_event_that_cannot_be_applied_changes_nothing() -> None:
    state = Notifications("e", 3)

    with pytest.raises(MissingEvent):
        state.apply(StreamEvent(5, "like", "5", "now", {"actor": None, "post": None}, {"total": 1}))

    assert state == Notifications("e", 3)


def test_a_page_from_before_a_new_list_is_rejected() -> None:
    model = ReferenceStream()
    for _ in range(5):
        model.add_entry("like")
    state = Notifications.from_page(model.page())
    assert state.more is not None
    page = model.page(state.more)
    model.remove(1)
    state.start_again(model.page())

    assert not state.add_older(state.more, page)
    assert 1 not in state.items


def test_a_page_from_before_a_removal_does_not_restore_the_item() -> None:
    model = ReferenceStream()
    for _ in range(5):
        model.add_entry("like")
    state = Notifications.from_page(model.page())
    assert state.more is not None
    page = model.page(state.more)
    model.remove(1)
    client = StreamProtocol(state)
    client.hello()
    steps(client, *(json.dumps(frame) for frame in (model.ready(client.hello()), *model.after(5))))

    assert state.add_older(state.more, page)

    assert [item["seq"] for item in state.newest_first] == [5, 4, 3, 2]

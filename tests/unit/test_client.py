"""The stream client without a socket: whatever the connection does, it ends with the state of the server."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.reference_stream import Json, ReferenceStream
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


class DeviceSimulation:
    """One stream, one device, and a connection that loses and duplicates frames and closes at random."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.model = ReferenceStream()
        self.client = StreamProtocol()
        self.in_flight: list[Json] | None = None
        """Frames that were sent and have not arrived; None without a connection."""
        self.sent = 0
        """The last sequence number that the server has sent."""
        self.pages_in_flight: list[tuple[str, Json]] = []
        """Pages that have been requested and have not arrived."""

    def step(self) -> None:
        names = "add_entry remove mark_read trim restore connect send arrive corrupt disconnect request_older receive_older"
        [name] = self.chance.choices(names.split(), [20, 9, 1, 2, 0.3, 15, 20, 40, 2, 5, 9, 9])
        getattr(self, name)()
        self.check()

    # --- The server

    def add_entry(self) -> None:
        self.model.add_entry(self.chance.choice(["like", "comment"]))

    def remove(self) -> None:
        self.model.remove(self._some())

    def mark_read(self) -> None:
        self.model.mark_read(self._some())

    def trim(self) -> None:
        self.model.trim(self.model.floor + self.chance.randrange(12))

    def restore(self) -> None:
        """Starts a new epoch and closes all sockets, as the documentation tells operators to."""
        self.model.restore(max(0, self.model.head - self.chance.randrange(6)))
        self.model.epoch += "+"
        self.close(1012)

    def _some(self) -> int:
        return self.chance.randint(self.model.floor, self.model.head + 1)

    # --- The connection

    def connect(self) -> None:
        if self.in_flight is not None:
            return
        answer = self.model.ready(self.client.hello())
        if isinstance(answer, int):
            self.client.closed(answer, 0.5)
            return
        self.in_flight, self.sent = [answer], answer["seq"]
        self.send()
        self.in_flight.append({"op": "live", "seq": self.model.head})

    def send(self) -> None:
        if self.in_flight is not None:
            self.in_flight += self.model.after(self.sent)
            self.sent = self.model.head

    def arrive(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            if self.in_flight:
                self.receive(self.in_flight.pop(0))

    def corrupt(self) -> None:
        """A correct connection never does this, but a faulty server might."""
        if self.in_flight:
            place = self.chance.randrange(len(self.in_flight))
            if self.in_flight[place]["op"] == "event":
                self.in_flight[place : place + 1] = [self.in_flight[place]] * self.chance.choice([0, 2])

    def disconnect(self) -> None:
        self.close(self.chance.choice([None, 1001, 1012, 4000, 4007, 4008, 4010, 4013, 4014, 4401]))

    def close(self, code: int | None) -> None:
        if self.in_flight is not None:
            self.in_flight = None
            self.client.closed(code, 0.5)

    def request_older(self) -> None:
        if self.client.state.more:
            self.pages_in_flight.append((self.client.state.more, self.page(self.client.state.more)))

    def receive_older(self) -> None:
        if self.pages_in_flight:
            self.client.state.add_older(*self.pages_in_flight.pop(0))

    def page(self, cursor: str | None = None) -> Json:
        """As the server makes it: the position is read first, then the rows."""
        before = self.model.page(cursor)
        self.chance.choice([self.add_entry, self.remove, self.mark_read])()
        return {**before, **{name: self.model.page(cursor)[name] for name in ("items", "next")}}

    def receive(self, frame: Json) -> None:
        try:
            step = self.client.receive(json.dumps(frame))
        except ProtocolError:
            self.close(None)
            return
        if isinstance(step, ListRequired):
            self.client.listed(self.page())
        elif isinstance(step, SendFrame):
            asked = json.loads(step.frame)
            assert asked["op"] == "resume"
            assert self.in_flight is not None
            self.in_flight += self.model.after(asked["seq"])
            self.sent = self.model.head

    # --- Invariants

    def check(self) -> None:
        """The client shows nothing that never existed, and lacks nothing that exists."""
        state = self.client.state
        if state.epoch != self.model.epoch:
            return
        applied = self.model.log[: state.seq]
        gone = {seq for one in applied if one.type == "removed" for seq in one.seqs}
        was = {one.seq: one.type for one in applied if one.seqs == () and one.seq not in gone}
        shown = {seq: item["type"] for seq, item in state.items.items()}
        assert shown.items() <= was.items()
        reached = int(state.more) if state.more else state.floor
        assert {one.seq for one in self.model.items if reached <= one.seq <= state.seq} <= shown.keys()

    def check_the_end(self) -> None:
        """Once nothing is in flight, the client shows what a new client would list."""
        for _ in range(3):  # the first attempts may find the cursor invalid, or lost frames missing
            self.close(None)
            self.connect()
            while self.in_flight:
                self.arrive()
        state, model = self.client.state, self.model
        assert (state.read, state.unread) == (model.read, model.unread)
        while state.more:
            assert state.add_older(state.more, model.page(state.more))
        assert state.newest_first == [model.item(one) for one in reversed(model.items)]
        assert (state.epoch, state.seq, state.floor) == (model.epoch, model.head, model.floor)


@given(st.integers())
def test_the_client_ends_with_the_state_of_the_server_whatever_the_connection_does(seed: int) -> None:
    device = DeviceSimulation(random.Random(seed))  # noqa: S311 - no secret
    for _ in range(STEPS):
        device.step()

    device.check_the_end()


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


def test_each_entry_is_returned_once() -> None:
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


def test_every_frame_leads_to_its_action() -> None:
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


def test_bye_sets_the_next_pause() -> None:
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
def test_it_ends_on_permanent_errors(code: int) -> None:
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

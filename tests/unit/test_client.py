"""The client of the stream, without a socket: whatever the connection does, it shows what the server has."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.reference_stream import Json, Model
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


class Device:
    """A user's stream, one device, and a connection that loses, doubles, and ends when it likes."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.model = Model()
        self.client = StreamProtocol()
        self.wire: list[Json] | None = None
        """What was sent and has not arrived; None without a connection."""
        self.sent = 0
        """Up to where the server has sent."""
        self.older: list[tuple[str, Json]] = []
        """Pages that are on their way."""

    def step(self) -> None:
        names = "tell remove mark cut restore connect send arrive damage disconnect ask_for_older get_older"
        [name] = self.chance.choices(names.split(), [20, 9, 1, 2, 0.3, 15, 20, 40, 2, 5, 9, 9])
        getattr(self, name)()
        self.check()

    # --- What happens at the server

    def tell(self) -> None:
        self.model.tell(self.chance.choice(["like", "comment"]))

    def remove(self) -> None:
        self.model.remove(self._some())

    def mark(self) -> None:
        self.model.mark(self._some())

    def cut(self) -> None:
        self.model.cut(self.model.floor + self.chance.randrange(12))

    def restore(self) -> None:
        """With a new epoch, and all sockets closed, as the operator is told to do."""
        self.model.restore(max(0, self.model.head - self.chance.randrange(6)))
        self.model.epoch += "+"
        self.lose(1012)

    def _some(self) -> int:
        return self.chance.randint(self.model.floor, self.model.head + 1)

    # --- What happens on the way

    def connect(self) -> None:
        if self.wire is not None:
            return
        answer = self.model.ready(self.client.hello())
        if isinstance(answer, int):
            self.client.closed(answer, 0.5)
            return
        self.wire, self.sent = [answer], answer["seq"]
        self.send()
        self.wire.append({"op": "live", "seq": self.model.head})

    def send(self) -> None:
        if self.wire is not None:
            self.wire += self.model.after(self.sent)
            self.sent = self.model.head

    def arrive(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            if self.wire:
                self.give(self.wire.pop(0))

    def damage(self) -> None:
        """No honest connection does this; a server with a fault might."""
        if self.wire:
            place = self.chance.randrange(len(self.wire))
            if self.wire[place]["op"] == "event":
                self.wire[place : place + 1] = [self.wire[place]] * self.chance.choice([0, 2])

    def disconnect(self) -> None:
        self.lose(self.chance.choice([None, 1001, 1012, 4000, 4007, 4008, 4010, 4013, 4014, 4401]))

    def lose(self, code: int | None) -> None:
        if self.wire is not None:
            self.wire = None
            self.client.closed(code, 0.5)

    def ask_for_older(self) -> None:
        if self.client.state.more:
            self.older.append((self.client.state.more, self.page(self.client.state.more)))

    def get_older(self) -> None:
        if self.older:
            self.client.state.add_older(*self.older.pop(0))

    def page(self, cursor: str | None = None) -> Json:
        """As the server makes it: how far it is true is read first, and then the rows."""
        before = self.model.page(cursor)
        self.chance.choice([self.tell, self.remove, self.mark])()
        return {**before, **{name: self.model.page(cursor)[name] for name in ("items", "next")}}

    def give(self, frame: Json) -> None:
        try:
            step = self.client.receive(json.dumps(frame))
        except ProtocolError:
            self.lose(None)
            return
        if isinstance(step, ListRequired):
            self.client.listed(self.page())
        elif isinstance(step, SendFrame):
            asked = json.loads(step.frame)
            assert asked["op"] == "resume"
            assert self.wire is not None
            self.wire += self.model.after(asked["seq"])
            self.sent = self.model.head

    # --- What holds

    def check(self) -> None:
        """It shows nothing that never was, and lacks nothing that is."""
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
        """When all is quiet, what the client shows is what a fresh one would list."""
        for _ in range(3):  # the first may find the cursor useless, or what was lost missing
            self.lose(None)
            self.connect()
            while self.wire:
                self.arrive()
        state, model = self.client.state, self.model
        assert (state.read, state.unread) == (model.read, model.unread)
        while state.more:
            assert state.add_older(state.more, model.page(state.more))
        assert state.newest_first == [model.item(one) for one in reversed(model.items)]
        assert (state.epoch, state.seq, state.floor) == (model.epoch, model.head, model.floor)


@given(st.integers())
def test_whatever_the_connection_does_the_client_shows_what_the_server_has(seed: int) -> None:
    device = Device(random.Random(seed))  # noqa: S311 - no secret
    for _ in range(STEPS):
        device.step()

    device.check_the_end()


# --- By examples


def event(seq: int, type_: str = "like", **data: Any) -> str:
    unread = {"total": seq, "by_type": {"like": seq}}
    about = {"op": "event", "seq": seq, "id": str(seq), "type": type_, "at": "now"}
    return json.dumps({**about, "data": {"actor": None, "post": None, **data}, "unread": unread})


def ready(seq: int, *, recovered: bool = True, epoch: str = "e") -> str:
    about = {"op": "ready", "recovered": recovered, "epoch": epoch, "seq": seq, "floor": 1, "read": 0}
    return json.dumps({**about, "unread": {"total": 0, "by_type": {}}, "heartbeat_s": 25})


def following(seq: int) -> StreamProtocol:
    """Connected, with everything up to `seq` applied."""
    client = StreamProtocol(Notifications("e", seq))
    assert json.loads(client.hello())["resume"] == {"epoch": "e", "seq": seq}
    assert client.receive(ready(seq)) is None
    return client


def steps(client: StreamProtocol, *frames: str) -> list[Action | None]:
    return [client.receive(frame) for frame in frames]


def test_each_entry_comes_out_once() -> None:
    client = following(3)

    found = steps(client, event(4), event(4), event(3), event(5))

    assert [one.seq if isinstance(one, StreamEvent) else one for one in found] == [4, None, None, 5]
    assert client.state.seq == 5


def test_what_is_missing_is_asked_for_once_and_what_comes_meanwhile_is_not_shown() -> None:
    client = following(3)

    found = steps(client, event(5), event(6), event(4), event(5), event(6))

    assert found[0] == SendFrame('{"op": "resume", "seq": 3}')
    assert found[1] is None
    assert [one.seq for one in found[2:] if isinstance(one, StreamEvent)] == [4, 5, 6]


def test_it_is_asked_again_when_the_stream_went_back_and_not_far_enough_and_then_given_up() -> None:
    client = following(3)

    asked = steps(client, event(6), event(5), event(5))

    assert all(isinstance(step, SendFrame) for step in asked)
    with pytest.raises(ProtocolError):
        client.receive(event(5))


def test_what_every_frame_asks_for() -> None:
    client = following(3)
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
def test_a_frame_that_makes_no_sense_ends_the_connection_and_changes_nothing(bad: str) -> None:
    client = following(3)

    with pytest.raises(ProtocolError):
        client.receive(bad)

    assert client.state == Notifications("e", 3)


def test_events_before_ready_or_before_the_list_are_none() -> None:
    client = StreamProtocol(Notifications("e", 3))
    client.hello()
    with pytest.raises(ProtocolError):
        client.receive(event(4))
    client.hello()
    assert client.receive(ready(9, recovered=False)) == ListRequired()
    with pytest.raises(ProtocolError):
        client.receive(event(10))


@pytest.mark.parametrize("claim", [ready(2), ready(3, epoch="f")])
def test_a_recovery_from_elsewhere_is_none(claim: str) -> None:
    client = StreamProtocol(Notifications("e", 3))
    client.hello()

    with pytest.raises(ProtocolError):
        client.receive(claim)


def test_a_list_of_another_history_than_the_connection_is_taken_and_the_connection_is_not() -> None:
    model = Model(epoch="later")
    model.tell("like")
    client = StreamProtocol()
    client.hello()
    client.receive(ready(0, recovered=False))

    with pytest.raises(ProtocolError):
        client.listed(model.page())

    assert json.loads(client.hello())["resume"] == {"epoch": "later", "seq": 1}


@pytest.mark.parametrize("code", [4007, 4013])
def test_a_useless_cursor_is_not_sent_again_until_there_is_a_list(code: int) -> None:
    client = following(3)

    assert client.closed(code, 1.0) == 0
    assert "resume" not in json.loads(client.hello())
    client.closed(None, 1.0)  # before the list came
    assert "resume" not in json.loads(client.hello())


def test_the_pauses_grow_up_to_half_a_minute_are_spread_and_begin_anew_when_it_was_live() -> None:
    client = following(0)

    longest = [client.closed(code, 1.0) for code in (None, 1006, 4000, 4008, 4010, 4014)]
    assert longest == [2.0, 8.0, 30.0, 30.0, 30.0, 30.0]
    assert client.closed(None, 0.0) == 0.5
    client.hello()
    steps(client, ready(0), '{"op":"live","seq":0}')
    assert client.closed(1012, 1.0) == 2.0


def test_a_farewell_says_when_to_come_back() -> None:
    client = following(0)
    client.receive('{"op":"bye","retry_ms":1500}')

    assert client.closed(1012, 0.7) == 1.5
    assert client.closed(None, 0.0) == 0.5


@pytest.mark.parametrize("code", [4009, 4029])
def test_where_it_is_crowded_it_stays_away_for_a_minute(code: int) -> None:
    assert following(0).closed(code, 0.5) == OVERLOAD_PAUSE


def test_a_new_token_is_tried_at_once_and_then_with_pauses() -> None:
    client = following(0)

    assert [client.closed(4401, 0.0) for _ in range(3)] == [0.0, 0.5, 0.5]


@pytest.mark.parametrize("code", [4400, 4406])
def test_it_ends_where_trying_again_would_not_help(code: int) -> None:
    with pytest.raises(StreamEnded) as ended:
        following(0).closed(code, 0.5)
    assert ended.value.code == code


def test_a_session_that_was_ended_asks_for_a_login() -> None:
    with pytest.raises(LoginRequired):
        following(0).closed(4403, 0.5)


def test_a_state_is_left_as_it_was_by_what_it_cannot_apply() -> None:
    state = Notifications("e", 3)

    with pytest.raises(MissingEvent):
        state.apply(StreamEvent(5, "like", "5", "now", {"actor": None, "post": None}, {"total": 1}))

    assert state == Notifications("e", 3)


def test_a_page_from_before_the_state_was_listed_anew_is_out_of_date() -> None:
    model = Model()
    for _ in range(5):
        model.tell("like")
    state = Notifications.from_page(model.page())
    assert state.more is not None
    page = model.page(state.more)
    model.remove(1)
    state.start_again(model.page())

    assert not state.add_older(state.more, page)
    assert 1 not in state.items


def test_a_page_from_before_a_removal_does_not_bring_it_back() -> None:
    model = Model()
    for _ in range(5):
        model.tell("like")
    state = Notifications.from_page(model.page())
    assert state.more is not None
    page = model.page(state.more)
    model.remove(1)
    client = StreamProtocol(state)
    client.hello()
    steps(client, *(json.dumps(frame) for frame in (model.ready(client.hello()), *model.after(5))))

    assert state.add_older(state.more, page)

    assert [item["seq"] for item in state.newest_first] == [5, 4, 3, 2]

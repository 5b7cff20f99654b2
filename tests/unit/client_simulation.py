"""A device with a stream client on a connection that loses and duplicates frames, for test_client.py."""

import json
import random

from tests.unit.reference_stream import Json, ReferenceStream
from waggle_client.protocol import (
    ListRequired,
    ProtocolError,
    SendFrame,
    StreamProtocol,
)


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

    def finish(self) -> None:
        """Connect again until nothing is in flight, and scroll to the end of the list."""
        for _ in range(3):  # the first attempts may find the cursor invalid, or lost frames missing
            self.close(None)
            self.connect()
            while self.in_flight:
                self.arrive()
        state = self.client.state
        while state.more:
            assert state.add_older(state.more, self.model.page(state.more))

    def shown(self) -> tuple[object, ...]:
        """The state of the client: how far it is, its counters, and its items."""
        state = self.client.state
        return state.epoch, state.seq, state.floor, state.read, state.unread, state.newest_first

    def stored(self) -> tuple[object, ...]:
        """The state of the server, as a new client would list it."""
        model = self.model
        items = [model.item(one) for one in reversed(model.items)]
        return model.epoch, model.head, model.floor, model.read, model.unread, items

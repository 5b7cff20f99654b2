"""The stream over WebSocket and as server-sent events: what it says, and whom it lets in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from .client import Api, Json, Member, done, eventually, refused
from .conftest import RUNNING, a_waggle
from .process import Waggle

STREAM = "/api/v1/stream"
PATIENCE = 15.0


class Socket:
    """One that listens, as a browser or a program would; each frame must be as the document says."""

    def __init__(self, socket: ClientConnection, schemas: Json) -> None:
        self._socket, self._schemas = socket, schemas

    @property
    def protocol(self) -> str | None:
        """The subprotocol that the server chose."""
        return self._socket.subprotocol

    def says(self, **frame: Any) -> None:
        self._socket.send(json.dumps(frame))

    def sends(self, text: str | bytes) -> None:
        self._socket.send(text)

    def hears(self, *ops: str) -> Json:
        """The next frame that is one of these; pings and hints are let be."""
        while True:
            frame: Json = json.loads(self._socket.recv(PATIENCE))
            self._schemas[frame["op"]].validate(frame)
            if frame["op"] in ops:
                return frame
            assert frame["op"] in {"ping", "hint"}, frame

    def first(self) -> Json | int:
        """What comes first: a frame, or the code that closes it."""
        try:
            frame: Json = json.loads(self._socket.recv(PATIENCE))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        return frame

    def closed(self) -> int:
        """How it is closed, whatever is said before."""
        try:
            while True:
                self._socket.recv(PATIENCE)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006


def documented(api: Api) -> dict[str, jsonschema_rs.Validator]:
    """The schemas of what the server says, by op."""
    found = done(api.nobody.get("/api/asyncapi.json"))
    named = [ref["$ref"].rpartition("/")[2] for ref in found["operations"]["tell"]["messages"]]
    messages = [found["components"]["messages"][name] for name in named]
    return {
        message["name"]: jsonschema_rs.validator_for(message["payload"] | {"components": found["components"]})
        for message in messages
    }


class Streams:
    def __init__(self, api: Api) -> None:
        self.api, self.schemas = api, documented(api)

    @contextmanager
    def opens(
        self,
        member: Member | None = None,
        origin: str | None = None,
        protocol: str = "waggle.v1",
        query: str = "",
        base_url: str = "",
    ) -> Iterator[Socket]:
        url = (base_url or self.api.base_url).replace("http", "ws", 1)
        with connect(
            f"{url}{STREAM}{query}",
            subprotocols=[Subprotocol(protocol)],
            additional_headers=member.headers() if member else {},
            origin=Origin(origin) if origin else None,
            ping_interval=None,
            open_timeout=PATIENCE,
            proxy=None,
        ) as socket:
            yield Socket(socket, self.schemas)

    @contextmanager
    def live(self, member: Member, **resume: Any) -> Iterator[tuple[Socket, Json]]:
        """Open, with its `ready`; live, unless it resumes."""
        with self.opens(member) as socket:
            socket.says(op="hello", **({"resume": resume} if resume else {}))
            ready = socket.hears("ready")
            if not resume:
                socket.hears("live")
            yield socket, ready


@pytest.fixture(scope="module")
def streams(api: Api) -> Streams:
    return Streams(api)


def ticket(member: Member) -> str:
    made = done(member.post(f"{STREAM}/ticket"), 201)
    assert made["expires_in"] == 30
    return str(made["ticket"])


@pytest.mark.scaled
def test_what_happens_comes_as_it_happens_and_to_who_comes_back(api: Api, streams: Streams) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    with streams.live(maya) as (socket, ready):
        assert (ready["recovered"], ready["seq"], ready["unread"]) == (False, 0, {"total": 0, "by_type": {}})
        willy.likes(post)
        event = socket.hears("event")
    listed = done(maya.get("/api/v1/notifications"))["items"][0]
    assert (event["seq"], event["type"], event["unread"]) == (1, "like", {"total": 1, "by_type": {"like": 1}})
    assert event["data"] == {"actor": listed["actor"], "post": listed["post"], "media_id": None}
    assert (event["id"], event["at"]) == (listed["id"], listed["created_at"])
    with streams.live(maya, epoch=ready["epoch"], seq=0) as (socket, again):
        assert (again["recovered"], again["seq"]) == (True, 0)
        assert socket.hears("event") == event
        assert socket.hears("live") == {"op": "live", "seq": 1}
        willy.unlikes(post)
        assert socket.hears("event")["data"] == {"seqs": [1]}
    with streams.live(maya, epoch=ready["epoch"], seq=0) as (socket, _):
        assert [socket.hears("event")["type"] for _ in range(2)] == ["void", "removed"]


def test_a_client_reads_pings_and_asks_again(api: Api, streams: Streams) -> None:
    maya, willy = api.someone(), api.someone()
    with streams.live(maya) as (socket, _):
        done(willy.put(f"/api/v1/users/{maya.id}/follow"))
        follow = socket.hears("event")
        socket.says(op="ping")
        socket.hears("pong")
        socket.says(op="read", seq=follow["seq"])
        read = socket.hears("event")
        assert (read["type"], read["data"], read["unread"]["total"]) == ("read", {"seq": 1}, 0)
        socket.says(op="resume", seq=1)
        assert socket.hears("event") == read
        socket.says(op="resume", seq=3)
        assert socket.closed() == 4007


def test_a_cursor_that_is_of_no_use_is_told_so(api: Api, streams: Streams) -> None:
    maya = api.someone()
    with streams.live(maya, epoch="another", seq=5) as (_, ready):
        assert (ready["recovered"], ready["seq"]) == (False, 0)
    with streams.opens(maya) as socket:
        socket.says(op="hello", resume={"epoch": ready["epoch"], "seq": 5})
        assert socket.closed() == 4007


@pytest.mark.scaled
def test_a_ticket_opens_the_stream_once(api: Api, streams: Streams) -> None:
    secret = ticket(api.someone())
    with streams.opens() as socket:
        socket.says(op="hello", ticket=secret)
        socket.hears("ready")
    for used in (secret, "", "x" * 43):
        with streams.opens() as socket:
            socket.says(op="hello", ticket=used)
            assert socket.closed() == 4401


def test_a_ticket_lets_a_stream_go_on_but_only_ones_own(api: Api, streams: Streams) -> None:
    maya = api.someone()
    with streams.live(maya) as (socket, _):
        socket.says(op="reauth", ticket=ticket(maya))
        socket.says(op="ping")
        socket.hears("pong")
        socket.says(op="reauth", ticket=ticket(api.someone()))
        assert socket.closed() == 4401


def test_who_says_nothing_good_is_not_let_in(api: Api, streams: Streams) -> None:
    maya = api.someone()
    for first, code in (
        ('{"op":"hello"}', 4401),
        ('{"op":"ping"}', 4400),
        ("no frame", 4400),
        (b"bytes", 4400),
        ('{"a":' + "[" * 4000, 4400),
        ("x" * 5000, 1009),
    ):
        with streams.opens() as socket:
            socket.sends(first)
            assert socket.closed() == code
    with streams.opens(Member(maya.http, tokens={"access_token": "e30.e30.e30"})) as socket:
        assert socket.closed() == 4401
    with streams.opens(maya, query=f"?token={maya.tokens['access_token']}") as socket:
        assert socket.closed() == 4400
    with streams.opens(maya, protocol="waggle.v0") as socket:
        assert socket.protocol == "waggle.v0", "a browser that gets none that it offered hears no reason"
        assert socket.closed() == 4406
    with streams.opens() as socket:  # and says nothing at all
        assert socket.closed() == 4401


def test_frames_of_no_use_are_borne_with_for_a_while(api: Api, streams: Streams) -> None:
    with streams.live(api.someone()) as (socket, _):
        for frame in ('{"op":"dance"}', "{}", '{"op":"read","seq":-1}', '{"a":' + "[" * 4000):
            socket.sends(frame)
            assert socket.hears("error")["code"] == "frame_invalid"
        socket.says(op="hello")
        assert socket.closed() == 4400
    with streams.live(api.someone()) as (socket, _):
        for _ in range(61):
            socket.says(op="pong")
        assert socket.closed() == 4029


@pytest.mark.told_by("embedded")
def test_pages_of_strangers_are_refused_before_anything_is_opened(api: Api, streams: Streams) -> None:
    maya = api.someone()
    for origin in ("https://evil.example", "null", f"{api.base_url}.evil.example", "http://localhost.evil"):
        with pytest.raises(InvalidStatus) as raised, streams.opens(maya, origin=origin):
            pass
        assert raised.value.response.status_code == 403
    for origin in (api.base_url, "http://localhost:5173"):
        with streams.opens(maya, origin=origin) as socket:
            socket.says(op="hello")
            socket.hears("ready")


def test_of_eleven_streams_the_first_ten_stay(api: Api, streams: Streams) -> None:
    maya, willy = api.someone(), api.someone()

    def one_more(number: int) -> None:
        if number == 10:
            with streams.opens(maya) as eleventh:
                eleventh.says(op="hello")
                assert eleventh.closed() == 4009
            answer = httpx.get(
                f"{api.base_url}{STREAM}", headers=maya.headers() | {"Accept": "text/event-stream"}
            )
            assert "retry:" in answer.text, "an EventSource comes back by itself"
            willy.publishes(f"Look, @{maya.username}!")
            return
        with streams.live(maya) as (socket, _):
            one_more(number + 1)
            assert socket.hears("event")["type"] == "mention"

    one_more(0)


def events(member: Member, **headers: str) -> Any:
    return member.get(STREAM, headers={"Accept": "text/event-stream", **headers})


@pytest.mark.scaled
def test_a_session_that_ends_ends_its_streams_and_no_other(api: Api, streams: Streams) -> None:
    maya = api.someone()
    other = api.logs_in(maya.username)
    with streams.live(other) as (kept, _):
        with streams.live(maya) as (socket, _):
            done(maya.post("/api/v1/auth/logout"), 204)
            assert socket.closed() == 4403
        kept.says(op="ping")
        kept.hears("pong")


@pytest.mark.scaled
def test_server_sent_events_are_the_same_stream(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    epoch = done(maya.get("/api/v1/notifications"))["epoch"]
    done(willy.put(f"/api/v1/users/{maya.id}/follow"))
    eventually(lambda: _is(1, done(maya.get("/api/v1/notifications/unread"))["seq"]))
    schemas = documented(api)
    headers = maya.headers() | {"Accept": "text/event-stream", "Last-Event-ID": f"{epoch}:0"}
    said: list[tuple[str | None, Json]] = []
    with httpx.stream("GET", f"{api.base_url}{STREAM}", headers=headers, timeout=PATIENCE) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        lines: dict[str, str] = {}
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name:
                lines[name] = value
            elif lines:
                frame = json.loads(lines["data"])
                assert lines["event"] == frame["op"]
                schemas[frame["op"]].validate(frame)
                said.append((lines.get("id"), frame))
                lines = {}
                if frame["op"] == "live":
                    break
    assert [frame["op"] for _, frame in said] == ["ready", "event", "live"]
    assert [id_ for id_, _ in said] == [f"{epoch}:0", f"{epoch}:1", None]
    assert said[1][1]["type"] == "follow"


def test_a_stream_over_http_that_cannot_be_is_refused(api: Api) -> None:
    maya = api.someone()
    epoch = done(maya.get("/api/v1/notifications"))["epoch"]
    refused(maya.get(STREAM), 406, "not_acceptable")
    refused(events(maya, **{"Last-Event-ID": f"{epoch}:7"}), 409, "stream_cursor_ahead")
    refused(events(maya, **{"Last-Event-ID": "seven"}), 400, "query_invalid")
    refused(api.nobody.get(STREAM, headers={"Accept": "text/event-stream"}), 401, "token_missing")
    assert maya.request("HEAD", STREAM, headers={"Accept": "text/event-stream"}).status_code == 200


@pytest.mark.skipif(bool(RUNNING), reason="a server of our own is needed, that may stop")
def test_a_server_that_stops_says_when_to_come_back(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with a_waggle(request, "memory", tmp_path) as waggle:
        api = Api(waggle.base_url)
        with Streams(api).live(api.someone()) as (socket, _):
            assert waggle.stop() == 0
            assert 0 <= socket.hears("bye")["retry_ms"] <= 5_000
            assert socket.closed() == 1012
        api.close()


@pytest.mark.skipif(bool(RUNNING), reason="the log is needed")
def test_nothing_secret_and_no_disconnect_stands_in_the_log(
    api: Api, streams: Streams, server: Waggle
) -> None:
    maya = api.someone()
    secret = ticket(maya)
    for _ in range(20):
        with streams.opens(maya) as socket:
            socket.says(op="hello")
            socket._socket.socket.close()
    with streams.opens(maya, query=f"?ticket={secret}") as socket:
        assert socket.closed() == 4400
    assert not server.complaints()
    log = server.log.read_text()
    assert secret not in log
    assert maya.tokens["access_token"] not in log


def _is(expected: object, found: object) -> None:
    assert found == expected

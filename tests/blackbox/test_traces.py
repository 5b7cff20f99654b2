"""Traces over OTLP, as a collector gets them."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.collector import CollectedSpan, Collector, collector, tree

from .client import Api, Member, Visitor, done, eventually, fresh_name
from .conftest import NO_SERVER, RUNNING, SHAPES, stores_of
from .pictures import ready
from .process import Waggle, free_port
from .stream_socket import StreamConnector

pytestmark = pytest.mark.skipif(bool(RUNNING), reason="needs servers of its own")

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
LIKE = "PUT /api/v1/posts/{post_id}/like"
NAME = re.compile(
    r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|HTTP)( /[a-z0-9/._{}:-]*)?"  # a request and its template
    r"|(SELECT|INSERT|UPDATE|DELETE)( [a-z_0-9]+)*|COMMIT"  # SQL: the operation and tables
    r"|[A-Z]+"  # a command of Redis
    r"|S3\.[A-Za-z0-9]+"
    r"|process [A-Za-z]+ [a-z]+\.[a-z_]+"
    r"|send stream"
)
ATTRIBUTES = {
    "db.namespace",
    "db.operation.name",
    "db.query.summary",
    "db.system.name",
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "messaging.consumer.group.name",
    "messaging.destination.name",
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.system",
    "rpc.method",
    "rpc.service",
    "rpc.system",
    "server.address",
    "server.port",
    "url.scheme",
}


@contextmanager
def waggles(
    request: pytest.FixtureRequest, shape: str, folder: Path, number: int, **settings: str
) -> Iterator[list[Waggle]]:
    with ExitStack() as stack:
        url, named = stack.enter_context(stores_of(request, shape))
        public = {} if shape in NO_SERVER else {"WAGGLE_PUBLIC_URL": "http://waggle.test"}
        running = [Waggle(shape, folder, url, settings=named | public | settings) for _ in range(number)]
        for waggle in running:
            stack.callback(waggle.kill)
            waggle.start()
        yield running
        assert [waggle.stop() for waggle in running] == [0] * number, running[0].tail()


@pytest.fixture(params=SHAPES)
def traced(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[list[Waggle], Collector]]:
    """The processes of a shape (two, if it can have several) and their collector."""
    with ExitStack() as stack:
        collected = stack.enter_context(collector())
        number = 1 if request.param in NO_SERVER else 2
        settings = {"WAGGLE_TRACES_URL": collected.url}
        yield stack.enter_context(waggles(request, request.param, tmp_path, number, **settings)), collected


@contextmanager
def event_stream(waggle: Waggle, member: Member) -> Iterator[Iterator[str]]:
    headers = {**member.headers(), "Accept": "text/event-stream"}
    with (
        httpx.Client(base_url=waggle.base_url, timeout=45) as http,
        http.stream("GET", "/api/v1/stream", headers=headers) as answer,
    ):
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: ready"
        yield lines


@pytest.mark.scaled
@pytest.mark.timeout(180)
def test_one_request_is_one_trace_as_far_as_the_frames_of_another_user(
    traced: tuple[list[Waggle], Collector],
) -> None:
    running, collected = traced
    with ExitStack() as stack:
        here, there = (
            stack.enter_context(closing(Api(waggle.base_url))) for waggle in (running[0], running[-1])
        )
        maya, willy = here.someone(), here.someone()
        post = maya.publishes()
        streams = StreamConnector(there)
        socket, _ = stack.enter_context(streams.connect_live(maya))
        events = stack.enter_context(event_stream(running[-1], maya))

        willy.likes(post)

        assert socket.receive("event")["type"] == "like"
        next(line for line in events if line.startswith("event: event"))

        def complete() -> list[CollectedSpan]:
            spans = collected.trace_of(LIKE)
            assert [span.name for span in spans].count("send stream") == 2
            assert [span.name for span in spans if span.name.startswith("process Liked notifications.")]
            return spans

        spans = eventually(complete)
    print(tree(spans))  # noqa: T201 - the trace, for whoever reads the test with -s
    (first,) = (span for span in spans if not span.parent)
    assert (first.kind, first.attributes["http.route"]) == (SERVER, "/api/v1/posts/{post_id}/like")
    (handler,) = (span for span in spans if span.name.startswith("process Liked notifications."))
    assert (handler.kind, handler.parent) == (CONSUMER, first.id)
    frames = [span for span in spans if span.name == "send stream"]
    assert {(span.kind, span.parent) for span in frames} == {(PRODUCER, handler.id)}
    if running[0].shape == "memory":
        return
    below = {parent: [span for span in spans if span.parent == parent] for parent in (first.id, handler.id)}
    assert {"INSERT likes", "INSERT outbox", "COMMIT"} <= {span.name for span in below[first.id]}
    assert {"INSERT stream_entries", "COMMIT"} <= {span.name for span in below[handler.id]}
    if len(running) == 2:
        assert first.process not in {span.process for span in frames}
    if running[0].shape == "scaled":
        systems = {span.attributes.get("db.system.name") for span in spans if span.kind == CLIENT}
        assert systems == {"postgresql", "redis"}


@pytest.mark.scaled
@pytest.mark.timeout(180)
def test_no_span_holds_what_users_sent(traced: tuple[list[Waggle], Collector]) -> None:
    running, collected = traced
    with closing(Api(running[0].base_url)) as api:
        maya = api.someone()
        media = ready(maya)
        post = maya.publishes("canary-text #canarytag", media_ids=[media["id"]])
        http = Visitor(api.http)
        address = re.findall(r"/media/[^'\"]+", str(media))[0]
        assert api.http.get(address).status_code == 200
        http.get(f"/canary-path/{fresh_name()}?canary-query=1")
        http.get("/api/v1/posts?canary-query=1")
        maya.get(f"/api/v1/search/posts?q=canary-{fresh_name()}")
        maya.get("/api/v1/feeds/home", headers={"X-Request-ID": "canary-id", "User-Agent": "canary-agent"})
        api.http.get("/api/v1/me", headers={"Authorization": "Bearer canary-token"})
        api.logs_in(maya.username)
        maya.comments(post, "canary-comment")

        def handled() -> None:
            spans = collected.trace_of("POST /api/v1/posts/{post_id}/comments")
            assert any(span.name.startswith("process ") for span in spans)

        eventually(handled)
    assert [waggle.stop() for waggle in running] == [0] * len(
        running
    )  # all other spans are sent before the end
    everything = b"".join(collected.bodies).decode("latin-1")
    secrets = [maya.id, maya.username, maya.email, post["id"], media["id"], *map(str, maya.tokens.values())]
    assert [
        secret for secret in [*secrets, "canary", address.removeprefix("/media/")] if secret in everything
    ] == []
    assert [span.name for span in collected.spans if not NAME.fullmatch(span.name)] == []
    assert {key for span in collected.spans for key in span.attributes} <= ATTRIBUTES
    if running[0].shape == "scaled":
        assert "S3.PutObject" in {span.name for span in collected.trace_of("POST /api/v1/media")}


@pytest.fixture(params=[shape for shape in SHAPES if shape in NO_SERVER] or ["none"])
def single(request: pytest.FixtureRequest) -> str:
    if request.param == "none":
        pytest.skip("needs a shape without other servers")
    return str(request.param)


@pytest.mark.short_run_shapes("embedded")
@pytest.mark.parametrize("behaviour", ["refuse", "hang", "closed"])
def test_a_collector_that_fails_disturbs_no_request_and_no_stop(
    request: pytest.FixtureRequest, single: str, tmp_path: Path, behaviour: str
) -> None:
    with collector("hang" if behaviour == "hang" else "refuse") as collected:
        url = f"http://127.0.0.1:{free_port()}" if behaviour == "closed" else collected.url
        with waggles(request, single, tmp_path, 1, WAGGLE_TRACES_URL=url) as (waggle,):
            with closing(Api(waggle.base_url)) as api:
                maya = api.someone()
                for _ in range(50):
                    maya.publishes()
                if behaviour != "closed":
                    eventually(lambda: _asked(collected))
                done(maya.get("/api/v1/feeds/home"))
            began = time.monotonic()
            assert waggle.stop() == 0
            assert time.monotonic() - began < 20  # of which two seconds are for the collector
            waggle.start()  # so that it can be stopped
        lines = waggle.log.read_text().splitlines()
        assert len([line for line in lines if "spans are not exported" in line]) <= 2
        assert waggle.complaints() == []


def _asked(collected: Collector) -> None:
    assert collected.requests


@pytest.mark.short_run_shapes("embedded")
def test_with_ratio_0_requests_work_and_nothing_is_exported(
    request: pytest.FixtureRequest, single: str, tmp_path: Path
) -> None:
    with collector() as collected:
        settings = {"WAGGLE_TRACES_URL": collected.url, "WAGGLE_TRACES_RATIO": "0"}
        with (
            waggles(request, single, tmp_path, 1, **settings) as (waggle,),
            closing(Api(waggle.base_url)) as api,
        ):
            api.someone().publishes()
        assert (collected.requests, collected.spans) == (0, [])


@pytest.mark.short_run_shapes("embedded")
def test_the_last_spans_are_exported_when_the_server_stops(
    request: pytest.FixtureRequest, single: str, tmp_path: Path
) -> None:
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with collector() as collected:
        settings = {
            "WAGGLE_TRACES_URL": collected.url,
            "WAGGLE_TRACES_CONTINUE": "on",
            "WAGGLE_ACCESS_LOG": "all",
        }
        with waggles(request, single, tmp_path, 1, **settings) as (waggle,):
            httpx.get(f"{waggle.base_url}/api/v1/posts/1", headers={"traceparent": caller})
        names = {span.name for span in collected.spans if span.trace == caller.split("-")[1]}
        assert "GET /api/v1/posts/{post_id}" in names
        lines = [json.loads(line) for line in waggle.log.read_text().splitlines() if line.startswith("{")]
        assert caller.split("-")[1] in {line.get("trace.id") for line in lines}


@pytest.mark.parametrize("value", ["collector:4318", "http://bee:honey@collector:4318"])
def test_an_invalid_collector_is_refused(tmp_path: Path, value: str) -> None:
    waggle = Waggle("memory", tmp_path, "memory:", settings={"WAGGLE_TRACES_URL": value})

    ended = waggle.command("serve")

    assert ended.returncode == 78
    assert ended.stderr.startswith("waggle: WAGGLE_TRACES_URL")
    assert ended.stderr.count("\n") == 1
    assert "honey" not in ended.stderr

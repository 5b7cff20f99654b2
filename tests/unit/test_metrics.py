"""Metrics: bounded labels, values from the right places, and a scrape that always answers."""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.memory.limits import MemoryLimiter
from adapters.metered.meters import Histogram
from adapters.storage.memory import MemoryStorage
from application.shared.deliveries import NOT_DISTRIBUTED, Counts
from domain.shared import EventId, Unavailable
from entrypoints.container import Container, build
from entrypoints.http.app import create_app
from entrypoints.metrics.document import SECTIONS
from entrypoints.metrics.exposition import Exposition
from entrypoints.metrics.families import FAMILIES
from entrypoints.metrics.queues import KEPT_SECONDS, Queues
from entrypoints.metrics.reading import Sample, Served, read
from entrypoints.settings import Settings

SETTINGS = Settings(
    database_url="memory:", metrics_address="127.0.0.1:9091", rate_limits="off", access_log="off"
)
SERVED = Served("0.0", lambda: 3, lambda: {"process": 0, "network": 1}, {"public": {"malformed": 2}})


@pytest.fixture
def container() -> Container:
    return build(SETTINGS)


def queues(
    outbox: Callable[[int], Awaitable[dict[str, Counts]]] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Queues:
    async def no_events(_limit: int) -> dict[str, Counts]:
        return {}

    async def none() -> int:
        return 0

    return Queues(outbox or no_events, none, none, clock)


async def requested(app: Any, method: str, path: str, *headers: tuple[bytes, bytes]) -> int:
    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"waggle"), *headers],
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
    }
    await app(scope, receive, send)
    return statuses[0]


def series(container: Container) -> set[tuple[str, tuple[str, ...]]]:
    return {(one.family, tuple(one.labels)) for one in read(container, queues(), SERVED)}


async def test_ten_thousand_random_requests_add_no_series(container: Container) -> None:
    app = create_app(container, SETTINGS)
    chance = random.Random(7)  # noqa: S311 - no secret
    prefixes = ["/", "/api/v1/", "/api/v1/posts/x", "/media/", "/api/v1/users/a/b/c/"]
    methods = ["GET", "GET", "GET", "FROB", "XYZZY"]
    hosts = [b"waggle", b"evil.example", b"<script>", b"a b", b'"}\n']
    for method in ("GET", "FROB"):
        assert await requested(app, method, "/nothing/here") in {404, 405}
    assert await requested(app, "GET", "/nothing", (b"host", b"x")) == 400
    before = series(container)

    for _ in range(10_000):
        method = chance.choice([*methods, secrets.token_hex(4).upper()])
        path = chance.choice(prefixes) + secrets.token_urlsafe(9) + '/"\n\\{}'
        await requested(app, method, path, (b"x-forwarded-host", chance.choice(hosts)))

    assert series(container) - before == set()
    counted = sum(sum(one.read().counts) for one in container.meters().requests.durations.by_labels.values())
    assert counted == 10_003


async def test_requests_are_counted_by_route_template_method_and_class_of_status(
    container: Container,
) -> None:
    app = create_app(container, SETTINGS)

    for method, path in (
        ("GET", "/livez"),
        ("HEAD", "/livez"),
        ("GET", "/api/v1/posts/123"),
        ("GET", "/api/v1/posts/124"),
        ("GET", "/api/v1/posts/124/context"),
        ("OPTIONS", "/livez"),
    ):
        await requested(app, method, path)

    found = {
        key: sum(one.read().counts) for key, one in container.meters().requests.durations.by_labels.items()
    }
    assert found == {
        ("GET", "/livez", "2xx"): 1,
        ("HEAD", "/livez", "2xx"): 1,
        ("GET", "/api/v1/posts/{post_id}", "4xx"): 2,
        ("GET", "/api/v1/posts/{post_id}/context", "4xx"): 1,
        ("OPTIONS", "unmatched", "4xx"): 1,
    }
    assert container.meters().requests.in_flight() == 0
    assert container.meters().requests.sent_bytes > 100


def test_without_metrics_no_request_is_counted_and_nothing_is_wrapped() -> None:
    container = build(Settings(database_url="memory:"))
    create_app(container, Settings(database_url="memory:"))

    assert type(container.limiter()) is MemoryLimiter
    assert type(container.storage()) is MemoryStorage


def test_every_sample_belongs_to_a_family_with_its_labels(container: Container) -> None:
    create_app(container, SETTINGS)
    meters = container.meters()
    meters.limits["read", True] += 1
    meters.deliveries["posts.x", "handled"].observe(1)
    meters.storage["put", "ok"].observe(1)
    meters.media[("ready",)].observe(1)
    meters.security["login", "ok"] += 1
    meters.streams.frames["ready"] += 1
    meters.streams.closed[4008] += 1
    families = {family.name: len(family.labels) for family in FAMILIES}

    assert {(one.family, len(one.labels)) for one in read(container, queues(), SERVED)} <= set(
        families.items()
    )


def test_every_family_is_documented_once() -> None:
    documented = [family.name for _, section in SECTIONS for family in section]

    assert len({*documented}) == len(documented)
    assert {family.name for family in FAMILIES} <= {*documented}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0",
        ),
        ("text/plain;version=x\r\nset-cookie: a", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=9e999;escaping=\n",
            "application/openmetrics-text; version=1.0.0",
        ),
    ],
)
async def test_a_scrape_is_answered_in_a_known_format(
    container: Container, accept: str, content_type: str
) -> None:
    exposition = Exposition(queues(), lambda: read(container, queues(), SERVED))

    answer = await exposition(accept)

    assert answer.content_type.startswith(content_type)
    assert "\n" not in answer.content_type
    assert answer.body.endswith(b"# EOF\n") is answer.content_type.startswith("application/openmetrics")


async def test_a_histogram_is_exposed_with_cumulative_buckets() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7):
        histogram.observe(value)
    samples = [Sample("waggle_event_loop_lag_seconds", (), histogram.read())]

    _, body = await Exposition(queues(), lambda: samples)("")

    text = [line for line in body.decode().splitlines() if line.startswith("waggle_event_loop_lag")]
    assert text == [
        'waggle_event_loop_lag_seconds_bucket{le="0.1"} 2.0',
        'waggle_event_loop_lag_seconds_bucket{le="1.0"} 3.0',
        'waggle_event_loop_lag_seconds_bucket{le="+Inf"} 4.0',
        "waggle_event_loop_lag_seconds_count 4.0",
        "waggle_event_loop_lag_seconds_sum 7.65",
    ]


async def test_a_database_that_fails_leaves_out_its_families_and_nothing_else(container: Container) -> None:
    async def away(_limit: int) -> dict[str, Counts]:
        raise Unavailable("the database is away")

    some = queues(away)

    _, body = await Exposition(some, lambda: read(container, some, SERVED))("")

    found = {one.name: one.samples for one in text_string_to_metric_families(body.decode())}
    assert not found["waggle_outbox_pending_events"]
    assert found["waggle_media_queued_jobs"][0].value == 0
    assert {one.labels["source"]: one.value for one in found["waggle_scrape_errors"]} == {
        "outbox": 1,
        "media": 0,
        "mail": 0,
    }


async def test_queues_are_read_at_most_every_ten_seconds_and_a_slow_database_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("entrypoints.metrics.queues.TIMEOUT", 0.01)
    asked: list[int] = []
    now = 0.0

    async def hangs(limit: int) -> dict[str, Counts]:
        asked.append(limit)
        await asyncio.Event().wait()
        return {}

    some = queues(hangs, lambda: now)
    await some.refresh()
    await some.refresh()
    assert (asked, some.outbox, some.errors["outbox"]) == ([100_000], None, 1)

    now = KEPT_SECONDS
    await some.refresh()
    assert some.errors["outbox"] == 2


async def test_the_ages_of_events_are_those_of_the_oldest(container: Container) -> None:
    minute_ago = EventId(int((datetime.now(UTC) - timedelta(minutes=1)).timestamp() * 1000) << 16)

    async def counts(_limit: int) -> dict[str, Counts]:
        return {
            NOT_DISTRIBUTED: Counts(pending=2, retrying=1, dead=1, oldest=minute_ago),
            "posts.x": Counts(pending=1, retrying=2, oldest=minute_ago),
        }

    some = queues(counts)
    await some.refresh()

    found = {(one.family, *one.labels): one.value for one in read(container, some, SERVED)}
    assert found["waggle_outbox_pending_events",] == 3
    assert found["waggle_outbox_dead_letters", "(all)"] == 1
    assert found["waggle_outbox_retrying_deliveries", "posts.x"] == 2
    for age in (
        found["waggle_outbox_oldest_event_age_seconds",],
        found["waggle_outbox_oldest_delivery_age_seconds", "posts.x"],
    ):
        assert isinstance(age, float)
        assert age >= 60


@pytest.mark.parametrize(
    "address",
    [
        "9091",
        "localhost:9091",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "::1:9091",
        "[127.0.0.1]:1",
        "1.2.3.4:-1",
    ],
)
def test_an_invalid_address_is_refused(address: str) -> None:
    from entrypoints.settings import BadSettings

    with pytest.raises(BadSettings, match="WAGGLE_METRICS_ADDRESS"):
        Settings.read({"WAGGLE_METRICS_ADDRESS": address})


@pytest.mark.parametrize(
    "names", ["Waggle.Internal", "a.example:9091", "*", "*.", "https://a.example", "a..b", "a b"]
)
def test_invalid_names_of_the_metrics_listener_are_refused(names: str) -> None:
    from entrypoints.settings import BadSettings

    with pytest.raises(BadSettings, match="WAGGLE_METRICS_HOSTS"):
        Settings.read({"WAGGLE_METRICS_HOSTS": f"waggle.internal,{names}"})

"""Metrics of real processes: as Prometheus reads them, and what its private listener refuses."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from .client import Api, eventually
from .conftest import RUNNING, SHAPES, a_waggle, stores_of
from .network_proxy import network_proxy
from .process import ROOT, Waggle, free_port

pytestmark = pytest.mark.skipif(bool(RUNNING), reason="needs servers of its own")

SHARED = next((shape for shape in ("scaled", "postgres") if shape in SHAPES), "")
"""The shape of several processes that has the most families."""
DOCUMENTED = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram|summary) \|", re.MULTILINE)
READS = {0: 70, 1: 30}
"""The number of times that each process is asked for a post."""


def metrics_port(waggle: Waggle) -> int:
    return int(waggle.settings["WAGGLE_METRICS_ADDRESS"].rpartition(":")[2])


def scrape(waggle: Waggle, **headers: str) -> str:
    answer = httpx.get(f"http://127.0.0.1:{metrics_port(waggle)}/metrics", headers=headers, timeout=20)
    assert answer.status_code == 200
    return answer.text


def values(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples of a scrape."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Waggle]]:
    """Two processes on one database, each with metrics on a port of its own."""
    if not SHARED:
        pytest.skip("neither scaled nor postgres is among the shapes that are tested")
    with ExitStack() as stack:
        url, named = stack.enter_context(stores_of(request, SHARED))
        running: list[Waggle] = []
        for number in range(2):
            settings = {
                "WAGGLE_PUBLIC_URL": "http://waggle.test",
                "WAGGLE_METRICS_ADDRESS": f"127.0.0.1:{free_port()}",
                **named,
            }
            waggle = Waggle(SHARED, tmp_path_factory.mktemp(f"metrics-{number}"), url, settings=settings)
            if running:  # they share the key and the media
                waggle.folder = running[0].folder
            stack.callback(waggle.kill)
            waggle.start()
            running.append(waggle)
        yield running
        assert [waggle.stop() for waggle in running] == [0, 0]


def program(name: str) -> str:
    """Skips the test, with a reason that the summary shows, where the program is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (on Debian: apt-get install prometheus)")
    return found


@contextmanager
def prometheus(folder: Path, *targets: int) -> Iterator[str]:
    """Prometheus, which scrapes these ports every second. Yields its URL."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s"},
                "scrape_configs": [
                    {
                        "job_name": "waggle",
                        "static_configs": [{"targets": [f"127.0.0.1:{one}" for one in targets]}],
                    }
                ],
            }
        )
    )
    command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log, cwd=folder
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def query(url: str, expression: str) -> dict[str, float]:
    """The values of an instant query by the port of the scraped process."""
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, timeout=10)
    except httpx.TransportError as error:
        raise AssertionError("Prometheus does not answer yet") from error
    assert answer.status_code == 200, answer.text
    found: Any = answer.json()["data"]["result"]
    return {one["metric"]["instance"].rpartition(":")[2]: float(one["value"][1]) for one in found}


def test_prometheus_counts_the_requests_of_two_processes_under_load(
    pair: list[Waggle], tmp_path: Path
) -> None:
    ports = [metrics_port(waggle) for waggle in pair]
    with ExitStack() as stack:
        url = stack.enter_context(prometheus(tmp_path, *ports))
        apis = [stack.enter_context(closing(Api(waggle.base_url))) for waggle in pair]
        lea = apis[0].someone()
        post = lea.publishes()
        for number, api in enumerate(apis):
            for _ in range(READS[number]):
                assert api.nobody.get(f"/api/v1/posts/{post['id']}").status_code == 200
            for missing in range(5):
                assert api.nobody.get(f"/api/v1/nothing/{missing}").status_code == 404
        count = "waggle_http_request_duration_seconds_count"

        def is_counted() -> None:
            read = query(url, f'{count}{{route="/api/v1/posts/{{post_id}}",method="GET",status="2xx"}}')
            assert read == {str(ports[0]): READS[0], str(ports[1]): READS[1]}
            assert query(url, f'{count}{{route="unmatched",status="4xx"}}') == {
                str(port): 5 for port in ports
            }
            assert query(url, "up") == {str(port): 1 for port in ports}
            assert query(url, "max by (instance) (waggle_outbox_pending_events)") == {
                str(port): 0 for port in ports
            }

        eventually(is_counted)


def test_a_real_scrape_is_clean_and_has_exactly_the_documented_families(pair: list[Waggle]) -> None:
    with closing(Api(pair[0].base_url)) as api:
        lea, tom = api.someone(), api.someone()
        address = f"{pair[0].base_url}/api/v1/stream"
        headers = {**tom.headers(), "accept": "text/event-stream"}
        with httpx.stream("GET", address, headers=headers, timeout=60) as stream:
            lines = stream.iter_lines()
            assert any("live" in line for line in lines)
            lea.likes(tom.publishes())
            assert any('"like"' in line for line in lines)
            during = values(scrape(pair[0]))

        def was_delivered() -> str:
            text = scrape(pair[0])
            assert "waggle_outbox_handler_duration_seconds_count" in text + scrape(pair[1])
            registered = frozenset({("kind", "registration"), ("outcome", "ok")})
            assert values(text).get(("waggle_security_events_total", registered), 0) >= 2
            return text

        text = eventually(was_delivered)

    documented = dict(DOCUMENTED.findall((ROOT / "docs/metrics.md").read_text()))
    found = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert found == documented
    assert during["waggle_stream_connections", frozenset({("transport", "sse")})] == 1
    assert during["waggle_stream_frames_total", frozenset({("frame", "event")})] == 1
    assert during["waggle_stream_delay_seconds_count", frozenset()] == 1
    pools = {dict(labels)["pool"] for name, labels in values(text) if name == "waggle_pool_connections_max"}
    assert pools == {"read", "write"}
    if SHARED == "scaled":
        assert values(text)["waggle_redis_up", frozenset()] == 1
        assert values(text)["waggle_redis_command_duration_seconds_count", frozenset()] > 0
        assert {("breaker", "redis"), ("breaker", "storage")} == {
            one for name, labels in values(text) if name == "waggle_breaker_open" for one in labels
        }
    for secret in (lea.username, tom.username, "example.org"):
        assert secret not in text
    checked = subprocess.run(  # the text format; OpenMetrics is what Prometheus asks for in the test above
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_database_that_hangs_does_not_fail_a_scrape(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if not SHARED:
        pytest.skip("neither scaled nor postgres is among the shapes that are tested")
    failed = "waggle_scrape_errors_total", frozenset({("source", "outbox")})
    pending = "waggle_outbox_pending_events", frozenset[tuple[str, str]]()
    with stores_of(request, "postgres") as (url, _), network_proxy(url) as proxy:
        settings = {"WAGGLE_METRICS_ADDRESS": f"127.0.0.1:{free_port()}"}
        waggle = Waggle("postgres", tmp_path, proxy.url, settings=settings)
        try:
            waggle.start()
            assert values(scrape(waggle))[pending] == 0
            proxy.hang()

            def fails() -> None:
                began = time.monotonic()
                found = values(scrape(waggle))
                assert found[failed] >= 1
                assert pending not in found
                assert time.monotonic() - began < 10  # the timeout of Prometheus

            eventually(fails)
            proxy.restore()

            def is_back() -> None:
                assert pending in values(scrape(waggle))

            eventually(is_back)
        finally:
            waggle.kill()


@pytest.fixture(scope="module")
def single(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waggle]:
    address = f"127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("metrics")
    settings = {"WAGGLE_METRICS_ADDRESS": address, "WAGGLE_METRICS_HOSTS": "prometheus.internal"}
    with a_waggle(request, "embedded", folder, False, **settings) as running:
        yield running


def test_metrics_are_served_on_their_own_listener_only(single: Waggle) -> None:
    public = httpx.get(f"{single.base_url}/metrics")
    private = httpx.get(f"http://127.0.0.1:{metrics_port(single)}/api/v1/feeds/public")

    assert (public.status_code, private.status_code) == (404, 404)
    assert "waggle_build_info" in scrape(single)


REQUESTS = [
    (b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 405),
    (b"PROPFIND /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: <b>\r\n\r\n", 400),
    (b"FROB /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"\x16\x03\x01\x00", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
    (b"GET /../metrics HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"GET /metrics HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 200),
]


@pytest.mark.parametrize(("sent", "status"), REQUESTS)
def test_hostile_requests_are_refused(single: Waggle, sent: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", metrics_port(single)), 10) as connection:
        connection.sendall(sent)

        assert connection.recv(1000).split(b" ")[1] == b"%d" % status


def test_slow_connections_do_not_keep_a_scrape_out_and_are_closed(single: Waggle) -> None:
    def connected() -> socket.socket:
        return stack.enter_context(socket.create_connection(("127.0.0.1", metrics_port(single)), 30))

    with ExitStack() as stack:
        silent = [connected() for _ in range(20)]
        for connection in silent[4:]:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: ")

        assert "waggle_build_info" in scrape(single)
        assert [ended(connection) for connection in silent] == [True] * 20


def ended(connection: socket.socket) -> bool:
    """Waits until the server has closed the connection."""
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_requests_that_are_not_http_are_counted_on_both_listeners(single: Waggle) -> None:
    def counted() -> dict[str, float]:
        found = values(scrape(single))
        return {
            listener: found[
                "waggle_http_invalid_requests_total",
                frozenset({("listener", listener), ("defect", "malformed")}),
            ]
            for listener in ("public", "metrics")
        }

    before = counted()
    for port in (single.port, single.port, metrics_port(single)):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"hello\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 400")

    after = counted()
    assert {name: after[name] - before[name] for name in after} == {"public": 2, "metrics": 1}
    logged = [json.loads(line) for line in single.log.read_text().splitlines()]
    invalid = [line for line in logged if line["event.action"] == "invalid_http"]
    assert {line["waggle.listener"] for line in invalid} == {"public", "metrics"}
    assert len(invalid) == 2
    assert not [line for line in logged if line["event.action"] == "library"]


def test_another_name_than_those_of_the_settings_is_refused(single: Waggle) -> None:
    refused = httpx.get(f"http://127.0.0.1:{metrics_port(single)}/metrics", headers={"Host": "evil.example"})

    assert (refused.status_code, refused.text) == (421, "this host is not in WAGGLE_METRICS_HOSTS\n")
    assert "waggle_build_info" in scrape(single, host="prometheus.internal:9091")


@pytest.mark.parametrize("shape", ["memory", "embedded"])
def test_port_0_lets_the_system_choose_a_port_that_is_logged_and_printed(
    request: pytest.FixtureRequest, tmp_path: Path, shape: str
) -> None:
    with a_waggle(request, shape, tmp_path, False, WAGGLE_METRICS_ADDRESS="127.0.0.1:0") as waggle:
        lines = [json.loads(line) for line in waggle.log.read_text().splitlines()]
        (port,) = [line["server.port"] for line in lines if line["event.action"] == "metrics_served"]

        assert f"http://127.0.0.1:{port}/metrics" in waggle.output.read_text()
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
        assert f'shape="{shape}"' in text
        checked = subprocess.run(
            [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout) == (0, "")

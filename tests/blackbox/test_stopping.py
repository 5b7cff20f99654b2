"""Stops and starts: clients notice no stop, and a failed start leaves nothing behind."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from .client import Api, Member, done, eventually, fresh_key
from .conftest import OWN_SERVER, RUNNING, SHAPES, needs_shape, stores_of
from .process import Waggle

pytestmark = pytest.mark.skipif(bool(RUNNING), reason=OWN_SERVER)

LONG_DRAIN = {"WAGGLE_DRAIN_SECONDS": "300"}
"""Longer than any test waits: a server that ends sooner has ended its drain early."""


@pytest.fixture(params=[shape for shape in ("memory",) if shape in SHAPES] or SHAPES[:1])
def draining(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    with ExitStack() as stack:
        url, named = stack.enter_context(stores_of(request, request.param))
        waggle = Waggle(request.param, tmp_path, url, settings=named | LONG_DRAIN)
        stack.callback(waggle.kill)
        waggle.start()
        yield waggle
        assert not waggle.complaints()


def test_a_draining_server_serves_requests_until_a_second_signal(
    draining: Waggle,
) -> None:
    with closing(Api(draining.base_url)) as api:
        maya = api.someone()
        assert "connection" not in api.nobody.get("/livez").headers
        token = {"Authorization": f"Bearer {maya.tokens['access_token']}"}
        events = {**token, "Accept": "text/event-stream"}
        with (
            httpx.Client(base_url=draining.base_url, timeout=30) as http,
            http.stream("GET", "/api/v1/stream", headers=events) as before,
        ):
            first = before.iter_lines()
            assert next(first).startswith("id: ")
            draining.signal(signal.SIGTERM)
            eventually(lambda: _is_draining(draining))

            assert api.nobody.get("/livez").status_code == 200
            post = done(maya.post("/api/v1/posts", {"text": "still here"}), 201)
            answer = maya.get(f"/api/v1/posts/{post['id']}")
            assert answer.headers["connection"] == "close"
            with http.stream("GET", "/api/v1/stream", headers=events) as during:
                assert during.status_code == 200
                draining.signal(signal.SIGTERM)
                stream = "\n".join(during.iter_lines())
            assert "event: bye" in stream
            assert "event: bye" in "\n".join(first)
        assert draining.ended() == 0


def _is_draining(waggle: Waggle) -> None:
    answer = httpx.get(f"{waggle.base_url}/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"process": "draining"}


def test_an_interrupt_at_a_terminal_stops_without_a_drain(draining: Waggle) -> None:
    draining.signal(signal.SIGINT)

    assert draining.ended() == 0


CHECKED_EVERY = 2.0
"""Seconds between two readiness checks of a server by the balancer."""


@dataclass
class Balancer:
    """Sends requests over kept connections to the servers that were ready at their last check."""

    servers: list[Waggle]
    ready: dict[str, bool] = field(default_factory=dict)
    asked: int = 0
    failed: list[str] = field(default_factory=list)
    served: dict[str, int] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.AsyncClient]:
        self.ready = {server.base_url: True for server in self.servers}
        async with httpx.AsyncClient(timeout=10) as http, asyncio.TaskGroup() as tasks:
            checking = [tasks.create_task(self._check(server.base_url)) for server in self.servers]
            yield http
            for task in checking:
                task.cancel()

    async def _check(self, base_url: str) -> None:
        async with httpx.AsyncClient(timeout=1) as http:
            while True:
                try:
                    self.ready[base_url] = (await http.get(f"{base_url}/readyz")).status_code == 200
                except httpx.TransportError:
                    self.ready[base_url] = False
                await asyncio.sleep(CHECKED_EVERY)

    async def until(self, server: Waggle, *, ready: bool) -> None:
        async with asyncio.timeout(60):
            while self.ready[server.base_url] is not ready:  # noqa: ASYNC110 - the balancer has no event for it
                await asyncio.sleep(0.05)

    async def ask(self, http: httpx.AsyncClient, member: Member, method: str, path: str) -> None:
        choices = [url for url, ready in self.ready.items() if ready]
        self.asked += 1
        url = choices[self.asked % len(choices)]
        headers = {"Authorization": f"Bearer {member.tokens['access_token']}"}
        body = {"text": fresh_key()} if method == "POST" else None
        try:
            answer = await http.request(method, url + path, headers=headers, json=body)
        except httpx.TransportError as error:
            self.failed.append(f"{method} {path}: {error!r}")
            return
        self.served[url] = self.served.get(url, 0) + 1
        if answer.status_code not in {200, 201}:
            self.failed.append(f"{method} {path}: {answer.status_code} {answer.text}")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape == "postgres"] or ["none"])
async def test_a_rolling_restart_behind_a_balancer_fails_no_request(
    request: pytest.FixtureRequest, shape: str, tmp_path: Path
) -> None:
    """Two servers are under load. One is restarted, then the other one is stopped. The balancer checks them every two
    seconds."""
    if shape == "none":
        pytest.skip(needs_shape("postgres"))
    with ExitStack() as stack:
        url, named = stack.enter_context(stores_of(request, shape))
        settings = named | {"WAGGLE_DRAIN_SECONDS": "5", "WAGGLE_PUBLIC_URL": "http://waggle.test"}
        servers = [Waggle(shape, tmp_path, url, settings=settings) for _ in range(2)]
        servers[0].migrate()
        for server in servers:
            stack.callback(server.kill)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        with closing(Api(servers[0].base_url)) as api:
            member = api.someone()
            path = f"/api/v1/posts/{done(member.post('/api/v1/posts', {'text': 'hello'}), 201)['id']}"
        balancer, stopped = Balancer(servers), asyncio.Event()

        async def load(http: httpx.AsyncClient, number: int) -> None:
            while not stopped.is_set():
                if number == 0:
                    await balancer.ask(http, member, "POST", "/api/v1/posts")
                else:
                    await balancer.ask(http, member, "GET", path)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await stopped.wait()

        async with balancer.running() as http, asyncio.TaskGroup() as tasks:
            for number in range(6):
                tasks.create_task(load(http, number))
            first, second = servers
            first.signal(signal.SIGTERM)
            assert await asyncio.to_thread(first.ended) == 0
            await asyncio.to_thread(first.start)
            await balancer.until(first, ready=True)
            second.signal(signal.SIGTERM)
            assert await asyncio.to_thread(second.ended) == 0
            stopped.set()

    assert balancer.failed == []
    assert len(balancer.served) == 2
    assert balancer.asked > 200


def test_a_start_on_a_taken_port_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name, database in (("embedded", ""), ("scaled", "postgresql://nobody@127.0.0.1:1/nothing")):
            waggle = Waggle(name, tmp_path / name, database, port=port)
            refused = waggle.command("serve")
            assert (refused.returncode, refused.stdout) == (78, "")
            assert refused.stderr == f"waggle: cannot listen on 127.0.0.1:{port}: Address already in use\n"
            assert not os.path.lexists(waggle.data_dir)


def test_the_version_command_prints_the_version(tmp_path: Path) -> None:
    printed = Waggle("memory", tmp_path, "memory:").command("--version")

    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout.startswith("waggle 0.")

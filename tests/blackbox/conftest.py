"""One server per shape, for the whole run; where tests run on several workers, one for each of them.

`WAGGLE_TEST_SHAPES=memory,embedded` restricts the shapes; `WAGGLE_TEST_BASE_URL=https://…` sends the tests
that need nothing but HTTP to a server that runs already; `WAGGLE_TEST_LONG=1` makes the tests that
search by chance search longer.
"""

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.servers import fresh_database

from .client import Api
from .process import Waggle

RUNNING = os.environ.get("WAGGLE_TEST_BASE_URL", "").rstrip("/")
SHAPES = [
    shape for shape in os.environ.get("WAGGLE_TEST_SHAPES", "memory,embedded,postgres").split(",") if shape
]
LONG = os.environ.get("WAGGLE_TEST_LONG", "") not in {"", "0"}


@contextmanager
def a_waggle(request: pytest.FixtureRequest, shape: str, folder: Path, **settings: str) -> Iterator[Waggle]:
    """A server that must end well and must have had nothing to complain about."""
    if shape not in {"memory", "embedded", "postgres"}:
        raise pytest.UsageError(f"WAGGLE_TEST_SHAPES names {shape!r}")
    with ExitStack() as stack:
        url = {"memory": "memory:", "embedded": ""}.get(shape)
        if url is None:  # a database of its own: its secrets are sealed with a key in the data folder
            url = stack.enter_context(fresh_database(request.getfixturevalue("postgres_server")))
        waggle = Waggle(shape, folder, url, settings=settings)
        stack.callback(waggle.kill)
        if shape == "postgres":
            waggle.migrate()
        waggle.start()
        yield waggle
        status = waggle.stop()
        complaints = waggle.complaints()
        assert not complaints, f"the log of the {shape} server has:\n" + "\n".join(complaints[:20])
        assert status == 0, f"the {shape} server ended with {status}:\n{waggle.tail()}"


@pytest.fixture(scope="session", params=["running"] if RUNNING else SHAPES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Waggle | None]:
    """The process that the tests talk to; None where it is none of ours."""
    if RUNNING:
        yield None
        return
    with a_waggle(request, request.param, tmp_path_factory.mktemp(f"waggle-{request.param}")) as waggle:
        yield waggle


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, in a short run, what another shape tells as well: `pytest.mark.told_by("embedded")`."""
    if LONG or RUNNING:
        return
    kept: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        marker = item.get_closest_marker("told_by")
        shape = (
            item.callspec.params.get("server")
            if isinstance(item, pytest.Function) and hasattr(item, "callspec")
            else None
        )
        told = set(marker.args) & set(SHAPES) if marker else set()
        kept[not told or shape is None or shape in told].append(item)
    items[:] = kept[True]
    config.hook.pytest_deselected(items=kept[False])


@pytest.fixture(scope="session")
def base_url(server: Waggle | None) -> str:
    return server.base_url if server else RUNNING


@pytest.fixture(scope="session")
def api(base_url: str) -> Iterator[Api]:
    api = Api(base_url)
    yield api
    api.close()


@pytest.fixture(params=[shape for shape in SHAPES if shape != "memory"] or ["none"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Waggle]]:
    """Two processes on one PostgreSQL; on SQLite there is only ever one."""
    if RUNNING or request.param == "none":
        pytest.skip("servers of our own are needed, that keep their data")
    with two_of(request, request.param, tmp_path) as running:
        yield running


@contextmanager
def two_of(request: pytest.FixtureRequest, shape: str, folder: Path) -> Iterator[list[Waggle]]:
    with ExitStack() as stack:
        if shape == "embedded":
            yield [stack.enter_context(a_waggle(request, shape, folder))]
            return
        url = stack.enter_context(fresh_database(request.getfixturevalue("postgres_server")))
        one_name = {"WAGGLE_PUBLIC_URL": "http://waggle.test"}
        running = [Waggle(shape, folder, url, settings=one_name) for _ in range(2)]
        running[0].migrate()
        for waggle in running:
            stack.callback(waggle.kill)
            waggle.start()
        yield running
        assert [waggle.stop() for waggle in running] == [0, 0]


@pytest.fixture
def apis(servers: list[Waggle]) -> Iterator[list[Api]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Api(waggle.base_url))) for waggle in servers]


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance that can be repeated: `WAGGLE_TEST_SEED` is the number that is printed. Each test has its
    own, so that neither the order of the tests nor the worker that runs one changes it."""
    seed = os.environ.get("WAGGLE_TEST_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"WAGGLE_TEST_SEED={seed}")  # noqa: T201 - shown with a failure
    return random.Random(f"{seed} {request.node.name}")  # noqa: S311 - no secret


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show with a failure what the server said last."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(server, Waggle):
        report.sections.append((f"log of the {server.shape} server", server.tail()))

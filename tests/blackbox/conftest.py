"""One server per shape, for the whole run; where tests run on several workers, one for each of them.

`WAGGLE_TEST_SHAPES=memory,embedded` restricts the shapes; `WAGGLE_TEST_READ_MODEL=off` keeps no responses; `WAGGLE_TEST_BASE_URL=https://…` sends the tests
that need nothing but HTTP to a server that runs already; `WAGGLE_TEST_LONG=1` makes the tests that
search by chance search longer.
"""

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from tests.integration.servers import (
    Server,
    Unavailable,
    can_create_databases,
    fresh_bucket,
    fresh_database,
    redis,
    s3,
)
from tests.port_contracts.stores import migrated

from .client import Api
from .contract import Operation, operations
from .process import Waggle

RUNNING = os.environ.get("WAGGLE_TEST_BASE_URL", "").rstrip("/")
SHAPES = [
    shape
    for shape in os.environ.get("WAGGLE_TEST_SHAPES", "memory,embedded,postgres,scaled").split(",")
    if shape
]
NO_SERVER = {"memory": "memory:", "embedded": ""}
"""Shapes of one process that need nothing else, and the URLs of their databases."""
READ_MODEL = os.environ.get("WAGGLE_TEST_READ_MODEL", "on")
"""Whether servers keep responses; in memory they never do. Of two servers on one database, only the first does."""
SEVERAL = ("postgres", "scaled")
"""Shapes of one or more processes: on PostgreSQL, and on PostgreSQL, Redis and S3."""
LONG = os.environ.get("WAGGLE_TEST_LONG", "") not in {"", "0"}

OWN_SERVER = "needs a server of its own: unset WAGGLE_TEST_BASE_URL"
KEPT_DATA = (
    "needs a server of its own that keeps its data: unset WAGGLE_TEST_BASE_URL, and name embedded, postgres or scaled in "
    "WAGGLE_TEST_SHAPES"
)


def needs_shape(shape: str) -> str:
    """Why a test is skipped that runs in one shape only."""
    return f"needs a server of the shape {shape}: unset WAGGLE_TEST_BASE_URL, and name {shape} in WAGGLE_TEST_SHAPES"


@contextmanager
def stores_of(request: pytest.FixtureRequest, shape: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The database of its own that a shape needs, whose secrets are sealed with a key in the data folder,
    and the settings that name what else it needs."""
    if shape in NO_SERVER:
        yield NO_SERVER[shape], {}
        return
    if shape not in SEVERAL:
        raise pytest.UsageError(f"WAGGLE_TEST_SHAPES names {shape!r}")
    with ExitStack() as stack:
        server, template = (
            request.getfixturevalue("postgres_server"),
            request.getfixturevalue("migrated_template"),
        )
        url = stack.enter_context(fresh_database(server, copy_of=template))
        _migrate(url)  # finds nothing to do, unless the server makes no copies
        if shape == "postgres":
            yield url, {}
            return
        try:
            redis_server, s3_server = stack.enter_context(redis()), stack.enter_context(s3())
        except Unavailable as reason:
            pytest.skip(f"not tested with Redis and S3: {reason}")
        for server in (redis_server, s3_server):
            request.getfixturevalue("note_server")(server)
        bucket = stack.enter_context(fresh_bucket(s3_server))
        yield url, {"WAGGLE_REDIS_URL": redis_server.url, "WAGGLE_MEDIA_URL": bucket}


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Server) -> Iterator[str]:
    """A database to copy, since `waggle migrate` takes seconds. On a server that makes no copies it is empty."""
    if not can_create_databases(postgres_server):
        yield ""
        return
    with fresh_database(postgres_server) as url:
        _migrate(url)
        yield url


def _migrate(url: str) -> None:
    with start_blocking_portal() as loop:  # some tests have a loop that runs
        loop.call(migrated, url)


@contextmanager
def a_waggle(
    request: pytest.FixtureRequest, shape: str, folder: Path, executed: bool = False, /, **settings: str
) -> Iterator[Waggle]:
    """A server that must end well and must have had nothing to print_error about."""
    with ExitStack() as stack:
        url, named = stack.enter_context(stores_of(request, shape))
        if shape != "memory":
            named["WAGGLE_READ_MODEL"] = READ_MODEL
        waggle = Waggle(shape, folder, url, settings=named | settings, executed=executed)
        stack.callback(waggle.kill)
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
    folder = tmp_path_factory.mktemp(f"waggle-{request.param}")
    with a_waggle(request, request.param, folder, True) as waggle:
        yield waggle


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a short run, leave out tests in shapes that give the same result as another one:
    `pytest.mark.short_run_shapes("embedded")`. Tests where Redis makes a difference are marked `pytest.mark.scaled`."""
    if LONG or RUNNING:
        return
    kept: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        marker = item.get_closest_marker("short_run_shapes")
        shaped = isinstance(item, pytest.Function) and hasattr(item, "callspec")
        params = item.callspec.params if shaped else {}  # type: ignore[attr-defined]
        shape = params.get("server", params.get("servers"))
        chosen = set(marker.args) & set(SHAPES) if marker else set()
        wanted = not chosen or shape is None or shape in chosen
        if "scaled" in params.values():
            wanted = "postgres" not in SHAPES or item.get_closest_marker("scaled") is not None
        kept[wanted].append(item)
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
def killable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    """A server that only this test uses, because it is killed. It keeps its data."""
    if RUNNING or request.param == "none":
        pytest.skip(KEPT_DATA)
    with a_waggle(request, request.param, tmp_path) as waggle:
        yield waggle


@pytest.fixture(params=[shape for shape in SHAPES if shape != "memory"] or ["none"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Waggle]]:
    """Two processes on one PostgreSQL; on SQLite there is only ever one."""
    if RUNNING or request.param == "none":
        pytest.skip(KEPT_DATA)
    with two_of(request, request.param, tmp_path) as running:
        yield running


@contextmanager
def two_of(request: pytest.FixtureRequest, shape: str, folder: Path) -> Iterator[list[Waggle]]:
    with ExitStack() as stack:
        if shape == "embedded":
            yield [stack.enter_context(a_waggle(request, shape, folder))]
            return
        url, named = stack.enter_context(stores_of(request, shape))
        settings = {"WAGGLE_PUBLIC_URL": "http://waggle.test", **named}
        running = [
            Waggle(shape, folder, url, settings=settings | {"WAGGLE_READ_MODEL": kept})
            for kept in (READ_MODEL, "off")
        ]
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


@pytest.fixture(scope="module")
def every(api: Api) -> list[Operation]:
    """Every operation of the OpenAPI document of the server."""
    return list(operations(api))

"""Redis may hang, lose its data, or be unavailable: clients of Waggle notice it for a moment at most."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.integration._servers.stores import ask_redis
from tests.integration.servers import Server, clear

from .client import Api, Member, done, eventually
from .conftest import SHAPES, a_waggle, needs_shape
from .process import Waggle

pytestmark = pytest.mark.scaled
HOME = "/api/v1/feeds/home"
NOWHERE = "redis://127.0.0.1:1"

if "scaled" not in SHAPES:
    pytest.skip(needs_shape("scaled"), allow_module_level=True)


@pytest.fixture(scope="module", params=["scaled"])
def waggle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waggle]:
    with a_waggle(request, "scaled", tmp_path_factory.mktemp("away"), WAGGLE_RATE_LIMITS="on") as running:
        yield running


@pytest.fixture
def api(waggle: Waggle) -> Iterator[Api]:
    api = Api(waggle.base_url)
    yield api
    api.close()


def send_command(waggle: Waggle, *command: str) -> None:
    ask_redis(waggle.settings["WAGGLE_REDIS_URL"], command)


def home_feed(reader: Member) -> list[str]:
    return [item["id"] for item in done(reader.get(HOME))["items"]]


def state(waggle: Waggle) -> tuple[int, str, str]:
    answer = httpx.get(f"{waggle.base_url}/readyz")
    body = answer.json()
    return answer.status_code, body["status"], body["checks"]["redis"]


def wait_for(found: Callable[[], object], expected: object) -> None:
    def check() -> None:
        assert found() == expected

    eventually(check)


def reader_and_author(api: Api) -> tuple[Member, Member, list[str]]:
    """A reader with a cached home feed, an author whom the reader follows, and the ids of that feed."""
    reader, author = api.someone(), api.someone()
    done(reader.put(f"/api/v1/users/{author.id}/follow"))
    said = [author.publishes()["id"] for _ in range(3)][::-1]
    wait_for(lambda: home_feed(reader), said)
    return reader, author, said


def test_requests_succeed_while_redis_hangs(waggle: Waggle, api: Api) -> None:
    reader, author, said = reader_and_author(api)
    wait_for(lambda: state(waggle), (200, "ok", "ok"))

    send_command(waggle, "CLIENT", "PAUSE", "6000", "ALL")
    for _ in range(8):  # until the failure is detected
        assert home_feed(reader) == said
    wait_for(lambda: state(waggle), (200, "degraded", "RedisAway"))  # readiness is cached for a second
    said = [author.publishes()["id"], *said]
    wait_for(lambda: home_feed(reader), said)
    times = []
    for _ in range(10):
        began = time.perf_counter()
        assert home_feed(reader) == said
        times.append(time.perf_counter() - began)

    assert sorted(times)[5] < 0.2
    wait_for(lambda: state(waggle), (200, "ok", "ok"))
    assert home_feed(reader) == said
    said = [author.publishes()["id"], *said]
    wait_for(lambda: home_feed(reader), said)


def test_a_flush_of_redis_loses_nothing(waggle: Waggle, api: Api) -> None:
    reader, author, said = reader_and_author(api)
    for _ in range(5):
        clear(Server("redis", waggle.settings["WAGGLE_REDIS_URL"], "as named"))
        assert home_feed(reader) == said
        send_command(waggle, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        said = [author.publishes()["id"], *said]
        wait_for(lambda: home_feed(reader), said)


def test_without_redis_the_server_starts_and_limits_by_itself(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("nowhere")
    settings = {"WAGGLE_REDIS_URL": NOWHERE, "WAGGLE_RATE_LIMITS": "read=5/60"}
    with a_waggle(request, "postgres", folder, **settings) as waggle:
        api = Api(waggle.base_url)
        reader = api.someone()
        answers = [reader.get(HOME).status_code for _ in range(7)]
        api.close()

        assert answers[:5] == [200] * 5
        assert answers[-1] == 429
        wait_for(lambda: state(waggle), (200, "degraded", "RedisAway"))

"""Redis may hang, lose what it has, or not be there at all: nobody who uses Waggle notices more than a moment."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.integration._servers.stores import ask_redis
from tests.integration.servers import Server, clear

from .client import Api, Member, done, eventually
from .conftest import SHAPES, a_waggle
from .process import Waggle

pytestmark = pytest.mark.scaled
HOME = "/api/v1/feeds/home"
NOWHERE = "redis://127.0.0.1:1"

if "scaled" not in SHAPES:
    pytest.skip("the shape scaled is not among those that are tested", allow_module_level=True)


@pytest.fixture(scope="module", params=["scaled"])
def waggle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waggle]:
    with a_waggle(request, "scaled", tmp_path_factory.mktemp("away"), WAGGLE_RATE_LIMITS="on") as running:
        yield running


@pytest.fixture
def api(waggle: Waggle) -> Iterator[Api]:
    api = Api(waggle.base_url)
    yield api
    api.close()


def ask(waggle: Waggle, *command: str) -> None:
    ask_redis(waggle.settings["WAGGLE_REDIS_URL"], command)


def at_home(reader: Member) -> list[str]:
    return [item["id"] for item in done(reader.get(HOME))["items"]]


def state(waggle: Waggle) -> tuple[int, str, str]:
    answer = httpx.get(f"{waggle.base_url}/readyz")
    told = answer.json()
    return answer.status_code, told["status"], told["checks"]["redis"]


def becomes(found: Callable[[], object], expected: object) -> None:
    def check() -> None:
        assert found() == expected

    eventually(check)


def reader_and_author(api: Api) -> tuple[Member, Member, list[str]]:
    """A reader whose home is warm, an author whom they follow, and what stands there."""
    reader, author = api.someone(), api.someone()
    done(reader.put(f"/api/v1/users/{author.id}/follow"))
    said = [author.publishes()["id"] for _ in range(3)][::-1]
    becomes(lambda: at_home(reader), said)
    return reader, author, said


def test_re4_op5_while_redis_hangs_everything_goes_on(waggle: Waggle, api: Api) -> None:
    reader, author, said = reader_and_author(api)
    becomes(lambda: state(waggle), (200, "ok", "ok"))

    ask(waggle, "CLIENT", "PAUSE", "6000", "ALL")
    for _ in range(8):  # until it is known
        assert at_home(reader) == said
    becomes(lambda: state(waggle), (200, "degraded", "RedisAway"))  # kept for a second
    said = [author.publishes()["id"], *said]
    becomes(lambda: at_home(reader), said)
    times = []
    for _ in range(10):
        began = time.perf_counter()
        assert at_home(reader) == said
        times.append(time.perf_counter() - began)

    assert sorted(times)[5] < 0.2
    becomes(lambda: state(waggle), (200, "ok", "ok"))
    assert at_home(reader) == said
    said = [author.publishes()["id"], *said]
    becomes(lambda: at_home(reader), said)


def test_re11_what_redis_has_may_be_lost_at_any_time(waggle: Waggle, api: Api) -> None:
    reader, author, said = reader_and_author(api)
    for _ in range(5):
        clear(Server("redis", waggle.settings["WAGGLE_REDIS_URL"], "as named"))
        assert at_home(reader) == said
        ask(waggle, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        said = [author.publishes()["id"], *said]
        becomes(lambda: at_home(reader), said)


def test_op5_ap3_without_any_redis_it_starts_and_counts_for_itself(
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
        becomes(lambda: state(waggle), (200, "degraded", "RedisAway"))

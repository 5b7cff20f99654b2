"""The storage hangs or is unreachable: uploads are refused for the time being, and everything else works."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import httpx
import pytest

from adapters.storage import calling
from adapters.storage.address import S3Address

from .client import Api, done, eventually, fresh_key
from .conftest import RUNNING, SHAPES, needs_shape, stores_of
from .network_proxy import NetworkProxy, network_proxy
from .pictures import begun, picture, puts, ready, served, settled, uploads
from .process import Waggle

pytestmark = pytest.mark.scaled

if RUNNING or "scaled" not in SHAPES:
    pytest.skip(needs_shape("scaled"), allow_module_level=True)


@dataclass
class StorageSetup:
    waggle: Waggle
    network: NetworkProxy
    api: Api
    bucket: str
    """The URL of the storage that bypasses the proxy."""

    def storage(self) -> tuple[int, str, str]:
        """Return the status of the readiness check, its state, and the state of the storage."""
        answer = httpx.get(f"{self.waggle.base_url}/readyz")
        health = answer.json()
        return answer.status_code, health["status"], health["checks"]["storage"]


@pytest.fixture(scope="module", params=["scaled"])
def storage_setup(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StorageSetup]:
    with ExitStack() as stack:
        url, named = stack.enter_context(stores_of(request, "scaled"))
        if "WAGGLE_MEDIA_URL" not in named:
            pytest.skip("not tested with S3: it needs nanio or WAGGLE_TEST_S3_URL")
        network = stack.enter_context(network_proxy(named["WAGGLE_MEDIA_URL"]))
        settings = named | {"WAGGLE_MEDIA_URL": network.url}
        waggle = Waggle("scaled", tmp_path_factory.mktemp("away"), url, settings=settings)
        stack.callback(waggle.kill)
        waggle.migrate()
        waggle.start()
        api = stack.enter_context(closing(Api(waggle.base_url)))
        yield StorageSetup(waggle, network, api, named["WAGGLE_MEDIA_URL"])
        network.restore()
        assert waggle.stop() == 0
        assert waggle.complaints() == []


@pytest.fixture(params=["cut", "hang"])
def unreachable(storage_setup: StorageSetup, request: pytest.FixtureRequest) -> Iterator[StorageSetup]:
    """The storage becomes unreachable when the test calls `interrupt`, and reachable again at the end of the test."""
    yield storage_setup
    storage_setup.network.restore()

    def check() -> None:
        assert storage_setup.storage() == (200, "ok", "ok")

    eventually(check)


def test_a_removed_bucket_is_created_again_and_uploads_continue(storage_setup: StorageSetup) -> None:
    maya, data = storage_setup.api.someone(), picture(80, 80)
    waiting = begun(maya, data)
    assert puts(waiting["upload"], data).is_success
    address = S3Address.of(storage_setup.bucket)
    client = calling.client(address, calling.connections(tls=False))
    for one in [*client.list_objects(address.bucket, recursive=True)]:
        client.remove_object(address.bucket, str(one.object_name))
    client.remove_bucket(address.bucket)
    complete = f"/api/v1/media/uploads/{waiting['media']['id']}/complete"
    with httpx.Client(base_url=storage_setup.waggle.base_url, headers=maya.headers(), timeout=30) as http:
        answer = http.post(complete)  # the bucket is missing, or has already been created again
        assert (answer.status_code, answer.json()["code"]) in {
            (503, "unavailable"),
            (409, "media_not_uploaded"),
        }

        def taken() -> str:
            answer = http.post("/api/v1/media", files={"file": ("x", data)})
            return str(done(answer, 202)["id"])

        new = eventually(taken)
    assert settled(maya, {"id": new})["state"] == "ready"
    assert done(maya.get(f"/api/v1/media/{waiting['media']['id']}"))["state"] == "pending"
    assert puts(waiting["upload"], data).is_success
    done(maya.post(complete), 202)
    assert settled(maya, waiting["media"])["state"] == "ready"


def interrupt(setup: StorageSetup, how: str) -> None:
    (setup.network.cut if how == "cut" else setup.network.hang)()


def test_uploads_are_temporarily_refused_and_everything_else_works(
    unreachable: StorageSetup, request: pytest.FixtureRequest
) -> None:
    how: str = request.node.callspec.params["unreachable"]
    maya, data, key = unreachable.api.someone(), picture(100, 100), fresh_key()
    before = ready(maya)
    interrupt(unreachable, how)

    # With a client that does not check every answer, because those checks accept no 503.
    with httpx.Client(base_url=unreachable.waggle.base_url, headers=maya.headers(), timeout=30) as http:
        began = time.monotonic()
        refusal = http.post("/api/v1/media", files={"file": ("x", data)}, headers={"Idempotency-Key": key})
        took = time.monotonic() - began
        assert refusal.status_code == 503, refusal.text
        assert refusal.json()["code"] == "unavailable"
        assert "same Idempotency-Key" in refusal.json()["detail"]
        assert int(refusal.headers["retry-after"]) >= 1
        assert took < 10
        assert http.get(before["renditions"]["small"]["url"]).status_code == 503

    times = []
    for _ in range(10):
        began = time.monotonic()
        post = maya.publishes()
        assert maya.sees(post)
        times.append(time.monotonic() - began)
    assert sorted(times)[5] < 0.5

    def check() -> None:
        status, state, storage = unreachable.storage()
        assert (status, state) == (200, "degraded")
        assert storage != "ok"

    eventually(check)
    unreachable.network.restore()

    def taken() -> str:
        with httpx.Client(base_url=unreachable.waggle.base_url, headers=maya.headers(), timeout=30) as http:
            again = http.post("/api/v1/media", files={"file": ("x", data)}, headers={"Idempotency-Key": key})
        return str(done(again, 202)["id"])

    first = eventually(taken)
    assert done(uploads(maya, data, key), 202)["id"] == first
    assert settled(maya, {"id": first})["state"] == "ready"

    def serves() -> None:
        url = done(maya.get(f"/api/v1/media/{before['id']}"))["renditions"]["small"]["url"]
        assert served(url).status_code == 200

    eventually(serves)

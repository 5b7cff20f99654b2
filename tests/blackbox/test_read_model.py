"""The embedded server without the read model, which all other tests have, and with it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from .client import Api, done, eventually
from .conftest import RUNNING, SHAPES, a_waggle

HOME = "/api/v1/feeds/home"


@pytest.fixture(scope="module", params=[] if RUNNING or "embedded" not in SHAPES else ["off", "on"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    settings = {"WAGGLE_READ_MODEL": request.param}
    folder = tmp_path_factory.mktemp(f"read-model-{request.param}")
    with a_waggle(request, "embedded", folder, **settings) as waggle, closing(Api(waggle.base_url)) as api:
        yield api


def test_each_write_is_in_the_next_response(api: Api) -> None:
    author, reader = api.someone(), api.someone()
    reader.put(f"/api/v1/users/{author.id}/follow")
    post = author.publishes("a post")
    path = f"/api/v1/posts/{post['id']}"

    def is_shown() -> None:
        assert [item["id"] for item in done(reader.get(HOME))["items"]] == [post["id"]]

    eventually(is_shown)
    for method, target, expected in (
        ("PUT", "/like", (1, 0, True, False)),
        ("PUT", "/bookmark", (1, 0, True, True)),
        ("PUT", "/repost", (1, 1, True, True)),
        ("DELETE", "/like", (0, 1, False, True)),
    ):
        done(reader.request(method, path + target))
        for shown in (done(reader.get(path)), done(reader.get(HOME))["items"][-1]):
            counts, viewer = shown["counts"], shown["viewer"]
            assert (counts["likes"], counts["reposts"], viewer["liked"], viewer["bookmarked"]) == expected

    author.request("DELETE", path)
    assert reader.get(path).status_code == 404
    assert post["id"] not in {item["id"] for item in done(reader.get(HOME))["items"]}

"""Serving the files of renditions: signed URLs, ranges, conditional requests, other methods and origins."""

import time
from urllib.parse import urlsplit

import httpx
import pytest

from .client import Api, Json, Member, check_problem
from .pictures import begun, picture, puts, ready, served
from .wire import exchange

pytestmark = pytest.mark.scaled  # its storage differs


@pytest.fixture(scope="module")
def maya(api: Api) -> Member:
    return api.someone()


@pytest.fixture(scope="module")
def cat(maya: Member) -> Json:
    """An image that is ready."""
    return ready(maya, picture(1200, 900), alt_text="a cat", focal_x="0.25", focal_y="-1")


def test_a_signed_url_is_valid_only_unchanged(api: Api, maya: Member, cat: Json) -> None:
    """ME-7."""
    url = cat["renditions"]["small"]["url"]
    bare, _, query = url.partition("?")
    place, secret = bare.rsplit("/", 2)[0], bare.rsplit("/", 2)[1]
    until = dict(pair.split("=") for pair in query.split("&"))["until"]
    other = ready(maya)["renditions"]["small"]["url"]
    altered = [
        bare,
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace(f"until={until}", f"until={int(until) + 60}"),
        url.replace(f"until={until}", "until="),
        url.replace(f"until={until}", f"until={'9' * 20}"),
        url.replace(f"until={until}", "until=%D9%A1"),
        url.replace("/small.", "/large."),
        url.replace("/small.", "/upload."),
        url.replace("/small.", "/nothing."),
        f"{place}/{'x' * len(secret)}/small.webp?{query}",
        f"{place}/{secret}/?{query}",
        f"{place}/{secret}/upload?{query}",
        f"{bare}?{other.partition('?')[2]}",
        url + "/..",
    ]

    assert served(url).status_code == 200
    assert 60 < int(until) - time.time() <= 300
    for address in altered:
        answer = served(address)
        assert answer.status_code == 404, address
        check_problem(answer)
        assert "no-store" in answer.headers["cache-control"]
    assert len({served(address).json()["code"] for address in altered[:-4]}) == 1


def test_ranges_and_conditional_requests_are_answered(cat: Json) -> None:
    url = cat["renditions"]["large"]["url"]
    whole = served(url)
    data, tag = whole.content, whole.headers["etag"]
    size = len(data)

    for asked, part in (
        ("bytes=0-99", data[:100]),
        ("bytes=100-", data[100:]),
        ("bytes=-7", data[-7:]),
        (f"bytes=5-{size * 2}", data[5:]),
    ):
        answer = served(url, Range=asked)
        assert (answer.status_code, answer.content) == (206, part)
        start = size - len(part) if not asked.startswith("bytes=0") else 0
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{size}"
    beyond = served(url, Range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    for ignored in ("bytes=0-1,3-4", "lines=0-1", "bytes=9-1"):
        assert served(url, Range=ignored).content == data
    assert served(url, **{"Range": "bytes=0-9", "If-Range": tag}).status_code == 206
    assert served(url, **{"Range": "bytes=0-9", "If-Range": '"other"'}).content == data
    kept = served(url, **{"If-None-Match": tag})
    assert (kept.status_code, kept.content, kept.headers["etag"]) == (304, b"", tag)
    head = served(url, "HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))
    assert head.headers["cache-control"].startswith("private, max-age=")
    assert 0 < int(head.headers["cache-control"].partition("=")[2]) <= 300


@pytest.mark.short_run_shapes("embedded")
def test_other_methods_and_paths_are_refused(api: Api, cat: Json) -> None:
    url = urlsplit(cat["renditions"]["small"]["url"])
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert served(url.geturl(), method).status_code == 405
    for path in (
        "/media",
        "/media/",
        "/media/uploads",
        "/media/uploads/",
        "/media/../data/waggle.db",
        "/media/uploads/../../waggle.db",
        "/media/%2e%2e/%2e%2e/waggle.db",
        "/media/1/2/..%2f..%2fwaggle.db",
        f"{url.path}%00?{url.query}",
        f"/api/v1{url.path}?{url.query}",
    ):
        for method in ("GET", "PUT"):
            answer = exchange(api.base_url, method, path)
            assert answer.status in {400, 401, 403, 404, 405, 422}, (method, path, answer)
            assert b"SQLite" not in answer.body


# --- Browsers ---------------------------------------------------------------------------------------


@pytest.mark.short_run_shapes("embedded")
def test_a_browser_of_another_origin_may_upload_with_a_ticket(api: Api, maya: Member) -> None:
    upload = begun(maya, picture(9, 9))["upload"]
    if not upload["url"].startswith(api.base_url):
        pytest.skip(
            "needs a storage whose uploads pass through Waggle: in S3 the allowed origins are a setting of the bucket"
        )
    preflight = httpx.options(
        upload["url"],
        headers={
            "Origin": "http://localhost:3000",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert puts(upload, picture(9, 9), Origin="http://localhost:3000").is_success

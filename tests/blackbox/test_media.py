"""Pictures come in by two ways, and what is made of them is served to whom it was shown, and to nobody else."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from .client import Api, Json, Member, check_problem, done, field_errors, fresh_key, refused
from .pictures import begun, opened, picture, puts, ready, served, settled, uploaded, uploads
from .wire import exchange

pytestmark = pytest.mark.scaled  # where the storage is another one


@pytest.fixture(scope="module")
def maya(api: Api) -> Member:
    return api.someone()


@pytest.fixture(scope="module")
def cat(maya: Member) -> Json:
    """A picture that is ready."""
    return ready(maya, picture(1200, 900), alt_text="a cat", focal_x="0.25", focal_y="-1")


# --- In, by the API ---------------------------------------------------------------------------------


def test_an_upload_is_taken_at_once_and_ready_soon(maya: Member) -> None:
    response = uploads(maya, picture(1200, 900), alt_text=" a cat ", focal_x="0.25", focal_y="-1")
    taken = done(response, 202)

    assert response.headers["location"] == f"/api/v1/media/{taken['id']}"
    assert (taken["alt_text"], taken["focal_point"]) == ("a cat", {"x": 0.25, "y": -1.0})
    assert taken["state"] in {"processing", "ready"}
    media = settled(maya, taken)
    assert (media["state"], media["kind"], media["progress"]) == ("ready", "image", 100)
    assert (media["width"], media["height"]) == (1200, 900)
    assert (media["reason"], media["duration"], media["post_id"]) == (None, None, None)
    assert len(media["blurhash"]) >= 6
    assert {"thumbnail", "small", "large"} <= set(media["renditions"])


def test_every_rendition_is_what_it_says(cat: Json) -> None:
    for name, rendition in cat["renditions"].items():
        answer = served(rendition["url"])

        assert answer.status_code == 200, name
        assert len(answer.content) == rendition["bytes"]
        assert answer.headers["content-type"] == rendition["type"]
        image = opened(answer.content)
        assert image.size == (rendition["width"], rendition["height"])
        assert f"image/{str(image.format).lower()}" == rendition["type"]
        assert not image.getexif()


def test_me6_what_is_served_is_never_a_page_or_a_script(cat: Json) -> None:
    for rendition in cat["renditions"].values():
        for headers in ({}, {"Range": "bytes=1-5"}):
            found = served(rendition["url"], **headers).headers
            assert found.get_list("x-content-type-options") == ["nosniff"]
            assert found["content-security-policy"] == "default-src 'none'; sandbox"
            assert found["cross-origin-resource-policy"] == "cross-origin"
            assert found["content-disposition"] == "inline"
            assert found["accept-ranges"] == "bytes"
            assert found["content-type"] in {"image/webp", "image/jpeg"}
            assert "server" not in found


def test_what_is_no_picture_fails_with_a_reason(maya: Member) -> None:
    for data, reason in (
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "type_unsupported"),
        (picture()[:-30], "damaged"),
    ):
        media = settled(maya, uploaded(maya, data))
        assert (media["state"], media["reason"], media["renditions"]) == ("failed", reason, {})


def test_the_same_key_and_file_are_the_same_media(maya: Member) -> None:
    key, data = fresh_key(), picture(colour="red")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: uploads(maya, data, key, alt_text="red"), range(4)))

    assert {answer.status_code for answer in answers} <= {202, 409}
    taken = [answer for answer in answers if answer.status_code == 202]
    again = uploads(maya, data, key, alt_text="red")
    assert {done(answer, 202)["id"] for answer in [*taken, again]} == {taken[0].json()["id"]}
    assert again.headers["idempotency-replayed"] == "true"
    assert refused(uploads(maya, data, key), 422, "idempotency_key_reused")
    assert refused(uploads(maya, data[:-1], key, alt_text="red"), 422, "idempotency_key_reused")
    assert uploads(maya, data, alt_text="red").json()["id"] != taken[0].json()["id"]


def test_an_answer_that_was_lost_is_had_by_asking_again(api: Api, maya: Member) -> None:
    key, data = fresh_key(), picture(colour="blue")
    request = maya.http.build_request("POST", "/api/v1/media", files={"file": ("x", data)})
    request.read()
    headers = [*request.headers.items(), *maya.headers().items(), ("Idempotency-Key", key)]
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in {"host", "connection", "content-length"}
    ]
    first = exchange(api.base_url, "POST", "/api/v1/media", kept, request.content)
    boundary = request.headers["content-type"].partition("boundary=")[2]
    again = maya.http.post(
        "/api/v1/media",
        content=request.content,
        headers={
            **maya.headers(),
            "Idempotency-Key": key,
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
    )
    assert first.status == 202
    assert done(again, 202)["id"] == first.json["id"]


FORM = "multipart/form-data; boundary=X"
PART = b'--X\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
FILE = PART % (b"file", b"x")
END = b"--X--\r\n"
BAD_FORMS: dict[str, tuple[str, bytes, int]] = {
    "JSON": ("application/json", b"{}", 415),
    "a bare picture": ("image/png", picture(), 415),
    "no type": ("", FILE + END, 415),
    "no boundary": ("multipart/form-data", FILE + END, 400),
    "a long boundary": (f"multipart/form-data; boundary={'X' * 80}", FILE + END, 400),
    "nothing": (FORM, b"", 400),
    "no end": (FORM, FILE, 400),
    "another boundary": (FORM, (FILE + END).replace(b"--X", b"--Y"), 400),
    "no file": (FORM, END, 422),
    "an empty file": (FORM, PART % (b"file", b"") + END, 422),
    "two files": (FORM, FILE + FILE + END, 422),
    "an unknown part": (FORM, FILE + PART % (b"owner_id", b"1") + END, 422),
    "a text that is no UTF-8": (FORM, FILE + PART % (b"alt_text", b"\xff") + END, 422),
    "a text with NUL": (FORM, FILE + PART % (b"alt_text", b"\0") + END, 422),
    "a long text": (FORM, FILE + PART % (b"alt_text", b"x" * 1501) + END, 422),
    "a very long text": (FORM, FILE + PART % (b"alt_text", b"x" * 70_000) + END, 413),
    "a focal point outside": (FORM, FILE + PART % (b"focal_x", b"2") + PART % (b"focal_y", b"0") + END, 422),
    "many parts": (FORM, FILE + b"".join(PART % (b"p%d" % n, b"") for n in range(30)) + END, 413),
    "a long header": (FORM, b'--X\r\nContent-Disposition: form-data; name="%b"\r\n\r\nx\r\n' % (b"n" * 9000) + END, 413),
    "a charset": (FORM, FILE.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=cp037\r\n\r\n") + b"x", 400),
}  # fmt: skip


@pytest.mark.short_run_shapes("embedded")
@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_form_that_is_none_is_refused(maya: Member, name: str) -> None:
    content_type, body, status = BAD_FORMS[name]
    response = maya.request("POST", "/api/v1/media", content=body, headers={"Content-Type": content_type})

    assert response.status_code == status, response.text
    check_problem(response)


@pytest.mark.short_run_shapes("embedded")
def test_me4_a_file_may_be_called_anything(maya: Member) -> None:
    for name in ("../../../etc/passwd", "-i", "concat:a|b", "a\r\nX-Evil: 1", "x" * 3000, "ü💥", ".", "con"):
        media = done(uploads(maya, picture(8, 8), name=name), 202)
        assert len(name) < 3 or name not in str(media)


# --- In, by a ticket --------------------------------------------------------------------------------


def test_a_direct_upload_is_completed_once_however_often_one_asks(maya: Member) -> None:
    data = picture(900, 600)
    key = fresh_key()
    members = {"type": "image/png", "bytes": len(data), "alt_text": "b", "focal_point": {"x": 1, "y": 0}}
    first, again = [
        maya.post("/api/v1/media/uploads", members, headers={"Idempotency-Key": key}) for _ in range(2)
    ]
    begun_ = done(again, 201)
    media = begun_["media"]
    path = f"/api/v1/media/uploads/{media['id']}/complete"

    assert done(first, 201)["media"]["id"] == media["id"]
    assert first.headers["location"] == f"/api/v1/media/{media['id']}"
    assert (media["state"], media["alt_text"], media["focal_point"]) == ("pending", "b", {"x": 1.0, "y": 0.0})
    refused(maya.post(path), 409, "media_not_uploaded")
    assert puts(begun_["upload"], data).is_success
    assert {done(maya.post(path), 202)["id"] for _ in range(3)} == {media["id"]}
    made = settled(maya, media)
    assert (made["state"], made["width"], made["height"]) == ("ready", 900, 600)
    done(maya.post(path), 202)
    repeated = done(maya.post("/api/v1/media/uploads", members, headers={"Idempotency-Key": key}), 201)
    assert (repeated["media"]["id"], repeated["upload"]) == (media["id"], None)


def test_me5_a_ticket_is_good_for_what_it_was_given_for(maya: Member) -> None:
    data, other = picture(64, 64), picture(64, 65)
    one, another = begun(maya, data), begun(maya, other)
    url = one["upload"]["url"]
    refusals = [
        puts(one["upload"], data + b"x"),
        puts(one["upload"], data[:-1]),
        puts(one["upload"] | {"url": url.replace(one["media"]["id"], another["media"]["id"])}, data),
        puts(one["upload"] | {"url": url[:-1] + ("0" if url[-1] != "0" else "1")}, data),
        puts(one["upload"] | {"url": url.partition("?")[0]}, data),
        puts(one["upload"], data, **{"Content-Type": "text/html"}),
    ]

    assert [400 <= answer.status_code < 500 for answer in refusals] == [True] * len(refusals)
    refused(maya.post(f"/api/v1/media/uploads/{one['media']['id']}/complete"), 409, "media_not_uploaded")
    assert served(url.partition("?")[0]).status_code in {403, 404, 405}


ENDS: dict[str, Callable[[Member, Json], object]] = {
    "deleted": lambda owner, media: done(owner.delete(f"/api/v1/media/{media['id']}"), 204),
    "completed": lambda owner, media: settled(
        owner, done(owner.post(f"/api/v1/media/uploads/{media['id']}/complete"), 202)
    ),
    "logged out": lambda owner, _media: done(owner.post("/api/v1/auth/logout"), 204),
    "logged out everywhere": lambda owner, _media: done(owner.post("/api/v1/auth/logout-all"), 204),
    "account deleted": lambda owner, _media: done(owner.delete(f"/api/v1/me?confirm={owner.username}"), 204),
}


@pytest.mark.short_run_shapes("embedded")
@pytest.mark.parametrize("end", ENDS)
def test_me5_a_ticket_ends_with_its_media_and_its_session(api: Api, end: str) -> None:
    owner, data = api.someone(), picture(64, 64)
    upload = begun(owner, data)
    if not upload["upload"]["url"].startswith(api.base_url):
        pytest.skip("this storage takes uploads by itself: what nothing needs is removed later")
    assert puts(upload["upload"], data).is_success
    ENDS[end](owner, upload["media"])

    refused(puts(upload["upload"], data), 403, "ticket_refused")


@pytest.mark.short_run_shapes("embedded")
def test_what_is_announced_must_be_possible(maya: Member) -> None:
    good = {"type": "image/png", "bytes": 10}
    for bad, expected in (
        ({"type": "image/svg+xml"}, {"/type"}),
        ({"type": 1}, {"/type"}),
        ({"bytes": 0}, {"/bytes"}),
        ({"bytes": 10**12}, {"/bytes"}),
        ({"bytes": "10"}, {"/bytes"}),
        ({"alt_text": "x" * 1501}, {"/alt_text"}),
        ({"focal_point": {"x": 2, "y": 0}}, {"/focal_point/x"}),
        ({"key": "1/2/3"}, {"/key"}),
    ):
        assert set(field_errors(maya.post("/api/v1/media/uploads", good | bad))) == expected, bad


# --- Whose it is ------------------------------------------------------------------------------------


def test_az2_other_peoples_media_are_not_there(api: Api, maya: Member, cat: Json) -> None:
    stranger = api.someone()
    for id_ in (cat["id"], "1", "007", "x", "9" * 30):
        refused(stranger.get(f"/api/v1/media/{id_}"), 404, "media_not_found")
        refused(stranger.patch(f"/api/v1/media/{id_}", {"alt_text": "mine"}), 404, "media_not_found")
        refused(stranger.delete(f"/api/v1/media/{id_}"), 404, "media_not_found")
        refused(stranger.post(f"/api/v1/media/uploads/{id_}/complete"), 404, "media_not_found")
    refused(api.nobody.get(f"/api/v1/media/{cat['id']}"), 401, "token_missing")
    assert done(maya.get(f"/api/v1/media/{cat['id']}"))["alt_text"] == "a cat"


def test_an_owner_describes_and_deletes(maya: Member) -> None:
    media = ready(maya)
    path = f"/api/v1/media/{media['id']}"

    assert done(maya.patch(path, {"alt_text": "a dog"}))["alt_text"] == "a dog"
    pointed = done(maya.patch(path, {"focal_point": {"x": -1, "y": 0.5}}))
    assert (pointed["alt_text"], pointed["focal_point"]) == ("a dog", {"x": -1.0, "y": 0.5})
    assert set(field_errors(maya.patch(path, {"focal_point": {"x": 5, "y": 0}, "alt_text": 1}))) == {
        "/focal_point/x",
        "/alt_text",
    }
    done(maya.delete(path), 204)
    refused(maya.get(path), 404, "media_not_found")
    refused(maya.delete(path), 404, "media_not_found")
    for rendition in media["renditions"].values():
        assert served(rendition["url"]).status_code == 404


# --- Out --------------------------------------------------------------------------------------------


def test_me7_an_address_is_good_as_it_was_given_and_no_other(api: Api, maya: Member, cat: Json) -> None:
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


def test_ranges_and_tags(cat: Json) -> None:
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
def test_no_method_and_no_path_but_these(api: Api, cat: Json) -> None:
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
def test_a_browser_may_put_what_it_has_a_ticket_for(api: Api, maya: Member) -> None:
    upload = begun(maya, picture(9, 9))["upload"]
    if not upload["url"].startswith(api.base_url):
        pytest.skip("which origins may is told to this storage, not to Waggle")
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

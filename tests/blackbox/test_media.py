"""Uploads in two ways, their processing, and serving of the renditions to the clients that may see them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from .client import Api, Json, Member, check_problem, done, field_errors, fresh_key, refusal, refused
from .pictures import begun, opened, picture, puts, ready, served, settled, uploaded, uploads
from .wire import exchange

pytestmark = pytest.mark.scaled  # its storage differs


@pytest.fixture(scope="module")
def maya(api: Api) -> Member:
    return api.someone()


@pytest.fixture(scope="module")
def cat(maya: Member) -> Json:
    """An image that is ready."""
    return ready(maya, picture(1200, 900), alt_text="a cat", focal_x="0.25", focal_y="-1")


# --- Uploads through the API ------------------------------------------------------------------------


def test_an_upload_is_accepted_at_once_and_processed_soon(maya: Member) -> None:
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


def test_every_rendition_has_its_declared_type_and_size(cat: Json) -> None:
    for name, rendition in cat["renditions"].items():
        answer = served(rendition["url"])

        assert answer.status_code == 200, name
        assert len(answer.content) == rendition["bytes"]
        assert answer.headers["content-type"] == rendition["type"]
        image = opened(answer.content)
        assert image.size == (rendition["width"], rendition["height"])
        assert f"image/{str(image.format).lower()}" == rendition["type"]
        assert not image.getexif()


def test_a_file_is_never_served_as_a_page_or_a_script(cat: Json) -> None:
    """ME-6."""
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


def test_an_invalid_image_fails_with_a_reason(maya: Member) -> None:
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


def test_a_repeated_upload_returns_a_lost_answer(api: Api, maya: Member) -> None:
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
    "a bare image": ("image/png", picture(), 415),
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
    "a text in another charset": (FORM, FILE + PART % (b"alt_text", b"\xff") + END, 422),
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
def test_an_invalid_form_is_refused(maya: Member, name: str) -> None:
    content_type, body, status = BAD_FORMS[name]
    response = maya.request("POST", "/api/v1/media", content=body, headers={"Content-Type": content_type})

    assert response.status_code == status, response.text
    check_problem(response)


@pytest.mark.short_run_shapes("embedded")
def test_a_file_may_have_any_name(maya: Member) -> None:
    """ME-4."""
    for name in ("../../../etc/passwd", "-i", "concat:a|b", "a\r\nX-Evil: 1", "x" * 3000, "ü💥", ".", "con"):
        media = done(uploads(maya, picture(8, 8), name=name), 202)
        assert len(name) < 3 or name not in str(media)


# --- Uploads with a ticket --------------------------------------------------------------------------


def test_a_direct_upload_is_completed_once_however_often_it_is_requested(maya: Member) -> None:
    data = picture(900, 600)
    key = fresh_key()
    members = {"type": "image/png", "bytes": len(data), "alt_text": "b", "focal_point": {"x": 1, "y": 0}}
    first, again = [
        maya.post("/api/v1/media/uploads", members, headers={"Idempotency-Key": key}) for _ in range(2)
    ]
    started = done(again, 201)
    media = started["media"]
    path = f"/api/v1/media/uploads/{media['id']}/complete"

    assert done(first, 201)["media"]["id"] == media["id"]
    assert first.headers["location"] == f"/api/v1/media/{media['id']}"
    assert (media["state"], media["alt_text"], media["focal_point"]) == ("pending", "b", {"x": 1.0, "y": 0.0})
    assert refusal(maya.post(path)) == (409, "media_not_uploaded")
    assert puts(started["upload"], data).is_success
    assert {done(maya.post(path), 202)["id"] for _ in range(3)} == {media["id"]}
    result = settled(maya, media)
    assert (result["state"], result["width"], result["height"]) == ("ready", 900, 600)
    done(maya.post(path), 202)
    repeated = done(maya.post("/api/v1/media/uploads", members, headers={"Idempotency-Key": key}), 201)
    assert (repeated["media"]["id"], repeated["upload"]) == (media["id"], None)


def test_a_ticket_accepts_only_the_announced_upload(maya: Member) -> None:
    """ME-5."""
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
    response = maya.post(f"/api/v1/media/uploads/{one['media']['id']}/complete")
    assert refusal(response) == (409, "media_not_uploaded")
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
def test_a_ticket_ends_with_its_media_and_its_session(api: Api, end: str) -> None:
    """ME-5."""
    owner, data = api.someone(), picture(64, 64)
    upload = begun(owner, data)
    if not upload["upload"]["url"].startswith(api.base_url):
        pytest.skip("needs a storage whose uploads pass through Waggle: every shape but scaled has it")
    assert puts(upload["upload"], data).is_success
    ENDS[end](owner, upload["media"])

    assert refusal(puts(upload["upload"], data)) == (403, "ticket_refused")


@pytest.mark.short_run_shapes("embedded")
def test_an_invalid_announcement_is_refused(maya: Member) -> None:
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


# --- Owners -----------------------------------------------------------------------------------------


def test_media_of_another_user_is_not_found(api: Api, maya: Member, cat: Json) -> None:
    """AZ-2."""
    stranger = api.someone()
    for id_ in (cat["id"], "1", "007", "x", "9" * 30):
        assert refusal(stranger.get(f"/api/v1/media/{id_}")) == (404, "media_not_found")
        response = stranger.patch(f"/api/v1/media/{id_}", {"alt_text": "mine"})
        assert refusal(response) == (404, "media_not_found")
        assert refusal(stranger.delete(f"/api/v1/media/{id_}")) == (404, "media_not_found")
        assert refusal(stranger.post(f"/api/v1/media/uploads/{id_}/complete")) == (404, "media_not_found")
    assert refusal(api.nobody.get(f"/api/v1/media/{cat['id']}")) == (401, "token_missing")
    assert done(maya.get(f"/api/v1/media/{cat['id']}"))["alt_text"] == "a cat"


def test_an_owner_updates_and_deletes_media(maya: Member) -> None:
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
    assert refusal(maya.get(path)) == (404, "media_not_found")
    assert refusal(maya.delete(path)) == (404, "media_not_found")
    for rendition in media["renditions"].values():
        assert served(rendition["url"]).status_code == 404

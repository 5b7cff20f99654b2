"""Posts with media: others see them when all media are ready; media are shown in order, and deleted with the post."""

import pytest

from .client import Api, Json, Member, Visitor, done, eventually, field_errors, refusal, value_once
from .pictures import begun, picture, puts, ready, served, settled, uploaded

pytestmark = pytest.mark.scaled


@pytest.fixture
def maya(api: Api) -> Member:
    return api.someone()


@pytest.fixture
def noah(api: Api, maya: Member) -> Member:
    """A follower of Maya."""
    noah = api.someone()
    done(noah.put(f"/api/v1/users/{maya.id}/follow"))
    return noah


def shown_at(viewer: Visitor, path: str, post: Json) -> Json | None:
    items: list[Json] = done(viewer.get(path))["items"]
    return next((item for item in items if item["id"] == post["id"]), None)


def media_of(viewer: Visitor, post: Json) -> list[Json]:
    found: list[Json] = done(viewer.get(f"/api/v1/posts/{post['id']}"))["media"]
    return found


def address_of(media: Json) -> str:
    address: str = media["renditions"]["large"]["url"]
    return address


def status_at_last(address: str, expected: int) -> int:
    """The status of the file's address: `expected` as soon as it is, and after 45 seconds whatever it is."""
    return value_once(lambda: served(address).status_code, expected)


def finishes(member: Member, upload: Json, data: bytes) -> Json:
    """Sends the upload that was begun, and returns the final state of the media."""
    assert puts(upload["upload"], data).is_success
    media = upload["media"]
    done(member.post(f"/api/v1/media/uploads/{media['id']}/complete"), 202)
    return settled(member, media)


def test_a_post_appears_when_its_media_are_ready(maya: Member, noah: Member, api: Api) -> None:
    data, tag = picture(640, 480), f"bees{maya.id}"
    first, second = begun(maya, data), begun(maya, data)
    above = noah.publishes("Show us!")
    ids = [second["media"]["id"], first["media"]["id"]]
    post = maya.publishes(f"#{tag}", media_ids=ids)
    comment = maya.comments(above, "", media_ids=[(third := begun(maya, data))["media"]["id"]])
    lists = ["/api/v1/feeds/home", "/api/v1/feeds/public", f"/api/v1/feeds/hashtags/{tag}"]
    lists += [f"/api/v1/users/{maya.id}/posts", f"/api/v1/search?type=posts&q=%23{tag}"]

    assert [media["id"] for media in post["media"]] == ids
    assert (post["visibility"], [media["state"] for media in post["media"]]) == ("public", ["pending"] * 2)
    finishes(maya, first, data)
    for viewer in (noah, api.nobody):
        assert refusal(viewer.get(f"/api/v1/posts/{post['id']}")) == (404, "post_not_found")
    for path in lists:
        assert shown_at(noah, path, post) is None, path
    assert media_of(maya, post)[0]["state"] == "pending"
    assert done(noah.get(f"/api/v1/posts/{above['id']}"))["counts"]["comments"] == 0
    assert shown_at(noah, f"/api/v1/posts/{above['id']}/comments", comment) is None

    finishes(maya, second, data)
    finishes(maya, third, data)

    def appears() -> None:
        for path in lists:
            found = shown_at(noah, path, post)
            assert found is not None, path
            assert [(media["id"], media["state"]) for media in found["media"]] == [
                (id_, "ready") for id_ in ids
            ]
        assert shown_at(noah, f"/api/v1/posts/{above['id']}/comments", comment) is not None
        assert done(noah.get(f"/api/v1/posts/{above['id']}"))["counts"]["comments"] == 1
        assert done(noah.get(f"/api/v1/users/{maya.id}"))["counts"]["posts"] == 1

    eventually(appears)
    for media in media_of(api.nobody, post):
        assert (media["kind"], media["width"], media["height"]) == ("image", 640, 480)
        answer = served(address_of(media))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_the_author_is_notified_of_the_result_of_the_upload(maya: Member, noah: Member) -> None:
    good, bad = begun(maya, picture()), begun(maya, b"<svg></svg>")
    post = maya.publishes(media_ids=[good["media"]["id"], bad["media"]["id"]])
    finishes(maya, good, picture())
    finishes(maya, bad, b"<svg></svg>")

    def notified() -> None:
        found = done(maya.get("/api/v1/notifications"))["items"]
        assert {(one["type"], one["media_id"]) for one in found if one["media_id"]} == {
            ("media_ready", good["media"]["id"]),
            ("media_failed", bad["media"]["id"]),
        }
        assert [(one["state"], one["reason"]) for one in media_of(maya, post)] == [
            ("ready", None),
            ("failed", "type_unsupported"),
        ]

    eventually(notified)
    # The notification about ready media is listed, but does not count as unread.
    page = done(maya.get("/api/v1/notifications"))
    assert page["unread"] == {"total": 2, "by_type": {"follow": 1, "media_failed": 1}}
    assert done(maya.get("/api/v1/notifications/unread"))["unread"] == page["unread"]
    assert {one["type"] for one in page["items"] if one["read"]} == {"media_ready"}
    marked = done(maya.put("/api/v1/notifications/read", json={"seq": page["seq"]}))
    assert marked["unread"] == {"total": 0, "by_type": {}}
    assert refusal(noah.get(f"/api/v1/posts/{post['id']}")) == (404, "post_not_found")

    # The post appears without the failed media.
    path, keep = f"/api/v1/posts/{post['id']}", {"media_ids": [good["media"]["id"]]}
    tag = maya.get(path).headers["etag"]
    assert refusal(maya.delete(f"/api/v1/media/{bad['media']['id']}")) == (409, "media_attached")
    assert refusal(maya.patch(path, keep, headers={"If-Match": '"7.x"'})) == (412, "precondition_failed")
    edited = done(maya.patch(path, keep, headers={"If-Match": tag}))
    assert [media["id"] for media in edited["media"]] == keep["media_ids"]
    assert media_of(noah, post) == edited["media"]
    assert maya.get(path).headers["etag"] != tag
    assert len(done(maya.get(f"{path}/history"))["items"]) == 2

    def counted_and_gone() -> None:
        assert done(noah.get(f"/api/v1/users/{maya.id}"))["counts"]["posts"] == 1
        assert refusal(maya.get(f"/api/v1/media/{bad['media']['id']}")) == (404, "media_not_found")

    eventually(counted_and_gone)


def test_media_are_removed_from_a_post_and_reordered_but_not_added(maya: Member, api: Api) -> None:
    some = [ready(maya) for _ in range(3)]
    one, two, other = [media["id"] for media in some]
    post = maya.publishes("", media_ids=[one, two])
    path, address = f"/api/v1/posts/{post['id']}", address_of(media_of(api.nobody, post)[0])

    assert [media["id"] for media in done(maya.patch(path, {"media_ids": [two, one]}))["media"]] == [two, one]
    for ids, code in (
        ([one, other], "media_not_in_post"),
        (["x"], "media_not_in_post"),
        ([one, one], "twice"),
    ):
        assert field_errors(maya.patch(path, {"media_ids": ids})) == {"/media_ids": code}
    assert set(field_errors(maya.patch(path, {"media_ids": [one, two, other, "1", "2"]}))) == {"/media_ids"}
    assert field_errors(maya.patch(path, {"media_ids": []})) == {"/text": "empty"}
    assert served(address).status_code == 200
    assert [media["id"] for media in done(maya.patch(path, {"media_ids": [two]}))["media"]] == [two]
    assert status_at_last(address, 404) == 404
    assert refusal(maya.post("/api/v1/posts", {"text": "x", "media_ids": [two]})) == (409, "media_taken")
    assert done(maya.patch(path, {"text": "no picture", "media_ids": []}))["media"] == []


def test_media_that_cannot_be_attached_are_refused(maya: Member, noah: Member) -> None:
    mine, theirs = [uploaded(maya)["id"] for _ in range(5)], uploaded(noah)["id"]

    def refused_as(code: str, *ids: str) -> None:
        body = {"text": "look", "media_ids": list(ids)}
        assert field_errors(maya.post("/api/v1/posts", body)) == {"/media_ids": code}, ids

    refused_as("media_not_found", mine[0], theirs)
    refused_as("media_not_found", "17")
    refused_as("media_not_found", "no-id")
    refused_as("too_many", mine[0], mine[0])
    assert maya.post("/api/v1/posts", {"text": "look", "media_ids": mine}).status_code == 422
    post = maya.publishes("", media_ids=mine[:4])
    assert [media["id"] for media in post["media"]] == mine[:4]
    again = maya.post("/api/v1/posts", {"text": "look", "media_ids": [mine[4], mine[2]]})
    assert refusal(again) == (409, "media_taken")
    assert maya.post("/api/v1/posts", {"text": "", "media_ids": []}).status_code == 422

    def attached() -> None:
        assert done(maya.get(f"/api/v1/media/{mine[0]}"))["post_id"] == post["id"]

    eventually(attached)
    assert refusal(maya.delete(f"/api/v1/media/{mine[0]}")) == (409, "media_attached")
    done(maya.delete(f"/api/v1/media/{mine[4]}"), 204)


def test_the_alt_text_of_attached_media_can_be_changed(maya: Member, noah: Member) -> None:
    media = ready(maya, alt_text="a cat")
    post = maya.publishes(media_ids=[media["id"]])
    eventually(lambda: done(noah.get(f"/api/v1/posts/{post['id']}")))
    point = {"x": 0.5, "y": 0.25}
    done(maya.patch(f"/api/v1/media/{media['id']}", {"alt_text": "a bee", "focal_point": point}))

    def mended() -> None:
        (shown,) = media_of(noah, post)
        assert (shown["alt_text"], shown["focal_point"]) == ("a bee", point)

    eventually(mended)


def test_deleting_a_post_deletes_all_its_media_files(maya: Member, api: Api) -> None:
    media = ready(maya)
    post = maya.publishes(media_ids=[media["id"]])
    address = address_of(media_of(api.nobody, post)[0])

    def is_served() -> None:
        assert served(address).status_code == 200

    eventually(is_served)
    maya.removes(post)
    assert status_at_last(address, 404) == 404
    assert status_at_last(address_of(media), 404) == 404
    assert refusal(maya.get(f"/api/v1/media/{media['id']}")) == (404, "media_not_found")


def test_me7_media_of_posts_that_are_not_open_have_expiring_addresses(
    maya: Member, noah: Member, api: Api
) -> None:
    media = ready(maya)
    post = maya.publishes(media_ids=[media["id"]], visibility="followers")

    def given() -> str:
        return address_of(media_of(noah, post)[0])

    address = eventually(given)
    assert "sig=" in address
    answer = served(address)
    assert answer.status_code == 200
    assert answer.headers["cache-control"].startswith("private, max-age=")
    assert served(address.partition("?")[0]).status_code == 404
    assert refusal(api.nobody.get(f"/api/v1/posts/{post['id']}")) == (404, "post_not_found")


def test_me7_open_addresses_stop_working_when_the_account_becomes_private(
    maya: Member, noah: Member, api: Api
) -> None:
    media = ready(maya)
    post = maya.publishes(media_ids=[media["id"]])
    address = address_of(media_of(api.nobody, post)[0])
    assert "sig=" not in address
    done(maya.patch("/api/v1/me", {"private": True}))
    assert status_at_last(address, 404) == 404

    def closed() -> None:
        assert "sig=" in address_of(media_of(noah, post)[0])

    eventually(closed)
    assert served(address_of(media_of(noah, post)[0])).status_code == 200


def test_di7_deleting_an_account_deletes_its_media(api: Api) -> None:
    maya = api.someone()
    attached, alone = ready(maya), ready(maya)
    post = maya.publishes(media_ids=[attached["id"]])
    open_address = address_of(media_of(api.nobody, post)[0])
    done(maya.delete(f"/api/v1/me?confirm={maya.username}"), 204)
    for address in (open_address, address_of(attached), address_of(alone)):
        assert status_at_last(address, 404) == 404

"""Profiles: read and edit them, and their ETags and post counts."""

from functools import partial

from .client import Api, done, eventually, fresh_name, refusal


def test_only_the_own_account_shows_its_address(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    mine = done(maya.get("/api/v1/me"))
    assert mine == maya.user | {"email": maya.email}
    for visitor in (willy, maya, api.nobody):
        assert "email" not in done(visitor.get(f"/api/v1/users/{maya.id}"))


def test_an_edit_changes_only_the_given_members(api: Api) -> None:
    maya = api.someone()
    edited = done(maya.patch("/api/v1/me", {"display_name": "Maya", "bio": "Line one\nLine two"}))
    assert (edited["display_name"], edited["bio"]) == ("Maya", "Line one\nLine two")
    assert done(maya.patch("/api/v1/me", {"bio": ""}))["display_name"] == "Maya"
    assert done(maya.patch("/api/v1/me", {}))["bio"] == ""
    assert done(maya.get("/api/v1/me"))["display_name"] == "Maya"
    assert done(api.nobody.get(f"/api/v1/users/{maya.id}"))["display_name"] == "Maya"


def test_old_posts_show_a_new_display_name(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    done(maya.patch("/api/v1/me", {"display_name": "Maya the Bee"}))

    def renamed() -> None:
        assert api.nobody.reads(post)["author"]["display_name"] == "Maya the Bee"

    eventually(renamed)


def test_a_stale_edit_is_refused_and_changes_nothing(api: Api) -> None:
    maya = api.someone()
    first = maya.get("/api/v1/me").headers["etag"]
    edited = maya.patch("/api/v1/me", {"bio": "first"}, headers={"If-Match": first})
    assert done(edited)["bio"] == "first"
    for tag in (first, '"nonsense"', "nonsense", '"1.0000000000000000"', f"W/{first}"):
        stale = maya.patch("/api/v1/me", {"bio": "second"}, headers={"If-Match": tag})
        assert refusal(stale) == (412, "precondition_failed")
    assert done(maya.get("/api/v1/me"))["bio"] == "first"
    for tag in (edited.headers["etag"], "*"):
        fresh = maya.patch("/api/v1/me", {"bio": f"by {tag}"}, headers={"If-Match": tag})
        assert done(fresh)["bio"] == f"by {tag}"


def test_a_current_etag_is_answered_with_not_modified(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()

    def settled(path: str) -> str:
        """The ETag, after the post count was updated."""
        response = maya.get(path)
        assert response.json()["counts"].get("posts", 1) == 1
        return response.headers["etag"]

    for path in ("/api/v1/me", f"/api/v1/users/{maya.id}", f"/api/v1/posts/{post['id']}"):
        tag = eventually(partial(settled, path))
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = maya.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"].removeprefix("W/") == tag, (
                "weak, because large answers are compressed"
            )
        assert maya.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_head_answers_like_get_without_a_body(api: Api) -> None:
    maya = api.someone()
    for path in ("/api/v1/me", f"/api/v1/users/{maya.id}", f"/api/v1/users/{maya.id}/posts", "/livez"):
        get, head = maya.get(path), maya.request("HEAD", path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "etag", "cache-control"):
            assert head.headers.get(name) == get.headers.get(name), (path, name)


def test_a_profile_is_found_by_id_and_by_username_in_any_case(api: Api) -> None:
    maya = api.someone()
    for visitor in (api.nobody, maya, api.someone()):
        by_id = done(visitor.get(f"/api/v1/users/{maya.id}"))
        for name in (maya.username, maya.username.upper()):
            assert done(visitor.get("/api/v1/users", params={"username": name})) == by_id


def test_an_unknown_user_is_not_found(api: Api) -> None:
    for path in (
        "1",
        "9223372036854775807",
        "9223372036854775808",
        "007",
        "-1",
        "health",
        "me",
        "%D9%A7",
        "9" * 4000,
    ):
        assert refusal(api.nobody.get(f"/api/v1/users/{path}")) == (404, "user_not_found")
        assert refusal(api.nobody.get(f"/api/v1/users/{path}/posts")) == (404, "user_not_found")
    for name in (fresh_name(), "é", "a", "admin", "\x00"):
        assert refusal(api.nobody.get("/api/v1/users", params={"username": name})) == (404, "user_not_found")
    assert refusal(api.nobody.get("/api/v1/users")) == (400, "query_invalid")


def test_the_post_count_is_updated_and_excludes_comments(api: Api) -> None:
    maya = api.someone()
    posts = [maya.publishes() for _ in range(3)]
    maya.comments(posts[0])

    def counts(expected: int) -> None:
        assert done(maya.get("/api/v1/me"))["counts"]["posts"] == expected
        assert done(api.nobody.get(f"/api/v1/users/{maya.id}"))["counts"]["posts"] == expected

    eventually(lambda: counts(3))
    maya.removes(posts[1])
    eventually(lambda: counts(2))

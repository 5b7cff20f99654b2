"""Likes, reposts, bookmarks and pins, and the lists of them."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .client import Api, Json, Member, done, eventually, refused
from .load import register_members

NOTHING: Json = {
    "counts": {"comments": 0, "likes": 0, "reposts": 0},
    "viewer": {"liked": False, "reposted": False, "bookmarked": False},
    "pinned": False,
}


def marked(counts: Json | None = None, *, pinned: bool = False, **viewer: bool) -> Json:
    return {
        "counts": NOTHING["counts"] | (counts or {}),
        "viewer": NOTHING["viewer"] | viewer,
        "pinned": pinned,
    }


def puts(member: Member, post: Json, what: str) -> Json:
    return done(member.put(f"/api/v1/posts/{post['id']}/{what}"))


def undoes(member: Member, post: Json, what: str) -> Json:
    return done(member.delete(f"/api/v1/posts/{post['id']}/{what}"))


def ids(items: list[Json]) -> list[str]:
    return [item["id"] for item in items]


def state(post: Json) -> Json:
    return {name: post[name] for name in NOTHING}


@pytest.mark.parametrize(
    ("what", "after"),
    [
        ("like", marked({"likes": 1}, liked=True)),
        ("repost", marked({"reposts": 1}, reposted=True)),
        ("bookmark", marked(bookmarked=True)),
    ],
)
def test_di1_engagements_and_their_undoing_are_safe_to_repeat(api: Api, what: str, after: Json) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()

    assert (puts(willy, post, what), puts(willy, post, what)) == (after, after)
    assert state(willy.reads(post)) == after
    assert maya.reads(post)["viewer"] == NOTHING["viewer"]
    assert maya.reads(post)["counts"] == after["counts"]
    assert (undoes(willy, post, what), undoes(willy, post, what)) == (NOTHING, NOTHING)
    assert state(willy.reads(post)) == NOTHING


def test_every_list_shows_the_viewer_s_engagements(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    comment = maya.comments(post)
    after = marked({"reposts": 1}, reposted=True, bookmarked=True)
    for one in (post, comment):
        for what in ("repost", "bookmark"):
            puts(willy, one, what)

    (of_maya,) = willy.all_items(f"/api/v1/users/{maya.id}/posts")
    (below,) = willy.all_items(f"/api/v1/posts/{post['id']}/comments")
    bookmarks = willy.all_items("/api/v1/me/bookmarks")

    assert state(of_maya) == marked({"reposts": 1, "comments": 1}, reposted=True, bookmarked=True)
    assert state(below) == after
    assert bookmarks == [willy.reads(comment), willy.reads(post)]
    assert "viewer" not in api.nobody.reads(post)


def test_only_open_posts_can_be_reposted(api: Api) -> None:
    maya = api.someone()
    for post in (maya.publishes(visibility="followers"), maya.publishes_direct()):
        refused(maya.put(f"/api/v1/posts/{post['id']}/repost"), 409, "cannot_repost")
        assert undoes(maya, post, "repost") == NOTHING
    assert puts(maya, maya.publishes(visibility="unlisted"), "repost")["counts"]["reposts"] == 1


def test_pinned_posts_are_listed_separately_the_last_pinned_first(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    posts = [maya.publishes(f"number {number}") for number in range(7)]
    path = f"/api/v1/users/{maya.id}/posts"
    for number in (3, 0, 5, 1, 4):
        assert puts(maya, posts[number], "pin") == marked(pinned=True)
    refused(maya.put(f"/api/v1/posts/{posts[6]['id']}/pin"), 409, "too_many_pins")
    assert puts(maya, posts[3], "pin")["pinned"] is True

    pinned = done(api.nobody.get(path, params={"pinned": "true"}))
    assert ids(pinned["items"]) == [posts[number]["id"] for number in (4, 1, 5, 0, 3)]
    assert (pinned["next"], pinned["prev"]) == (None, None)
    assert ids(done(willy.get(path, params={"pinned": "false"}))["items"]) == ids(posts[::-1])
    assert [post["pinned"] for post in willy.all_items(path)] == [
        number in {0, 1, 3, 4, 5} for number in range(6, -1, -1)
    ]

    first = done(willy.get(path, params={"pinned": "true", "limit": 2}))
    second = done(willy.get(path, params={"pinned": "true", "limit": 2, "cursor": first["next"]}))
    assert ids(first["items"] + second["items"]) == ids(pinned["items"][:4])
    refused(willy.get(path, params={"cursor": first["next"]}), 400, "cursor_invalid")

    maya.removes(posts[4])
    assert undoes(maya, posts[1], "pin") == undoes(maya, posts[1], "pin") == NOTHING
    left = done(willy.get(path, params={"pinned": "true"}))
    assert ids(left["items"]) == [posts[number]["id"] for number in (5, 0, 3)]


def test_posts_that_cannot_be_pinned_are_refused(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    for call in (willy.put, willy.delete):
        refused(call(f"/api/v1/posts/{post['id']}/pin"), 403, "not_the_author")
    for other in (
        maya.comments(post),
        maya.publishes_direct(),
        maya.publishes(visibility="followers"),
    ):
        refused(maya.put(f"/api/v1/posts/{other['id']}/pin"), 409, "cannot_pin")
    refused(maya.get(f"/api/v1/users/{maya.id}/posts", params={"pinned": "perhaps"}), 400, "query_invalid")


def test_users_who_like_or_repost_are_listed_newest_first(api: Api) -> None:
    maya, *fans = register_members(api, 6)
    post = maya.publishes()
    for fan in fans:
        puts(fan, post, "like")
    for fan in fans[::-1]:
        puts(fan, post, "repost")
    undoes(fans[2], post, "like")
    path = f"/api/v1/posts/{post['id']}"
    names = [fan.username for fan in fans]

    likes = api.nobody.all_items(f"{path}/likes", 2)
    assert [person["username"] for person in likes] == [name for name in names[::-1] if name != names[2]]
    assert set(likes[0]) == {"id", "username", "display_name", "avatar_url"}
    assert [person["username"] for person in maya.all_items(f"{path}/reposts", 2)] == names


def test_one_s_own_likes_and_bookmarks_are_ordered_by_engagement(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    posts = [maya.publishes(f"number {number}") for number in range(5)]
    for number in (2, 0, 4, 1, 3):
        puts(willy, posts[number], "like")
        puts(willy, posts[4 - number], "bookmark")
    maya.removes(posts[0])
    undoes(willy, posts[3], "like")

    assert ids(willy.all_items("/api/v1/me/likes", 1)) == [posts[number]["id"] for number in (1, 4, 2)]
    assert ids(willy.all_items("/api/v1/me/bookmarks", 2)) == [posts[number]["id"] for number in (1, 3, 4, 2)]
    assert maya.all_items("/api/v1/me/likes") == maya.all_items("/api/v1/me/bookmarks") == []


def test_a_cursor_of_one_s_own_list_is_not_valid_for_another_user(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    for _ in range(2):
        post = maya.publishes()
        for what in ("like", "bookmark"):
            puts(maya, post, what)
            puts(willy, post, what)
    cursor = done(willy.get("/api/v1/me/likes", params={"limit": 1}))["next"]

    assert len(done(willy.get("/api/v1/me/likes", params={"cursor": cursor}))["items"]) == 1
    refused(maya.get("/api/v1/me/likes", params={"cursor": cursor}), 400, "cursor_invalid")
    refused(willy.get("/api/v1/me/bookmarks", params={"cursor": cursor}), 400, "cursor_invalid")


# --- Hidden posts ---------------------------------------------------------------------------

OPERATIONS: list[tuple[str, str, Any]] = [
    *(
        (method, f"/{what}", None)
        for method in ("PUT", "DELETE")
        for what in ("like", "repost", "bookmark", "pin")
    ),
    ("GET", "", None),
    ("GET", "/comments", None),
    ("GET", "/likes", None),
    ("GET", "/reposts", None),
    ("GET", "/context", None),
    ("GET", "/history", None),
    ("POST", "/comments", {"text": "I see you"}),
    ("PATCH", "", {"text": "yours no more"}),
    ("DELETE", "", None),
]
HIDDEN = ("followers", "direct", "a comment in a direct thread", "deleted")


def hidden_post(maya: Member, how: str) -> Json:
    if how == "followers":
        return maya.publishes("hidden", visibility=how)
    if how == "direct":
        return maya.publishes_direct()
    if how == "deleted":
        post = maya.publishes("hidden")
        maya.removes(post)
        return post
    return maya.comments(maya.publishes_direct(), "hidden too")


@pytest.mark.parametrize("how", HIDDEN)
def test_az5_hidden_posts_refuse_engagements_like_posts_that_do_not_exist(api: Api, how: str) -> None:
    maya, willy = api.someone(), api.someone()
    post = hidden_post(maya, how)
    path = f"/api/v1/posts/{post['id']}"
    before = (maya.get(path).content, maya.get(path).headers.get("etag"), maya.get("/api/v1/me").content)

    for method, below, body in OPERATIONS:
        options = {} if body is None else {"json": body}
        here = willy.request(method, path + below, **options)
        nowhere = willy.request(method, f"/api/v1/posts/1{below}", **options)
        assert _without_id(here) == _without_id(nowhere), (method, below)
        refused(here, 404, "post_not_found")

    after = (maya.get(path).content, maya.get(path).headers.get("etag"), maya.get("/api/v1/me").content)
    if how != "deleted":  # the two answers differ in the request id
        assert after == before
    assert willy.all_items("/api/v1/me/likes") == willy.all_items("/api/v1/me/bookmarks") == []


def _without_id(response: httpx.Response) -> tuple[int, Json, set[str]]:
    body = {name: value for name, value in response.json().items() if name != "request_id"}
    return response.status_code, body, set(response.headers)


def test_az7_the_counts_of_a_post_are_the_same_for_all_its_viewers(api: Api) -> None:
    maya, willy, flora = api.someone(), api.someone(), api.someone()
    post = maya.publishes(f"@{willy.username} look")
    for member in (maya, willy):
        for what in ("like", "repost", "bookmark"):
            puts(member, post, what)
    maya.comments(post, "for all")
    maya.comments(post, f"for you, @{willy.username}", visibility="direct")

    counts = [who.reads(post)["counts"] for who in (maya, willy, flora, api.nobody)]

    assert counts == [{"comments": 1, "likes": 2, "reposts": 2}] * 4
    for what in ("likes", "reposts"):
        lists = [
            who.all_items(f"/api/v1/posts/{post['id']}/{what}") for who in (maya, willy, flora, api.nobody)
        ]
        assert lists == lists[:1] * 4
        assert len(lists[0]) == 2


def test_az7_bookmarks_are_visible_to_their_owner_only(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    before = (api.nobody.reads(post), maya.reads(post), done(maya.get(f"/api/v1/users/{willy.id}")))

    puts(willy, post, "bookmark")

    assert (api.nobody.reads(post), maya.reads(post), done(maya.get(f"/api/v1/users/{willy.id}"))) == before


# --- Undoing engagements with hidden posts --------------------------------------------------------------


def blocks(maya: Member, willy: Member, _post: Json) -> None:
    done(maya.put(f"/api/v1/users/{willy.id}/block"))


def is_blocked(maya: Member, willy: Member, _post: Json) -> None:
    done(willy.put(f"/api/v1/users/{maya.id}/block"))


def goes_private(maya: Member, willy: Member, _post: Json) -> None:
    done(willy.delete(f"/api/v1/users/{maya.id}/follow"))
    done(maya.patch("/api/v1/me", {"private": True}))


def loses_a_follower(maya: Member, willy: Member, _post: Json) -> None:
    done(maya.delete(f"/api/v1/me/followers/{willy.id}"))


def deletes(maya: Member, _willy: Member, post: Json) -> None:
    maya.removes(post)


LOSSES = [
    (blocks, "public", True),
    (is_blocked, "public", True),
    (goes_private, "public", False),
    (loses_a_follower, "followers", False),
    (deletes, "public", False),
]
"""How a post becomes hidden, its visibility, and whether everybody else still sees its counts."""


@pytest.mark.parametrize(("hide", "visibility", "open_"), LOSSES)
def test_a_user_can_undo_an_engagement_after_the_post_is_hidden_from_them(
    api: Api, hide: Callable[[Member, Member, Json], None], visibility: str, open_: bool
) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    for member in (willy, flip):
        done(member.put(f"/api/v1/users/{maya.id}/follow"))
    post = maya.publishes(visibility=visibility)
    whats = ["like", "bookmark"] + ["repost"] * (visibility == "public")
    for what in whats:
        for member in (willy, flip):
            puts(member, post, what)
    hide(maya, willy, post)

    def hidden() -> None:
        assert not willy.sees(post)

    eventually(hidden)
    counts = {"comments": 0, "likes": 2, "reposts": whats.count("repost") * 2}
    left = {"liked": True, "reposted": "repost" in whats, "bookmarked": True}
    for what, count, flag in (
        ("like", "likes", "liked"),
        ("repost", "reposts", "reposted"),
        ("bookmark", "", "bookmarked"),
    ):
        if what not in whats:
            continue
        counts = {name: number - (name == count) for name, number in counts.items()}
        left[flag] = False
        answer = {"counts": counts if open_ else NOTHING["counts"], "viewer": left, "pinned": False}
        assert undoes(willy, post, what) == answer
        assert undoes(willy, post, what) == answer  # a client whose answer was lost repeats the request
        refused(willy.put(f"/api/v1/posts/{post['id']}/{what}"), 404, "post_not_found")
        if hide is not deletes:
            assert maya.reads(post)["counts"] == counts


def test_undoing_an_engagement_that_never_was_with_a_hidden_post_is_not_found(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    willy.likes(post)
    done(maya.put(f"/api/v1/users/{willy.id}/block"))

    for what in ("repost", "bookmark"):
        refused(willy.delete(f"/api/v1/posts/{post['id']}/{what}"), 404, "post_not_found")
    assert willy.unlikes(post)["viewer"] == NOTHING["viewer"]
    assert maya.reads(post)["counts"]["likes"] == 0


def test_an_engagement_undone_with_a_hidden_post_is_in_no_list(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    for what in ("like", "repost", "bookmark"):
        puts(willy, post, what)
    done(maya.put(f"/api/v1/users/{willy.id}/block"))
    for what in ("like", "repost", "bookmark"):
        undoes(willy, post, what)
    done(maya.delete(f"/api/v1/users/{willy.id}/block"))

    assert state(willy.reads(post)) == NOTHING
    assert willy.all_items("/api/v1/me/likes") == willy.all_items("/api/v1/me/bookmarks") == []
    for what in ("likes", "reposts"):
        assert maya.all_items(f"/api/v1/posts/{post['id']}/{what}") == []
    assert puts(willy, post, "like") == marked({"likes": 1}, liked=True)
    done(maya.put(f"/api/v1/users/{willy.id}/block"))
    assert undoes(willy, post, "like") == NOTHING

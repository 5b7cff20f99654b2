"""Engagements with posts that the user may not see, or may no longer see."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .client import Api, Json, Member, done, eventually, refusal
from .engagement_answers import NOTHING, engaged, puts, state, undoes

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
        assert refusal(here) == (404, "post_not_found")

    after = (maya.get(path).content, maya.get(path).headers.get("etag"), maya.get("/api/v1/me").content)
    if how != "deleted":  # the two answers differ in the request id
        assert after == before
    assert willy.all_items("/api/v1/me/likes") == willy.all_items("/api/v1/me/bookmarks") == []


def _without_id(response: httpx.Response) -> tuple[int, Json, set[str]]:
    body = {name: value for name, value in response.json().items() if name != "request_id"}
    return response.status_code, body, set(response.headers)


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
"""The way in which a post becomes hidden, its visibility, and whether everybody else still sees its counts."""


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
        assert refusal(willy.put(f"/api/v1/posts/{post['id']}/{what}")) == (404, "post_not_found")
        if hide is not deletes:
            assert maya.reads(post)["counts"] == counts


def test_undoing_an_engagement_that_never_was_with_a_hidden_post_is_not_found(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    willy.likes(post)
    done(maya.put(f"/api/v1/users/{willy.id}/block"))

    for what in ("repost", "bookmark"):
        assert refusal(willy.delete(f"/api/v1/posts/{post['id']}/{what}")) == (404, "post_not_found")
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
    assert puts(willy, post, "like") == engaged({"likes": 1}, liked=True)
    done(maya.put(f"/api/v1/users/{willy.id}/block"))
    assert undoes(willy, post, "like") == NOTHING

"""Likes, reposts, bookmarks and pins, and the lists of them."""

import pytest

from .client import Api, Json, done, refusal
from .engagement_answers import NOTHING, engaged, ids, puts, state, undoes
from .load import register_members


@pytest.mark.parametrize(
    ("what", "after"),
    [
        ("like", engaged({"likes": 1}, liked=True)),
        ("repost", engaged({"reposts": 1}, reposted=True)),
        ("bookmark", engaged(bookmarked=True)),
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
    after = engaged({"reposts": 1}, reposted=True, bookmarked=True)
    for one in (post, comment):
        for what in ("repost", "bookmark"):
            puts(willy, one, what)

    (of_maya,) = willy.all_items(f"/api/v1/users/{maya.id}/posts")
    (below,) = willy.all_items(f"/api/v1/posts/{post['id']}/comments")
    bookmarks = willy.all_items("/api/v1/me/bookmarks")

    assert state(of_maya) == engaged({"reposts": 1, "comments": 1}, reposted=True, bookmarked=True)
    assert state(below) == after
    assert bookmarks == [willy.reads(comment), willy.reads(post)]
    assert "viewer" not in api.nobody.reads(post)


def test_only_open_posts_can_be_reposted(api: Api) -> None:
    maya = api.someone()
    for post in (maya.publishes(visibility="followers"), maya.publishes_direct()):
        assert refusal(maya.put(f"/api/v1/posts/{post['id']}/repost")) == (409, "cannot_repost")
        assert undoes(maya, post, "repost") == NOTHING
    assert puts(maya, maya.publishes(visibility="unlisted"), "repost")["counts"]["reposts"] == 1


def test_pinned_posts_are_listed_separately_the_last_pinned_first(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    posts = [maya.publishes(f"number {number}") for number in range(7)]
    path = f"/api/v1/users/{maya.id}/posts"
    for number in (3, 0, 5, 1, 4):
        assert puts(maya, posts[number], "pin") == engaged(pinned=True)
    assert refusal(maya.put(f"/api/v1/posts/{posts[6]['id']}/pin")) == (409, "too_many_pins")
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
    assert refusal(willy.get(path, params={"cursor": first["next"]})) == (400, "cursor_invalid")

    maya.removes(posts[4])
    assert undoes(maya, posts[1], "pin") == undoes(maya, posts[1], "pin") == NOTHING
    left = done(willy.get(path, params={"pinned": "true"}))
    assert ids(left["items"]) == [posts[number]["id"] for number in (5, 0, 3)]


def test_posts_that_cannot_be_pinned_are_refused(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    for call in (willy.put, willy.delete):
        assert refusal(call(f"/api/v1/posts/{post['id']}/pin")) == (403, "not_the_author")
    for other in (
        maya.comments(post),
        maya.publishes_direct(),
        maya.publishes(visibility="followers"),
    ):
        assert refusal(maya.put(f"/api/v1/posts/{other['id']}/pin")) == (409, "cannot_pin")
    response = maya.get(f"/api/v1/users/{maya.id}/posts", params={"pinned": "perhaps"})
    assert refusal(response) == (400, "query_invalid")


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
    assert refusal(maya.get("/api/v1/me/likes", params={"cursor": cursor})) == (400, "cursor_invalid")
    assert refusal(willy.get("/api/v1/me/bookmarks", params={"cursor": cursor})) == (400, "cursor_invalid")


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

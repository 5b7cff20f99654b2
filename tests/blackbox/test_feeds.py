"""The home feed, the public feed, hashtag feeds and the posts of an account with reposts, over HTTP."""

import secrets
from urllib.parse import quote

import pytest

from .client import Api, Json, Member, Visitor, done, eventually, refusal

pytestmark = pytest.mark.scaled  # where timelines are in Redis

HOME, PUBLIC = "/api/v1/feeds/home", "/api/v1/feeds/public"


def ids(page: Json) -> list[str]:
    return [item["id"] for item in page["items"]]


def a_tag() -> str:
    return f"bees{secrets.token_hex(6)}x"


def repost(member: Member, post: Json) -> None:
    done(member.put(f"/api/v1/posts/{post['id']}/repost"))


def test_own_posts_and_reposts_are_in_the_home_feed_at_once(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    other = noah.publishes()
    own = maya.publishes()
    assert ids(done(maya.get(HOME))) == [own["id"]]

    repost(maya, other)
    repost(maya, own)

    page = done(maya.get(HOME))
    assert ids(page) == [other["id"], own["id"]]
    assert page["items"][0]["reposted_by"]["id"] == maya.id
    assert page["items"][0]["viewer"] == {"liked": False, "reposted": True, "bookmarked": False}
    assert "reposted_by" not in page["items"][1]
    assert "reposted_by" not in done(maya.get(f"/api/v1/posts/{other['id']}"))


def test_deleted_posts_and_undone_reposts_are_not_in_the_home_feed(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    first, second, other = maya.publishes(), maya.publishes(), noah.publishes()
    repost(maya, other)
    assert ids(done(maya.get(HOME))) == [other["id"], second["id"], first["id"]]

    maya.removes(second)
    done(maya.delete(f"/api/v1/posts/{other['id']}/repost"))

    assert ids(done(maya.get(HOME))) == [first["id"]]


def test_comments_are_in_the_home_feed_only_if_reposted(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    comment = maya.comments(post)
    assert ids(done(maya.get(HOME))) == [post["id"]]

    repost(maya, comment)

    assert ids(done(maya.get(HOME))) == [comment["id"], post["id"]]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_the_home_feed_has_pages_of_any_size(api: Api, limit: int) -> None:
    maya = api.someone()
    published = [maya.publishes(f"number {number}")["id"] for number in range(5)]

    pages = list(maya.pages(HOME, limit))

    assert [id_ for page in pages for id_ in ids(page)] == published[::-1]
    assert all(page["prev"] for page in pages)


def test_since_returns_each_new_post_once(api: Api) -> None:
    maya = api.someone()
    empty = done(maya.get(HOME))
    assert (empty["items"], empty["next"]) == ([], None)
    published = [maya.publishes(f"number {number}")["id"] for number in range(5)]

    received, since = [], empty["prev"]
    for expected in ([1, 0], [3, 2], [4], []):
        page = done(maya.get(HOME, params={"since": since, "limit": 2}))
        assert ids(page) == [published[number] for number in expected]
        assert len(page["prev"]) <= 512
        received += ids(page)
        since = page["prev"]
    newest = maya.publishes()

    assert ids(done(maya.get(HOME, params={"since": since}))) == [newest["id"]]
    assert ids(done(maya.get(HOME, params={"cursor": since}))) == [newest["id"]]
    assert sorted(received) == sorted(published)


def test_the_link_header_leads_to_newer_posts(api: Api) -> None:
    maya = api.someone()
    link = maya.get(HOME, params={"limit": 3}).headers["link"]

    assert 'rel="prev"' in link
    assert "cursor=" in link
    assert "since=" not in link


@pytest.mark.parametrize("limit", [1, 3, 20])
def test_the_first_page_is_the_same_with_and_without_the_framework(api: Api, limit: int) -> None:
    """A plain request bypasses the framework; one with a browser's Origin does not."""
    maya, noah = api.someone(), api.someone()
    set_relationship(maya, "follow", noah)
    for _ in range(3):
        noah.publishes("of #bees and @" + maya.username)
    repost(maya, noah.comments(noah.publishes()))

    def ask(**headers: str) -> tuple[Json, list[str]]:
        response = maya.get(HOME, params={"limit": limit}, headers=headers)
        page = done(response)
        return page["items"], [link.partition("cursor=")[0] for link in response.headers["link"].split(", ")]

    def equal() -> None:
        assert ask() == ask(Origin="http://localhost:3000")
        assert len(ask()[0]) == min(limit, 5)

    eventually(equal)
    assert refusal(maya.get(HOME, params={"limit": 101})) == (400, "query_invalid")
    response = maya.get(HOME, params={"limit": "07"}, headers={"Authorization": "Bearer x"})
    assert refusal(response) == (401, "invalid_token")
    assert refusal(maya.get(HOME, headers={"Authorization": "Bearer x"})) == (401, "invalid_token")


def test_invalid_cursors_are_refused(api: Api) -> None:
    maya = api.someone()
    for _ in range(2):
        maya.publishes()
    page = done(maya.get(HOME, params={"limit": 1}))

    assert refusal(maya.get(HOME, params={"since": "x"})) == (400, "cursor_invalid")
    assert refusal(maya.get(HOME, params={"since": page["next"]})) == (400, "cursor_invalid")
    assert refusal(api.nobody.get(PUBLIC, params={"since": page["prev"]})) == (400, "cursor_invalid")
    response = maya.get(HOME, params={"since": page["prev"], "cursor": page["next"]})
    assert refusal(response) == (400, "query_invalid")
    assert refusal(api.nobody.get(HOME)) == (401, "token_missing")


def test_the_public_feed_has_public_posts_and_no_comments(api: Api) -> None:
    maya = api.someone()
    since = done(api.nobody.get(PUBLIC))["prev"]
    post = maya.publishes()
    hidden = [maya.publishes(visibility=kind) for kind in ("unlisted", "followers")] + [
        maya.publishes_direct()
    ]
    comment = maya.comments(post)

    received: list[str] = []
    while (page := done(api.nobody.get(PUBLIC, params={"since": since, "limit": 100})))["items"]:
        received += ids(page)
        since = page["prev"]

    assert received.count(post["id"]) == 1
    assert not {other["id"] for other in [*hidden, comment]} & set(received)
    maya.removes(post)
    assert post["id"] not in ids(done(api.nobody.get(PUBLIC, params={"limit": 100})))


def test_a_hashtag_feed_ignores_case(api: Api) -> None:
    maya, tag = api.someone(), a_tag()
    post = maya.publishes(f"of #{tag.upper()} and others")
    comment = maya.comments(post, f"#{tag}")
    maya.publishes(f"#{tag}", visibility="unlisted")
    maya.publishes(f"#{tag}s")

    for written in (tag, tag.upper()):
        assert ids(done(api.nobody.get(f"/api/v1/feeds/hashtags/{written}"))) == [comment["id"], post["id"]]
    page = done(maya.get(f"/api/v1/feeds/hashtags/{tag}", params={"limit": 1}))
    following = done(maya.get(f"/api/v1/feeds/hashtags/{tag}", params={"cursor": page["next"]}))
    assert ids(following) == [post["id"]]


@pytest.mark.parametrize("written", ["123", "a b", "x" * 101, "#bees", "\u0301a"])
def test_invalid_hashtags_are_not_found(api: Api, written: str) -> None:
    assert refusal(api.nobody.get(f"/api/v1/feeds/hashtags/{quote(written)}")) == (404, "hashtag_not_found")


def test_an_unused_hashtag_has_an_empty_feed(api: Api) -> None:
    assert done(api.nobody.get(f"/api/v1/feeds/hashtags/{a_tag()}"))["items"] == []


def test_posts_of_a_user_include_reposts_on_request(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    path = f"/api/v1/users/{maya.id}/posts"
    own, other = maya.publishes(), noah.publishes()
    comment = maya.comments(other)
    for post in (other, own, comment):
        repost(maya, post)
    newest = maya.publishes()

    plain = done(api.nobody.get(path))
    mixed = done(api.nobody.get(path, params={"reposts": "true"}))

    assert ids(plain) == [newest["id"], own["id"]]
    assert ids(mixed) == [newest["id"], comment["id"], other["id"], own["id"]]
    assert [post.get("reposted_by", {}).get("id") for post in mixed["items"]] == [
        None,
        maya.id,
        maya.id,
        None,
    ]
    response = api.nobody.get(path, params={"reposts": "true", "pinned": "true"})
    assert refusal(response) == (400, "query_invalid")
    response = api.nobody.get("/api/v1/users/1/posts", params={"reposts": "true"})
    assert refusal(response) == (404, "user_not_found")


def test_reposts_of_a_private_account_are_hidden(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    post = noah.publishes()
    repost(maya, post)
    path = f"/api/v1/users/{maya.id}/posts"
    done(maya.patch("/api/v1/me", {"private": True}))

    def shown(who: Visitor) -> list[str]:
        return ids(done(who.get(path, params={"reposts": "true"})))

    def hidden() -> None:
        assert shown(noah) == []

    eventually(hidden)
    assert shown(maya) == [post["id"]]


# --- With several accounts --------------------------------------------------------------------------


def set_relationship(member: Member, what: str, other: Member, *, on: bool = True) -> None:
    path = f"/api/v1/users/{other.id}/{what}"
    response = member.put(path) if on else member.delete(path)
    assert response.status_code in {200, 204}, response.text


def wait_for_feed(member: Member, *posts: Json, path: str = HOME) -> None:
    """Wait until the feed has exactly these posts, newest first."""

    def check() -> None:
        assert ids(done(member.get(path))) == [post["id"] for post in posts]

    eventually(check)


def test_posts_of_followed_accounts_are_in_the_home_feed(api: Api) -> None:
    maya, noah, olga = api.someone(), api.someone(), api.someone()
    early = noah.publishes()
    wait_for_feed(maya)

    set_relationship(maya, "follow", noah)
    assert ids(done(maya.get(HOME))) == [early["id"]]
    later, own = noah.publishes(), maya.publishes()
    olga.publishes()
    noah.comments(later)
    wait_for_feed(maya, own, later, early)

    for_followers = noah.publishes(visibility="followers")
    noah.publishes_direct()
    wait_for_feed(maya, for_followers, own, later, early)
    set_relationship(maya, "follow", noah, on=False)
    assert ids(done(maya.get(HOME))) == [own["id"]]


def test_a_repost_appears_once_and_not_beside_its_post(api: Api) -> None:
    maya, noah, olga, paul = (api.someone() for _ in range(4))
    for other in (noah, olga):
        set_relationship(maya, "follow", other)
    by_paul, by_noah = paul.publishes(), noah.publishes()
    wait_for_feed(maya, by_noah)

    for member in (olga, noah):
        repost(member, by_paul)
    repost(olga, by_noah)

    wait_for_feed(maya, by_paul, by_noah)
    assert done(maya.get(HOME))["items"][0]["reposted_by"]["id"] == olga.id
    done(olga.delete(f"/api/v1/posts/{by_paul['id']}/repost"))

    def is_noah_s() -> None:  # noah's repost may not have been delivered yet
        items = done(maya.get(HOME))["items"]
        assert [item.get("reposted_by", {}).get("id") for item in items] == [noah.id, None]

    eventually(is_noah_s)


def test_blocks_and_mutes_apply_to_every_feed_at_once(api: Api) -> None:
    maya, noah, olga, paul = (api.someone() for _ in range(4))
    tag = a_tag()
    feeds = (HOME, PUBLIC, f"/api/v1/feeds/hashtags/{tag}")
    for other in (noah, olga):
        set_relationship(maya, "follow", other)
    posts = {member.id: member.publishes(f"#{tag}") for member in (noah, olga, paul)}
    repost(olga, posts[paul.id])
    wait_for_feed(maya, posts[paul.id], posts[olga.id], posts[noah.id])

    def visible_in_feeds(member: Member) -> list[set[str]]:
        known = {post["id"] for post in posts.values()}
        return [known & set(ids(done(member.get(path, params={"limit": 100})))) for path in feeds]

    set_relationship(maya, "mute", noah)
    assert not any(posts[noah.id]["id"] in feed for feed in visible_in_feeds(maya))
    set_relationship(paul, "block", maya)
    assert not any(posts[paul.id]["id"] in feed for feed in visible_in_feeds(maya))
    assert [posts[olga.id]["id"] in feed for feed in visible_in_feeds(maya)] == [True, True, True]
    set_relationship(maya, "mute", noah, on=False)
    assert all(posts[noah.id]["id"] in feed for feed in visible_in_feeds(maya))
    set_relationship(maya, "block", olga)
    assert not any(posts[olga.id]["id"] in feed for feed in visible_in_feeds(maya))


def test_since_returns_new_posts_of_followed_accounts(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    set_relationship(maya, "follow", noah)
    since = done(maya.get(HOME))["prev"]
    published = [noah.publishes(f"number {number}")["id"] for number in range(12)]
    received: list[str] = []

    def ask() -> None:
        nonlocal since
        page = done(maya.get(HOME, params={"since": since, "limit": 5}))
        received.extend(ids(page))
        since = page["prev"]
        assert len(received) >= len(published)

    eventually(ask)

    assert sorted(received) == sorted(published)
    assert done(maya.get(HOME, params={"since": since}))["items"] == []

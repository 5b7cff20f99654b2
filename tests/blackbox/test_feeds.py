"""Home, public and hashtag feeds, and a user's posts with reposts, over HTTP."""

import secrets
from urllib.parse import quote

import pytest

from .client import Api, Json, Member, Visitor, done, eventually, refused

pytestmark = pytest.mark.scaled  # timelines are in Redis there

HOME, PUBLIC = "/api/v1/feeds/home", "/api/v1/feeds/public"


def ids(page: Json) -> list[str]:
    return [item["id"] for item in page["items"]]


def a_tag() -> str:
    return f"bees{secrets.token_hex(6)}x"


def reposts(member: Member, post: Json) -> None:
    done(member.put(f"/api/v1/posts/{post['id']}/repost"))


def test_one_s_own_posts_and_reposts_are_at_home_at_once(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    other = noah.publishes()
    own = maya.publishes()
    assert ids(done(maya.get(HOME))) == [own["id"]]

    reposts(maya, other)
    reposts(maya, own)

    page = done(maya.get(HOME))
    assert ids(page) == [other["id"], own["id"]]
    assert page["items"][0]["reposted_by"]["id"] == maya.id
    assert page["items"][0]["viewer"] == {"liked": False, "reposted": True, "bookmarked": False}
    assert "reposted_by" not in page["items"][1]
    assert "reposted_by" not in done(maya.get(f"/api/v1/posts/{other['id']}"))


def test_what_is_deleted_or_taken_back_is_not_at_home(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    first, second, other = maya.publishes(), maya.publishes(), noah.publishes()
    reposts(maya, other)
    assert ids(done(maya.get(HOME))) == [other["id"], second["id"], first["id"]]

    maya.removes(second)
    done(maya.delete(f"/api/v1/posts/{other['id']}/repost"))

    assert ids(done(maya.get(HOME))) == [first["id"]]


def test_comments_are_not_at_home_unless_they_are_reposted(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    comment = maya.comments(post)
    assert ids(done(maya.get(HOME))) == [post["id"]]

    reposts(maya, comment)

    assert ids(done(maya.get(HOME))) == [comment["id"], post["id"]]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_home_is_read_in_pages_of_any_size(api: Api, limit: int) -> None:
    maya = api.someone()
    said = [maya.publishes(f"number {number}")["id"] for number in range(5)]

    pages = list(maya.pages(HOME, limit))

    assert [id_ for page in pages for id_ in ids(page)] == said[::-1]
    assert all(page["prev"] for page in pages)


def test_since_a_page_only_what_is_new_comes_and_comes_once(api: Api) -> None:
    maya = api.someone()
    empty = done(maya.get(HOME))
    assert (empty["items"], empty["next"]) == ([], None)
    said = [maya.publishes(f"number {number}")["id"] for number in range(5)]

    found, since = [], empty["prev"]
    for expected in ([1, 0], [3, 2], [4], []):
        page = done(maya.get(HOME, params={"since": since, "limit": 2}))
        assert ids(page) == [said[number] for number in expected]
        assert len(page["prev"]) <= 512
        found += ids(page)
        since = page["prev"]
    newest = maya.publishes()

    assert ids(done(maya.get(HOME, params={"since": since}))) == [newest["id"]]
    assert ids(done(maya.get(HOME, params={"cursor": since}))) == [newest["id"]]
    assert sorted(found) == sorted(said)


def test_a_link_leads_to_what_is_new(api: Api) -> None:
    maya = api.someone()
    link = maya.get(HOME, params={"limit": 3}).headers["link"]

    assert 'rel="prev"' in link
    assert "cursor=" in link
    assert "since=" not in link


@pytest.mark.parametrize("limit", [1, 3, 20])
def test_the_first_page_is_the_same_on_whatever_way_it_is_asked_for(api: Api, limit: int) -> None:
    """Plainly, it goes past the framework; with a browser's Origin it does not."""
    maya, noah = api.someone(), api.someone()
    ties(maya, "follow", noah)
    for _ in range(3):
        noah.publishes("of #bees and @" + maya.username)
    reposts(maya, noah.comments(noah.publishes()))

    def ask(**headers: str) -> tuple[Json, list[str]]:
        response = maya.get(HOME, params={"limit": limit}, headers=headers)
        page = done(response)
        return page["items"], [link.partition("cursor=")[0] for link in response.headers["link"].split(", ")]

    def equal() -> None:
        assert ask() == ask(Origin="http://localhost:3000")
        assert len(ask()[0]) == min(limit, 5)

    eventually(equal, 5.0)
    refused(maya.get(HOME, params={"limit": 101}), 400, "query_invalid")
    refused(
        maya.get(HOME, params={"limit": "07"}, headers={"Authorization": "Bearer x"}), 401, "invalid_token"
    )
    refused(maya.get(HOME, headers={"Authorization": "Bearer x"}), 401, "invalid_token")


def test_what_is_no_place_in_a_feed_is_refused(api: Api) -> None:
    maya = api.someone()
    for _ in range(2):
        maya.publishes()
    page = done(maya.get(HOME, params={"limit": 1}))

    refused(maya.get(HOME, params={"since": "x"}), 400, "cursor_invalid")
    refused(maya.get(HOME, params={"since": page["next"]}), 400, "cursor_invalid")
    refused(api.nobody.get(PUBLIC, params={"since": page["prev"]}), 400, "cursor_invalid")
    refused(maya.get(HOME, params={"since": page["prev"], "cursor": page["next"]}), 400, "query_invalid")
    refused(api.nobody.get(HOME), 401, "token_missing")


def test_the_public_feed_shows_public_posts_and_no_comments(api: Api) -> None:
    maya = api.someone()
    since = done(api.nobody.get(PUBLIC))["prev"]
    post = maya.publishes()
    hidden = [maya.publishes(visibility=kind) for kind in ("unlisted", "followers")] + [maya.confides()]
    comment = maya.comments(post)

    found: list[str] = []
    while (page := done(api.nobody.get(PUBLIC, params={"since": since, "limit": 100})))["items"]:
        found += ids(page)
        since = page["prev"]

    assert found.count(post["id"]) == 1
    assert not {other["id"] for other in [*hidden, comment]} & set(found)
    maya.removes(post)
    assert post["id"] not in ids(done(api.nobody.get(PUBLIC, params={"limit": 100})))


def test_the_feed_of_a_hashtag_finds_it_however_it_is_written(api: Api) -> None:
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
def test_what_can_be_no_hashtag_is_not_found(api: Api, written: str) -> None:
    refused(api.nobody.get(f"/api/v1/feeds/hashtags/{quote(written)}"), 404, "hashtag_not_found")


def test_nothing_may_have_a_hashtag(api: Api) -> None:
    assert done(api.nobody.get(f"/api/v1/feeds/hashtags/{a_tag()}"))["items"] == []


def test_a_user_s_posts_come_with_reposts_if_one_asks_for_them(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    path = f"/api/v1/users/{maya.id}/posts"
    own, other = maya.publishes(), noah.publishes()
    comment = maya.comments(other)
    for post in (other, own, comment):
        reposts(maya, post)
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
    refused(api.nobody.get(path, params={"reposts": "true", "pinned": "true"}), 400, "query_invalid")
    refused(api.nobody.get("/api/v1/users/1/posts", params={"reposts": "true"}), 404, "user_not_found")


def test_the_reposts_of_a_private_account_are_not_for_everybody(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    post = noah.publishes()
    reposts(maya, post)
    path = f"/api/v1/users/{maya.id}/posts"
    done(maya.patch("/api/v1/me", {"private": True}))

    def shown(who: Visitor) -> list[str]:
        return ids(done(who.get(path, params={"reposts": "true"})))

    def hidden() -> None:
        assert shown(noah) == []

    eventually(hidden)
    assert shown(maya) == [post["id"]]


# --- With people around -----------------------------------------------------------------------------


def ties(member: Member, what: str, other: Member, *, on: bool = True) -> None:
    path = f"/api/v1/users/{other.id}/{what}"
    response = member.put(path) if on else member.delete(path)
    assert response.status_code in {200, 204}, response.text


def shows(member: Member, *posts: Json, path: str = HOME) -> None:
    """These posts, newest first, as soon as the facts have come."""

    def check() -> None:
        assert ids(done(member.get(path))) == [post["id"] for post in posts]

    eventually(check, 5.0)


def test_what_those_whom_one_follows_publish_comes_home(api: Api) -> None:
    maya, noah, olga = api.someone(), api.someone(), api.someone()
    early = noah.publishes()
    shows(maya)

    ties(maya, "follow", noah)
    assert ids(done(maya.get(HOME))) == [early["id"]]
    later, own = noah.publishes(), maya.publishes()
    olga.publishes()
    noah.comments(later)
    shows(maya, own, later, early)

    for_followers = noah.publishes(visibility="followers")
    noah.confides()
    shows(maya, for_followers, own, later, early)
    ties(maya, "follow", noah, on=False)
    assert ids(done(maya.get(HOME))) == [own["id"]]


def test_a_repost_comes_once_and_not_beside_its_post(api: Api) -> None:
    maya, noah, olga, paul = (api.someone() for _ in range(4))
    for other in (noah, olga):
        ties(maya, "follow", other)
    of_paul, of_noah = paul.publishes(), noah.publishes()
    shows(maya, of_noah)

    for member in (olga, noah):
        reposts(member, of_paul)
    reposts(olga, of_noah)

    shows(maya, of_paul, of_noah)
    assert done(maya.get(HOME))["items"][0]["reposted_by"]["id"] == olga.id
    done(olga.delete(f"/api/v1/posts/{of_paul['id']}/repost"))

    def is_noah_s() -> None:  # whose repost may still be on its way home
        items = done(maya.get(HOME))["items"]
        assert [item.get("reposted_by", {}).get("id") for item in items] == [noah.id, None]

    eventually(is_noah_s, 5.0)


def test_a_block_and_a_mute_are_felt_in_every_feed_at_once(api: Api) -> None:
    maya, noah, olga, paul = (api.someone() for _ in range(4))
    tag = a_tag()
    feeds = (HOME, PUBLIC, f"/api/v1/feeds/hashtags/{tag}")
    for other in (noah, olga):
        ties(maya, "follow", other)
    posts = {member.id: member.publishes(f"#{tag}") for member in (noah, olga, paul)}
    reposts(olga, posts[paul.id])
    shows(maya, posts[paul.id], posts[olga.id], posts[noah.id])

    def seen(member: Member) -> list[set[str]]:
        there = {post["id"] for post in posts.values()}
        return [there & set(ids(done(member.get(path, params={"limit": 100})))) for path in feeds]

    ties(maya, "mute", noah)
    assert not any(posts[noah.id]["id"] in feed for feed in seen(maya))
    ties(paul, "block", maya)
    assert not any(posts[paul.id]["id"] in feed for feed in seen(maya))
    assert [posts[olga.id]["id"] in feed for feed in seen(maya)] == [True, True, True]
    ties(maya, "mute", noah, on=False)
    assert all(posts[noah.id]["id"] in feed for feed in seen(maya))
    ties(maya, "block", olga)
    assert not any(posts[olga.id]["id"] in feed for feed in seen(maya))


def test_one_is_told_since_a_page_what_others_publish(api: Api) -> None:
    maya, noah = api.someone(), api.someone()
    ties(maya, "follow", noah)
    since = done(maya.get(HOME))["prev"]
    said = [noah.publishes(f"number {number}")["id"] for number in range(12)]
    found: list[str] = []

    def ask() -> None:
        nonlocal since
        page = done(maya.get(HOME, params={"since": since, "limit": 5}))
        found.extend(ids(page))
        since = page["prev"]
        assert len(found) >= len(said)

    eventually(ask, 5.0)

    assert sorted(found) == sorted(said)
    assert done(maya.get(HOME, params={"since": since}))["items"] == []

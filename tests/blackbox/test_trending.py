"""Trending over HTTP, and who sees it. Rankings are made every second here."""

from collections.abc import Callable

import pytest

from .client import Api, Json, Member, Visitor, done, eventually, fresh_name, refusal, value_once

pytestmark = pytest.mark.scaled

MIN_ACCOUNTS = 3
"""The number of accounts that have to engage with a post."""
POSTS, TAGS = "/api/v1/trending/posts", "/api/v1/trending/hashtags"


def wait_until(check: Callable[[], object]) -> None:
    def assertion() -> None:
        assert check()

    eventually(assertion)


def is_trending(visitor: Visitor, post: Json) -> bool:
    return post["id"] in {item["id"] for item in visitor.all_items(POSTS)}


def trending_tag(visitor: Visitor, tag: str) -> Json | None:
    return next((item for item in visitor.all_items(TAGS) if item["tag"] == tag), None)


def new_members(api: Api, count: int = MIN_ACCOUNTS) -> list[Member]:
    return [api.someone() for _ in range(count)]


def liked_by(members: list[Member], post: Json) -> Json:
    for member in members:
        member.likes(post)
    return post


def test_a_post_trends_with_engagement_by_several_accounts(api: Api) -> None:
    maya, (ann, bob, eve) = api.someone(), new_members(api)
    post = maya.publishes()
    ann.likes(post)
    done(bob.put(f"/api/v1/posts/{post['id']}/repost"))
    eve.comments(post)

    wait_until(lambda: is_trending(api.nobody, post))
    shown = next(item for item in ann.all_items(POSTS) if item["id"] == post["id"])
    assert shown == ann.reads(post)
    assert shown["counts"] == {"comments": 1, "likes": 1, "reposts": 1}
    assert shown["viewer"]["liked"] is True


def test_engagement_by_few_accounts_or_the_author_is_not_enough(api: Api) -> None:
    maya, willy, members = api.someone(), api.someone(), new_members(api)
    few = liked_by([maya, *members[:2]], maya.publishes())
    maya.comments(few)
    many = liked_by(members, willy.publishes())

    wait_until(lambda: is_trending(api.nobody, many))
    assert not is_trending(api.nobody, few)


def test_an_author_has_at_most_three_trending_posts(api: Api) -> None:
    maya, members = api.someone(), new_members(api)
    for _ in range(5):
        liked_by(members, maya.publishes())

    def hers() -> list[Json]:
        return [item for item in api.nobody.all_items(POSTS) if item["author"]["id"] == maya.id]

    wait_until(lambda: len(hers()) >= 3)
    assert len(hers()) == 3


def test_undone_likes_do_not_count(api: Api) -> None:
    maya, members = api.someone(), new_members(api)
    post = liked_by(members, maya.publishes())
    wait_until(lambda: is_trending(api.nobody, post))

    members[0].unlikes(post)

    assert not value_once(lambda: is_trending(api.nobody, post), expected=False)


def test_only_public_posts_trend(api: Api) -> None:
    maya, members = api.someone(), new_members(api)
    unlisted = liked_by(members, maya.publishes(visibility="unlisted"))
    mentions = " ".join(f"@{member.username}" for member in members)
    direct = liked_by(members, maya.publishes(f"{mentions} psst", visibility="direct"))
    public = liked_by(members, maya.publishes())
    comment = liked_by(members, maya.comments(public))

    wait_until(lambda: is_trending(api.nobody, public))
    for viewer in (api.nobody, members[0], maya):
        shown = {item["id"] for item in viewer.all_items(POSTS)}
        assert shown.isdisjoint({unlisted["id"], direct["id"], comment["id"]})


def test_deleted_and_private_posts_are_not_listed_from_the_next_read_on(api: Api) -> None:
    maya, willy, members = api.someone(), api.someone(), new_members(api)
    hers, his = liked_by(members, maya.publishes()), liked_by(members, willy.publishes())
    wait_until(lambda: is_trending(api.nobody, hers) and is_trending(api.nobody, his))

    maya.removes(hers)
    assert not is_trending(api.nobody, hers)

    done(willy.patch("/api/v1/me", {"private": True}))
    wait_until(lambda: not members[0].sees(his))
    assert not is_trending(members[0], his)


def test_pages_list_each_post_once(api: Api) -> None:
    members = new_members(api)
    posts = [liked_by(members, api.someone().publishes()) for _ in range(4)]
    wait_until(lambda: all(is_trending(api.nobody, post) for post in posts))

    for limit in (1, 3):
        shown = [item["id"] for item in api.nobody.all_items(POSTS, limit)]
        assert len(shown) == len(set(shown))
        assert {post["id"] for post in posts} <= set(shown)


def test_a_cursor_is_valid_for_its_own_list_only(api: Api) -> None:
    members = new_members(api)
    posts = [liked_by(members, api.someone().publishes()) for _ in range(2)]
    wait_until(lambda: all(is_trending(api.nobody, post) for post in posts))
    cursor = done(api.nobody.get(POSTS, params={"limit": 1}))["next"]

    assert refusal(api.nobody.get(TAGS, params={"cursor": cursor})) == (400, "cursor_invalid")


def test_a_hashtag_trends_with_several_accounts(api: Api) -> None:
    tag, lonely = fresh_name(), fresh_name()
    maya, willy = api.someone(), api.someone()
    for text in (f"Look: #{tag.upper()}", f"#{tag} again, and #{lonely}", f"#{lonely}"):
        maya.publishes(text)
    willy.publishes(f"#{lonely}", visibility="unlisted")
    willy.comments(maya.publishes(), f"#{tag}")

    wait_until(lambda: trending_tag(api.nobody, tag) == {"tag": tag, "posts": 3, "accounts": 2})
    assert trending_tag(willy, lonely) is None


def test_a_hashtag_is_not_listed_once_its_posts_are_edited_or_deleted(api: Api) -> None:
    tag, other = fresh_name(), fresh_name()
    maya, willy = api.someone(), api.someone()
    hers, his = maya.publishes(f"#{tag} #{other}"), willy.publishes(f"#{tag} #{other}")
    wait_until(lambda: trending_tag(api.nobody, tag) and trending_tag(api.nobody, other))

    done(willy.patch(f"/api/v1/posts/{his['id']}", {"text": f"#{tag}"}))
    wait_until(lambda: trending_tag(api.nobody, other) is None)
    assert trending_tag(api.nobody, tag)

    maya.removes(hers)
    assert trending_tag(api.nobody, tag) is None


def test_posts_of_blocked_and_muted_accounts_are_not_listed_for_the_viewer(api: Api) -> None:
    maya, willy, members = api.someone(), api.someone(), new_members(api)
    hers, his = liked_by(members, maya.publishes()), liked_by(members, willy.publishes())
    wait_until(lambda: is_trending(api.nobody, hers) and is_trending(api.nobody, his))
    flip = members[0]

    done(flip.put(f"/api/v1/users/{maya.id}/mute"))
    done(flip.put(f"/api/v1/users/{willy.id}/block"))

    # Other servers learn of the change within half a second.
    wait_until(lambda: not is_trending(flip, hers) and not is_trending(flip, his))
    for viewer in (api.nobody, maya, willy):
        assert is_trending(viewer, hers)
        assert is_trending(viewer, his)

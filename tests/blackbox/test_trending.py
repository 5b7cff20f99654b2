"""What trends, and for whom it is to be seen. Lists are made anew each second here."""

from collections.abc import Callable

import pytest

from .client import Api, Json, Member, Visitor, done, eventually, fresh_name, refused

pytestmark = pytest.mark.scaled

MANY = 3
"""As many as must care for a post."""
POSTS, TAGS = "/api/v1/trending/posts", "/api/v1/trending/hashtags"


def must(check: Callable[[], object]) -> None:
    def checked() -> None:
        assert check()

    eventually(checked)


def trends(visitor: Visitor, post: Json) -> bool:
    return post["id"] in {item["id"] for item in visitor.walks(POSTS)}


def the_tag(visitor: Visitor, tag: str) -> Json | None:
    return next((item for item in visitor.walks(TAGS) if item["tag"] == tag), None)


def crowd(api: Api, count: int = MANY) -> list[Member]:
    return [api.someone() for _ in range(count)]


def liked_by(members: list[Member], post: Json) -> Json:
    for member in members:
        member.likes(post)
    return post


def test_a_post_trends_when_several_people_care_for_it(api: Api) -> None:
    maya, (ann, bob, eve) = api.someone(), crowd(api)
    post = maya.publishes()
    ann.likes(post)
    done(bob.put(f"/api/v1/posts/{post['id']}/repost"))
    eve.comments(post)

    must(lambda: trends(api.nobody, post))
    shown = next(item for item in ann.walks(POSTS) if item["id"] == post["id"])
    assert shown == ann.reads(post)
    assert shown["counts"] == {"comments": 1, "likes": 1, "reposts": 1}
    assert shown["viewer"]["liked"] is True


def test_what_few_care_for_or_its_author_only_does_not_trend(api: Api) -> None:
    maya, willy, members = api.someone(), api.someone(), crowd(api)
    few = liked_by([maya, *members[:2]], maya.publishes())
    maya.comments(few)
    many = liked_by(members, willy.publishes())

    must(lambda: trends(api.nobody, many))
    assert not trends(api.nobody, few)


def test_an_author_has_three_places_at_most(api: Api) -> None:
    maya, members = api.someone(), crowd(api)
    for _ in range(5):
        liked_by(members, maya.publishes())

    def hers() -> list[Json]:
        return [item for item in api.nobody.walks(POSTS) if item["author"]["id"] == maya.id]

    must(lambda: len(hers()) == 3)


def test_likes_that_are_taken_back_do_not_count(api: Api) -> None:
    maya, members = api.someone(), crowd(api)
    post = liked_by(members, maya.publishes())
    must(lambda: trends(api.nobody, post))

    members[0].unlikes(post)

    must(lambda: not trends(api.nobody, post))


def test_only_public_posts_trend(api: Api) -> None:
    maya, members = api.someone(), crowd(api)
    unlisted = liked_by(members, maya.publishes(visibility="unlisted"))
    mentions = " ".join(f"@{member.username}" for member in members)
    direct = liked_by(members, maya.publishes(f"{mentions} psst", visibility="direct"))
    public = liked_by(members, maya.publishes())
    comment = liked_by(members, maya.comments(public))

    must(lambda: trends(api.nobody, public))
    for viewer in (api.nobody, members[0], maya):
        shown = {item["id"] for item in viewer.walks(POSTS)}
        assert shown.isdisjoint({unlisted["id"], direct["id"], comment["id"]})


def test_az4_what_is_deleted_or_private_is_gone_from_the_next_read_on(api: Api) -> None:
    maya, willy, members = api.someone(), api.someone(), crowd(api)
    hers, his = liked_by(members, maya.publishes()), liked_by(members, willy.publishes())
    must(lambda: trends(api.nobody, hers) and trends(api.nobody, his))

    maya.removes(hers)
    assert not trends(api.nobody, hers)

    done(willy.patch("/api/v1/me", {"private": True}))
    must(lambda: not members[0].sees(his))
    assert not trends(members[0], his)


def test_pages_hold_each_post_once(api: Api) -> None:
    members = crowd(api)
    posts = [liked_by(members, api.someone().publishes()) for _ in range(4)]
    must(lambda: all(trends(api.nobody, post) for post in posts))

    for limit in (1, 3):
        shown = [item["id"] for item in api.nobody.walks(POSTS, limit)]
        assert len(shown) == len(set(shown))
        assert {post["id"] for post in posts} <= set(shown)


def test_a_cursor_is_good_for_its_own_list(api: Api) -> None:
    members = crowd(api)
    posts = [liked_by(members, api.someone().publishes()) for _ in range(2)]
    must(lambda: all(trends(api.nobody, post) for post in posts))
    cursor = done(api.nobody.get(POSTS, params={"limit": 1}))["next"]

    refused(api.nobody.get(TAGS, params={"cursor": cursor}), 400, "cursor_invalid")


def test_a_hashtag_trends_when_several_accounts_use_it(api: Api) -> None:
    tag, lonely = fresh_name(), fresh_name()
    maya, willy = api.someone(), api.someone()
    for text in (f"Look: #{tag.upper()}", f"#{tag} again, and #{lonely}", f"#{lonely}"):
        maya.publishes(text)
    willy.publishes(f"#{lonely}", visibility="unlisted")
    willy.comments(maya.publishes(), f"#{tag}")

    must(lambda: the_tag(api.nobody, tag) == {"tag": tag, "posts": 3, "accounts": 2})
    assert the_tag(willy, lonely) is None


def test_az4_a_hashtag_goes_with_the_posts_that_use_it(api: Api) -> None:
    tag, other = fresh_name(), fresh_name()
    maya, willy = api.someone(), api.someone()
    hers, his = maya.publishes(f"#{tag} #{other}"), willy.publishes(f"#{tag} #{other}")
    must(lambda: the_tag(api.nobody, tag) and the_tag(api.nobody, other))

    done(willy.patch(f"/api/v1/posts/{his['id']}", {"text": f"#{tag}"}))
    must(lambda: the_tag(api.nobody, other) is None)
    assert the_tag(api.nobody, tag)

    maya.removes(hers)
    assert the_tag(api.nobody, tag) is None


def test_blocked_and_muted_people_are_left_out_of_what_trends(api: Api) -> None:
    maya, willy, members = api.someone(), api.someone(), crowd(api)
    hers, his = liked_by(members, maya.publishes()), liked_by(members, willy.publishes())
    must(lambda: trends(api.nobody, hers) and trends(api.nobody, his))
    flip = members[0]

    done(flip.put(f"/api/v1/users/{maya.id}/mute"))
    done(flip.put(f"/api/v1/users/{willy.id}/block"))

    # Several processes ask each other at most half a second later.
    must(lambda: not trends(flip, hers) and not trends(flip, his))
    for viewer in (api.nobody, maya, willy):
        assert trends(viewer, hers)
        assert trends(viewer, his)

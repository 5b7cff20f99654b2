"""Lists that the client has: 304 until something in them changes, for readers with a token and without."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import pytest

from .client import Api, Json, Member, Visitor, done, eventually

pytestmark = pytest.mark.scaled

LISTS: Mapping[str, Callable[[Member, Json], str]] = {
    "home": lambda _author, _post: "/api/v1/feeds/home",
    "public": lambda _author, _post: "/api/v1/feeds/public",
    "hashtag": lambda author, _post: f"/api/v1/feeds/hashtags/{author.username}",
    "posts of a user": lambda author, _post: f"/api/v1/users/{author.id}/posts",
    "comments": lambda _author, post: f"/api/v1/posts/{post['reply_to']}/comments",
}
Case: TypeAlias = tuple[Member, Visitor, Json, str]


def a_list(api: Api, name: str, *, with_token: bool) -> Case:
    """An author, a reader, a post, and the list in which the reader sees it."""
    author = api.someone()
    post = author.publishes(f"#{author.username}")
    if name == "comments":
        post = author.comments(post, "a comment")
    reader: Visitor = author if name == "home" else api.someone() if with_token else api.nobody
    return author, reader, post, LISTS[name](author, post)


CASES = [(name, with_token) for name in LISTS for with_token in (True, False) if with_token or name != "home"]


@pytest.mark.parametrize(("name", "with_token"), CASES)
def test_a_list_that_the_client_has_is_304_until_a_post_in_it_changes(
    api: Api, name: str, *, with_token: bool
) -> None:
    author, reader, post, path = a_list(api, name, with_token=with_token)
    first = reader.get(path)
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    assert post["id"] in {item["id"] for item in done(first)["items"]}
    for _ in range(3):  # the response is made, kept, and sent again
        again = reader.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)

    author.likes(post)

    changed = reader.get(path, headers={"If-None-Match": tag})
    shown = next(item for item in done(changed)["items"] if item["id"] == post["id"])
    assert shown["counts"]["likes"] == 1
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize(("name", "with_token"), CASES)
def test_a_deleted_post_leaves_a_list_that_the_client_has(api: Api, name: str, *, with_token: bool) -> None:
    author, reader, post, path = a_list(api, name, with_token=with_token)
    tag = reader.get(path).headers["etag"]
    assert reader.get(path, headers={"If-None-Match": tag}).status_code == 304

    author.removes(post)

    changed = reader.get(path, headers={"If-None-Match": tag})
    assert post["id"] not in {item["id"] for item in done(changed)["items"]}


@pytest.mark.parametrize(("name", "with_token"), CASES)
def test_a_new_post_enters_a_list_that_the_client_has(api: Api, name: str, *, with_token: bool) -> None:
    author, reader, post, path = a_list(api, name, with_token=with_token)
    tag = reader.get(path).headers["etag"]
    assert reader.get(path, headers={"If-None-Match": tag}).status_code == 304

    text = f"another #{author.username}"
    new = author.comments({"id": post["reply_to"]}, text) if name == "comments" else author.publishes(text)

    changed = reader.get(path, headers={"If-None-Match": tag})
    assert new["id"] in {item["id"] for item in done(changed)["items"]}


@pytest.mark.parametrize("name", [name for name in LISTS if name != "home"])
def test_a_private_account_leaves_a_list_that_a_stranger_has(api: Api, name: str) -> None:
    author, reader, post, path = a_list(api, name, with_token=True)
    tag = reader.get(path).headers["etag"]

    done(author.patch("/api/v1/me", {"private": True}))

    def hidden() -> None:
        answer = reader.get(path, headers={"If-None-Match": tag})
        items = [] if answer.status_code == 404 else done(answer)["items"]
        assert post["id"] not in {item["id"] for item in items}

    eventually(hidden)


def test_a_later_page_has_a_tag_too(api: Api) -> None:
    author = api.someone()
    posts = [author.publishes() for _ in range(3)]
    path = f"/api/v1/users/{author.id}/posts"
    first = done(api.nobody.get(path, params={"limit": 1}))
    query = {"limit": 1, "cursor": first["next"]}
    second = api.nobody.get(path, params=query)
    assert [item["id"] for item in done(second)["items"]] == [posts[1]["id"]]
    again = api.nobody.get(path, params=query, headers={"If-None-Match": second.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/api/v1/trending/posts", "/api/v1/trending/hashtags"])
def test_trending_is_304_until_it_is_ranked_anew(api: Api, path: str) -> None:
    def unchanged() -> None:
        tag = api.nobody.get(path).headers["etag"]
        again = api.nobody.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)

    eventually(unchanged)
    tag = api.nobody.get(path).headers["etag"]
    author = api.someone()
    post = author.publishes(f"#{author.username}")
    for member in [api.someone() for _ in range(3)]:
        member.likes(post)
        member.publishes(f"#{author.username}")

    def changed() -> None:
        now = api.nobody.get(path, headers={"If-None-Match": tag})
        listed = [item.get("id") or item["tag"] for item in done(now)["items"]]
        assert {post["id"], author.username} & {*listed}

    eventually(changed)

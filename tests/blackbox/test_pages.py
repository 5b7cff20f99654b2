"""Paging: both directions, links, cursors, and stability while others write."""

import base64
import re
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from .client import Api, Json, Member, done, field_errors, fresh_name, refusal, refused


def a_thread(api: Api, comments: int) -> tuple[Member, Json, list[str]]:
    maya = api.someone()
    post = maya.publishes()
    return maya, post, [maya.comments(post, f"number {number}")["id"] for number in range(comments)]


def ids(items: list[Json]) -> list[str]:
    return [item["id"] for item in items]


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 100])
def test_comments_are_read_oldest_first_in_pages_of_any_size(api: Api, limit: int) -> None:
    _, post, comments = a_thread(api, 7)
    path = f"/api/v1/posts/{post['id']}/comments"
    pages = list(api.nobody.pages(path, limit))
    assert [id_ for page in pages for id_ in ids(page["items"])] == comments
    assert len(pages) == -(-7 // limit), "the end is told by the last page with items"
    assert pages[0]["prev"] is None
    assert all(page["prev"] for page in pages[1:])


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_are_read_backwards_as_well(api: Api, limit: int) -> None:
    _, post, comments = a_thread(api, 7)
    path = f"/api/v1/posts/{post['id']}/comments"
    forth = list(api.nobody.pages(path, limit))
    end = forth[-1]
    back = [end] if end["prev"] is None else [end, *api.nobody.pages(path, limit, "prev", end["prev"])]
    found = [id_ for page in reversed(back) for id_ in ids(page["items"])]
    assert found == comments
    assert all(page["next"] for page in back[1:])


def test_a_users_posts_are_read_newest_first_both_ways(api: Api) -> None:
    maya = api.someone()
    posts = [maya.publishes(f"number {number}")["id"] for number in range(5)]
    path = f"/api/v1/users/{maya.id}/posts"
    for limit in (1, 2, 5, 100):
        assert ids(api.nobody.all_items(path, limit)) == posts[::-1]
    first = done(api.nobody.get(path, params={"limit": 2}))
    second = done(api.nobody.get(path, params={"limit": 2, "cursor": first["next"]}))
    again = done(api.nobody.get(path, params={"limit": 2, "cursor": second["prev"]}))
    assert ids(again["items"]) == ids(first["items"])


def test_a_page_has_twenty_items_by_default(api: Api) -> None:
    _, post, comments = a_thread(api, 21)
    page = done(api.nobody.get(f"/api/v1/posts/{post['id']}/comments"))
    assert ids(page["items"]) == comments[:20]
    assert page["next"] is not None


def test_an_empty_list_has_no_next_page(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    empty: Json = {"items": [], "next": None, "prev": None}
    assert done(api.nobody.get(f"/api/v1/posts/{post['id']}/comments")) == empty
    assert done(api.nobody.get(f"/api/v1/users/{api.someone().id}/posts")) == empty


def test_link_headers_equal_the_cursors_of_the_body(api: Api) -> None:
    _, post, _ = a_thread(api, 5)
    path = f"/api/v1/posts/{post['id']}/comments"
    cursor: str | None = None
    seen = set()
    for _ in range(3):
        response = api.nobody.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        page = done(response)
        header = response.headers.get("link", "")
        links = {rel: url for url, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', header)}
        assert set(links) == {rel for rel in ("next", "prev") if page[rel] is not None}
        for rel, url in links.items():
            asked = parse_qs(urlsplit(url).query)
            assert urlsplit(url).path == path
            assert asked == {"limit": ["2"], "cursor": [page[rel]]}
            target = urlsplit(url)
            assert done(api.nobody.get(f"{target.path}?{target.query}"))["items"]
        seen |= set(links)
        cursor = page["next"]
    assert cursor is None
    assert seen == {"next", "prev"}


def test_a_cursor_is_valid_for_its_own_list_only(api: Api) -> None:
    maya, post, _ = a_thread(api, 3)
    _, other, _ = a_thread(api, 3)
    maya.publishes("one more")
    comments = done(api.nobody.get(f"/api/v1/posts/{post['id']}/comments", params={"limit": 1}))["next"]
    posts = done(api.nobody.get(f"/api/v1/users/{maya.id}/posts", params={"limit": 1}))["next"]
    for path, cursor in (
        (f"/api/v1/posts/{other['id']}/comments", comments),
        (f"/api/v1/users/{maya.id}/posts", comments),
        (f"/api/v1/posts/{post['id']}/comments", posts),
    ):
        assert refusal(api.nobody.get(path, params={"cursor": cursor})) == (400, "cursor_invalid")


def test_ap4_a_cursor_that_was_tampered_with_is_refused(api: Api) -> None:
    _, post, _ = a_thread(api, 3)
    path = f"/api/v1/posts/{post['id']}/comments"
    cursor = done(api.nobody.get(path, params={"limit": 1}))["next"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    forged = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
    spellings = [base64.urlsafe_b64encode(bad).decode().rstrip("=") for bad in forged]
    for bad in [*spellings, "x", "0", "20", cursor[:-4], cursor + "AAAA", "é", "\x00", "%", "null"]:
        assert refusal(api.nobody.get(path, params={"cursor": bad})) == (400, "cursor_invalid")
    for bad in ("", "A" * 65, "A" * 5000):
        response = api.nobody.get(path, params={"cursor": bad})
        assert (response.status_code, response.json()["code"] in {"cursor_invalid", "query_invalid"}) == (
            400,
            True,
        )


@pytest.mark.parametrize(
    "limit",
    [
        "0",
        "-1",
        "101",
        "1e3",
        "1.5",
        "",
        "x",
        "9" * 4000,
        "\u0667",
        "0x10",
        "\u0661\u0660",
        "NaN",
        "1_0",
        " 5",
        "+5",
    ],
)
def test_in2_an_invalid_limit_is_refused(api: Api, limit: str) -> None:
    _, post, _ = a_thread(api, 1)
    response = api.nobody.get(f"/api/v1/posts/{post['id']}/comments", params={"limit": limit})
    assert refused(response, 400, "query_invalid")["errors"][0]["pointer"] == "/query/limit"


def test_ap4_a_cursor_stays_valid_when_its_item_is_deleted(api: Api) -> None:
    maya, post, comments = a_thread(api, 6)
    path = f"/api/v1/posts/{post['id']}/comments"
    page = done(api.nobody.get(path, params={"limit": 3}))
    for gone in (comments[2], comments[3]):
        maya.removes({"id": gone})
    rest = api.nobody.all_items(path, 3, cursor=page["next"])
    assert ids(rest) == comments[4:]


def test_a_page_before_the_beginning_leads_back_into_the_list(api: Api) -> None:
    maya, post, comments = a_thread(api, 4)
    path = f"/api/v1/posts/{post['id']}/comments"
    first = done(api.nobody.get(path, params={"limit": 2}))
    second = done(api.nobody.get(path, params={"limit": 2, "cursor": first["next"]}))
    for gone in comments[:2]:
        maya.removes({"id": gone})
    before = done(api.nobody.get(path, params={"limit": 2, "cursor": second["prev"]}))
    assert before["items"] == []
    assert ids(api.nobody.all_items(path, 2, cursor=before["next"])) == comments[2:]


def test_ap4_new_and_deleted_items_neither_hide_nor_repeat_others(api: Api) -> None:
    maya = api.someone()
    lasting = [maya.publishes(f"lasting {number}")["id"] for number in range(30)]
    passing = [maya.publishes(f"passing {number}") for number in range(15)]
    path = f"/api/v1/users/{maya.id}/posts"
    written: list[str] = []
    walked = threading.Event()

    def write() -> None:
        other = Api(api.base_url)
        writer = Member(other.http, maya.user, maya.tokens, maya.email)
        for post in passing:
            written.append(writer.publishes("new")["id"])
            writer.removes(post)
            if walked.is_set():
                break
        other.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        walks = [ids(api.nobody.all_items(path, limit=2)) for _ in range(3)]
    finally:
        walked.set()
        thread.join()
    for walk in walks:
        assert len(set(walk)) == len(walk)
        assert [id_ for id_ in walk if id_ in set(lasting)] == lasting[::-1]
        assert walk == sorted(walk, key=int, reverse=True)
    assert written


def test_undeclared_parameters_are_refused(api: Api) -> None:
    _, post, _ = a_thread(api, 3)
    path = f"/api/v1/posts/{post['id']}/comments"
    response = api.nobody.get(path, params={"limit": 2, "utm": fresh_name()})
    assert field_errors(response) == {"/query/utm": "unknown"}

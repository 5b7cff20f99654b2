"""Concurrent requests for the same thing."""

import random
from collections import Counter

import httpx
import pytest

from .client import PASSWORD, Api, done, eventually, fresh_key, fresh_name, refusal
from .load import ask, at_once, register_members

pytestmark = pytest.mark.short_run_shapes(
    "embedded", "postgres"
)  # in memory no transaction waits for another


def test_concurrent_repeated_likes_of_fifty_users_count_fifty(api: Api) -> None:
    author, *members = register_members(api, 51)
    post = author.publishes()
    path = f"/api/v1/posts/{post['id']}"
    answers = at_once(
        api.base_url, lambda http: (ask(http, "PUT", f"{path}/like", by=member) for member in members * 3)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert all(1 <= answer.json()["counts"]["likes"] <= 50 for answer in answers)
    assert author.reads(post)["counts"]["likes"] == 50
    assert all(member.reads(post)["viewer"]["liked"] for member in members)
    answers = at_once(
        api.base_url, lambda http: (ask(http, "DELETE", f"{path}/like", by=member) for member in members * 3)
    )
    assert all(0 <= answer.json()["counts"]["likes"] <= 49 for answer in answers)
    assert author.reads(post)["counts"]["likes"] == 0
    assert not any(member.reads(post)["viewer"]["liked"] for member in members)


def test_concurrent_likes_and_unlikes_leave_the_counter_exact(api: Api, chance: random.Random) -> None:
    author, *members = register_members(api, 11)
    posts = [author.publishes() for _ in range(3)]
    toggles = [
        (chance.choice(["PUT", "DELETE"]), chance.choice(posts)["id"], chance.choice(members))
        for _ in range(300)
    ]
    at_once(
        api.base_url,
        lambda http: (
            ask(http, method, f"/api/v1/posts/{id_}/like", by=member) for method, id_, member in toggles
        ),
        connections=20,
    )
    for post in posts:
        rows = sum(member.reads(post)["viewer"]["liked"] for member in members)
        assert author.reads(post)["counts"]["likes"] == rows


def test_concurrent_registrations_of_one_username_make_one_account(api: Api) -> None:
    name = fresh_name()
    spellings = [name, name.upper(), name.title(), name.capitalize()]

    def bodies() -> list[dict[str, str]]:
        return [
            {"username": spellings[number % 4], "email": f"{name}.{number}@example.org", "password": PASSWORD}
            for number in range(100)
        ]

    answers = at_once(
        api.base_url,
        lambda http: (ask(http, "POST", "/api/v1/auth/register", json=body) for body in bodies()),
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 99}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"username_taken"}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 201]
    assert api.logs_in(name).id == winner["user"]["id"]


def test_concurrent_registrations_of_one_address_make_one_account(api: Api) -> None:
    """In every spelling: upper and lower case, composed and decomposed, and with the domain in both forms."""
    name = fresh_name()
    forms = ["josés", "JOSÉS", "jose\N{COMBINING ACUTE ACCENT}s"]
    domains = ["Bücher.example", "xn--bcher-kva.example"]
    spellings = [f"{form}.{name}@{domain}" for form in forms for domain in domains]
    bodies = [
        {"username": fresh_name(), "email": spellings[number % 6], "password": PASSWORD}
        for number in range(100)
    ]
    answers = at_once(
        api.base_url,
        lambda http: (ask(http, "POST", "/api/v1/auth/register", json=body) for body in bodies),
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 99}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}


def test_concurrent_posts_with_one_key_make_one_post(api: Api) -> None:
    """AP-1."""
    maya = api.someone()
    key = {"Idempotency-Key": fresh_key()}
    answers = at_once(
        api.base_url,
        lambda http: (
            ask(http, "POST", "/api/v1/posts", by=maya, json={"text": "once"}, headers=key) for _ in range(50)
        ),
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len(maya.all_items(f"/api/v1/users/{maya.id}/posts")) == 1


def test_concurrent_registrations_with_one_key_make_one_account_and_session(api: Api) -> None:
    """AP-1."""
    name, key = fresh_name(), {"Idempotency-Key": fresh_key()}
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    answers = at_once(
        api.base_url,
        lambda http: (ask(http, "POST", "/api/v1/auth/register", json=body, headers=key) for _ in range(20)),
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1


def test_concurrent_refreshes_get_the_same_successor(api: Api) -> None:
    """ID-5."""
    maya = api.someone()
    body = {"refresh_token": maya.tokens["refresh_token"]}
    answers = at_once(
        api.base_url, lambda http: (ask(http, "POST", "/api/v1/auth/refresh", json=body) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    done(api.refreshes(answers[0].json()))


def test_one_of_several_concurrent_edits_of_one_version_succeeds(api: Api) -> None:
    maya = api.someone()
    tag = {"If-Match": maya.get("/api/v1/me").headers["etag"]}
    answers = at_once(
        api.base_url,
        lambda http: (
            ask(http, "PATCH", "/api/v1/me", by=maya, json={"bio": f"editor {number}"}, headers=tag)
            for number in range(20)
        ),
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert done(maya.get("/api/v1/me"))["bio"] == winner["bio"]


def test_concurrent_comments_and_deletions_leave_the_counter_exact(api: Api) -> None:
    author, *members = register_members(api, 11)
    post = author.publishes()
    path = f"/api/v1/posts/{post['id']}/comments"

    async def comment_and_delete(http: httpx.AsyncClient, number: int) -> None:
        member = members[number % 10]
        made = await ask(http, "POST", path, by=member, json={"text": f"number {number}"})
        assert made.status_code == 201
        if number % 2:
            for answer in [
                await ask(http, "DELETE", f"/api/v1/posts/{made.json()['id']}", by=member) for _ in "12"
            ]:
                assert answer.status_code == 204

    at_once(api.base_url, lambda http: (comment_and_delete(http, number) for number in range(60)))
    assert len(author.all_items(path)) == 30
    assert author.reads(post)["counts"]["comments"] == 30


def test_concurrent_deletions_of_one_comment_count_once(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    maya.comments(post)
    comment = maya.comments(post)
    answers = at_once(
        api.base_url,
        lambda http: (ask(http, "DELETE", f"/api/v1/posts/{comment['id']}", by=maya) for _ in range(20)),
    )
    assert {answer.status_code for answer in answers} == {204}
    assert maya.reads(post)["counts"]["comments"] == 1


def test_nothing_is_added_to_a_post_after_its_deletion(api: Api) -> None:
    author, *members = register_members(api, 11)
    post = author.publishes()
    path = f"/api/v1/posts/{post['id']}"
    deleted: list[bool] = []

    async def delete(http: httpx.AsyncClient) -> None:
        assert (await ask(http, "DELETE", path, by=author)).status_code == 204
        deleted.append(True)

    async def add(http: httpx.AsyncClient, number: int) -> None:
        member = members[number % 10]
        for _ in range(5):
            late = bool(deleted)
            commented = await ask(http, "POST", f"{path}/comments", by=member, json={"text": "late?"})
            liked = await ask(http, "PUT", f"{path}/like", by=member)
            assert commented.status_code in ({404} if late else {201, 404})
            assert liked.status_code in ({404} if late else {200, 404})

    at_once(
        api.base_url,
        lambda http: [*(add(http, number) for number in range(20)), delete(http)],
        connections=21,
    )
    assert refusal(author.get(path)) == (404, "post_not_found")
    assert refusal(author.get(f"{path}/comments")) == (404, "post_not_found")


def test_the_post_count_is_exact_after_concurrent_posts(api: Api) -> None:
    members = register_members(api, 5)

    async def publish(http: httpx.AsyncClient, number: int) -> None:
        member = members[number % 5]
        made = await ask(http, "POST", "/api/v1/posts", by=member, json={"text": f"number {number}"})
        if number % 3 == 0:
            await ask(http, "DELETE", f"/api/v1/posts/{made.json()['id']}", by=member)

    at_once(api.base_url, lambda http: (publish(http, number) for number in range(90)))

    def settled() -> None:
        for member in members:
            assert done(member.get("/api/v1/me"))["counts"]["posts"] == 12

    eventually(settled)
    for member in members:
        assert len(member.all_items(f"/api/v1/users/{member.id}/posts")) == 12


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_answer_during_many_concurrent_logins(api: Api, path: str) -> None:
    """ID-4."""
    member = api.someone()
    body = {"login": member.username, "password": PASSWORD}
    answers = at_once(
        api.base_url,
        lambda http: [
            *(ask(http, "POST", "/api/v1/auth/login", json=body) for _ in range(60)),
            *(ask(http, "GET", path, patient=False) for _ in range(20)),
        ],
    )
    assert {answer.status_code for answer in answers} == {200}

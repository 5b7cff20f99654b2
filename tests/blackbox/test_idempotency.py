"""Idempotency keys: a request with a key can be repeated safely."""

import pytest

from .client import PASSWORD, Api, Member, done, eventually, fresh_key, fresh_name, refusal


def test_a_repeated_request_gets_the_same_answer_and_has_no_second_effect(api: Api) -> None:
    """AP-1."""
    maya = api.someone()
    above = maya.publishes()
    for path in ("/api/v1/posts", f"/api/v1/posts/{above['id']}/comments"):
        key = {"Idempotency-Key": fresh_key()}
        first = maya.post(path, {"text": "once"}, headers=key)
        maya.likes(first.json())  # later changes do not show in the answer to the first request
        second = maya.post(path, {"text": "once"}, headers=key)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.content == second.content
        assert first.headers["location"] == second.headers["location"]
        assert "idempotency-replayed" not in first.headers
        assert second.headers["idempotency-replayed"] == "true"
    assert len(maya.all_items(f"/api/v1/users/{maya.id}/posts")) == 2
    assert maya.reads(above)["counts"]["comments"] == 1


def test_a_repeated_registration_returns_the_same_account_and_session(api: Api) -> None:
    """AP-1."""
    name, key = fresh_name(), {"Idempotency-Key": fresh_key()}
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    first = api.nobody.post("/api/v1/auth/register", body, headers=key)
    second = api.nobody.post("/api/v1/auth/register", body, headers=key)
    assert done(first, 201) == done(second, 201)
    assert second.headers["idempotency-replayed"] == "true"
    assert (
        done(Member(api.http, first.json()["user"], second.json()["tokens"]).get("/api/v1/me"))["username"]
        == name
    )


def test_a_repeated_login_returns_the_same_session(api: Api) -> None:
    """AP-1."""
    maya, key = api.someone(), {"Idempotency-Key": fresh_key()}
    body = {"login": maya.username, "password": PASSWORD}
    first = api.nobody.post("/api/v1/auth/login", body, headers=key)
    second = api.nobody.post("/api/v1/auth/login", body, headers=key)
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"


def test_a_key_with_another_request_is_refused(api: Api) -> None:
    """AP-1."""
    maya, key = api.someone(), {"Idempotency-Key": fresh_key()}
    post = done(maya.post("/api/v1/posts", {"text": "one"}, headers=key), 201)
    response = maya.post("/api/v1/posts", {"text": "two"}, headers=key)
    assert refusal(response) == (422, "idempotency_key_reused")
    assert [item["text"] for item in maya.all_items(f"/api/v1/users/{maya.id}/posts")] == ["one"]
    other = done(maya.post("/api/v1/posts", {"text": "other"}), 201)
    comments = [f"/api/v1/posts/{above['id']}/comments" for above in (post, other)]
    key = {"Idempotency-Key": fresh_key()}
    done(maya.post(comments[0], {"text": "hello"}, headers=key), 201)
    assert refusal(maya.post(comments[1], {"text": "hello"}, headers=key)) == (422, "idempotency_key_reused")


def test_keys_of_different_users_are_independent(api: Api) -> None:
    """AP-1."""
    maya, willy = api.someone(), api.someone()
    key = {"Idempotency-Key": fresh_key()}
    posts = [
        done(member.post("/api/v1/posts", {"text": "hello"}, headers=key), 201) for member in (maya, willy)
    ]
    assert [post["author"]["id"] for post in posts] == [maya.id, willy.id]


def test_a_refused_request_does_not_use_up_its_key(api: Api) -> None:
    """AP-1."""
    maya, key = api.someone(), {"Idempotency-Key": fresh_key()}
    post = maya.publishes_direct()
    path = f"/api/v1/posts/{post['id']}/comments"
    response = maya.post(path, {"text": "x", "visibility": "public"}, headers=key)
    assert refusal(response) == (409, "wider_than_thread")
    response = maya.post(path, {"text": "x", "visibility": "direct"}, headers=key)
    done(response, 201)
    assert "idempotency-replayed" not in response.headers


def test_a_replay_needs_the_same_access_as_a_new_request(api: Api) -> None:
    """AP-1."""
    maya, key = api.someone(), {"Idempotency-Key": fresh_key()}
    done(maya.post("/api/v1/posts", {"text": "x"}, headers=key), 201)
    done(maya.post("/api/v1/auth/logout"), 204)
    assert refusal(maya.post("/api/v1/posts", {"text": "x"}, headers=key)) == (401, "invalid_token")


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\tb", b"\xe9", b"\xf0\x9f\x90\x9d"], ids=ascii)
def test_a_malformed_key_is_refused(api: Api, key: str | bytes) -> None:
    """AP-1."""
    maya = api.someone()
    response = maya.post("/api/v1/posts", {"text": "x"}, headers={"Idempotency-Key": key})
    assert refusal(response) == (400, "query_invalid")
    assert maya.all_items(f"/api/v1/users/{maya.id}/posts") == []


@pytest.mark.parametrize("key", ["x", "x" * 255, "!~'\"\\;,", "'; DROP TABLE posts; --".replace(" ", "_")])
def test_a_key_of_any_printable_characters_is_accepted(api: Api, key: str) -> None:
    """AP-1."""
    maya, headers = api.someone(), {"Idempotency-Key": key}
    first, second = (maya.post("/api/v1/posts", {"text": "x"}, headers=headers) for _ in range(2))
    assert done(first, 201) == done(second, 201)


def test_the_post_count_does_not_include_replays(api: Api) -> None:
    """AP-1."""
    maya, key = api.someone(), {"Idempotency-Key": fresh_key()}
    for _ in range(3):
        done(maya.post("/api/v1/posts", {"text": "x"}, headers=key), 201)
    maya.publishes()

    def two() -> None:
        assert done(maya.get("/api/v1/me"))["counts"]["posts"] == 2

    eventually(two)

"""Sessions: list and end them, confirm and change passwords."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from .client import (
    PASSWORD,
    Api,
    Json,
    Member,
    done,
    eventually,
    field_errors,
    fresh_key,
    fresh_name,
    refusal,
    refused,
)
from .conftest import RUNNING, SHAPES, a_waggle, needs_shape
from .process import Waggle, free_port

NEW = "another horse, another battery"


def sessions(member: Member) -> list[Json]:
    return member.all_items("/api/v1/auth/sessions")


def test_a_user_lists_its_own_sessions(api: Api) -> None:
    """ID-8."""
    maya = api.someone()
    body = {"login": maya.username, "password": PASSWORD}
    phone = api.nobody.post("/api/v1/auth/login", body, headers={"User-Agent": "Bee\tphone 7"})
    (newest, oldest) = sessions(maya)
    assert set(newest) == {"id", "device", "created_at", "last_used_at", "expires_at", "current"}
    assert (newest["device"], newest["current"], oldest["current"]) == ("Bee phone 7", False, True)
    assert newest["created_at"] <= newest["last_used_at"] < newest["expires_at"]
    maya.tokens = phone.json()["tokens"]
    assert [session["current"] for session in sessions(maya)] == [True, False]
    assert "127.0.0.1" not in str(sessions(maya))


def test_a_user_can_end_its_own_sessions_only(api: Api) -> None:
    """ID-8."""
    maya, willy = api.someone(), api.someone()
    elsewhere = api.logs_in(maya.username)
    (theirs,) = (session for session in sessions(maya) if not session["current"])
    for visitor, path in ((willy, theirs["id"]), (maya, "1"), (maya, "nonsense")):
        assert refusal(visitor.delete(f"/api/v1/auth/sessions/{path}")) == (404, "session_not_found")
    done(elsewhere.get("/api/v1/me"))
    done(maya.delete(f"/api/v1/auth/sessions/{theirs['id']}"), 204)
    assert refusal(elsewhere.get("/api/v1/me")) == (401, "invalid_token")
    assert refusal(api.refreshes(elsewhere.tokens)) == (401, "session_ended")
    assert refusal(maya.delete(f"/api/v1/auth/sessions/{theirs['id']}")) == (404, "session_not_found")
    assert len(sessions(maya)) == 1


@pytest.mark.parametrize("keep", [True, False])
def test_logout_everywhere_ends_all_or_all_other_sessions(api: Api, keep: bool) -> None:
    """ID-7."""
    maya = api.someone()
    elsewhere = api.logs_in(maya.username)
    done(maya.post("/api/v1/auth/logout-all", params={"keep_current": "true"} if keep else {}), 204)
    assert refusal(elsewhere.get("/api/v1/me")) == (401, "invalid_token")
    assert refusal(api.refreshes(elsewhere.tokens)) == (401, "session_ended")
    if keep:
        done(maya.get("/api/v1/me"))
    else:
        assert refusal(maya.get("/api/v1/me")) == (401, "invalid_token")


def test_a_password_confirmation_issues_new_tokens(api: Api) -> None:
    """ID-8."""
    maya = api.someone()
    before = maya.tokens
    maya.tokens = done(maya.post("/api/v1/auth/confirm", {"password": PASSWORD}))
    assert set(maya.tokens) == {"access_token", "token_type", "expires_in", "refresh_token"}
    done(maya.get("/api/v1/me"))
    assert refusal(api.refreshes(before)) == (401, "session_ended")
    done(api.refreshes(maya.tokens))
    for wrong in ("wrong password", "", "x" * 1000):
        assert refusal(maya.post("/api/v1/auth/confirm", {"password": wrong})) == (403, "wrong_password")


def test_a_token_without_the_password_cannot_change_the_password(api: Api) -> None:
    """ID-8."""
    maya = api.someone()
    body = {"current_password": "wrong password", "new_password": NEW}
    assert refusal(maya.post("/api/v1/auth/password", body)) == (403, "wrong_password")
    api.logs_in(maya.username)


def test_a_password_change_ends_the_other_sessions(api: Api) -> None:
    """ID-7."""
    maya = api.someone()
    elsewhere = api.logs_in(maya.username)
    before = maya.tokens
    body = {"current_password": PASSWORD, "new_password": NEW}
    maya.tokens = done(maya.post("/api/v1/auth/password", body))
    assert refusal(elsewhere.get("/api/v1/me")) == (401, "invalid_token")
    for old in (elsewhere.tokens, before):
        assert refusal(api.refreshes(old)) == (401, "session_ended")
    done(maya.get("/api/v1/me"))
    done(api.refreshes(maya.tokens))
    login = {"login": maya.username, "password": PASSWORD}
    assert refusal(api.nobody.post("/api/v1/auth/login", login)) == (401, "wrong_credentials")
    api.logs_in(maya.username, NEW)


@pytest.mark.parametrize("path", ["register", "login"])
@pytest.mark.parametrize("end", ["logout", "logout-all", "confirm", "password"])
def test_a_replay_returns_no_credentials_of_an_ended_session(api: Api, path: str, end: str) -> None:
    """IN-4."""
    maya = api.someone() if path == "login" else None
    name = maya.username if maya else fresh_name()
    body: Json = {"password": PASSWORD}
    body |= {"login": name} if maya else {"username": name, "email": f"{name}@example.org"}
    headers = {"Idempotency-Key": fresh_key()}

    def send() -> httpx.Response:
        return api.nobody.post(f"/api/v1/auth/{path}", body, headers=headers)

    first = send().json()
    assert send().json() == first
    me = Member(api.http, first["user"], first["tokens"])
    said = {
        "confirm": {"password": PASSWORD},
        "password": {"current_password": PASSWORD, "new_password": NEW},
    }
    assert me.post(f"/api/v1/auth/{end}", said.get(end)).status_code in {200, 204}

    again = send()

    assert "idempotency-replayed" not in again.headers
    if path == "register":
        assert refusal(again) == (409, "username_taken")
    elif end == "password":
        assert refusal(again) == (401, "wrong_credentials")
    else:
        assert done(again)["tokens"]["refresh_token"] != first["tokens"]["refresh_token"]
    assert refusal(api.refreshes(first["tokens"])) == (401, "session_ended")


@pytest.mark.short_run_shapes("embedded", "postgres")
def test_an_account_has_at_most_a_hundred_sessions(api: Api) -> None:
    maya = api.someone()
    body = {"login": maya.username, "password": PASSWORD}
    newest = [done(api.nobody.post("/api/v1/auth/login", body)) for _ in range(100)][-1]
    eventually(lambda: refused(maya.get("/api/v1/me"), 401, "invalid_token"), 5)
    assert refusal(api.refreshes(maya.tokens)) == (401, "session_ended")
    maya.tokens = newest["tokens"]
    assert len(sessions(maya)) == 100


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("short", "password_too_short"),
        ("Password1", "password_common"),
        ("I love waggle", "password_guessable"),
        ("{name}!", "password_guessable"),
        ("x" * 257, "password_too_long"),
    ],
)
def test_the_password_rules_apply_wherever_a_password_is_chosen(api: Api, new: str, code: str) -> None:
    """ID-3."""
    maya = api.someone()
    secret = new.format(name=maya.username)
    change = {"current_password": PASSWORD, "new_password": secret}
    assert field_errors(maya.post("/api/v1/auth/password", change)) == {"/new_password": code}
    if "{" not in new:
        name = f"{maya.username}x"[:30]
        assert field_errors(api.registers(name, password=secret)) == {"/password": code}


def advance_time(waggle: Waggle, seconds: int) -> None:
    """Move the times of all sessions of a stopped embedded server into the past."""
    ms = {"ms": seconds * 1000}
    with closing(sqlite3.connect(waggle.data_dir / "waggle.db")) as database:
        database.execute("UPDATE sessions SET refreshed_at = refreshed_at - :ms", ms)
        database.execute("UPDATE sessions SET authenticated_at = authenticated_at - :ms", ms)
        database.execute("UPDATE sessions SET exchanged = NULL")
        database.commit()


@pytest.fixture
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    if RUNNING or "embedded" not in SHAPES:
        pytest.skip(needs_shape("embedded"))
    with a_waggle(request, "embedded", tmp_path) as waggle:
        yield waggle


def test_a_late_reuse_of_a_refresh_token_ends_the_session(embedded: Waggle) -> None:
    """ID-5."""
    with closing(Api(embedded.base_url)) as api:
        maya = api.someone()
        newest = done(api.refreshes(maya.tokens))
        embedded.stop()
        advance_time(embedded, 31)
        embedded.start()

        assert refusal(api.refreshes(maya.tokens)) == (401, "session_ended")

        assert refusal(api.refreshes(newest)) == (401, "session_ended")
        maya.tokens = newest
        assert refusal(maya.get("/api/v1/me")) == (401, "invalid_token")


def test_ending_other_sessions_needs_a_recent_password(embedded: Waggle) -> None:
    """ID-8."""
    with closing(Api(embedded.base_url)) as api:
        maya = api.someone()
        elsewhere = api.logs_in(maya.username)
        (other,) = (each["id"] for each in sessions(maya) if not each["current"])
        (own,) = (each["id"] for each in sessions(maya) if each["current"])
        embedded.stop()
        advance_time(embedded, 301)
        embedded.start()

        for keep in ("true", "false"):
            response = maya.post("/api/v1/auth/logout-all", params={"keep_current": keep})
            assert refusal(response) == (403, "recent_login_required")
        assert refusal(maya.delete(f"/api/v1/auth/sessions/{other}")) == (403, "recent_login_required")
        done(elsewhere.get("/api/v1/me"))
        maya.tokens = done(maya.post("/api/v1/auth/confirm", {"password": PASSWORD}))
        done(maya.delete(f"/api/v1/auth/sessions/{other}"), 204)
        assert refusal(elsewhere.get("/api/v1/me")) == (401, "invalid_token")
        done(maya.delete(f"/api/v1/auth/sessions/{own}"), 204)


def security_lines(waggle: Waggle) -> list[Json]:
    lines = [line for line in waggle.log.read_text().splitlines() if '"security_event"' in line]
    return [json.loads(line) for line in lines]


def test_security_events_are_logged_and_stored(embedded: Waggle) -> None:
    with closing(Api(embedded.base_url)) as api:
        maya = api.someone()
        for number in range(80):
            api.nobody.post(
                "/api/v1/auth/login",
                {"login": maya.email if number % 2 else maya.username, "password": "not the canary 7"},
                headers={"X-Request-Id": "traced-1"},
            )
        body = {"current_password": PASSWORD, "new_password": NEW}
        maya.tokens = done(maya.post("/api/v1/auth/password", body))
        done(maya.post("/api/v1/auth/logout"), 204)
        kid = embedded.command("keys", "list").stdout.split("\t")[0]
        revoked = embedded.command("keys", "revoke", kid)
        embedded.stop()
        lines = security_lines(embedded)
        embedded.start()

    refused_lines = [line for line in lines if line["event.outcome"] == "failure"]
    assert sum(line["waggle.count"] for line in refused_lines) == 80
    assert len(refused_lines) <= 6
    assert {line["user.id"] for line in refused_lines} == {maya.id}
    assert {line.get("source.address") for line in lines} == {"127.0.0.0/24"}
    assert {line["http.request.id"] for line in refused_lines} == {"traced-1"}
    kinds = [line["waggle.security.action"] for line in lines]
    assert kinds[0] == "registration"
    assert {"login", "password_changed", "logout"} <= set(kinds)
    assert "key_revoked" in revoked.stderr
    for secret in ("canary", PASSWORD, NEW, maya.email, maya.username):
        assert not any(secret in json.dumps(line) for line in lines)
    with closing(sqlite3.connect(embedded.data_dir / "waggle.db")) as database:
        rows = database.execute(
            "SELECT kind, outcome, sum(count) FROM security_events GROUP BY 1, 2"
        ).fetchall()
    stored = {(kind, outcome): number for kind, outcome, number in rows}
    assert stored["login", "refused"] == 80
    assert (
        stored["key_revoked", "ok"] == stored["password_changed", "ok"] == stored["registration", "ok"] == 1
    )


def test_a_second_server_is_refused_even_if_files_of_the_data_folder_were_deleted(embedded: Waggle) -> None:
    for left in embedded.data_dir.glob("*.lock"):
        left.unlink()

    second = replace(embedded, port=free_port()).command("serve")

    assert (second.returncode, "another process uses" in second.stderr) == (78, True), second

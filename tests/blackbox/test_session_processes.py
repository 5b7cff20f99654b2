"""Sessions across processes, kills and operator commands."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from .client import (
    PASSWORD,
    Api,
    Member,
    done,
    eventually,
    refusal,
    refused,
)
from .process import Waggle

WITHIN = 5.0
NEW = "another horse, another battery"
ENDS: dict[str, Callable[[Member, Member], httpx.Response]] = {
    "logout": lambda _, there: there.post("/api/v1/auth/logout"),
    "logout-all": lambda here, _: here.post("/api/v1/auth/logout-all"),
    "revoked": lambda here, _: here.delete(
        "/api/v1/auth/sessions/"
        + next(each["id"] for each in here.all_items("/api/v1/auth/sessions") if not each["current"])
    ),
    "password": lambda here, _: here.post(
        "/api/v1/auth/password", {"current_password": PASSWORD, "new_password": NEW}
    ),
}


@pytest.mark.timeout(120)
def test_an_ended_session_is_refused_by_every_process_within_seconds(apis: list[Api]) -> None:
    """ID-7."""
    for name, end in ENDS.items():
        here = apis[0].someone()
        there = apis[0].logs_in(here.username)
        for api in apis:
            done(api.http.get("/api/v1/me", headers=there.headers()))
        assert end(here, there).status_code in {200, 204}, name
        until = time.monotonic() + WITHIN

        def out(api: Api, member: Member = there) -> None:
            assert api.http.get("/api/v1/me", headers=member.headers()).status_code == 401

        out(apis[0])
        for api in apis:
            eventually(lambda api=api: out(api), until - time.monotonic())  # type: ignore[misc]
            assert refusal(api.refreshes(there.tokens)) == (401, "session_ended")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("after", [None, 0.0, 0.004])
def test_a_server_killed_during_a_refresh_leaves_the_client_logged_in(
    killable: Waggle, after: float | None
) -> None:
    """The server is killed after the commit with its answer lost (`None`), or at any moment before: the old token stays
    usable (ID-5)."""
    with closing(Api(killable.base_url)) as api:
        maya = api.someone()
        answer: list[httpx.Response] = []

        def refresh() -> None:
            try:
                answer.append(api.refreshes(maya.tokens))
            except httpx.TransportError:
                return

        request = threading.Thread(target=refresh)
        request.start()
        if after is None:
            request.join()
        else:
            time.sleep(after)  # the moment of the kill
        killable.kill()
        request.join()
        killable.start()
        again = done(api.refreshes(maya.tokens))
        if answer:
            assert again["refresh_token"] == answer[0].json()["refresh_token"]
        maya.tokens = again
        done(maya.get("/api/v1/me"))
        done(api.refreshes(maya.tokens))


@pytest.mark.timeout(90)
@pytest.mark.short_run_shapes("embedded", "postgres")
def test_an_operator_can_log_a_user_out_while_the_servers_run(servers: list[Waggle], apis: list[Api]) -> None:
    """ID-7."""
    maya, willy = apis[0].someone(), apis[0].someone()
    for api in apis:
        done(api.http.get("/api/v1/me", headers=maya.headers()))

    command = servers[0].command("users", "logout", maya.username.upper())

    assert (command.returncode, "1 sessions ended" in command.stdout) == (0, True), command
    for api in apis:
        assert refusal(api.refreshes(maya.tokens)) == (401, "session_ended")

        def out(api: Api = api) -> None:
            assert api.http.get("/api/v1/me", headers=maya.headers()).status_code == 401

        eventually(out, WITHIN)
        done(api.http.get("/api/v1/me", headers=willy.headers()))
    done(apis[0].refreshes(willy.tokens))
    assert servers[0].command("users", "logout", "nobody_here").returncode == 67


@pytest.mark.timeout(90)
@pytest.mark.short_run_shapes("embedded", "postgres")
def test_an_operator_can_delete_an_account_while_the_servers_run(
    servers: list[Waggle], apis: list[Api]
) -> None:
    maya, willy = apis[0].someone(), apis[-1].someone()
    post = maya.publishes()
    willy.reads(post)

    command = servers[0].command("users", "delete", maya.username)

    assert command.returncode == 0, command
    eventually(lambda: refused(willy.get(f"/api/v1/posts/{post['id']}"), 404, "post_not_found"))
    eventually(lambda: refused(maya.get("/api/v1/me"), 401, "invalid_token"), WITHIN)
    assert refusal(willy.get(f"/api/v1/users/{maya.id}")) == (404, "user_not_found")
    done(willy.get("/api/v1/me"))

"""The rotation of signing keys while the servers run, and the revocation of a leaked key."""

import base64
import json
import threading
import time
from typing import Any, Self

import httpx
import pytest

from .client import Api, Member, done, eventually, refusal
from .process import Waggle

WITHIN = 5.0
"""Seconds within which every process must have noticed the change."""


def key_of(member: Member) -> str:
    head = member.tokens["access_token"].partition(".")[0]
    kid: str = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
    return kid


def published(api: Api) -> list[str]:
    response = api.nobody.get("/.well-known/jwks.json")
    return [key["kid"] for key in done(response)["keys"]]


class Traffic:
    """Clients that register, refresh and read. Each token is used on all servers in turn."""

    def __init__(self, apis: list[Api]) -> None:
        self.apis, self.stop = apis, threading.Event()
        self.statuses: dict[int, int] = {}
        self.keys: set[str] = set()
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(3)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, number: int) -> None:
        turn = number
        maya = self.apis[0].someone()
        while not self.stop.is_set():
            turn += 1
            here, there = self.apis[turn % len(self.apis)], self.apis[(turn + 1) % len(self.apis)]
            refreshed = here.refreshes(maya.tokens)
            self._count(refreshed)
            maya.tokens = refreshed.json()
            self.keys.add(key_of(maya))
            for api in (there, here):
                self._count(api.http.get("/api/v1/me", headers=maya.headers()))

    def _count(self, response: httpx.Response) -> None:
        self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1


@pytest.mark.timeout(120)
@pytest.mark.short_run_shapes("postgres")
def test_a_key_rotation_under_load_refuses_no_request(servers: list[Waggle], apis: list[Api]) -> None:
    first = published(apis[0])
    early = servers[0].command("keys", "rotate")
    assert (early.returncode, "nothing rotated" in early.stdout) == (75, True), early
    with Traffic(apis) as traffic:
        time.sleep(WITHIN)  # real time must pass: each key signs and is accepted for a while
        for _ in range(2):
            rotated = servers[0].command("keys", "rotate", "--published", "5")
            assert rotated.returncode == 0, rotated
            time.sleep(WITHIN + 1)  # likewise, and every process notices the rotation
    assert set(traffic.statuses) == {200}, traffic.statuses
    assert len(traffic.keys) == 3
    assert sum(traffic.statuses.values()) > 100
    for api in apis:
        now = published(api)
        assert len(now) == 4
        assert now[:2] == first
    listed = servers[0].command("keys", "list").stdout
    assert [line.split("\t")[1] for line in listed.splitlines()] == ["retiring", "retiring", "active", "next"]


@pytest.mark.timeout(60)
def test_tokens_of_a_revoked_key_are_refused_within_seconds(servers: list[Waggle], apis: list[Api]) -> None:
    maya = apis[0].someone()
    kid = key_of(maya)
    for api in apis:
        done(api.http.get("/api/v1/me", headers=maya.headers()))

    revoked = servers[0].command("keys", "revoke", kid)
    assert revoked.returncode == 0, revoked
    end = time.monotonic() + WITHIN

    def out(api: Api) -> None:
        response = api.http.get("/api/v1/me", headers=maya.headers())
        assert response.status_code == 401
        assert refusal(response) == (401, "invalid_token")

    for api in apis:
        eventually(lambda api=api: out(api), end - time.monotonic())  # type: ignore[misc]

        def unpublished(api: Api = api) -> None:
            assert kid not in published(api)

        eventually(unpublished, WITHIN)
    assert refusal(apis[-1].refreshes(maya.tokens)) == (401, "session_ended")
    maya = apis[0].logs_in(maya.username)
    assert key_of(maya) != kid
    for api in apis:
        done(api.http.get("/api/v1/me", headers=maya.headers()))
    unknown: Any = servers[0].command("keys", "revoke", kid)
    assert unknown.returncode == 64
    next_one = published(apis[0])[-1]
    assert servers[0].command("keys", "revoke", next_one).returncode == 0
    done(apis[0].refreshes(maya.tokens))  # the revoked key had signed no token of this session

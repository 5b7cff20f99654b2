"""The process is killed at random under load: what was answered is kept, and no key has two effects.

Quick: 3 kills. `WAGGLE_TEST_LONG=1`: 30. `WAGGLE_TEST_SEED` repeats the choices, though not the timing.
"""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from .client import PASSWORD, Api, Json, Member, done, eventually, fresh_key, fresh_name
from .conftest import LONG, RUNNING, SHAPES, a_waggle
from .load import client_pool, should_retry
from .process import Waggle

KILLS = 30 if LONG else 3
WORKERS = 12
AUTHORS = 4
LEASE = 5
"""Seconds after which another relay takes over what a killed one had begun."""


@dataclass
class Deed:
    """A request with a key, and the answer, once there was one."""

    kind: str
    path: str
    body: Json
    by: Member | None
    key: str = field(default_factory=fresh_key)
    answer: httpx.Response | None = None
    tries: int = 0

    async def attempt(self, http: httpx.AsyncClient) -> None:
        """Raises TransportError when the server is gone; then nobody knows."""
        headers = (self.by.headers() if self.by else {}) | {"Idempotency-Key": self.key}
        while True:
            self.tries += 1
            response = await http.post(self.path, json=self.body, headers=headers)
            if should_retry(response):
                await asyncio.sleep(0.02)
                continue
            assert response.status_code == 201, (self.kind, response.text)
            self.answer = response
            return


@dataclass
class Like:
    """A toggle without a key: it is repeated until it is answered."""

    post: str
    by: Member
    method: str

    async def attempt(self, http: httpx.AsyncClient) -> None:
        while True:
            response = await http.request(
                self.method, f"/api/v1/posts/{self.post}/like", headers=self.by.headers()
            )
            if not should_retry(response):
                assert response.status_code == 200, response.text
                return
            await asyncio.sleep(0.02)


@dataclass
class Load:
    """What the workers do, and their record of it."""

    chance: random.Random
    authors: list[Member]
    thread: Json
    deeds: list[Deed] = field(default_factory=list)
    likes: dict[tuple[str, str], Like] = field(default_factory=dict)
    """The last word of each author on each post; one author's likes of a post are never concurrent."""
    sent: int = 0

    def next(self, worker: int) -> Deed | Like:
        self.sent += 1
        author = self.authors[worker % AUTHORS]
        kind = self.chance.choices(["post", "comment", "like", "account"], [4, 4, 4, 1])[0]
        if kind == "like" and worker < AUTHORS:
            like = Like(self.thread["id"], author, self.chance.choice(["PUT", "PUT", "DELETE"]))
            self.likes[author.id, like.post] = like
            return like
        if kind == "account":
            name = fresh_name()
            body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
            deed = Deed("account", "/api/v1/auth/register", body, None)
        elif kind == "comment":
            deed = Deed(
                "comment", f"/api/v1/posts/{self.thread['id']}/comments", {"text": fresh_key()}, author
            )
        else:
            deed = Deed("post", "/api/v1/posts", {"text": fresh_key()}, author)
        self.deeds.append(deed)
        return deed


@pytest.fixture(params=[shape for shape in SHAPES if shape != "memory"] or ["none"])
def mortal(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Waggle]:
    """A server of its own, since it will be killed."""
    if RUNNING or request.param == "none":
        pytest.skip("a server of our own is needed, one that keeps its data")
    with a_waggle(request, request.param, tmp_path) as waggle:
        yield waggle


@pytest.mark.timeout(900 if LONG else 180)
def test_ap1_di9_what_was_answered_survives_and_no_key_has_two_effects(
    mortal: Waggle, chance: random.Random
) -> None:
    with closing(Api(mortal.base_url)) as api:
        authors = [api.someone() for _ in range(AUTHORS)]
        load = Load(chance, authors, authors[0].publishes("the thread"))
        for _ in range(KILLS):
            unanswered = asyncio.run(_until_the_kill(mortal, load))
            mortal.start()
            asyncio.run(_again(mortal.base_url, unanswered))
        _check(api, mortal, load)


@pytest.mark.timeout(900 if LONG else 180)
def test_id5_a_refresh_whose_answer_was_lost_is_repeated_with_the_same_token(
    mortal: Waggle, chance: random.Random
) -> None:
    """Killed before the commit, the token is still good; killed after it, its successor is given again."""
    with closing(Api(mortal.base_url)) as api:
        members = [api.someone() for _ in range(AUTHORS)]
        for _ in range(KILLS // 2):
            asyncio.run(_refreshing_until_the_kill(mortal, members, chance.uniform(0.1, 0.5)))
            mortal.start()
            for member in members:
                member.tokens = done(api.refreshes(member.tokens))
                done(member.get("/api/v1/me"))


async def _refreshing_until_the_kill(mortal: Waggle, members: list[Member], seconds: float) -> None:
    async def refresh(http: httpx.AsyncClient, member: Member) -> None:
        while True:
            body = {"refresh_token": member.tokens["refresh_token"]}
            try:
                response = await http.post("/api/v1/auth/refresh", json=body)
            except httpx.TransportError:
                return
            if not should_retry(response):
                member.tokens = done(response)

    asyncio.get_running_loop().call_later(seconds, mortal.kill)
    async with client_pool(mortal.base_url, len(members)) as http:
        await asyncio.gather(*(refresh(http, member) for member in members))


async def _until_the_kill(mortal: Waggle, load: Load) -> list[Deed | Like]:
    """Load until a random moment, then SIGKILL; what was sent and not answered."""
    fatal = load.sent + load.chance.randrange(WORKERS, 150)
    moment = load.chance.uniform(0, 0.02)
    unanswered: list[Deed | Like] = []
    killing: list[asyncio.TimerHandle] = []

    async def work(http: httpx.AsyncClient, worker: int) -> None:
        while True:
            deed = load.next(worker)
            if load.sent >= fatal and not killing:
                killing.append(asyncio.get_running_loop().call_later(moment, mortal.kill))
            try:
                await deed.attempt(http)
            except httpx.TransportError:
                unanswered.append(deed)
                return

    async with client_pool(mortal.base_url, WORKERS) as http:
        await asyncio.gather(*(work(http, worker) for worker in range(WORKERS)))
    assert len(unanswered) == WORKERS
    return unanswered


async def _again(base_url: str, unanswered: list[Deed | Like]) -> None:
    async with client_pool(base_url, WORKERS) as http:
        await asyncio.gather(*(deed.attempt(http) for deed in unanswered))


def _check(api: Api, mortal: Waggle, load: Load) -> None:
    by_kind = {
        kind: [deed for deed in load.deeds if deed.kind == kind] for kind in ("post", "comment", "account")
    }
    assert all(by_kind.values()), "the load was of every kind"
    answers = [deed.answer for deed in load.deeds if deed.answer is not None]
    assert len(answers) == len(load.deeds)

    # Every post and every comment is there once, and none that nobody sent.
    listed: dict[str, list[Json]] = {
        author.id: api.nobody.walks(f"/api/v1/users/{author.id}/posts") for author in load.authors
    }
    thread = load.thread["id"]
    posted = [item for posts in listed.values() for item in posts if item["id"] != thread]
    comments = api.nobody.walks(f"/api/v1/posts/{thread}/comments")
    for found, deeds in ((posted, by_kind["post"]), (comments, by_kind["comment"])):
        assert Counter(item["text"] for item in found) == {deed.body["text"]: 1 for deed in deeds}
        assert {item["id"] for item in found} == {deed.answer.json()["id"] for deed in deeds if deed.answer}
    for deed in by_kind["account"]:
        assert deed.answer is not None
        assert api.logs_in(deed.body["username"]).id == deed.answer.json()["user"]["id"]

    # Counters are the numbers of what they count.
    counts = api.nobody.reads(load.thread)["counts"]
    assert counts["comments"] == len(comments)
    liking = {author.id for author in load.authors if author.reads(load.thread)["viewer"]["liked"]}
    assert liking == {author for (author, _), like in load.likes.items() if like.method == "PUT"}
    assert counts["likes"] == len(liking)

    # Sent again, a request brings its first answer.
    for deed in load.chance.sample(load.deeds, min(40, len(load.deeds))):
        assert deed.answer is not None
        member = deed.by or Member(api.http)
        headers = {"Idempotency-Key": deed.key} | ({} if deed.by else {"Authorization": "Bearer none"})
        again = httpx.post(f"{api.base_url}{deed.path}", json=deed.body, headers=_of(member) | headers)
        assert again.status_code == 201
        assert again.headers["idempotency-replayed"] == "true"
        assert again.content == deed.answer.content

    def settled() -> None:
        for author in load.authors:
            shown = done(api.nobody.get(f"/api/v1/users/{author.id}"))["counts"]["posts"]
            assert shown == len(listed[author.id])

    eventually(settled, LEASE + 15)
    if mortal.shape == "embedded":
        with closing(sqlite3.connect(mortal.data_dir / "waggle.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def _of(member: Member) -> dict[str, str]:
    return member.headers() if member.tokens else {}

"""The process is killed at random times under load: answered requests are kept, and no idempotency key has two effects.

A short run has 3 kills, `WAGGLE_TEST_LONG=1` has 30. `WAGGLE_TEST_SEED` repeats the random choices, but not the timing.
"""

import asyncio
import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

import httpx
import pytest

from .client import PASSWORD, Api, Json, Member, done, eventually, fresh_key, fresh_name
from .conftest import LONG
from .load import client_pool, should_retry
from .process import Waggle

KILLS = 30 if LONG else 3
WORKERS = 12
AUTHORS = 4
LEASE = 5
"""Seconds after which another relay takes over the deliveries of a killed one."""


@dataclass
class KeyedRequest:
    """A request with an idempotency key, and its answer once it was received."""

    kind: str
    path: str
    body: Json
    by: Member | None
    key: str = field(default_factory=fresh_key)
    answer: httpx.Response | None = None
    tries: int = 0

    async def send(self, http: httpx.AsyncClient) -> None:
        """Raises TransportError if the server was killed. Then the request may or may not have taken effect."""
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
class LikeToggle:
    """A toggle without a key. It is repeated until it is answered."""

    post: str
    by: Member
    method: str

    async def send(self, http: httpx.AsyncClient) -> None:
        while True:
            response = await http.request(
                self.method, f"/api/v1/posts/{self.post}/like", headers=self.by.headers()
            )
            if not should_retry(response):
                assert response.status_code == 200, response.text
                return
            await asyncio.sleep(0.02)


@dataclass
class RandomLoad:
    """The requests of the workers, and a record of their answers."""

    chance: random.Random
    authors: list[Member]
    thread: Json
    requests: list[KeyedRequest] = field(default_factory=list)
    likes: dict[tuple[str, str], LikeToggle] = field(default_factory=dict)
    """The last answered toggle of each author for each post. The toggles of one author for one post are never concurrent."""
    sent: int = 0

    def next(self, worker: int) -> KeyedRequest | LikeToggle:
        self.sent += 1
        author = self.authors[worker % AUTHORS]
        kind = self.chance.choices(["post", "comment", "like", "account"], [4, 4, 4, 1])[0]
        if kind == "like" and worker < AUTHORS:
            like = LikeToggle(self.thread["id"], author, self.chance.choice(["PUT", "PUT", "DELETE"]))
            self.likes[author.id, like.post] = like
            return like
        if kind == "account":
            name = fresh_name()
            body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
            request = KeyedRequest("account", "/api/v1/auth/register", body, None)
        elif kind == "comment":
            request = KeyedRequest(
                "comment", f"/api/v1/posts/{self.thread['id']}/comments", {"text": fresh_key()}, author
            )
        else:
            request = KeyedRequest("post", "/api/v1/posts", {"text": fresh_key()}, author)
        self.requests.append(request)
        return request


@pytest.mark.timeout(900 if LONG else 180)
def test_answered_requests_survive_kills_and_no_key_has_two_effects(
    killable: Waggle, chance: random.Random
) -> None:
    with closing(Api(killable.base_url)) as api:
        authors = [api.someone() for _ in range(AUTHORS)]
        load = RandomLoad(chance, authors, authors[0].publishes("the thread"))
        for _ in range(KILLS):
            unanswered = asyncio.run(_run_until_the_kill(killable, load))
            killable.start()
            asyncio.run(_repeat(killable.base_url, unanswered))
        _check(api, killable, load)


@pytest.mark.timeout(900 if LONG else 180)
def test_a_refresh_with_a_lost_answer_can_be_repeated(killable: Waggle, chance: random.Random) -> None:
    """If the server is killed before the commit, the token is still valid; if after it, the same successor is returned."""
    with closing(Api(killable.base_url)) as api:
        members = [api.someone() for _ in range(AUTHORS)]
        for _ in range(KILLS // 2):
            asyncio.run(_refreshing_until_the_kill(killable, members, chance.uniform(0.1, 0.5)))
            killable.start()
            for member in members:
                member.tokens = done(api.refreshes(member.tokens))
                done(member.get("/api/v1/me"))


async def _refreshing_until_the_kill(killable: Waggle, members: list[Member], seconds: float) -> None:
    async def refresh(http: httpx.AsyncClient, member: Member) -> None:
        while True:
            body = {"refresh_token": member.tokens["refresh_token"]}
            try:
                response = await http.post("/api/v1/auth/refresh", json=body)
            except httpx.TransportError:
                return
            if not should_retry(response):
                member.tokens = done(response)

    asyncio.get_running_loop().call_later(seconds, killable.kill)
    async with client_pool(killable.base_url, len(members)) as http:
        await asyncio.gather(*(refresh(http, member) for member in members))


async def _run_until_the_kill(killable: Waggle, load: RandomLoad) -> list[KeyedRequest | LikeToggle]:
    """Run the load until a random moment, then send SIGKILL. Returns the requests without an answer."""
    fatal = load.sent + load.chance.randrange(WORKERS, 150)
    moment = load.chance.uniform(0, 0.02)
    unanswered: list[KeyedRequest | LikeToggle] = []
    killing: list[asyncio.TimerHandle] = []

    async def work(http: httpx.AsyncClient, worker: int) -> None:
        while True:
            request = load.next(worker)
            if load.sent >= fatal and not killing:
                killing.append(asyncio.get_running_loop().call_later(moment, killable.kill))
            try:
                await request.send(http)
            except httpx.TransportError:
                unanswered.append(request)
                return

    async with client_pool(killable.base_url, WORKERS) as http:
        await asyncio.gather(*(work(http, worker) for worker in range(WORKERS)))
    assert len(unanswered) == WORKERS
    return unanswered


async def _repeat(base_url: str, unanswered: list[KeyedRequest | LikeToggle]) -> None:
    async with client_pool(base_url, WORKERS) as http:
        await asyncio.gather(*(request.send(http) for request in unanswered))


def _check(api: Api, killable: Waggle, load: RandomLoad) -> None:
    by_kind = {
        kind: [request for request in load.requests if request.kind == kind]
        for kind in ("post", "comment", "account")
    }
    assert all(by_kind.values()), "the load was of every kind"
    answers = [request.answer for request in load.requests if request.answer is not None]
    assert len(answers) == len(load.requests)

    # Every post and every comment exists once, and none that no worker sent.
    listed: dict[str, list[Json]] = {
        author.id: api.nobody.all_items(f"/api/v1/users/{author.id}/posts") for author in load.authors
    }
    thread = load.thread["id"]
    posted = [item for posts in listed.values() for item in posts if item["id"] != thread]
    comments = api.nobody.all_items(f"/api/v1/posts/{thread}/comments")
    for found, requests in ((posted, by_kind["post"]), (comments, by_kind["comment"])):
        assert Counter(item["text"] for item in found) == {request.body["text"]: 1 for request in requests}
        assert {item["id"] for item in found} == {
            request.answer.json()["id"] for request in requests if request.answer
        }
    for request in by_kind["account"]:
        assert request.answer is not None
        assert api.logs_in(request.body["username"]).id == request.answer.json()["user"]["id"]

    # The counters are exact.
    counts = api.nobody.reads(load.thread)["counts"]
    assert counts["comments"] == len(comments)
    liking = {author.id for author in load.authors if author.reads(load.thread)["viewer"]["liked"]}
    assert liking == {author for (author, _), like in load.likes.items() if like.method == "PUT"}
    assert counts["likes"] == len(liking)

    # A repeated request returns its first answer.
    for request in load.chance.sample(load.requests, min(40, len(load.requests))):
        assert request.answer is not None
        member = request.by or Member(api.http)
        headers = {"Idempotency-Key": request.key} | ({} if request.by else {"Authorization": "Bearer none"})
        again = httpx.post(f"{api.base_url}{request.path}", json=request.body, headers=_of(member) | headers)
        assert again.status_code == 201
        assert again.headers["idempotency-replayed"] == "true"
        assert again.content == request.answer.content

    def settled() -> None:
        for author in load.authors:
            shown = done(api.nobody.get(f"/api/v1/users/{author.id}"))["counts"]["posts"]
            assert shown == len(listed[author.id])

    eventually(settled, LEASE + 15)
    if killable.shape == "embedded":
        with closing(sqlite3.connect(killable.data_dir / "waggle.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def _of(member: Member) -> dict[str, str]:
    return member.headers() if member.tokens else {}

"""The process is killed at random times under load: answered requests are kept, and no idempotency key has two effects.

A short run has 3 kills, `WAGGLE_TEST_LONG=1` has 30. `WAGGLE_TEST_SEED` repeats the random choices, but not the timing.
"""

import asyncio
import random
import sqlite3
from collections.abc import Iterable
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

    @property
    def response(self) -> httpx.Response:
        assert self.answer is not None, f"{self.path} was never answered"
        return self.answer

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

    def of_kind(self, kind: str) -> list[KeyedRequest]:
        return [request for request in self.requests if request.kind == kind]

    def answered(self, kind: str) -> list[tuple[str, str]]:
        """The texts that were sent, and the ids that were answered."""
        return sorted((request.body["text"], request.response.json()["id"]) for request in self.of_kind(kind))

    def likers(self) -> set[str]:
        """The authors whose last toggle liked the thread."""
        return {author for (author, _), like in self.likes.items() if like.method == "PUT"}


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
        posts, comments = (
            _posts(api, load),
            api.nobody.all_items(f"/api/v1/posts/{load.thread['id']}/comments"),
        )
        accounts, likers = load.of_kind("account"), load.likers()
        assert posts
        assert comments
        assert accounts
        assert _texts_and_ids(posts) == load.answered("post")
        assert _texts_and_ids(comments) == load.answered("comment")
        assert [api.logs_in(one.body["username"]).id for one in accounts] == [
            one.response.json()["user"]["id"] for one in accounts
        ]
        counts = api.nobody.reads(load.thread)["counts"]
        assert (counts["comments"], counts["likes"]) == (len(comments), len(likers))
        assert {author.id for author in authors if author.reads(load.thread)["viewer"]["liked"]} == likers
        assert _replays_that_differ(api, load) == []

        def counted() -> None:
            shown = [
                done(api.nobody.get(f"/api/v1/users/{author.id}"))["counts"]["posts"] for author in authors
            ]
            assert sum(shown) == len(posts) + 1  # and the thread

        eventually(counted, LEASE + 15)
        assert _damage(killable) == []


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
                assert member.get("/api/v1/me").status_code == 200


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


def _posts(api: Api, load: RandomLoad) -> list[Json]:
    """The listed posts of all authors without the thread."""
    pages = [api.nobody.all_items(f"/api/v1/users/{author.id}/posts") for author in load.authors]
    return [item for items in pages for item in items if item["id"] != load.thread["id"]]


def _texts_and_ids(items: Iterable[Json]) -> list[tuple[str, str]]:
    return sorted((item["text"], item["id"]) for item in items)


def _replays_that_differ(api: Api, load: RandomLoad) -> list[str]:
    """Repeats some of the answered requests. Returns those that were not answered with the first answer."""
    differing = []
    for request in load.chance.sample(load.requests, min(40, len(load.requests))):
        member = request.by or Member(api.http)
        headers = {"Idempotency-Key": request.key} | ({} if request.by else {"Authorization": "Bearer none"})
        again = httpx.post(f"{api.base_url}{request.path}", json=request.body, headers=_of(member) | headers)
        found = (again.status_code, again.headers.get("idempotency-replayed"), again.content)
        if found != (201, "true", request.response.content):
            differing.append(f"{request.path}: {found}")
    return differing


def _damage(killable: Waggle) -> list[tuple[str, ...]]:
    """The problems that SQLite finds in the database. The other shapes have no file."""
    if killable.shape != "embedded":
        return []
    with closing(sqlite3.connect(killable.data_dir / "waggle.db")) as database:
        found = database.execute("PRAGMA integrity_check").fetchall()
        return [row for row in found if row != ("ok",)] + database.execute(
            "PRAGMA foreign_key_check"
        ).fetchall()


def _of(member: Member) -> dict[str, str]:
    return member.headers() if member.tokens else {}

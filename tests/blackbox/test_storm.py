"""A hundred clients at once like, repost, comment and delete, while the server is killed and started again.

Afterwards the counters are counts, what was answered is there, and nothing stands on what was deleted.
Quick: 9 seconds and 2 kills. `WAGGLE_TEST_LONG=1`: 30 seconds and 9 kills.
"""

import asyncio
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from .client import Api, Json, Member, fresh_key
from .conftest import LONG, RUNNING, SHAPES, a_waggle
from .contract import operations
from .load import client_pool, register_members, should_retry
from .process import Waggle

CLIENTS = 100
KILLS = 9 if LONG else 2
BETWEEN_KILLS = 3
"""Seconds, as long as the server is up."""
POSTS = 8
DOOMED = 4
"""So many of the posts are deleted in the midst of it."""
RELATIONS = {"like": "likes", "repost": "reposts"}
"""Toggles, and the counter that each of them moves."""


@dataclass
class Storm:
    """What the clients do, and their record of it."""

    chance: random.Random
    posts: list[Json]
    toggles: list[str]
    over: threading.Event = field(default_factory=threading.Event)
    on: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    """Post, toggle, who: the last word of each, as it was answered."""
    comments: dict[str, str] = field(default_factory=dict)
    """Comments that were answered, with the post above; those deleted since are taken out."""
    removed: dict[str, str] = field(default_factory=dict)
    """Posts whose deletion was answered, with the id of a post that was published after that."""
    late: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    async def client(self, http: httpx.AsyncClient, member: Member, number: int) -> None:
        mine: list[str] = []
        doom = time.monotonic() + self.chance.uniform(1, BETWEEN_KILLS * KILLS)
        while not self.over.is_set():
            if number < DOOMED and time.monotonic() > doom and self.posts[number]["id"] not in self.removed:
                await self.dooms(http, member, self.posts[number]["id"])
            kind = self.chance.choices(
                [*self.toggles, "comment", "regret"], [6] * len(self.toggles) + [3, 1]
            )[0]
            post = self.chance.choice(self.posts)["id"]
            if kind == "comment":
                made = await self.comment(http, member, post)
                mine += [made] if made else []
            elif kind == "regret" and mine:
                gone = mine.pop()
                assert (await ask(http, "DELETE", f"/api/v1/posts/{gone}", member)).status_code == 204
                self.done["regret"] += 1
                del self.comments[gone]
            elif kind in self.toggles:
                await self.toggle(http, member, post, kind)

    async def toggle(self, http: httpx.AsyncClient, member: Member, post: str, kind: str) -> None:
        wanted, late = self.chance.random() < 0.6, post in self.removed
        path = f"/api/v1/posts/{post}/{kind}"
        answer = await ask(http, "PUT" if wanted else "DELETE", path, member)
        self.witness(late, answer, 200, f"{kind} {post}")
        if answer.status_code == 200:
            self.on[post, kind, member.id] = wanted

    async def comment(self, http: httpx.AsyncClient, member: Member, post: str) -> str | None:
        late, key = post in self.removed, {"Idempotency-Key": fresh_key()}
        path = f"/api/v1/posts/{post}/comments"
        answer = await ask(http, "POST", path, member, json={"text": fresh_key()}, headers=key)
        self.witness(late, answer, 201, f"comment {post}")
        if answer.status_code != 201:
            return None
        made = str(answer.json()["id"])
        self.comments[made] = post
        return made

    async def dooms(self, http: httpx.AsyncClient, author: Member, post: str) -> None:
        assert (await ask(http, "DELETE", f"/api/v1/posts/{post}", author)).status_code == 204
        self.removed[post] = "9" * 18  # from now on
        key = {"Idempotency-Key": fresh_key()}
        after = await ask(http, "POST", "/api/v1/posts", author, json={"text": "after"}, headers=key)
        self.removed[post] = str(after.json()["id"])

    def witness(self, late: bool, answer: httpx.Response, good: int, what: str) -> None:
        """`late`: the deletion of the post had been answered before this was asked."""
        self.done[f"{what.partition(' ')[0]} {answer.status_code}"] += 1
        assert answer.status_code in {good, 404}, answer.text
        if late and answer.status_code != 404:
            self.late.append(what)

    @property
    def there(self) -> list[str]:
        return [post["id"] for post in self.posts if post["id"] not in self.removed]


async def ask(
    http: httpx.AsyncClient, method: str, path: str, by: Member, headers: Any = None, **options: Any
) -> httpx.Response:
    """Until it is answered, whatever happens to the server."""
    async with asyncio.timeout(90):
        while True:
            try:
                response = await http.request(method, path, headers=by.headers() | (headers or {}), **options)
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if not should_retry(response):
                return response
            await asyncio.sleep(0.05)


@pytest.fixture(params=[shape for shape in SHAPES if shape != "memory"] or ["none"])
def mortal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    """A server of its own, since it will be killed."""
    if RUNNING or request.param == "none":
        pytest.skip("a server of our own is needed, one that keeps its data")
    with a_waggle(request, request.param, tmp_path) as waggle:
        yield waggle


@pytest.mark.timeout(300)
def test_di2_di3_di5_di9_a_storm_with_kills_leaves_exact_counters_and_all_that_was_answered(
    mortal: Waggle, chance: random.Random
) -> None:
    with closing(Api(mortal.base_url)) as api:
        members = register_members(api, CLIENTS)
        offered = {operation.name for operation in operations(api)}
        toggles = [kind for kind in RELATIONS if f"PUT /api/v1/posts/{{post_id}}/{kind}" in offered]
        storm = Storm(
            chance, [members[number].publishes(f"post {number}") for number in range(POSTS)], toggles
        )
        _rage(mortal, storm, members)
        assert storm.done["like 200"] > CLIENTS, storm.done
        assert storm.done["comment 201"] > CLIENTS / 2, storm.done
        assert len(storm.removed) == DOOMED
        assert storm.late == []
        _as_the_api_has_it(api, storm, members)
        _as_the_database_has_it(mortal, storm)


def _rage(mortal: Waggle, storm: Storm, members: list[Member]) -> None:
    async def rage() -> None:
        async with client_pool(mortal.base_url, CLIENTS) as http:
            await asyncio.gather(
                *(storm.client(http, member, number) for number, member in enumerate(members))
            )

    # The clients get the other thread: a server ends with the thread that started it.
    with ThreadPoolExecutor(1) as other:
        raging = other.submit(asyncio.run, rage())
        try:
            for _ in range(KILLS):
                time.sleep(BETWEEN_KILLS * storm.chance.uniform(0.7, 1))
                mortal.kill()
                mortal.start()
            time.sleep(BETWEEN_KILLS)
        finally:
            storm.over.set()
        raging.result()


def _as_the_api_has_it(api: Api, storm: Storm, members: list[Member]) -> None:
    for post in storm.there:
        read = members[0].reads({"id": post})
        for kind in storm.toggles:
            on = {
                who for (where, what, who), last in storm.on.items() if (where, what) == (post, kind) and last
            }
            assert read["counts"][RELATIONS[kind]] == len(on), (kind, post)
            for member in members[:: 1 if LONG else 9]:
                stance = member.reads({"id": post})["viewer"]
                assert stance["liked" if kind == "like" else "reposted"] is (member.id in on)
        listed = [item["id"] for item in api.nobody.walks(f"/api/v1/posts/{post}/comments")]
        assert sorted(listed) == sorted(made for made, above in storm.comments.items() if above == post)
        assert read["counts"]["comments"] == len(listed)
    for post in storm.removed:
        assert not members[0].sees({"id": post})


def _as_the_database_has_it(mortal: Waggle, storm: Storm) -> None:
    """For every post, also for those that nobody sees any more."""
    live = "SELECT count(*) FROM posts AS c WHERE c.reply_to = p.id AND NOT c.deleted"
    drift = (
        f"SELECT p.id, p.comments, ({live}) FROM posts AS p WHERE NOT p.deleted AND p.comments <> ({live})"
    )
    assert rows(mortal, drift) == []
    for kind in storm.toggles:
        counter = RELATIONS[kind]
        held = f"SELECT count(*) FROM {counter} AS r WHERE r.post_id = p.id"
        assert (
            rows(mortal, f"SELECT p.id FROM posts AS p WHERE NOT p.deleted AND p.{counter} <> ({held})") == []
        )
    for post, after in storm.removed.items():
        assert rows(mortal, f"SELECT id FROM posts WHERE reply_to = {post} AND id > {after}") == []
        for kind in storm.toggles:
            late = f"SELECT id FROM {RELATIONS[kind]} WHERE post_id = {post} AND id > {after}"
            assert rows(mortal, late) == []


def rows(waggle: Waggle, statement: str) -> list[tuple[Any, ...]]:
    """What the server's own database says."""
    if waggle.shape == "embedded":
        with closing(sqlite3.connect(waggle.data_dir / "waggle.db")) as database:
            return database.execute(statement).fetchall()

    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(waggle.database_url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(ask())

"""A hundred clients like, repost, comment and delete concurrently, while the server is killed and restarted.

Afterwards the counters are exact, everything that was answered exists, and nothing was added to deleted posts.
A short run has 9 seconds and 2 kills, `WAGGLE_TEST_LONG=1` has 30 seconds and 9 kills.
"""

import asyncio
import random
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest

from .client import Api, Json, Member, fresh_key
from .conftest import LONG
from .contract import operations
from .load import client_pool, register_members, should_retry
from .process import Waggle

CLIENTS = 100
KILLS = 9 if LONG else 2
BETWEEN_KILLS = 3
"""Seconds for which the server is up between two kills."""
MAX_LAST_PART = 90
"""Seconds after the last kill, until which enough must be answered."""
POSTS = 8
DELETED_POSTS = 4
"""The number of posts that are deleted during the load."""
COUNTERS = {"like": "likes", "repost": "reposts"}
"""The toggles, and the counter that each of them changes."""


@dataclass
class ConcurrentLoad:
    """The requests of the clients, and a record of their answers."""

    chance: random.Random
    posts: list[Json]
    toggles: list[str]
    over: threading.Event = field(default_factory=threading.Event)
    on: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    """The last answered state of each (post, toggle, user)."""
    comments: dict[str, str] = field(default_factory=dict)
    """The answered comments and their parent posts, without deleted comments."""
    removed: dict[str, str] = field(default_factory=dict)
    """The posts whose deletion was answered, and for each the id of a post that was published afterwards."""
    late: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    async def client(self, http: httpx.AsyncClient, member: Member, number: int) -> None:
        own_comments: list[str] = []
        delete_at = time.monotonic() + self.chance.uniform(1, BETWEEN_KILLS * KILLS)
        while not self.over.is_set():
            if (
                number < DELETED_POSTS
                and time.monotonic() > delete_at
                and self.posts[number]["id"] not in self.removed
            ):
                await self.delete_post(http, member, self.posts[number]["id"])
            kind = self.chance.choices(
                [*self.toggles, "comment", "uncomment"], [6] * len(self.toggles) + [3, 1]
            )[0]
            post = self.chance.choice(self.posts)["id"]
            if kind == "comment":
                created = await self.comment(http, member, post)
                own_comments += [created] if created else []
            elif kind == "uncomment" and own_comments:
                gone = own_comments.pop()
                assert (
                    await send_until_answered(http, "DELETE", f"/api/v1/posts/{gone}", member)
                ).status_code == 204
                self.done["uncomment"] += 1
                del self.comments[gone]
            elif kind in self.toggles:
                await self.toggle(http, member, post, kind)

    async def toggle(self, http: httpx.AsyncClient, member: Member, post: str, kind: str) -> None:
        wanted = self.chance.random() < 0.6
        late = wanted and post in self.removed  # an engagement can be undone after the deletion
        path = f"/api/v1/posts/{post}/{kind}"
        answer = await send_until_answered(http, "PUT" if wanted else "DELETE", path, member)
        self.record(late, answer, 200, f"{kind} {post}")
        if answer.status_code == 200:
            self.on[post, kind, member.id] = wanted

    async def comment(self, http: httpx.AsyncClient, member: Member, post: str) -> str | None:
        late, key = post in self.removed, {"Idempotency-Key": fresh_key()}
        path = f"/api/v1/posts/{post}/comments"
        answer = await send_until_answered(
            http, "POST", path, member, json={"text": fresh_key()}, headers=key
        )
        self.record(late, answer, 201, f"comment {post}")
        if answer.status_code != 201:
            return None
        created = str(answer.json()["id"])
        self.comments[created] = post
        return created

    async def delete_post(self, http: httpx.AsyncClient, author: Member, post: str) -> None:
        assert (await send_until_answered(http, "DELETE", f"/api/v1/posts/{post}", author)).status_code == 204
        self.removed[post] = "9" * 18  # until the next post has an id
        key = {"Idempotency-Key": fresh_key()}
        after = await send_until_answered(
            http, "POST", "/api/v1/posts", author, json={"text": "after"}, headers=key
        )
        self.removed[post] = str(after.json()["id"])

    def record(self, late: bool, answer: httpx.Response, good: int, what: str) -> None:
        """Record an answer. `late` tells whether the deletion of the post was answered before this request was sent."""
        self.done[f"{what.partition(' ')[0]} {answer.status_code}"] += 1
        assert answer.status_code in {good, 404}, answer.text
        if late and answer.status_code != 404:
            self.late.append(what)

    @property
    def is_enough(self) -> bool:
        """Whether enough was answered to mean something."""
        return (
            self.done["like 200"] > CLIENTS
            and self.done["comment 201"] > CLIENTS / 2
            and len(self.removed) == DELETED_POSTS
        )

    @property
    def remaining_posts(self) -> list[str]:
        return [post["id"] for post in self.posts if post["id"] not in self.removed]


async def send_until_answered(
    http: httpx.AsyncClient, method: str, path: str, by: Member, headers: Any = None, **options: Any
) -> httpx.Response:
    """Repeat the request until it is answered, whatever happens to the server."""
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


@pytest.mark.timeout(300)
def test_load_with_kills_leaves_exact_counters_and_all_answered_requests(
    killable: Waggle, chance: random.Random
) -> None:
    with closing(Api(killable.base_url)) as api:
        members = register_members(api, CLIENTS)
        offered = {operation.name for operation in operations(api)}
        toggles = [kind for kind in COUNTERS if f"PUT /api/v1/posts/{{post_id}}/{kind}" in offered]
        load = ConcurrentLoad(
            chance, [members[number].publishes(f"post {number}") for number in range(POSTS)], toggles
        )
        _run(killable, load, members)
        assert load.is_enough, load.done
        assert load.late == []
        _check_against_the_api(api, load, members)
        _check_against_the_database(killable, load)


def _run(killable: Waggle, load: ConcurrentLoad, members: list[Member]) -> None:
    async def run() -> None:
        async with client_pool(killable.base_url, CLIENTS) as http:
            await asyncio.gather(
                *(load.client(http, member, number) for number, member in enumerate(members))
            )

    # The clients run in the other thread: a server ends with the thread that started it.
    with ThreadPoolExecutor(1) as other:
        running = other.submit(asyncio.run, run())
        try:
            for _ in range(KILLS):
                time.sleep(BETWEEN_KILLS * load.chance.uniform(0.7, 1))  # the load goes on meanwhile
                killable.kill()
                killable.start()
            end = time.monotonic() + MAX_LAST_PART
            time.sleep(BETWEEN_KILLS)  # the last server gets as much load
            while not load.is_enough and time.monotonic() < end:  # a loaded machine needs longer
                time.sleep(0.1)
        finally:
            load.over.set()
        running.result()


def _check_against_the_api(api: Api, load: ConcurrentLoad, members: list[Member]) -> None:
    for post in load.remaining_posts:
        read = members[0].reads({"id": post})
        for kind in load.toggles:
            on = {
                who for (where, what, who), last in load.on.items() if (where, what) == (post, kind) and last
            }
            assert read["counts"][COUNTERS[kind]] == len(on), (kind, post)
            for member in members[:: 1 if LONG else 9]:
                stance = member.reads({"id": post})["viewer"]
                assert stance["liked" if kind == "like" else "reposted"] is (member.id in on)
        listed = [item["id"] for item in api.nobody.all_items(f"/api/v1/posts/{post}/comments")]
        assert sorted(listed) == sorted(created for created, above in load.comments.items() if above == post)
        assert read["counts"]["comments"] == len(listed)
    for post in load.removed:
        assert not members[0].sees({"id": post})


def _check_against_the_database(killable: Waggle, load: ConcurrentLoad) -> None:
    """Check every post, those that nobody can see included."""
    live = "SELECT count(*) FROM posts AS c WHERE c.reply_to = p.id AND NOT c.deleted"
    drift = (
        f"SELECT p.id, p.comments, ({live}) FROM posts AS p WHERE NOT p.deleted AND p.comments <> ({live})"
    )
    assert rows(killable, drift) == []
    for kind in load.toggles:
        counter = COUNTERS[kind]
        held = f"SELECT count(*) FROM {counter} AS r WHERE r.post_id = p.id"
        assert (
            rows(killable, f"SELECT p.id FROM posts AS p WHERE NOT p.deleted AND p.{counter} <> ({held})")
            == []
        )
    for post, after in load.removed.items():
        assert rows(killable, f"SELECT id FROM posts WHERE reply_to = {post} AND id > {after}") == []
        for kind in load.toggles:
            late = f"SELECT id FROM {COUNTERS[kind]} WHERE post_id = {post} AND id > {after}"
            assert rows(killable, late) == []


def rows(waggle: Waggle, statement: str) -> list[tuple[Any, ...]]:
    """Rows of the server's own database."""
    if waggle.shape == "embedded":
        with closing(sqlite3.connect(waggle.data_dir / "waggle.db")) as database:
            return database.execute(statement).fetchall()

    async def fetch() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(waggle.database_url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(fetch())

"""People who give others something to be told, and what these must have been told in the end."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx

from .client import Json, Member, fresh_key
from .crowd import asks_again

Key: TypeAlias = tuple[str, str, str | None]
"""Kind, actor, post: told once, however often it was tried."""
KINDS = {"like": 6, "repost": 3, "comment": 6, "mention": 3, "follow": 1, "publish": 1, "regret": 3}


@dataclass
class Told:
    """Somebody who is told."""

    member: Member
    posts: list[Json] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    """What stands in the list when all is quiet."""


@dataclass
class Hive:
    """`actors` do things to the posts of `told`, each one thing at a time, and again until it was answered."""

    urls: Sequence[str]
    """Any of them is as good; those that are down are tried again."""
    told: list[Told]
    actors: list[Member]
    chance: random.Random
    over: bool = False
    deeds: int = 0
    pace: float = 0.1
    """Seconds between two deeds of one actor: a process that starts needs some of the machine, too."""
    undone: dict[str, list[tuple[Told, Key, str]]] = field(default_factory=dict)
    """What each actor may take back, and at which address."""
    followed: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(
        cls, urls: Sequence[str], told: Sequence[Member], actors: Sequence[Member], chance: random.Random
    ) -> "Hive":
        some = [Told(member, [member.publishes(f"post {number}") for number in range(3)]) for member in told]
        return cls(urls, some, list(actors), chance)

    async def buzz(self) -> None:
        """Until it is over."""
        limits = httpx.Limits(max_connections=len(self.actors))
        async with httpx.AsyncClient(timeout=15, limits=limits) as http:
            await asyncio.gather(*(self._act(http, actor) for actor in self.actors))

    async def end(self) -> None:
        self.over = True

    async def _act(self, http: httpx.AsyncClient, actor: Member) -> None:
        while not self.over:
            [kind] = self.chance.choices(list(KINDS), list(KINDS.values()))
            await getattr(self, f"_{kind}")(http, actor, self.chance.choice(self.told))
            self.deeds += 1
            await asyncio.sleep(self.pace)

    async def _like(self, http: httpx.AsyncClient, actor: Member, whom: Told, what: str = "like") -> None:
        post = str(self.chance.choice(whom.posts)["id"])
        key = (what, actor.id, post)
        if key in whom.keys:
            return
        path = f"/api/v1/posts/{post}/{what}"
        if any(path == before for _, _, before in self.undone.get(actor.id, ())):
            return  # it was taken back: that it was done once more nobody is told
        assert (await self.ask(http, "PUT", path, actor)).status_code == 200
        self._done(actor, whom, key, path)

    async def _repost(self, http: httpx.AsyncClient, actor: Member, whom: Told) -> None:
        await self._like(http, actor, whom, "repost")

    async def _comment(self, http: httpx.AsyncClient, actor: Member, whom: Told) -> None:
        path = f"/api/v1/posts/{self.chance.choice(whom.posts)['id']}/comments"
        made = await self._write(http, actor, path, "so they are")
        self._done(actor, whom, ("comment", actor.id, made), f"/api/v1/posts/{made}")

    async def _mention(self, http: httpx.AsyncClient, actor: Member, whom: Told) -> None:
        made = await self._write(http, actor, "/api/v1/posts", f"hello @{whom.member.username}")
        self._done(actor, whom, ("mention", actor.id, made), f"/api/v1/posts/{made}")

    async def _follow(self, http: httpx.AsyncClient, actor: Member, whom: Told) -> None:
        path, key = f"/api/v1/users/{whom.member.id}/follow", ("follow", actor.id, None)
        if (actor.id, path) not in self.followed:  # told once, even if it was dismissed since
            self.followed.add((actor.id, path))
            assert (await self.ask(http, "PUT", path, actor)).status_code == 200
            whom.keys.add(key)

    async def _publish(self, http: httpx.AsyncClient, _: Member, whom: Told) -> None:
        made = await self._write(http, whom.member, "/api/v1/posts", "one more")
        whom.posts.append({"id": made})

    async def _regret(self, http: httpx.AsyncClient, actor: Member, _: Told) -> None:
        """Take something back, for good."""
        mine = [one for one in self.undone.get(actor.id, ()) if one[1] in one[0].keys]
        if mine:
            whom, key, path = self.chance.choice(mine)
            status = (await self.ask(http, "DELETE", path, actor)).status_code
            assert status in {200, 204, 404}, (path, status)  # 404: an answer to the first try was lost
            whom.keys.discard(key)

    def _done(self, actor: Member, whom: Told, key: Key, path: str) -> None:
        whom.keys.add(key)
        self.undone.setdefault(actor.id, []).append((whom, key, path))

    async def _write(self, http: httpx.AsyncClient, actor: Member, path: str, text: str) -> str:
        key = {"Idempotency-Key": fresh_key()}
        answer = await self.ask(http, "POST", path, actor, json={"text": text}, headers=key)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def ask(
        self,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        by: Member,
        json: Json | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Until it is answered, by whatever process."""
        async with asyncio.timeout(90):
            while True:
                try:
                    response = await http.request(
                        method,
                        f"{self.chance.choice(self.urls)}{path}",
                        headers=by.headers() | (headers or {}),
                        json=json,
                    )
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                if response.status_code not in {502, 503, 504} and not asks_again(response):
                    return response
                await asyncio.sleep(0.05)


def keys_of(items: Sequence[Any]) -> list[Key]:
    """Of a list of notifications."""
    return [(item["type"], item["actor"]["id"], item["post"] and item["post"]["id"]) for item in items]

"""Load that makes notifications, and the notifications that must exist in the end."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx

from .client import Json, Member, fresh_key
from .load import should_retry

Key: TypeAlias = tuple[str, str, str | None]
"""Type, actor and post of a notification: there is one, however often the request was repeated."""
KINDS = {"like": 6, "repost": 3, "comment": 6, "mention": 3, "follow": 1, "publish": 1, "undo": 3}


@dataclass
class Recipient:
    """A member who gets notifications."""

    member: Member
    posts: list[Json] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    """The notifications that the list must have when all requests are done."""


@dataclass
class NotificationLoad:
    """Each of `actors` engages with the posts of `recipients`, one request at a time, repeated until it is answered."""

    urls: Sequence[str]
    """The servers. Each request goes to a random one; one that is down is tried again."""
    recipients: list[Recipient]
    actors: list[Member]
    chance: random.Random
    ended: bool = False
    actions: int = 0
    pace: float = 0.1
    """Seconds between two actions of one actor: a process that starts needs some of the machine, too."""
    undoable: dict[str, list[tuple[Recipient, Key, str]]] = field(default_factory=dict)
    """By actor: what they may undo, and the path for it."""
    followed: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        urls: Sequence[str],
        recipients: Sequence[Member],
        actors: Sequence[Member],
        chance: random.Random,
    ) -> "NotificationLoad":
        some = [
            Recipient(member, [member.publishes(f"post {number}") for number in range(3)])
            for member in recipients
        ]
        return cls(urls, some, list(actors), chance)

    async def run(self) -> None:
        """Runs until `end`."""
        limits = httpx.Limits(max_connections=len(self.actors))
        async with httpx.AsyncClient(timeout=15, limits=limits) as http:
            await asyncio.gather(*(self._act(http, actor) for actor in self.actors))

    async def end(self) -> None:
        self.ended = True

    async def _act(self, http: httpx.AsyncClient, actor: Member) -> None:
        while not self.ended:
            [kind] = self.chance.choices(list(KINDS), list(KINDS.values()))
            await getattr(self, f"_{kind}")(http, actor, self.chance.choice(self.recipients))
            self.actions += 1
            await asyncio.sleep(self.pace)  # a steady load, not the most that is possible

    async def _like(
        self, http: httpx.AsyncClient, actor: Member, recipient: Recipient, what: str = "like"
    ) -> None:
        post = str(self.chance.choice(recipient.posts)["id"])
        key = (what, actor.id, post)
        if key in recipient.keys:
            return
        path = f"/api/v1/posts/{post}/{what}"
        if any(path == before for _, _, before in self.undoable.get(actor.id, ())):
            return  # it was undoable: doing it again makes no new notification
        assert (await self.ask(http, "PUT", path, actor)).status_code == 200
        self._done(actor, recipient, key, path)

    async def _repost(self, http: httpx.AsyncClient, actor: Member, recipient: Recipient) -> None:
        await self._like(http, actor, recipient, "repost")

    async def _comment(self, http: httpx.AsyncClient, actor: Member, recipient: Recipient) -> None:
        path = f"/api/v1/posts/{self.chance.choice(recipient.posts)['id']}/comments"
        made = await self._write(http, actor, path, "so they are")
        self._done(actor, recipient, ("comment", actor.id, made), f"/api/v1/posts/{made}")

    async def _mention(self, http: httpx.AsyncClient, actor: Member, recipient: Recipient) -> None:
        made = await self._write(http, actor, "/api/v1/posts", f"hello @{recipient.member.username}")
        self._done(actor, recipient, ("mention", actor.id, made), f"/api/v1/posts/{made}")

    async def _follow(self, http: httpx.AsyncClient, actor: Member, recipient: Recipient) -> None:
        path, key = f"/api/v1/users/{recipient.member.id}/follow", ("follow", actor.id, None)
        if (
            actor.id,
            path,
        ) not in self.followed:  # notified once, even if the notification was dismissed since
            self.followed.add((actor.id, path))
            assert (await self.ask(http, "PUT", path, actor)).status_code == 200
            recipient.keys.add(key)

    async def _publish(self, http: httpx.AsyncClient, _: Member, recipient: Recipient) -> None:
        made = await self._write(http, recipient.member, "/api/v1/posts", "one more")
        recipient.posts.append({"id": made})

    async def _undo(self, http: httpx.AsyncClient, actor: Member, _: Recipient) -> None:
        """Undo something, for good."""
        mine = [one for one in self.undoable.get(actor.id, ()) if one[1] in one[0].keys]
        if mine:
            recipient, key, path = self.chance.choice(mine)
            status = (await self.ask(http, "DELETE", path, actor)).status_code
            assert status in {200, 204, 404}, (path, status)  # 404: the answer to the first request was lost
            recipient.keys.discard(key)

    def _done(self, actor: Member, recipient: Recipient, key: Key, path: str) -> None:
        recipient.keys.add(key)
        self.undoable.setdefault(actor.id, []).append((recipient, key, path))

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
        """One request, repeated until any process answers it."""
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
                if response.status_code not in {502, 503, 504} and not should_retry(response):
                    return response
                await asyncio.sleep(0.05)


def keys_of(items: Sequence[Any]) -> list[Key]:
    """The keys of a list of notifications."""
    return [(item["type"], item["actor"]["id"], item["post"] and item["post"]["id"]) for item in items]

"""Runs a plan with several requests in flight, each after those that it depends on."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus

from demo.client import Api, RefusedError, Session
from demo.community import Person
from demo.pictures import draw
from demo.plan import Action, Bookmark, Follow, Introduce, Like, Register, Repost, Write

MISSING = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


class Run:
    """One run of a plan against one server."""

    def __init__(self, api: Api, people: Sequence[Person], *, password: str, seed: int) -> None:
        """Prepare a run. Afterwards ``counts`` has the number of actions by kind."""
        self.counts: Counter[str] = Counter()
        self._sessions: dict[int, asyncio.Future[Session]] = {}
        self._api = api
        self._people = people
        self._password = password
        self._seed = seed
        self._created: dict[str, asyncio.Future[str]] = {}
        self._lacking: set[type[Action]] = set()

    async def carry_out(self, actions: Sequence[Action], *, at_once: int, done: Callable[[], object]) -> None:
        """Do all actions, and call ``done`` after each.

        Workers take the actions in order and wait for those that an action needs. This cannot deadlock: the needed
        actions were taken earlier, so the earliest action in flight never waits.
        """
        loop = asyncio.get_running_loop()
        for action in actions:
            match action:
                case Register():
                    self._sessions[action.person] = loop.create_future()
                case Write():
                    self._created[action.key] = loop.create_future()
        left = iter(actions)
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(self._work(left, done))

    def user_id(self, person: int) -> str:
        """Return the id of a person who has joined."""
        return self._sessions[person].result().user_id

    def most_answered(self, actions: Sequence[Action]) -> str:
        """Return the id of the post with the most answers, where a reader can begin."""
        answered = Counter(action.parent or action.key for action in actions if isinstance(action, Write))
        ((key, _),) = answered.most_common(1)
        return self._created[key].result()

    async def _work(self, left: Iterator[Action], done: Callable[[], object]) -> None:
        for action in left:
            await self._do(action)
            done()

    async def _do(self, action: Action) -> None:
        match action:
            case Register(person):
                session = await Session.join(self._api, self._people[person], self._password, seed=self._seed)
                self._sessions[person].set_result(session)
                self.counts["people"] += 1
            case Write():
                await self._write(action)
            case Introduce(person):
                bio = {"bio": self._people[person].bio}
                await self._optional(action, "PATCH", "/api/v1/me", "bios", bio)
            case Follow(_, other):
                followed = (await self._sessions[other]).user_id
                await self._optional(action, "PUT", f"/api/v1/users/{followed}/follow", "follows")
            case Like(_, target):
                liked = await self._created[target]
                await self._optional(action, "PUT", f"/api/v1/posts/{liked}/like", "likes")
            case Repost(_, target):
                reposted = await self._created[target]
                await self._optional(action, "PUT", f"/api/v1/posts/{reposted}/repost", "reposts")
            case Bookmark(_, target):
                kept = await self._created[target]
                await self._optional(action, "PUT", f"/api/v1/posts/{kept}/bookmark", "bookmarks")

    async def _write(self, action: Write) -> None:
        session = await self._sessions[action.person]
        if action.parent is None:
            path, count = "/api/v1/posts", "posts"
        else:
            path, count = f"/api/v1/posts/{await self._created[action.parent]}/comments", "comments"
        body: dict[str, str | list[str]] = {"text": action.text, "language": action.language}
        if action.pictures:
            body["media_ids"] = await self._upload(session, action)
        created = await session.create(path, body, seed=self._seed, name=action.key)
        self._created[action.key].set_result(created)
        self.counts[count] += 1

    async def _upload(self, session: Session, action: Write) -> list[str]:
        uploaded = []
        for number, picture in enumerate(action.pictures):
            name = f"{action.key}-picture-{number}"
            drawn = draw(picture.scene, f"{self._seed} {name}")
            uploaded.append(await session.upload(drawn, picture.alt, seed=self._seed, name=name))
            self.counts["pictures"] += 1
        return uploaded

    async def _optional(
        self,
        action: Introduce | Follow | Like | Repost | Bookmark,
        method: str,
        path: str,
        count: str,
        body: dict[str, str] | None = None,
    ) -> None:
        """Do an action that a server may not support. After the first 404 or 405 this kind of action is left out."""
        if type(action) in self._lacking:
            return
        session = await self._sessions[action.person]
        try:
            await session.change(method, path, body)
        except RefusedError as refused:
            if refused.status not in MISSING:
                raise
            self._lacking.add(type(action))
        else:
            self.counts[count] += 1

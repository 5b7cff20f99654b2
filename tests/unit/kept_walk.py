"""A random walk over the API in one process that compares kept responses with those of the ordinary path."""

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dependency_injector import providers
from litestar.types import ASGIApp
from sqlalchemy import insert, literal, select, text

from adapters.sql.identity.tables import accounts
from entrypoints.container import Container, build
from entrypoints.http.app import create_app
from entrypoints.runtime import running
from entrypoints.settings import Settings
from tests.unit.kept_processor import AddressClock, HeldProcessor

HOME = "/api/v1/feeds/home"
PUBLIC = "/api/v1/feeds/public"
TAG = "bees"
TAGGED = f"/api/v1/feeds/hashtags/{TAG}"
TRENDING = "/api/v1/trending/posts", "/api/v1/trending/hashtags"
READERS = 8
NOBODY = -1
"""A reader without a token."""
NOT_COMPARED = {b"x-request-id", b"ratelimit"}
OF_PREV = {b"content-length", b"link"}
"""Headers that change with `prev`, which moves forward with time while the page is the same."""

Answer = tuple[int, dict[bytes, bytes], bytes]


def comments_of(post: int) -> str:
    return f"/api/v1/posts/{post}/comments"


def posts_of(user: int) -> str:
    return f"/api/v1/users/{user}/posts"


async def call(
    app: ASGIApp, method: str, path: str, token: str = "", body: Any = None, *more: tuple[bytes, bytes]
) -> Answer:
    sent: list[Any] = []
    data = b"" if body is None else json.dumps(body).encode()
    headers = [(b"host", b"127.0.0.1"), *more]
    if token:
        headers.append((b"authorization", b"Bearer " + token.encode()))
    if body is not None:
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    path, _, query = path.partition("?")

    async def receive() -> Any:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8000),
        "state": {},
        "extensions": {},
    }
    await app(scope, receive, send)
    given = [(name, value) for name, value in sent[0]["headers"] if name not in NOT_COMPARED]
    assert len(dict(given)) == len(given)
    return sent[0]["status"], dict(given), b"".join(message.get("body", b"") for message in sent[1:])


def _essence(answer: Answer) -> Any:
    """The parts that must be equal: everything of a post; a page without `prev`; an error without the id of its request."""
    status, headers, body = answer
    if status >= 400:
        return status, {**json.loads(body), "request_id": None}
    if b"link" not in headers:
        return answer
    page = json.loads(body)
    rest = {name: value for name, value in headers.items() if name not in OF_PREV}
    links = [link for link in headers[b"link"].split(b", ") if b'rel="next"' in link]
    return status, rest, links, page["next"], body[: body.rindex(b',"next":')]


@dataclass
class Walk:
    folder: Path
    container: Container
    kept: Any
    """The application that keeps responses."""
    ordinary: Any
    """The same over the same database, which keeps nothing."""
    processor: HeldProcessor
    address_clock: AddressClock
    tokens: list[str] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    posts: list[int] = field(default_factory=list)
    own: dict[int, list[int]] = field(default_factory=dict)
    compared: int = 0
    differences: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    rounds: int = 0
    """How often all readers were compared."""
    popular: set[int] = field(default_factory=set)
    """The users whose posts are not copied into timelines."""
    media: dict[int, tuple[int, list[int]]] = field(default_factory=dict)
    """By post, its author and its media."""

    async def do(self, reader: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, _, data = await call(self.kept, method, f"/api/v1{path}", self.tokens[reader], body)
        return status, json.loads(data) if data else None

    async def publish(
        self,
        reader: int,
        words: str,
        visibility: str = "public",
        reply_to: int | None = None,
        *,
        media: Sequence[int] = (),
    ) -> int:
        body: dict[str, Any] = {
            "text": words,
            "visibility": visibility,
            "media_ids": [str(one) for one in media],
        }
        if reply_to is not None:
            body["reply_to"] = str(reply_to)
        status, made = await self.do(reader, "POST", "/posts", body)
        if status != 201:
            return 0
        post = int(made["id"])
        self.own.setdefault(reader, []).append(post)
        self.posts.append(post)
        # So that writes by raw SQL, which do not count, never lead to negative counts.
        await self.sql(
            "UPDATE posts SET likes = likes + 90, reposts = reposts + 90 WHERE id = :post", post=post
        )
        return post

    async def add_account(self, user: int, name: str) -> None:
        """A copy of the first account, with another id and name."""
        values: dict[str, Any] = {column.name: column for column in accounts.c}
        values |= {"id": literal(user), "username": literal(name), "email_index": literal(name.encode())}
        async with self.container.database().begin() as transaction:
            await transaction.execute(
                insert(accounts).from_select(
                    [*values], select(*values.values()).where(accounts.c.id == self.users[0])
                )
            )

    async def begin(self) -> None:
        self.container.graph().followers.reader = _Popular(
            self.container.graph().followers.reader, self.popular
        )  # type: ignore[assignment]
        for number in range(READERS):
            _, _, data = await call(
                self.kept,
                "POST",
                "/api/v1/auth/register",
                "",
                {
                    "username": f"bee{number}",
                    "email": f"bee{number}@example.org",
                    "password": "correct horse 9",
                },
            )
            given = json.loads(data)
            self.tokens.append(given["tokens"]["access_token"])
            self.users.append(int(given["user"]["id"]))
        for one in range(READERS):
            for other in range(READERS):
                if one != other and other != READERS - 1:  # nobody follows the last one at first
                    await self.do(one, "PUT", f"/users/{self.users[other]}/follow")
            for number in range(4):
                await self.publish(one, f"post {number} of {one}")
        await self.settle()

    async def settle(self) -> None:
        """Wait until every event was brought to its handlers once. A handler may fail from then on, where raw writes have made
        a count wrong."""
        async with asyncio.timeout(20):
            while not await self.has_no_events():  # noqa: ASYNC110 - the relay has no event for it
                await asyncio.sleep(0.005)

    async def sql(self, statement: str, **values: Any) -> None:
        """Write on the server's own connection."""
        async with self.container.database().begin() as transaction:
            await transaction.execute(text(statement), values)

    async def has_no_events(self) -> bool:
        """Whether every event was brought to its handlers once."""
        other = sqlite3.connect(self.folder / "waggle.db")
        pending = other.execute("SELECT 1 FROM outbox LIMIT 1").fetchone()
        other.close()
        return pending is None

    async def foreign(self, statement: str, *values: Any, seconds: float = 0) -> None:
        """Write as another process does. `seconds` is how long it may wait for the lock while the event loop stands still."""
        other = sqlite3.connect(self.folder / "waggle.db", timeout=seconds, isolation_level=None)
        while True:
            try:
                other.execute(statement, values)
                break
            except sqlite3.OperationalError:  # a transaction of the server is open
                await asyncio.sleep(0.005)
        other.close()

    async def compare(self, reader: int, path: str) -> None:
        """Compare one response; not if an event was handled in between."""
        token = "" if reader == NOBODY else self.tokens[reader]
        before = await call(self.ordinary, "GET", path, token)
        found = await call(self.kept, "GET", path, token)
        after = await call(self.ordinary, "GET", path, token)
        expected = _essence(after)
        if _essence(before) != expected:
            return
        self.compared += 1
        if _essence(found) != expected:
            self.differences.append(
                f"{path} of {reader} after {self.last[-5:]}: {_first_difference(found, after)}"
            )

    def lists_with(self, post: int) -> list[str]:
        """The lists, other than home, in which the post may be."""
        author = next((reader for reader, own in self.own.items() if post in own), 0)
        return [PUBLIC, TAGGED, comments_of(self.threads[0]), posts_of(self.users[author])]

    @property
    def threads(self) -> list[int]:
        """The posts to which most comments reply. They are never deleted."""
        return self.posts[:2]

    def _list_for(self, reader: int) -> str:
        """One list of each reader at a time, which is compared several times in a row."""
        user = self.users[(reader + 1) % READERS]
        lists = (
            PUBLIC,
            TAGGED,
            comments_of(self.threads[reader % 2]),
            posts_of(user),
            TRENDING[max(reader, 0) % 2],
        )
        return lists[self.rounds // 6 % len(lists)]

    async def compare_all(self, chosen: random.Random) -> None:
        self.rounds += 1
        for reader in (*range(READERS), NOBODY):
            await self.compare(reader, self._list_for(reader))
        for reader in range(READERS):
            await self.compare(reader, HOME)
            await self.compare(reader, f"/api/v1/posts/{chosen.choice(self.posts[-40:])}")
        for post in chosen.sample(self.posts[-40:], 4):
            await self.compare(NOBODY, f"/api/v1/posts/{post}")


class _Popular:
    """A GraphReader that names other popular authors."""

    def __init__(self, reader: Any, popular: set[int]) -> None:
        self._reader, self._popular = reader, popular

    async def popular(self) -> frozenset[int]:
        return frozenset(self._popular)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def _first_difference(found: Answer, expected: Answer) -> str:
    if found[:1] != expected[:1]:
        return f"{found[0]} is not {expected[0]}"
    pairs = zip(json.loads(found[2]).get("items", ()), json.loads(expected[2]).get("items", ()), strict=False)
    return next((f"{a} is not {b}" for a, b in pairs if a != b), f"{found!r} is not {expected!r}")


@asynccontextmanager
async def walking(folder: Path, kind: type[Walk] = Walk, **more: str) -> AsyncIterator[Walk]:
    def settings(read_model: str) -> Settings:
        return Settings.read(
            {
                "WAGGLE_PASSWORD_COST": "4",
                "WAGGLE_DATA_DIR": str(folder),
                "WAGGLE_RATE_LIMITS": "off",
                "WAGGLE_ACCESS_LOG": "off",
                "WAGGLE_SECRET_KEY": "0123456789abcdef" * 4,
                "WAGGLE_READ_MODEL": read_model,
                **more,
            }
        )

    container = build(settings("on"))
    processor, address_clock = HeldProcessor(), AddressClock()
    container.processor.override(providers.Object(processor))
    container.media_addresses.override(providers.Object(address_clock.addresses()))
    async with running(container, settings("on")):
        kept, ordinary = create_app(container, settings("on")), _ordinary(container, settings("off"))
        walk = kind(folder, container, kept, ordinary, processor, address_clock)
        await walk.begin()
        yield walk


def _ordinary(container: Container, settings: Settings) -> ASGIApp:
    """An application of its own modules, which read the same database, and whose names are not cached."""
    ordinary = build(settings)
    for name in ("cache", "database", "graph", "timelines", "keys", "ids", "media_addresses"):
        getattr(ordinary, name).override(providers.Object(getattr(container, name)()))
    object.__setattr__(ordinary.identity().cards, "ttl", 0.0)
    return create_app(ordinary, settings)

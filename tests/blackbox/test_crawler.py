"""Crawlers read lists page by page, and poll for new items, while others write, delete and repost all the time.

Items that stay are neither missed nor repeated, and keep their order. Quick: 4 seconds in each
shape. `WAGGLE_TEST_LONG=1`: 40 seconds.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from .client import Api, Json, Member, Visitor, done, eventually, fresh_name
from .conftest import LONG

SECONDS = 40 if LONG else 4
PACE = 0.3
"""Seconds between two posts of one writer: the cursor for new items remembers forty items of the last ten seconds."""
WRITERS = 3
POSTS = 8
"""Posts of each writer that stay, and as many comments, and posts of another user that writers repost."""
PASSING = 6
"""Further posts that each writer has at a time."""


@dataclass(frozen=True)
class Listing:
    name: str
    path: str
    lasting: Sequence[str]
    """The ids in order."""
    params: Mapping[str, str] = field(default_factory=dict)
    by_id: bool = True
    """Whether items are ordered by their own ids, not by those of reposts."""

    def page(self, viewer: Visitor, **params: str | int) -> Json:
        return done(viewer.get(self.path, params={**self.params, **params}))


def ids(page: Json) -> list[str]:
    return [item["id"] for item in page["items"]]


class Scene:
    """A reader who follows some writers, and the background activity of all of them."""

    def __init__(self, apis: Sequence[Api], chance: random.Random) -> None:
        self.apis, self.chance = apis, chance
        self.word = fresh_name()
        api = apis[0]
        self.reader, self.other = api.someone(), api.someone()
        self.writers = [api.someone() for _ in range(WRITERS)]
        for writer in self.writers:
            done(self.reader.put(f"/api/v1/users/{writer.id}/follow"))
        self.lasting = [self._publish(writer) for _ in range(POSTS) for writer in self.writers]
        self.thread = self.other.publishes("a thread")
        self.comments = [self.writers[0].comments(self.thread)["id"] for _ in range(POSTS)]
        self.brought = [self.other.publishes("to be reposted") for _ in range(POSTS)]
        for post in self.brought:
            done(self.writers[0].put(f"/api/v1/posts/{post['id']}/repost"))
        self.fresh = [self.other.publishes("to be reposted later") for _ in range(SECONDS)]
        self.written: list[str] = []
        """All ids since the beginning, deleted ones too."""
        self.kept: set[str] = set()
        """Posts and reposts that are never removed."""
        self.over = threading.Event()
        self.open: list[Api] = []

    def listings(self) -> list[Listing]:
        first = self.writers[0]
        posts, words = self.lasting[::-1], {"q": self.word, "type": "posts"}
        mine = [post for post in posts if post in self.lasting[::WRITERS]]
        brought = [post["id"] for post in reversed(self.brought)]
        theirs = [*brought, self.thread["id"]]
        user = f"/api/v1/users/{first.id}/posts"
        return [
            Listing("home", "/api/v1/feeds/home", [*brought, *posts], by_id=False),
            Listing("public", "/api/v1/feeds/public", [*theirs, *posts]),
            Listing("hashtag", f"/api/v1/feeds/hashtags/{self.word}", posts),
            Listing("user", user, mine),
            Listing("user with reposts", user, [*brought, *mine], {"reposts": "true"}, by_id=False),
            Listing("search", "/api/v1/search", posts, words),
            Listing("comments", f"/api/v1/posts/{self.thread['id']}/comments", self.comments),
        ]

    @contextmanager
    def going_on(self) -> Iterator[None]:
        with ThreadPoolExecutor(WRITERS) as threads:
            writing = [threads.submit(self._write, number) for number in range(WRITERS)]
            try:
                yield
            finally:
                self.over.set()
        for one in writing:
            one.result()

    def _write(self, number: int) -> None:
        writer, passing = self._elsewhere(self.writers[number]), list[Json]()
        end = time.monotonic() + SECONDS
        while not self.over.is_set():
            post = writer.publishes(f"{self.word} #{self.word} passing")
            self.written.append(post["id"])
            comment = writer.comments(self.thread)
            old = self.chance.choice(self.brought)["id"]
            done(writer.put(f"/api/v1/posts/{old}/repost"))
            if number:  # the reposts of the first writer stay
                done(writer.delete(f"/api/v1/posts/{old}/repost"))
            if number == 0 and self.fresh and self.chance.random() < PACE:
                fresh = self.fresh.pop()
                done(writer.put(f"/api/v1/posts/{fresh['id']}/repost"))
                self.kept.add(fresh["id"])
            passing += [post, comment]
            if self.chance.random() < 0.2:
                self.kept.add(post["id"])
                passing.remove(post)
            while len(passing) > 2 * PASSING:
                writer.removes(passing.pop(self.chance.randrange(len(passing))))
            self.over.wait(PACE if time.monotonic() < end else 1)
        self.kept.update(post["id"] for post in passing if post["reply_to"] is None)

    def _publish(self, writer: Member) -> str:
        return str(writer.publishes(f"{self.word} #{self.word} lasting")["id"])

    def _elsewhere(self, member: Member) -> Member:
        """The same member at another process, over a separate connection."""
        api = Api(self.chance.choice(self.apis).base_url)
        self.open.append(api)
        return Member(api.http, member.user, member.tokens, member.email)

    def viewer(self) -> Member:
        return self._elsewhere(self.reader)


@pytest.fixture
def scene(apis: list[Api], chance: random.Random) -> Iterator[Scene]:
    scene = Scene(apis, chance)
    yield scene
    for api in scene.open:
        api.close()


@pytest.mark.scaled
@pytest.mark.timeout(180)
def test_ap4_crawlers_get_every_item_once_while_others_write(scene: Scene) -> None:
    listings = scene.listings()
    viewers = [scene.viewer() for _ in scene.apis]
    for listing in listings:
        eventually(lambda listing=listing: _compare(listing, _walk(listing, viewers[0], lambda: 10)))  # type: ignore[misc]
    news = [News(listing, scene.viewer()) for listing in listings[:3]]
    walks = 0
    with scene.going_on():
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for listing in listings:
                viewer = scene.chance.choice(viewers)
                _compare(listing, _walk(listing, viewer, lambda: scene.chance.randrange(1, 8)))
                walks += 1
            for one in news:
                one.ask(scene.chance.randrange(1, 11))
    assert walks >= len(listings)
    assert len(scene.written) > WRITERS
    for one in news:
        wanted = {post for post in scene.kept if one.listing.by_id is False or post in scene.written}
        one.until(wanted)
        assert set(one.given) <= {*scene.written, *scene.kept}, one.listing.name


def _walk(listing: Listing, viewer: Member, limit: Callable[[], int]) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = listing.page(viewer, limit=limit(), **({"cursor": cursor} if cursor else {}))
        found += ids(page)
        cursor = page["next"]
        if cursor is None:
            return found


def _compare(listing: Listing, walk: Sequence[str]) -> None:
    twice = {id_ for id_ in walk if walk.count(id_) > 1}
    assert not twice, (listing.name, twice)
    lasting = set(listing.lasting)
    assert [id_ for id_ in walk if id_ in lasting] == list(listing.lasting), listing.name
    if listing.by_id:
        assert walk == sorted(walk, key=int, reverse=listing.name != "comments"), listing.name


class News:
    """A client that read the first page, and polls for new items."""

    def __init__(self, listing: Listing, viewer: Member) -> None:
        self.listing, self.viewer = listing, viewer
        page = listing.page(viewer, limit=20)
        self.old = ids(page)
        self.since: str = page["prev"]
        self.given: list[str] = []

    def ask(self, limit: int) -> list[str]:
        page = self.listing.page(self.viewer, limit=limit, since=self.since)
        self.since = page["prev"]
        self.given += ids(page)
        again = [id_ for id_ in self.given if id_ in self.old or self.given.count(id_) > 1]
        assert not again, (self.listing.name, again)
        return ids(page)

    def until(self, wanted: set[str]) -> None:
        """All items have arrived, and there are no further ones."""

        def nothing_more() -> None:
            assert self.ask(100) == []
            assert wanted <= {*self.given}, (self.listing.name, wanted - {*self.given})

        eventually(nothing_more)

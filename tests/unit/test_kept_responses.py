"""Kept responses are those of the ordinary path, whatever is written (`tests/unit/kept_writes.py`)."""

import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.sql.identity.row_triggers import ROW_TRIGGERS as IDENTITY_TRIGGERS
from adapters.sql.posts.row_cards import PostCards
from adapters.sql.posts.row_triggers import AUTHOR, ENGAGEMENT, REPOSTS, SOURCE
from adapters.sql.posts.row_triggers import POST as POST_ROW
from adapters.sql.posts.row_triggers import ROW_TRIGGERS as POSTS_TRIGGERS
from adapters.sql.row_changes import RowChanges, RowTrigger
from adapters.storage.signing import LIFE
from application.identity.author_cards import CARD
from application.shared.readings import Reading, Readings
from domain.shared import UserId
from entrypoints import runtime
from entrypoints.http import fast_lane
from entrypoints.http.hot_targets import POST, Target
from entrypoints.http.kept_responses import KeptKey, KeptResponse, KeptResponses
from entrypoints.http.responses import Tagged
from tests.unit import kept_media
from tests.unit.kept_walk import HOME, PUBLIC, READERS, Walk, call, walking
from tests.unit.kept_writes import each_once, walk_on

LONG = os.environ.get("WAGGLE_TEST_LONG", "") not in {"", "0"}


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Walk]:
    async with walking(tmp_path) as walk:
        yield walk


@pytest.mark.timeout(1800 if LONG else 120)
@pytest.mark.parametrize("seed", range(8 if LONG else 1))
async def test_every_response_is_that_of_the_ordinary_path(walk: Walk, seed: int) -> None:
    chosen = Random(seed)  # noqa: S311 - no secret
    await walk_on(walk, chosen, 700 if LONG else 60)
    assert walk.compared > (10_000 if LONG else 700)
    assert walk.differences == []


# Each trigger and each comparison taken away in turn

TRIGGERS: Sequence[RowTrigger] = (*IDENTITY_TRIGGERS, *POSTS_TRIGGERS)


def without_trigger(trigger: RowTrigger, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(runtime, "IDENTITY_TRIGGERS", ())
    patch.setattr(runtime, "POSTS_TRIGGERS", tuple(other for other in TRIGGERS if other != trigger))


def without_watch(name: str, patch: pytest.MonkeyPatch) -> None:
    watch = Reading.watch

    def others(self: Reading, named: str, *arguments: Any) -> None:
        if named != name:
            watch(self, named, *arguments)

    patch.setattr(Reading, "watch", others)


def without_doubt(patch: pytest.MonkeyPatch) -> None:
    touch = Readings.touch

    def certain(self: Readings, key: Any) -> None:
        touch(self, key)
        self._in_doubt.discard(key)

    patch.setattr(Readings, "touch", certain)


def without_end(patch: pytest.MonkeyPatch) -> None:
    def ended(self: Readings) -> None:
        self._in_doubt.clear()
        self._ended += 1

    patch.setattr(Readings, "ended", ended)


def without_look_at_begin(patch: pytest.MonkeyPatch) -> None:
    begun = RowChanges.begun

    def blind(self: RowChanges) -> None:
        look = self._look_for_others
        self._look_for_others = lambda: True  # type: ignore[method-assign]
        begun(self)
        self._look_for_others = look  # type: ignore[method-assign]

    patch.setattr(RowChanges, "begun", blind)


def without_listener(kind: str, patch: pytest.MonkeyPatch) -> None:
    listen = Readings.listen

    def others(self: Readings, listened: str, touched: Any, cleared: Any) -> None:
        listen(self, listened, (lambda _: None) if listened == kind else touched, cleared)

    patch.setattr(Readings, "listen", others)


NOT_SHOWN = {"reposts INSERT reposts", "reposts DELETE source"}
"""Triggers whose loss the walk does not show, since other keys cover nearly all that they report. A new repost is never the
first of its post, which is all that pages ask; this trigger is for rows that come back with their old id. A deleted repost
on a page has the key of its post too; this trigger is for one that only marks where the page ends."""
MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    **{
        name: partial(without_trigger, trigger)
        for trigger in TRIGGERS
        if (name := f"{trigger.table} {trigger.change} {trigger.kind}") not in NOT_SHOWN
    },
    **{
        name: partial(without_watch, name)
        for name in ("viewer context", "timeline", "popular authors", "cached value")
    },
    **{
        f"cards: {kind}": partial(without_listener, kind)
        for kind in (POST_ROW, ENGAGEMENT, AUTHOR, REPOSTS, SOURCE, CARD)
    },
    "cards: in doubt": lambda patch: patch.setattr(Readings, "in_doubt", lambda *_: False),
    "cards: other processes": lambda patch: patch.setattr(PostCards, "_cleared", lambda _: None),
    "in doubt": without_doubt,
    "end of a transaction": without_end,
    "restricted media": lambda patch: patch.setattr(fast_lane, "_has_restricted_media", lambda _: False),
    "other processes": lambda patch: patch.setattr(RowChanges, "_look_for_others", lambda _: True),
    "other processes at begin": without_look_at_begin,
    "other processes in a transaction": lambda patch: patch.setattr(
        RowChanges,
        "is_current",
        lambda changes: changes._in_transaction or changes._look_for_others(),
    ),
}


@pytest.mark.skipif(not LONG, reason="takes minutes: WAGGLE_TEST_LONG=1")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS)
async def test_the_walk_notices_what_is_not_invalidated(
    mutant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MUTANTS[mutant](monkeypatch)
    async with walking(tmp_path) as walk:
        chosen = Random(1)  # noqa: S311 - no secret
        await each_once(walk, chosen)
        await walk_on(walk, chosen, 600, stop_at_difference=True)
        assert walk.differences


# Requests in other forms

FORMS: dict[str, tuple[str, str, tuple[tuple[bytes, bytes], ...]]] = {
    "HEAD": ("HEAD", "", ()),
    "an origin": ("GET", "", ((b"origin", b"http://localhost:3000"),)),
    "a range": ("GET", "", ((b"range", b"bytes=0-9"),)),
    "a limit": ("GET", "?limit=5", ()),
    "an unknown parameter": ("GET", "?colour=blue", ()),
    "two authorizations": ("GET", "", ((b"authorization", b"Bearer x"),)),
    "two hosts": ("GET", "", ((b"host", b"example.org"),)),
    "a body that is encoded": ("GET", "", ((b"content-encoding", b"br"),)),
    "an unknown header": ("GET", "", ((b"x-flower", b"rose"),)),
    "gzip": ("GET", "", ((b"accept-encoding", b"gzip"),)),
    "zstd": ("GET", "", ((b"accept-encoding", b"zstd, gzip"),)),
    "identity": ("GET", "", ((b"accept-encoding", b"identity"),)),
    "any tag": ("GET", "", ((b"if-none-match", b"*"),)),
    "another tag": ("GET", "", ((b"if-none-match", b'"other"'),)),
    "a long tag": ("GET", "", ((b"if-none-match", b'"' + b"x" * 2000 + b'"'),)),
    "two fields of tags": ("GET", "", ((b"if-none-match", b'"a"'), (b"if-none-match", b'"b"'))),
}


@pytest.mark.timeout(120)
async def test_unusual_requests_get_the_same_response(walk: Walk) -> None:
    for path in (HOME, f"/api/v1/posts/{walk.posts[-1]}", *walk.lists_with(walk.posts[0])):
        for name, (method, query, headers) in FORMS.items():
            for _ in range(3):  # made, kept, sent again
                found = await call(walk.kept, method, path + query, walk.tokens[0], None, *headers)
                expected = await call(walk.ordinary, method, path + query, walk.tokens[0], None, *headers)
                assert _without_prev(found) == _without_prev(expected), (path, name)


def _without_prev(answer: Any) -> Any:
    status, headers, body = answer
    if b"link" not in headers:
        return (status, headers, body) if status < 400 else (status, headers)
    rest = {name: value for name, value in headers.items() if name not in {b"link", b"content-length"}}
    if b"content-encoding" in headers or not body:
        return status, rest, b""
    return status, rest, {**json.loads(body), "prev": None}


async def test_a_page_that_the_client_has_is_304_until_it_changes(walk: Walk) -> None:
    for app in (walk.kept, walk.kept, walk.ordinary):
        _, headers, _ = await call(app, "GET", HOME, walk.tokens[0])
        known = (b"if-none-match", headers[b"etag"])
        status, headers, body = await call(app, "GET", HOME, walk.tokens[0], None, known)
        assert (status, body) == (304, b"")
        assert known[1] == headers[b"etag"]
    await walk.do(1, "PUT", f"/posts/{walk.posts[-5]}/like")
    status, headers, _ = await call(walk.kept, "GET", HOME, walk.tokens[0], None, known)
    assert status == 200
    assert headers[b"etag"] != known[1]


async def test_kept_responses_are_charged(tmp_path: Path) -> None:
    async with walking(tmp_path, WAGGLE_RATE_LIMITS="read=3/3600,write=100000/1,auth=100000/1") as walk:
        statuses = [(await call(walk.kept, "GET", HOME, walk.tokens[0]))[0] for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


async def test_kept_responses_without_a_token_are_charged_to_the_network(tmp_path: Path) -> None:
    limits = "anonymous=3/3600,read=100000/1,write=100000/1,auth=100000/1"
    async with walking(tmp_path, WAGGLE_RATE_LIMITS=limits, WAGGLE_TRUSTED_PROXIES="127.0.0.1") as walk:
        by_network = {
            network: [
                (await call(walk.kept, "GET", PUBLIC, "", None, (b"x-forwarded-for", network)))[0]
                for _ in range(5)
            ]
            for network in (b"192.0.2.1", b"192.0.2.2")
        }
    assert by_network == {
        b"192.0.2.1": [200, 200, 200, 429, 429],
        b"192.0.2.2": [200, 200, 200, 429, 429],
    }


async def test_a_token_that_is_not_valid_gets_no_kept_response(walk: Walk) -> None:
    for _ in range(3):
        assert (await call(walk.kept, "GET", PUBLIC))[0] == 200
    given = [(b"authorization", value) for value in (b"", b"Bearer", b"Bearer x", b"Basic x")]
    assert [(await call(walk.kept, "GET", PUBLIC, "", None, one))[0] for one in given] == [401] * 4


async def test_a_timed_mute_ends_on_time(walk: Walk) -> None:
    await walk.do(0, "PUT", f"/users/{walk.users[1]}/mute?duration=60")
    await walk.compare_all(Random(1))  # noqa: S311 - no secret
    contexts: Any = walk.container.graph().viewer_contexts
    begun = contexts.clock()
    contexts.clock = lambda: begun + timedelta(seconds=61)
    for cached in contexts._cached.values():
        cached.good_until = float("inf")
    await walk.compare_all(Random(1))  # noqa: S311 - no secret
    assert walk.differences == []


@pytest.mark.parametrize("visibility", ["unlisted", "followers", "direct", "private account", "pending"])
async def test_a_post_with_media_that_not_everybody_may_see_is_never_kept(
    walk: Walk, visibility: str
) -> None:
    chosen = Random(1)  # noqa: S311 - no secret
    if visibility == "private account":
        await walk.do(1, "PATCH", "/me", {"private": True})
    if visibility == "pending":
        walk.processor.may_end.clear()
    of_post = visibility if visibility in {"unlisted", "followers", "direct"} else "public"
    post = await kept_media.publish(walk, chosen, of_post, 1)
    await kept_media.until(walk.has_no_events)
    shown_to = []
    for reader in range(3):
        for path in (HOME, f"/api/v1/posts/{post}"):
            for _ in range(2):  # made, and perhaps sent again
                status, _, body = await call(walk.kept, "GET", path, walk.tokens[reader])
        if status == 200:
            assert b"look @bee2" in body
            shown_to.append(reader)
    assert shown_to == {"pending": [1], "direct": [1, 2]}.get(visibility, [0, 1, 2])
    kept: Any = walk.container.meters().kept
    pages = {walk.users[reader] for reader in shown_to} & {user for user, _ in kept.pages}
    posts = [key for key in kept.singles if key.target.of == post]
    is_kept = visibility == "unlisted"
    assert (len(pages), len(posts)) == ((3, 3) if is_kept else (0, 0))
    walk.address_clock.now += 2 * LIFE
    await kept_media.compare_post(walk, post)
    assert (walk.differences, walk.compared) == ([], 2 * READERS)


# Memory


def _made(size: int, readings: Readings) -> KeptResponse:
    with readings.reading() as reading:
        assert reading is not None
    return KeptResponse(Tagged('"x"', [], b"x" * size), reading, [])


def _key(user: int, *, is_page: bool) -> KeptKey:
    return KeptKey(UserId(user), Target(HOME, limit=20) if is_page else Target(POST, 1))


def test_memory_is_bounded_and_pages_are_evicted_before_singles() -> None:
    readings = Readings()
    readings.is_current = lambda: True
    kept = KeptResponses(readings, 100_000)
    for number in range(8):
        kept.keep(_key(number, is_page=number % 2 == 0), _made(8_000, readings), expires=False)
        assert kept.bytes <= kept.max_bytes
    assert (len(kept.pages), len(kept.singles), kept.evicted) == (1, 4, 3)
    kept.keep(_key(9, is_page=True), _made(60_000, readings), expires=False)
    assert (len(kept.pages), kept.refused["size"]) == (1, 1)
    assert kept.bytes == sum(one.size for one in (*kept.pages.values(), *kept.singles.values()))

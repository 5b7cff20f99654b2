"""Who is told what, and what is taken back: by what people do, as their lists show it."""

import json
from typing import Any

import pytest
from websockets.sync.client import connect

from .client import Api, Json, Member, done, eventually

NOTIFICATIONS = "/api/v1/notifications"
PREFERENCES = "/api/v1/me/notification-preferences"

Line = tuple[str, str, str | None]
"""What, by whom, about which post."""


def line(what: str, by: Member, post: Json | None = None) -> Line:
    return what, by.id, post["id"] if post else None


def told(member: Member) -> list[Line]:
    """What the member was told, oldest first; the counts must say the same, as nothing was read."""
    page = done(member.get(NOTIFICATIONS, params={"limit": 100}))
    lines = [
        (item["type"], item["actor"]["id"], item["post"] and item["post"]["id"]) for item in page["items"]
    ]
    kinds = [what for what, _, _ in lines]
    assert page["unread"] == {"total": len(kinds), "by_type": {kind: kinds.count(kind) for kind in kinds}}
    return lines[::-1]


def hears(member: Member, *lines: Line) -> None:
    """Of this, in any order, and of nothing else. What the relay carries before `lines` has been carried by then."""

    def heard() -> None:
        assert sorted(told(member), key=str) == sorted(lines, key=str)

    eventually(heard)


def puts(member: Member, on: str, what: str, **params: Any) -> None:
    done(member.put(f"/api/v1/{on}/{what}".rstrip("/"), params=params))


def ends(member: Member, on: str, what: str) -> None:
    done(member.delete(f"/api/v1/{on}/{what}".rstrip("/")))


def of(member: Member) -> str:
    return f"users/{member.id}"


def on(post: Json) -> str:
    return f"posts/{post['id']}"


def privately(member: Member) -> Member:
    done(member.patch("/api/v1/me", {"private": True}))
    return member


def edits(member: Member, post: Json, text: str) -> None:
    etag = member.get(f"/api/v1/{on(post)}").headers["etag"]
    done(member.patch(f"/api/v1/{on(post)}", {"text": text}, headers={"If-Match": etag}))


def test_what_happens_to_a_post_is_told_once_each(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    post = maya.publishes(f"for @{flip.username}")
    willy.likes(post)
    puts(willy, on(post), "repost")
    comment = willy.comments(post, f"@{maya.username} and @{flip.username} and @{willy.username}")
    maya.likes(post)  # nobody hears of themselves
    edits(maya, post, f"for @{flip.username} and @{willy.username}")

    hears(
        maya,
        line("like", willy, post),
        line("repost", willy, post),
        line("comment", willy, comment),  # and not of the mention in it as well
    )
    hears(flip, line("mention", maya, post), line("mention", willy, comment))
    hears(willy, line("mention", maya, post), line("edit", maya, post))


def test_who_follows_asks_and_is_let_in(api: Api) -> None:
    maya, willy, thekla = api.someone(), api.someone(), privately(api.someone())
    puts(willy, of(maya), "follow")
    hears(maya, line("follow", willy))
    ends(willy, of(maya), "follow")
    hears(maya)

    puts(willy, of(thekla), "follow")
    puts(maya, of(thekla), "follow")
    hears(thekla, line("follow_request", willy), line("follow_request", maya))
    done(thekla.put(f"/api/v1/me/follow-requests/{willy.id}"))
    ends(maya, of(thekla), "follow")
    hears(willy, line("follow_accepted", thekla))
    hears(thekla)


def test_what_is_taken_back_was_not_told(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    first, second = maya.publishes("first"), maya.publishes("second")
    for post in (first, second):
        willy.likes(post)
        flip.likes(post)
    puts(willy, on(first), "repost")
    comment = willy.comments(second, f"see @{flip.username}")
    hears(
        maya,
        *(line("like", who, post) for who in (willy, flip) for post in (first, second)),
        line("repost", willy, first),
        line("comment", willy, comment),
    )
    hears(flip, line("mention", willy, comment))

    willy.unlikes(first)
    ends(willy, on(first), "repost")
    willy.removes(comment)
    maya.removes(second)

    hears(maya, line("like", flip, first))
    hears(flip)
    flip.comments(first)
    eventually(lambda: _assert_newest(maya, "comment"))
    assert [what for what, by, _ in told(maya) if by == willy.id] == []


TOLD_A_DAY = 3


@pytest.mark.parametrize("what", ["like", "repost", "follow", "request"])
def test_what_is_done_again_is_told_again_a_few_times_a_day(api: Api, what: str) -> None:
    """One entry while it stands, none after it was taken back, whether it was read or not."""
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    if what == "request":
        privately(maya)
    where, verb = (of(maya), "follow") if what in {"follow", "request"} else (on(post), what)
    kind = "follow_request" if what == "request" else what
    note = line(kind, willy, None if verb == "follow" else post)
    for number in range(TOLD_A_DAY):
        puts(willy, where, verb)
        puts(willy, where, verb)
        hears(maya, note)
        assert done(maya.get(NOTIFICATIONS, params={"grouped": "true"}))["items"][0]["type"] == kind
        if number == 1:
            done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": 1_000}))
            assert done(maya.get(f"{NOTIFICATIONS}/unread"))["unread"]["total"] == 0
        if what == "request" and number == 1:
            ends(maya, f"me/follow-requests/{willy.id}", "")
        else:
            ends(willy, where, verb)
        hears(maya)
    puts(willy, where, verb)
    flip = api.someone()
    puts(flip, where, verb)
    hears(maya, line(kind, flip, None if verb == "follow" else post))  # and nothing of willy's


def test_who_asked_was_let_in_and_left_is_announced_when_they_ask_again(api: Api) -> None:
    maya, willy = privately(api.someone()), api.someone()
    for _ in range(2):
        puts(willy, of(maya), "follow")
        hears(maya, line("follow_request", willy))
        puts(maya, f"me/follow-requests/{willy.id}", "")
        hears(maya)
        hears(willy, line("follow_accepted", maya))
        ends(willy, of(maya), "follow")
        hears(willy)


def test_who_was_blocked_and_asks_again_is_announced(api: Api) -> None:
    maya, willy = privately(api.someone()), api.someone()
    puts(willy, of(maya), "follow")
    hears(maya, line("follow_request", willy))
    puts(maya, of(willy), "block")
    hears(maya)
    ends(maya, of(willy), "block")
    puts(willy, of(maya), "follow")
    hears(maya, line("follow_request", willy))


def _assert_newest(member: Member, what: str) -> None:
    assert [kind for kind, _, _ in told(member)][-1:] == [what]


def test_who_is_blocked_or_muted_is_not_heard_of(api: Api) -> None:
    maya, willy, flip, thekla = (api.someone() for _ in range(4))
    post = maya.publishes()
    for other in (willy, flip, thekla):
        puts(other, of(maya), "follow")
        other.likes(post)
    hears(maya, *(line(what, who, *about) for who in (willy, flip, thekla) for what, *about in _both(post)))
    maya.likes(willy.publishes())
    eventually(lambda: _assert_newest(willy, "like"))

    puts(maya, of(willy), "block")  # what was told goes, on both sides
    puts(maya, of(flip), "mute")  # what was told stays

    for other in (flip, thekla):
        other.comments(post)
    expected = [line(what, who, *about) for who in (flip, thekla) for what, *about in _both(post)]
    eventually(lambda: _assert_newest(maya, "comment"))
    assert sorted(told(maya)[:-1], key=str) == sorted(expected, key=str)
    assert told(maya)[-1][1] == thekla.id
    hears(willy)


def _both(post: Json) -> list[tuple[Any, ...]]:
    return [("follow",), ("like", post)]


def test_nobody_is_told_of_a_post_that_they_may_not_see_or_what_they_do_not_want(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    puts(flip, of(maya), "follow")
    post = flip.publishes("for those who follow me", visibility="public")
    maya.likes(post)
    willy.likes(post)
    done(willy.put(PREFERENCES, json={"app": {"mention": False}}))

    edits(flip, post, f"once more for @{willy.username}")
    privately(flip)
    edits(flip, post, f"and for @{willy.username} as well")
    hears(willy, line("edit", flip, post))
    hears(maya, line("follow", flip))  # the first edit was told, and is hidden since


@pytest.mark.told_by("memory", "postgres")
def test_di7_what_an_account_did_and_was_told_goes_with_it(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    post, of_willy = maya.publishes(), willy.publishes(f"for @{maya.username}")
    puts(willy, of(maya), "follow")
    willy.likes(post)
    comment = willy.comments(post, f"with @{flip.username}")
    flip.likes(post)
    maya.likes(of_willy)
    hears(
        maya,
        line("mention", willy, of_willy),
        line("follow", willy),
        line("like", willy, post),
        line("comment", willy, comment),
        line("like", flip, post),
    )
    hears(flip, line("mention", willy, comment))

    done(willy.delete("/api/v1/me", params={"confirm": willy.username}), 204)

    hears(maya, line("like", flip, post))
    hears(flip)


@pytest.mark.scaled
def test_who_has_the_stream_open_hears_of_new_posts_at_home(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    puts(maya, of(willy), "follow")
    address = api.base_url.replace("http", "ws", 1) + "/api/v1/stream"
    with connect(address, additional_headers=maya.headers(), subprotocols=["waggle.v1"]) as stream:  # type: ignore[list-item]
        stream.send(json.dumps({"op": "hello"}))
        while json.loads(stream.recv(10))["op"] != "live":
            pass

        post = willy.publishes()

        while (frame := json.loads(stream.recv(10)))["op"] != "hint":
            pass
        assert frame == {"op": "hint", "hint": "home"}
        assert done(maya.get("/api/v1/feeds/home"))["items"][0]["id"] == post["id"]

"""The notifications that actions cause, and those that are retracted, over HTTP."""

import json
from typing import Any

import pytest
from websockets.sync.client import connect

from .client import Api, Json, Member, done, eventually, value_once

NOTIFICATIONS = "/api/v1/notifications"
PREFERENCES = "/api/v1/me/notification-preferences"

Notified = tuple[str, str, str | None]
"""Kind, actor and post of a notification."""


def notified(what: str, by: Member, post: Json | None = None) -> Notified:
    return what, by.id, post["id"] if post else None


def notifications_of(member: Member) -> list[Notified]:
    """The member's notifications, oldest first. Checks that the counters agree, given that nothing was read."""
    page = done(member.get(NOTIFICATIONS, params={"limit": 100}))
    notifications = [
        (item["type"], item["actor"]["id"], item["post"] and item["post"]["id"]) for item in page["items"]
    ]
    kinds = [what for what, _, _ in notifications]
    assert page["unread"] == {"total": len(kinds), "by_type": {kind: kinds.count(kind) for kind in kinds}}
    return notifications[::-1]


def has_exactly(member: Member, *notifications: Notified) -> bool:
    """Whether the member has exactly these notifications, in any order, at the latest after 45 seconds. Earlier events
    have been delivered by then."""
    expected = sorted(notifications, key=str)
    found = value_once(lambda: sorted(notifications_of(member), key=str), expected)
    print(f"expected: {expected}\nfound:    {found}")  # noqa: T201 - shown with a failure
    return found == expected


def put(member: Member, path: str, what: str, **params: Any) -> None:
    done(member.put(f"/api/v1/{path}/{what}".rstrip("/"), params=params))


def delete(member: Member, path: str, what: str) -> None:
    done(member.delete(f"/api/v1/{path}/{what}".rstrip("/")))


def user_path(member: Member) -> str:
    return f"users/{member.id}"


def post_path(post: Json) -> str:
    return f"posts/{post['id']}"


def make_private(member: Member) -> Member:
    done(member.patch("/api/v1/me", {"private": True}))
    return member


def edit(member: Member, post: Json, text: str) -> None:
    etag = member.get(f"/api/v1/{post_path(post)}").headers["etag"]
    done(member.patch(f"/api/v1/{post_path(post)}", {"text": text}, headers={"If-Match": etag}))


def test_each_action_on_a_post_notifies_once(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    post = maya.publishes(f"for @{flip.username}")
    willy.likes(post)
    put(willy, post_path(post), "repost")
    comment = willy.comments(post, f"@{maya.username} and @{flip.username} and @{willy.username}")
    maya.likes(post)  # own actions do not notify
    edit(maya, post, f"for @{flip.username} and @{willy.username}")

    assert has_exactly(
        maya,
        notified("like", willy, post),
        notified("repost", willy, post),
        notified("comment", willy, comment),  # and no mention, although the comment contains one
    )
    assert has_exactly(flip, notified("mention", maya, post), notified("mention", willy, comment))
    assert has_exactly(willy, notified("mention", maya, post), notified("edit", maya, post))


def test_follows_requests_and_acceptance_notify(api: Api) -> None:
    maya, willy, thekla = api.someone(), api.someone(), make_private(api.someone())
    put(willy, user_path(maya), "follow")
    assert has_exactly(maya, notified("follow", willy))
    delete(willy, user_path(maya), "follow")
    assert has_exactly(maya)

    put(willy, user_path(thekla), "follow")
    put(maya, user_path(thekla), "follow")
    assert has_exactly(thekla, notified("follow_request", willy), notified("follow_request", maya))
    done(thekla.put(f"/api/v1/me/follow-requests/{willy.id}"))
    delete(maya, user_path(thekla), "follow")
    assert has_exactly(willy, notified("follow_accepted", thekla))
    assert has_exactly(thekla)


def test_undone_actions_are_retracted(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    first, second = maya.publishes("first"), maya.publishes("second")
    for post in (first, second):
        willy.likes(post)
        flip.likes(post)
    put(willy, post_path(first), "repost")
    comment = willy.comments(second, f"see @{flip.username}")
    assert has_exactly(
        maya,
        *(notified("like", other, post) for other in (willy, flip) for post in (first, second)),
        notified("repost", willy, first),
        notified("comment", willy, comment),
    )
    assert has_exactly(flip, notified("mention", willy, comment))

    willy.unlikes(first)
    delete(willy, post_path(first), "repost")
    willy.removes(comment)
    maya.removes(second)

    assert has_exactly(maya, notified("like", flip, first))
    assert has_exactly(flip)
    flip.comments(first)
    eventually(lambda: _assert_newest(maya, "comment"))
    assert [what for what, by, _ in notifications_of(maya) if by == willy.id] == []


REPEATS_PER_DAY = 3


@pytest.mark.parametrize("what", ["like", "repost", "follow", "request"])
def test_repeated_actions_notify_again_a_few_times_a_day(api: Api, what: str) -> None:
    """One notification while the action lasts, and none after it was undone, whether it was read or not."""
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    if what == "request":
        make_private(maya)
    where, verb = (user_path(maya), "follow") if what in {"follow", "request"} else (post_path(post), what)
    kind = "follow_request" if what == "request" else what
    notification = notified(kind, willy, None if verb == "follow" else post)
    for number in range(REPEATS_PER_DAY):
        put(willy, where, verb)
        put(willy, where, verb)
        assert has_exactly(maya, notification)
        assert done(maya.get(NOTIFICATIONS, params={"grouped": "true"}))["items"][0]["type"] == kind
        if number == 1:
            done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": 1_000}))
            assert done(maya.get(f"{NOTIFICATIONS}/unread"))["unread"]["total"] == 0
        if what == "request" and number == 1:
            delete(maya, f"me/follow-requests/{willy.id}", "")
        else:
            delete(willy, where, verb)
        assert has_exactly(maya)
    put(willy, where, verb)
    flip = api.someone()
    put(flip, where, verb)
    assert has_exactly(maya, notified(kind, flip, None if verb == "follow" else post))  # none by willy


def test_a_new_request_after_an_unfollow_notifies_again(api: Api) -> None:
    maya, willy = make_private(api.someone()), api.someone()
    for _ in range(2):
        put(willy, user_path(maya), "follow")
        assert has_exactly(maya, notified("follow_request", willy))
        put(maya, f"me/follow-requests/{willy.id}", "")
        assert has_exactly(maya)
        assert has_exactly(willy, notified("follow_accepted", maya))
        delete(willy, user_path(maya), "follow")
        assert has_exactly(willy)


def test_a_new_request_after_a_block_notifies_again(api: Api) -> None:
    maya, willy = make_private(api.someone()), api.someone()
    put(willy, user_path(maya), "follow")
    assert has_exactly(maya, notified("follow_request", willy))
    put(maya, user_path(willy), "block")
    assert has_exactly(maya)
    delete(maya, user_path(willy), "block")
    put(willy, user_path(maya), "follow")
    assert has_exactly(maya, notified("follow_request", willy))


def _assert_newest(member: Member, what: str) -> None:
    assert [kind for kind, _, _ in notifications_of(member)][-1:] == [what]


def test_blocked_and_muted_accounts_do_not_notify(api: Api) -> None:
    maya, willy, flip, thekla = (api.someone() for _ in range(4))
    post = maya.publishes()
    for other in (willy, flip, thekla):
        put(other, user_path(maya), "follow")
        other.likes(post)
    assert has_exactly(
        maya,
        *(
            notified(what, other, *about)
            for other in (willy, flip, thekla)
            for what, *about in follow_and_like(post)
        ),
    )
    maya.likes(willy.publishes())
    eventually(lambda: _assert_newest(willy, "like"))

    put(maya, user_path(willy), "block")  # retracts notifications of both users
    put(maya, user_path(flip), "mute")  # retracts nothing

    for other in (flip, thekla):
        other.comments(post)
    expected = [
        notified(what, other, *about) for other in (flip, thekla) for what, *about in follow_and_like(post)
    ]
    eventually(lambda: _assert_newest(maya, "comment"))
    assert sorted(notifications_of(maya)[:-1], key=str) == sorted(expected, key=str)
    assert notifications_of(maya)[-1][1] == thekla.id
    assert has_exactly(willy)


def follow_and_like(post: Json) -> list[tuple[Any, ...]]:
    return [("follow",), ("like", post)]


def test_hidden_posts_and_unwanted_kinds_do_not_notify(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    put(flip, user_path(maya), "follow")
    post = flip.publishes("for those who follow me", visibility="public")
    maya.likes(post)
    willy.likes(post)
    done(willy.put(PREFERENCES, json={"app": {"mention": False}}))

    edit(flip, post, f"once more for @{willy.username}")
    make_private(flip)
    edit(flip, post, f"and for @{willy.username} as well")
    assert has_exactly(willy, notified("edit", flip, post))
    assert has_exactly(maya, notified("follow", flip))  # the notification of the first edit is hidden since


@pytest.mark.short_run_shapes("memory", "postgres")
def test_deleting_an_account_removes_notifications_by_it_and_for_it(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    post, of_willy = maya.publishes(), willy.publishes(f"for @{maya.username}")
    put(willy, user_path(maya), "follow")
    willy.likes(post)
    comment = willy.comments(post, f"with @{flip.username}")
    flip.likes(post)
    maya.likes(of_willy)
    assert has_exactly(
        maya,
        notified("mention", willy, of_willy),
        notified("follow", willy),
        notified("like", willy, post),
        notified("comment", willy, comment),
        notified("like", flip, post),
    )
    assert has_exactly(flip, notified("mention", willy, comment))

    done(willy.delete("/api/v1/me", params={"confirm": willy.username}), 204)

    assert has_exactly(maya, notified("like", flip, post))
    assert has_exactly(flip)


@pytest.mark.scaled
def test_an_open_stream_gets_a_hint_about_new_posts_in_the_home_feed(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    put(maya, user_path(willy), "follow")
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

"""What one was told, as it is listed, counted, read and dismissed."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .client import Api, Json, Member, done, eventually, field_errors, refused
from .conftest import SHAPES, a_waggle

NOTIFICATIONS = "/api/v1/notifications"
PREFERENCES = "/api/v1/me/notification-preferences"
KINDS = (
    "like",
    "repost",
    "comment",
    "mention",
    "follow",
    "follow_request",
    "follow_accepted",
    "edit",
    "media_ready",
    "media_failed",
)
NEVER_SEEN = 10**6


def asked(member: Member, path: str = NOTIFICATIONS, **params: Any) -> Json:
    return done(member.get(path, params=params))


def test_who_was_told_nothing_has_an_empty_list_that_says_where_to_go_on(api: Api) -> None:
    maya = api.someone()
    page = asked(maya)
    unread: Json = {"total": 0, "by_type": {}}
    assert page == {
        "view": "list",
        "items": [],
        "next": None,
        "prev": None,
        "epoch": page["epoch"],
        "seq": 0,
        "floor": 1,
        "read": 0,
        "unread": unread,
    }
    state = {"epoch": page["epoch"], "seq": 0, "read": 0, "unread": unread}
    assert asked(maya, f"{NOTIFICATIONS}/unread") == state
    assert done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": NEVER_SEEN})) == state
    assert asked(maya, after=0, epoch=page["epoch"]) == {
        "view": "news",
        "recovered": True,
        **state,
        "floor": 1,
        "items": [],
        "more": False,
    }
    done(maya.delete(NOTIFICATIONS), 204)
    refused(maya.delete(f"{NOTIFICATIONS}/1"), 404, "notification_not_found")
    assert asked(maya) == page


def told(member: Member, total: int) -> None:
    """Wait until so many are unread: what others do is told a moment later."""

    def there() -> None:
        assert asked(member, f"{NOTIFICATIONS}/unread")["unread"]["total"] == total

    eventually(there)


def follows(who: Member, whom: Member) -> None:
    done(who.put(f"/api/v1/users/{whom.id}/follow"))


@dataclass
class Community:
    """Maya, who was told of two likes, a follower, a comment and a third like, in this order."""

    maya: Member
    others: list[Member]
    post: Json
    comment: Json


@pytest.fixture
def community(api: Api) -> Community:
    maya, *others = (api.someone() for _ in range(4))
    post = maya.publishes()
    others[0].likes(post)
    told(maya, 1)
    others[1].likes(post)
    told(maya, 2)
    follows(others[0], maya)
    told(maya, 3)
    comment = others[1].comments(post)
    told(maya, 4)
    others[2].likes(post)
    told(maya, 5)
    return Community(maya, others, post, comment)


def seqs(items: list[Json]) -> list[int]:
    return [item["seq"] for item in items]


def test_what_was_told_is_listed_newest_first_with_who_did_it_and_to_what(community: Community) -> None:
    maya, others = community.maya, community.others
    page = asked(maya)
    assert [(one["seq"], one["type"], one["actor"]["id"], one["read"]) for one in page["items"]] == [
        (5, "like", others[2].id, False),
        (4, "comment", others[1].id, False),
        (3, "follow", others[0].id, False),
        (2, "like", others[1].id, False),
        (1, "like", others[0].id, False),
    ]
    assert [one["post"] and one["post"]["id"] for one in page["items"]] == [
        community.post["id"],
        community.comment["id"],
        None,
        community.post["id"],
        community.post["id"],
    ]
    assert page["items"][1]["post"] == maya.reads(community.comment)
    assert page["unread"] == {"total": 5, "by_type": {"like": 3, "comment": 1, "follow": 1}}
    assert (page["seq"], page["floor"], page["read"]) == (5, 1, 0)
    assert seqs(asked(maya, kinds="follow,like")["items"]) == [5, 3, 2, 1]


def test_likes_of_one_post_are_a_group(community: Community) -> None:
    groups = asked(community.maya, grouped="true")["items"]
    assert [(one["seq"], one["oldest"], one["count"], one["type"]) for one in groups] == [
        (5, 1, 3, "like"),
        (4, 4, 1, "comment"),
        (3, 3, 1, "follow"),
    ]
    assert [one["id"] for one in groups[0]["actors"]] == [one.id for one in reversed(community.others)]
    assert groups[0]["post"]["id"] == community.post["id"]


@pytest.mark.parametrize(
    ("params", "expected"), [({}, [5, 4, 3, 2, 1]), ({"grouped": "true", "kinds": "like,follow"}, [5, 3])]
)
def test_pages_lead_both_ways_and_their_links_repeat_what_was_asked(
    community: Community, params: Json, expected: list[int]
) -> None:
    maya, found = community.maya, []
    page = asked(maya, limit=1, **params)
    for towards in ("next", "prev"):
        found += seqs(page["items"])
        while page[towards] is not None:
            page = asked(maya, limit=1, cursor=page[towards], **params)
            found += seqs(page["items"])
    assert found == [*expected, expected[-1], *expected[-2::-1]]
    link = maya.get(NOTIFICATIONS, params={"limit": 1, **params}).headers["link"]
    following = link[link.index("/api/v1/") : link.index(">")]
    assert seqs(done(maya.get(following))["items"]) == expected[1:2]
    refused(community.others[0].get(following), 400, "cursor_invalid")


def test_the_marker_goes_forward_only_and_other_devices_hear_of_it_once(community: Community) -> None:
    maya = community.maya
    marked = done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": 3}))
    assert (marked["read"], marked["seq"]) == (3, 6)
    assert marked["unread"] == {"total": 2, "by_type": {"like": 1, "comment": 1}}
    for seq in (1, 3, 0):
        assert done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": seq})) == marked
    assert [one["read"] for one in asked(maya)["items"]] == [False, False, True, True, True]
    news = asked(maya, after=5, epoch=marked["epoch"])
    assert [(one["seq"], one["type"], one["data"]) for one in news["items"]] == [(6, "read", {"seq": 3})]
    assert done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": 2**53}))["read"] == 5
    assert asked(maya, f"{NOTIFICATIONS}/unread")["unread"] == {"total": 0, "by_type": {}}


def test_what_is_dismissed_or_not_to_be_seen_any_more_is_gone_everywhere(community: Community) -> None:
    maya, others = community.maya, community.others
    for _ in range(2):
        done(maya.delete(f"{NOTIFICATIONS}/4"), 204)
    done(maya.put(f"/api/v1/users/{others[0].id}/block"))
    told(maya, 2)
    page = asked(maya)
    assert (seqs(page["items"]), page["unread"]) == ([5, 2], {"total": 2, "by_type": {"like": 2}})
    (group,) = asked(maya, grouped="true")["items"]
    assert (group["count"], [one["id"] for one in group["actors"]]) == (2, [others[2].id, others[1].id])
    assert applied(news(maya)) == listed(maya)
    refused(maya.delete(f"{NOTIFICATIONS}/{page['seq']}"), 404, "notification_not_found")
    refused(maya.delete(f"{NOTIFICATIONS}/{NEVER_SEEN}"), 404, "notification_not_found")
    refused(maya.delete(f"{NOTIFICATIONS}/x"), 404, "notification_not_found")
    done(maya.delete(NOTIFICATIONS), 204)
    page = asked(maya)
    assert (page["items"], page["unread"]["total"]) == ([], 0)


def news(member: Member, limit: int = 100) -> list[Json]:
    """All that the stream ever held, asked for in pieces."""
    events: list[Json] = []
    while True:
        piece = asked(member, after=len(events), limit=limit)
        assert piece["recovered"]
        events += piece["items"]
        assert seqs(events) == [*range(1, piece["seq"] + 1)]
        if not piece["more"]:
            return events


def applied(events: list[Json]) -> dict[int, tuple[str, str, bool]]:
    """What a client shows who has heard all of it."""
    shown: dict[int, tuple[str, str]] = {}
    read = 0
    for event in events:
        match event["type"]:
            case "read":
                read = event["data"]["seq"]
            case "removed":
                for seq in event["data"]["seqs"]:
                    shown.pop(seq, None)
            case "void":
                assert event["data"] == {}
            case kind:
                shown[event["seq"]] = kind, event["data"]["actor"]["id"]
    return {seq: (*what, seq <= read) for seq, what in shown.items()}


def listed(member: Member) -> dict[int, tuple[str, str, bool]]:
    return {one["seq"]: (one["type"], one["actor"]["id"], one["read"]) for one in member.walks(NOTIFICATIONS)}


def test_counters_are_exact_whatever_happens_at_once(api: Api) -> None:
    """And who has followed the stream shows what the list shows."""
    maya, *others = (api.someone() for _ in range(4))
    posts = [maya.publishes(f"number {number}") for number in range(8)]

    def likes(other: Member) -> None:
        for number, post in enumerate(posts):
            other.likes(post)
            if number % 3 == 0:
                other.unlikes(post)
            if number % 4 == 0:
                other.comments(post)

    def reads() -> None:
        for _ in range(12):
            state = asked(maya, f"{NOTIFICATIONS}/unread")
            done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": max(state["seq"] - 3, 0)}))
            for item in asked(maya, limit=2)["items"]:
                assert maya.delete(f"{NOTIFICATIONS}/{item['seq']}").status_code == 204

    with ThreadPoolExecutor() as pool:
        for running in [*(pool.submit(likes, other) for other in others), pool.submit(reads)]:
            running.result()
    last = api.someone()
    follows(last, maya)  # of one who comes last is told last, or nearly

    def settled() -> None:
        assert "follow" in {what for what, _, _ in listed(maya).values()}
        state, shown = asked(maya, f"{NOTIFICATIONS}/unread"), listed(maya)
        kinds = Counter(what for what, _, read in shown.values() if not read)
        assert state["unread"] == {"total": kinds.total(), "by_type": dict(kinds)}
        assert applied(news(maya, 7)) == shown
        assert asked(maya, f"{NOTIFICATIONS}/unread") == state

    eventually(settled)


def test_a_number_that_the_stream_has_not_given_out_is_refused_and_one_of_another_epoch_recovers_nothing(
    api: Api,
) -> None:
    maya = api.someone()
    epoch = asked(maya)["epoch"]
    refused(maya.get(NOTIFICATIONS, params={"after": 1, "epoch": epoch}), 409, "stream_cursor_ahead")
    refused(maya.get(NOTIFICATIONS, params={"after": 1}), 409, "stream_cursor_ahead")
    lost = asked(maya, after=0, epoch="0" * 16)
    assert (lost["recovered"], lost["items"], lost["epoch"], lost["seq"]) == (False, [], epoch, 0)


def test_a_list_and_news_are_not_asked_for_at_once(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    for params in (
        {"after": "0", "kinds": "like"},
        {"after": "0", "grouped": "true"},
        {"after": "0", "cursor": "x"},
        {"epoch": "0" * 16},
        {"kinds": "like,"},
        {"kinds": "read"},
        {"kinds": ",".join([*KINDS, "like"])},
        {"after": "-1"},
        {"after": "one"},
        {"grouped": "2"},
    ):
        problem = refused(maya.get(NOTIFICATIONS, params=params), 400, "query_invalid")
        assert problem["errors"], params
    refused(willy.get(NOTIFICATIONS, params={"cursor": "bm90aGluZw"}), 400, "cursor_invalid")


def test_at_first_everything_is_told_in_the_app_and_changes_are_kept(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    first = {"app": dict.fromkeys(KINDS, True), "email": dict.fromkeys(KINDS, False)}
    assert asked(maya, PREFERENCES) == first
    done(maya.put(PREFERENCES, json={"app": {"like": False}}))
    changed = done(maya.put(PREFERENCES, json={"email": {"mention": True, "edit": None}, "app": {}}))
    assert changed == asked(maya, PREFERENCES)
    assert changed == {
        "app": first["app"] | {"like": False},
        "email": first["email"] | {"mention": True},
    }
    assert asked(willy, PREFERENCES) == first


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"sms": {}}, {"/sms": "unknown"}),
        ({"app": {"poke": True}}, {"/app/poke": "unknown"}),
        ({"app": {"like": "yes"}, "email": []}, {"/app/like": "type", "/email": "type"}),
    ],
)
def test_what_is_no_preference_is_refused(api: Api, body: Json, found: dict[str, str]) -> None:
    assert field_errors(api.someone().put(PREFERENCES, json=body)) == found


@pytest.mark.parametrize("seq", [-1, 2**53 + 1, "1", None, 1.5])
def test_what_is_no_number_of_a_stream_is_refused(api: Api, seq: object) -> None:
    assert field_errors(api.someone().put(f"{NOTIFICATIONS}/read", json={"seq": seq})) == {"/seq": "type"}


@pytest.mark.parametrize("shape", [one for one in SHAPES if one in {"embedded", "postgres"}] or ["none"])
def test_after_a_restore_no_number_of_before_means_anything(
    request: pytest.FixtureRequest, tmp_path: Path, shape: str
) -> None:
    if shape == "none":
        pytest.skip("in memory there is nothing to restore")
    with a_waggle(request, shape, tmp_path) as waggle:
        api = Api(waggle.base_url)
        maya = api.someone()
        before = asked(maya)
        renewed = waggle.command("streams", "renew")
        assert (renewed.returncode, renewed.stdout) == (0, "1 streams have a new epoch\n")
        after = asked(maya, after=0, epoch=before["epoch"])
        assert (after["recovered"], after["seq"]) == (False, 0)
        assert after["epoch"] != before["epoch"]
        assert asked(maya, after=0, epoch=after["epoch"])["recovered"]
        api.close()

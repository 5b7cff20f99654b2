"""Notifications over HTTP: lists, counters, the read marker, dismissal and preferences."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .client import Api, Json, Member, done, eventually, field_errors, refusal, refused
from .conftest import KEPT_DATA, SHAPES, a_waggle

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
BEYOND_THE_HEAD = 10**6


def get_json(member: Member, path: str = NOTIFICATIONS, **params: Any) -> Json:
    return done(member.get(path, params=params))


def test_a_new_user_has_an_empty_list_with_the_position_of_the_stream(api: Api) -> None:
    maya = api.someone()
    page = get_json(maya)
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
    assert get_json(maya, f"{NOTIFICATIONS}/unread") == state
    assert done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": BEYOND_THE_HEAD})) == state
    assert get_json(maya, after=0, epoch=page["epoch"]) == {
        "view": "news",
        "recovered": True,
        **state,
        "floor": 1,
        "items": [],
        "more": False,
    }
    done(maya.delete(NOTIFICATIONS), 204)
    assert refusal(maya.delete(f"{NOTIFICATIONS}/1")) == (404, "notification_not_found")
    assert get_json(maya) == page


def wait_for_unread(member: Member, total: int) -> None:
    """Wait for this number of unread notifications: they arrive shortly after the action."""

    def there() -> None:
        assert get_json(member, f"{NOTIFICATIONS}/unread")["unread"]["total"] == total

    eventually(there)


def follow(who: Member, whom: Member) -> None:
    done(who.put(f"/api/v1/users/{whom.id}/follow"))


@dataclass
class Scenario:
    """Maya has notifications of two likes, a follow, a comment and a third like, in this order."""

    maya: Member
    others: list[Member]
    post: Json
    comment: Json


@pytest.fixture
def scenario(api: Api) -> Scenario:
    maya, *others = (api.someone() for _ in range(4))
    post = maya.publishes()
    others[0].likes(post)
    wait_for_unread(maya, 1)
    others[1].likes(post)
    wait_for_unread(maya, 2)
    follow(others[0], maya)
    wait_for_unread(maya, 3)
    comment = others[1].comments(post)
    wait_for_unread(maya, 4)
    others[2].likes(post)
    wait_for_unread(maya, 5)
    return Scenario(maya, others, post, comment)


def seqs_of(items: list[Json]) -> list[int]:
    return [item["seq"] for item in items]


def test_notifications_are_listed_newest_first_with_actor_and_post(scenario: Scenario) -> None:
    maya, others = scenario.maya, scenario.others
    page = get_json(maya)
    assert [(one["seq"], one["type"], one["actor"]["id"], one["read"]) for one in page["items"]] == [
        (5, "like", others[2].id, False),
        (4, "comment", others[1].id, False),
        (3, "follow", others[0].id, False),
        (2, "like", others[1].id, False),
        (1, "like", others[0].id, False),
    ]
    assert [one["post"] and one["post"]["id"] for one in page["items"]] == [
        scenario.post["id"],
        scenario.comment["id"],
        None,
        scenario.post["id"],
        scenario.post["id"],
    ]
    assert page["items"][1]["post"] == maya.reads(scenario.comment)
    assert page["unread"] == {"total": 5, "by_type": {"like": 3, "comment": 1, "follow": 1}}
    assert (page["seq"], page["floor"], page["read"]) == (5, 1, 0)
    assert seqs_of(get_json(maya, kinds="follow,like")["items"]) == [5, 3, 2, 1]


def test_likes_of_one_post_are_grouped(scenario: Scenario) -> None:
    groups = get_json(scenario.maya, grouped="true")["items"]
    assert [(one["seq"], one["oldest"], one["count"], one["type"]) for one in groups] == [
        (5, 1, 3, "like"),
        (4, 4, 1, "comment"),
        (3, 3, 1, "follow"),
    ]
    assert [one["id"] for one in groups[0]["actors"]] == [one.id for one in reversed(scenario.others)]
    assert groups[0]["post"]["id"] == scenario.post["id"]


@pytest.mark.parametrize(
    ("params", "expected"), [({}, [5, 4, 3, 2, 1]), ({"grouped": "true", "kinds": "like,follow"}, [5, 3])]
)
def test_pages_lead_in_both_directions_and_links_keep_the_parameters(
    scenario: Scenario, params: Json, expected: list[int]
) -> None:
    maya, found = scenario.maya, []
    page = get_json(maya, limit=1, **params)
    for towards in ("next", "prev"):
        found += seqs_of(page["items"])
        while page[towards] is not None:
            page = get_json(maya, limit=1, cursor=page[towards], **params)
            found += seqs_of(page["items"])
    assert found == [*expected, expected[-1], *expected[-2::-1]]
    link = maya.get(NOTIFICATIONS, params={"limit": 1, **params}).headers["link"]
    following = link[link.index("/api/v1/") : link.index(">")]
    assert seqs_of(done(maya.get(following))["items"]) == expected[1:2]
    assert refusal(scenario.others[0].get(following)) == (400, "cursor_invalid")


def test_the_read_marker_moves_forward_only_and_adds_one_entry(scenario: Scenario) -> None:
    maya = scenario.maya
    marked = done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": 3}))
    assert (marked["read"], marked["seq"]) == (3, 6)
    assert marked["unread"] == {"total": 2, "by_type": {"like": 1, "comment": 1}}
    for seq in (1, 3, 0):
        assert done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": seq})) == marked
    assert [one["read"] for one in get_json(maya)["items"]] == [False, False, True, True, True]
    read_news = get_json(maya, after=5, epoch=marked["epoch"])
    assert [(one["seq"], one["type"], one["data"]) for one in read_news["items"]] == [(6, "read", {"seq": 3})]
    assert done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": 2**53}))["read"] == 5
    assert get_json(maya, f"{NOTIFICATIONS}/unread")["unread"] == {"total": 0, "by_type": {}}


def test_dismissed_and_hidden_notifications_are_removed_everywhere(scenario: Scenario) -> None:
    maya, others = scenario.maya, scenario.others
    for _ in range(2):
        done(maya.delete(f"{NOTIFICATIONS}/4"), 204)
    done(maya.put(f"/api/v1/users/{others[0].id}/block"))
    wait_for_unread(maya, 2)
    page = get_json(maya)
    assert (seqs_of(page["items"]), page["unread"]) == ([5, 2], {"total": 2, "by_type": {"like": 2}})
    (group,) = get_json(maya, grouped="true")["items"]
    assert (group["count"], [one["id"] for one in group["actors"]]) == (2, [others[2].id, others[1].id])
    assert apply_events(read_news(maya)) == list_items(maya)
    assert refusal(maya.delete(f"{NOTIFICATIONS}/{page['seq']}")) == (404, "notification_not_found")
    assert refusal(maya.delete(f"{NOTIFICATIONS}/{BEYOND_THE_HEAD}")) == (404, "notification_not_found")
    assert refusal(maya.delete(f"{NOTIFICATIONS}/x")) == (404, "notification_not_found")
    done(maya.delete(NOTIFICATIONS), 204)
    page = get_json(maya)
    assert (page["items"], page["unread"]["total"]) == ([], 0)


def read_news(member: Member, limit: int = 100) -> list[Json]:
    """All entries of the stream, polled in batches."""
    events: list[Json] = []
    while True:
        piece = get_json(member, after=len(events), limit=limit)
        assert piece["recovered"]
        events += piece["items"]
        assert seqs_of(events) == [*range(1, piece["seq"] + 1)]
        if not piece["more"]:
            return events


def apply_events(events: list[Json]) -> dict[int, tuple[str, str, bool]]:
    """The notifications that a client shows after applying all entries."""
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


def list_items(member: Member) -> dict[int, tuple[str, str, bool]]:
    return {
        one["seq"]: (one["type"], one["actor"]["id"], one["read"]) for one in member.all_items(NOTIFICATIONS)
    }


def test_counters_are_exact_after_concurrent_changes(api: Api) -> None:
    """A client that has applied the whole stream shows what the list contains."""
    maya, *others = (api.someone() for _ in range(4))
    posts = [maya.publishes(f"number {number}") for number in range(8)]

    def like_and_comment(other: Member) -> None:
        for number, post in enumerate(posts):
            other.likes(post)
            if number % 3 == 0:
                other.unlikes(post)
            if number % 4 == 0:
                other.comments(post)

    def mark_and_dismiss() -> None:
        for _ in range(12):
            state = get_json(maya, f"{NOTIFICATIONS}/unread")
            done(maya.put(f"{NOTIFICATIONS}/read", json={"seq": max(state["seq"] - 3, 0)}))
            for item in get_json(maya, limit=2)["items"]:
                assert maya.delete(f"{NOTIFICATIONS}/{item['seq']}").status_code == 204

    with ThreadPoolExecutor() as pool:
        for running in [
            *(pool.submit(like_and_comment, other) for other in others),
            pool.submit(mark_and_dismiss),
        ]:
            running.result()
    last = api.someone()
    follow(last, maya)  # this notification is probably the last one

    def settled() -> None:
        assert "follow" in {what for what, _, _ in list_items(maya).values()}
        state, shown = get_json(maya, f"{NOTIFICATIONS}/unread"), list_items(maya)
        kinds = Counter(what for what, _, read in shown.values() if not read)
        assert state["unread"] == {"total": kinds.total(), "by_type": dict(kinds)}
        assert apply_events(read_news(maya, 7)) == shown
        assert get_json(maya, f"{NOTIFICATIONS}/unread") == state

    eventually(settled)


def test_a_number_beyond_the_head_is_refused_and_one_of_another_epoch_is_not_recovered(
    api: Api,
) -> None:
    maya = api.someone()
    epoch = get_json(maya)["epoch"]
    for ahead in ({"after": 1, "epoch": epoch}, {"after": 1}):
        assert refusal(maya.get(NOTIFICATIONS, params=ahead)) == (409, "stream_cursor_ahead")
    lost = get_json(maya, after=0, epoch="0" * 16)
    assert (lost["recovered"], lost["items"], lost["epoch"], lost["seq"]) == (False, [], epoch, 0)


def test_parameters_of_lists_and_news_cannot_be_combined(api: Api) -> None:
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
    assert refusal(willy.get(NOTIFICATIONS, params={"cursor": "bm90aGluZw"})) == (400, "cursor_invalid")


def test_preferences_default_to_the_app_only_and_changes_are_stored(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    first = {"app": dict.fromkeys(KINDS, True), "email": dict.fromkeys(KINDS, False)}
    assert get_json(maya, PREFERENCES) == first
    done(maya.put(PREFERENCES, json={"app": {"like": False}}))
    changed = done(maya.put(PREFERENCES, json={"email": {"mention": True, "edit": None}, "app": {}}))
    assert changed == get_json(maya, PREFERENCES)
    assert changed == {
        "app": first["app"] | {"like": False},
        "email": first["email"] | {"mention": True},
    }
    assert get_json(willy, PREFERENCES) == first


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"sms": {}}, {"/sms": "unknown"}),
        ({"app": {"poke": True}}, {"/app/poke": "unknown"}),
        ({"app": {"like": "yes"}, "email": []}, {"/app/like": "type", "/email": "type"}),
    ],
)
def test_invalid_preferences_are_refused(api: Api, body: Json, found: dict[str, str]) -> None:
    assert field_errors(api.someone().put(PREFERENCES, json=body)) == found


@pytest.mark.parametrize("seq", [-1, 2**53 + 1, "1", None, 1.5])
def test_invalid_sequence_numbers_are_refused(api: Api, seq: object) -> None:
    assert field_errors(api.someone().put(f"{NOTIFICATIONS}/read", json={"seq": seq})) == {"/seq": "type"}


@pytest.mark.parametrize("shape", [one for one in SHAPES if one in {"embedded", "postgres"}] or ["none"])
def test_renewing_streams_invalidates_earlier_numbers(
    request: pytest.FixtureRequest, tmp_path: Path, shape: str
) -> None:
    if shape == "none":
        pytest.skip(KEPT_DATA)
    with a_waggle(request, shape, tmp_path) as waggle:
        api = Api(waggle.base_url)
        maya = api.someone()
        before = get_json(maya)
        renewed = waggle.command("streams", "renew")
        assert (renewed.returncode, renewed.stdout) == (0, "1 streams have a new epoch\n")
        after = get_json(maya, after=0, epoch=before["epoch"])
        assert (after["recovered"], after["seq"]) == (False, 0)
        assert after["epoch"] != before["epoch"]
        assert get_json(maya, after=0, epoch=after["epoch"])["recovered"]
        api.close()

"""Following, asking to follow, blocking and muting, and the lists of people."""

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from .client import Api, Json, Member, Visitor, done, eventually, refused
from .load import ask, at_once, register_members

NOTHING: Json = {
    "following": False,
    "requested": False,
    "followed_by": False,
    "requested_by": False,
    "blocking": False,
    "blocked_by": False,
    "muting": False,
    "muted_until": None,
}


def to(other: Member, **ties: Any) -> Json:
    return {"id": other.id, **NOTHING, **ties}


def puts(member: Member, what: str, other: Member, **params: Any) -> Json:
    return done(member.put(f"/api/v1/users/{other.id}/{what}", params=params))


def ends(member: Member, what: str, other: Member) -> Json:
    return done(member.delete(f"/api/v1/users/{other.id}/{what}"))


def relationship(member: Member, other: Member) -> Json:
    (found,) = done(member.get("/api/v1/relationships", params={"ids": other.id}))["items"]
    assert done(member.get(f"/api/v1/users/{other.id}"))["relationship"] == found
    result: Json = found
    return result


def counts(viewer: Visitor, of: Member) -> tuple[int, int]:
    found = done(viewer.get(f"/api/v1/users/{of.id}"))["counts"]
    return found["followers"], found["following"]


def names(viewer: Visitor, of: Member, what: str, limit: int = 100) -> list[str]:
    return [item["username"] for item in viewer.walks(f"/api/v1/users/{of.id}/{what}", limit)]


def a_private_one(api: Api) -> Member:
    member = api.someone()
    done(member.patch("/api/v1/me", {"private": True}))
    return member


def test_di1_following_and_its_end_are_safe_to_repeat(api: Api) -> None:
    maya, willy = api.someone(), api.someone()

    assert [puts(maya, "follow", willy) for _ in range(2)] == [to(willy, following=True)] * 2
    assert (counts(api.nobody, willy), counts(api.nobody, maya)) == ((1, 0), (0, 1))
    assert relationship(willy, maya) == to(maya, followed_by=True)
    assert done(willy.get("/api/v1/me"))["counts"]["followers"] == 1
    assert [ends(maya, "follow", willy) for _ in range(2)] == [to(willy)] * 2
    assert (counts(api.nobody, willy), counts(api.nobody, maya)) == ((0, 0), (0, 0))


def test_a_stranger_s_profile_has_no_relationship_nor_has_one_s_own(api: Api) -> None:
    maya = api.someone()

    assert "relationship" not in done(api.nobody.get(f"/api/v1/users/{maya.id}"))
    assert "relationship" not in done(maya.get(f"/api/v1/users/{maya.id}"))


def test_an_etag_changes_with_the_relationship_and_the_counts(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    path = f"/api/v1/users/{willy.id}"
    tag = maya.get(path).headers["etag"]
    unchanged = maya.get(path, headers={"If-None-Match": tag}).status_code
    puts(maya, "mute", willy)
    muted = maya.get(path, headers={"If-None-Match": tag})
    puts(maya, "follow", willy)

    assert (unchanged, muted.status_code) == (304, 200)
    assert maya.get(path, headers={"If-None-Match": muted.headers["etag"]}).status_code == 200


@pytest.mark.parametrize("what", ["follow", "block", "mute"])
def test_nobody_does_it_to_themselves_or_to_nobody(api: Api, what: str) -> None:
    maya = api.someone()
    for method in ("PUT", "DELETE"):
        refused(maya.request(method, f"/api/v1/users/{maya.id}/{what}"), 409, "not_oneself")
        refused(maya.request(method, f"/api/v1/users/1/{what}"), 404, "user_not_found")
        refused(maya.request(method, f"/api/v1/users/x/{what}"), 404, "user_not_found")
        refused(api.nobody.request(method, f"/api/v1/users/{maya.id}/{what}"), 401, "token_missing")


def test_a_private_account_is_asked_and_answers(api: Api) -> None:
    private, maya, willy = a_private_one(api), api.someone(), api.someone()

    assert puts(maya, "follow", private) == to(private, requested=True)
    assert puts(willy, "follow", private) == to(private, requested=True)
    assert counts(maya, private) == (0, 0)
    requests = [item["username"] for item in private.walks("/api/v1/me/follow-requests", 1)]
    assert requests == [willy.username, maya.username]
    path = f"/api/v1/me/follow-requests/{maya.id}"
    assert [done(private.put(path)) for _ in range(2)] == [to(maya, followed_by=True)] * 2
    path = f"/api/v1/me/follow-requests/{willy.id}"
    assert [done(private.delete(path)) for _ in range(2)] == [to(willy)] * 2
    refused(private.put(path), 404, "follow_request_not_found")
    assert private.walks("/api/v1/me/follow-requests") == []
    assert relationship(maya, private) == to(private, following=True)
    assert relationship(willy, private) == to(private)
    assert counts(maya, private) == (1, 0)


def test_a_request_can_be_taken_back(api: Api) -> None:
    private, maya = a_private_one(api), api.someone()
    puts(maya, "follow", private)

    assert ends(maya, "follow", private) == to(private)
    assert private.walks("/api/v1/me/follow-requests") == []


def test_requests_are_accepted_when_the_account_opens(api: Api) -> None:
    private, maya = a_private_one(api), api.someone()
    puts(maya, "follow", private)
    done(private.patch("/api/v1/me", {"private": False}))

    def follows() -> None:
        assert relationship(maya, private) == to(private, following=True)

    eventually(follows)
    assert counts(api.nobody, private) == (1, 0)


def test_a_follow_right_after_the_account_went_private_is_a_request(api: Api) -> None:
    private, maya = api.someone(), api.someone()
    done(maya.get(f"/api/v1/users/{private.id}"))
    done(private.patch("/api/v1/me", {"private": True}))

    assert puts(maya, "follow", private) == to(private, requested=True)


def test_a_follower_is_removed(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    puts(willy, "follow", maya)
    path = f"/api/v1/me/followers/{willy.id}"

    assert [done(maya.delete(path)) for _ in range(2)] == [to(willy)] * 2
    assert relationship(willy, maya) == to(maya)
    assert counts(api.nobody, maya) == (0, 0)


def test_a_block_ends_following_both_ways_and_keeps_it_ended(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    puts(maya, "follow", willy)
    puts(willy, "follow", maya)

    assert [puts(maya, "block", willy) for _ in range(2)] == [to(willy, blocking=True)] * 2
    assert relationship(willy, maya) == to(maya, blocked_by=True)
    assert counts(api.nobody, maya) == counts(api.nobody, willy) == (0, 0)
    refused(willy.put(f"/api/v1/users/{maya.id}/follow"), 403, "blocked")
    refused(maya.put(f"/api/v1/users/{willy.id}/follow"), 409, "blocking")
    assert [item["username"] for item in maya.walks("/api/v1/me/blocks")] == [willy.username]
    assert willy.walks("/api/v1/me/blocks") == []
    assert ends(maya, "block", willy) == to(willy)
    assert puts(willy, "follow", maya) == to(maya, following=True)


def test_a_mute_is_known_to_one_only_and_can_have_an_end(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    before = time.time()
    muted = puts(maya, "mute", willy, duration=60)

    assert muted == to(willy, muting=True, muted_until=muted["muted_until"])
    assert time.strftime("%Y-%m-%dT%H:%M", time.gmtime(before + 60)) <= muted["muted_until"]
    assert relationship(willy, maya) == to(maya)
    assert puts(maya, "follow", willy) == {**muted, "following": True}
    assert puts(maya, "mute", willy) == to(willy, muting=True, following=True)
    assert [item["username"] for item in maya.walks("/api/v1/me/mutes")] == [willy.username]
    assert [ends(maya, "mute", willy) for _ in range(2)] == [to(willy, following=True)] * 2
    assert maya.walks("/api/v1/me/mutes") == []


@pytest.mark.parametrize("duration", ["0", "59", "31536001", "-1", "x", "1.5", ""])
def test_a_mute_lasts_from_a_minute_to_a_year(api: Api, duration: str) -> None:
    maya, willy = api.someone(), api.someone()

    refused(maya.put(f"/api/v1/users/{willy.id}/mute", params={"duration": duration}), 400, "query_invalid")
    assert relationship(maya, willy) == to(willy)


def test_people_are_listed_the_newest_first_page_by_page(api: Api) -> None:
    star, *fans = register_members(api, 8)
    for fan in fans:
        puts(fan, "follow", star)
        puts(star, "follow", fan)
    newest = [fan.username for fan in reversed(fans)]

    for limit in (1, 3, 7, 100):
        assert names(api.nobody, star, "followers", limit) == newest
        assert names(fans[0], star, "following", limit) == newest
    (*_, last) = api.nobody.pages(f"/api/v1/users/{star.id}/followers", 3)
    back = api.nobody.walks(f"/api/v1/users/{star.id}/followers", 2, "prev", last["prev"])
    assert {item["username"] for item in back} == set(newest[:6])
    assert set(last["items"][0]) == {"id", "username", "display_name", "avatar_url"}


def test_lists_leave_out_whom_one_blocks_and_are_full_all_the_same(api: Api) -> None:
    star, viewer, *fans = register_members(api, 8)
    for fan in fans:
        puts(fan, "follow", star)
    puts(viewer, "block", fans[-1])
    puts(fans[-3], "block", viewer)
    puts(viewer, "mute", fans[-2])
    page = done(viewer.get(f"/api/v1/users/{star.id}/followers", params={"limit": 3}))

    expected = [fans[-2].username, fans[-4].username, fans[-5].username]
    assert [item["username"] for item in page["items"]] == expected
    assert len(names(api.nobody, star, "followers")) == 6


@pytest.mark.parametrize("what", ["followers", "following"])
def test_az2_a_private_account_shows_its_people_to_its_followers_only(api: Api, what: str) -> None:
    private, follower, asking = a_private_one(api), api.someone(), api.someone()
    path = f"/api/v1/users/{private.id}/{what}"
    for one in (follower, asking):
        puts(one, "follow", private)
    done(private.put(f"/api/v1/me/follow-requests/{follower.id}"))

    for viewer in (api.nobody, api.someone(), asking):
        refused(viewer.get(path), 403, "account_private")
    expected = [follower.username] if what == "followers" else []
    assert names(follower, private, what) == names(private, private, what) == expected
    done(private.delete(f"/api/v1/me/followers/{follower.id}"))
    refused(follower.get(path), 403, "account_private")


def test_a_batch_of_relationships_is_in_the_order_asked_for(api: Api) -> None:
    maya, *others = register_members(api, 4)
    puts(maya, "follow", others[0])
    puts(others[1], "follow", maya)
    asked = f"{others[2].id},1,{maya.id},{others[1].id},{others[0].id},{others[2].id}"
    found = done(maya.get("/api/v1/relationships", params={"ids": asked}))["items"]

    assert found == [to(others[2]), to(others[1], followed_by=True), to(others[0], following=True)]
    for bad in ("", "x", "1,,2", ",".join(["1"] * 101), "99999999999999999999"):
        refused(maya.get("/api/v1/relationships", params={"ids": bad}), 400, "query_invalid")


def test_a_cursor_of_one_s_own_list_is_of_no_use_to_another(api: Api) -> None:
    maya, willy, *others = register_members(api, 4)
    for member in (maya, willy):
        for other in others:
            puts(member, "block", other)
    cursor = done(maya.get("/api/v1/me/blocks", params={"limit": 1}))["next"]

    refused(willy.get("/api/v1/me/blocks", params={"limit": 1, "cursor": cursor}), 400, "cursor_invalid")


def test_a_deleted_account_is_in_no_list_and_no_count(api: Api) -> None:
    maya, leaver = api.someone(), api.someone()
    puts(maya, "follow", leaver)
    puts(leaver, "follow", maya)
    done(leaver.delete("/api/v1/me", params={"confirm": leaver.username}), 204)

    def gone() -> None:
        assert counts(api.nobody, maya) == (0, 0)

    eventually(gone)
    assert names(api.nobody, maya, "followers") == names(api.nobody, maya, "following") == []
    assert done(maya.get("/api/v1/relationships", params={"ids": leaver.id}))["items"] == []
    refused(maya.put(f"/api/v1/users/{leaver.id}/follow"), 404, "user_not_found")


def test_di6_storms_in_opposite_directions_end_in_a_legal_state(api: Api, chance: random.Random) -> None:
    people = register_members(api, 4)
    storm(people, chance, lambda work: at_once(api.base_url, work, connections=20))
    check_legal(people)


def test_di6_storms_through_two_processes_end_in_a_legal_state(
    apis: list[Api], chance: random.Random
) -> None:
    people = register_members(apis[0], 4)

    def both(work: Any) -> None:
        bases = {waggle.base_url for waggle in apis}
        at_once(
            apis[0].base_url, lambda http: [one for base in bases for one in work(http, base)], connections=20
        )

    storm(people, chance, both)
    check_legal(people)


def storm(people: list[Member], chance: random.Random, run: Callable[[Any], object]) -> None:
    deeds: list[tuple[str, str, Member, Member]] = []
    for _ in range(80):
        member, other = chance.sample(people, 2)
        what = chance.choice(["follow", "follow", "block"])
        deeds.append((chance.choice(["PUT", "PUT", "DELETE"]), what, member, other))

    def work(http: Any, base: str = "") -> list[Any]:
        return [
            ask(http, method, f"{base}/api/v1/users/{other.id}/{what}", by=member)
            for method, what, member, other in deeds
        ]

    run(work)


def check_legal(people: list[Member]) -> None:
    for one in people:
        others = ",".join(other.id for other in people if other is not one)
        ties = done(one.get("/api/v1/relationships", params={"ids": others}))["items"]
        for tie in ties:
            if tie["blocking"] or tie["blocked_by"]:
                assert {tie["following"], tie["followed_by"]} == {False}, tie
        assert counts(one, one) == (
            sum(tie["followed_by"] for tie in ties),
            sum(tie["following"] for tie in ties),
        )


def test_az4_a_block_in_one_process_bites_in_another_within_a_second(apis: list[Api]) -> None:
    maya, willy, star = register_members(apis[0], 3)
    puts(willy, "follow", star)
    path = f"/api/v1/users/{star.id}/followers"
    elsewhere = Member(apis[-1].http, maya.user, maya.tokens)
    assert [item["id"] for item in elsewhere.walks(path)] == [willy.id]
    puts(maya, "block", willy)
    here = maya.walks(path)
    time.sleep(1)

    assert (here, elsewhere.walks(path)) == ([], [])


ENDS = ["users/{}/follow", "users/{}/block", "users/{}/mute", "me/follow-requests/{}", "me/followers/{}"]


def test_what_is_one_s_own_ends_also_with_an_account_that_is_hidden(api: Api) -> None:
    """Following, muting and so on can be ended when the other account has become private, or has blocked one."""
    maya, willy = api.someone(), api.someone()
    done(willy.put(f"/api/v1/users/{maya.id}/mute"))
    done(willy.put(f"/api/v1/users/{maya.id}/block"))
    done(maya.patch("/api/v1/me", {"private": True}))
    done(maya.put(f"/api/v1/users/{willy.id}/block"))

    for path in ENDS * 2:
        done(willy.delete("/api/v1/" + path.format(maya.id)))

    (ties,) = done(willy.get("/api/v1/relationships", params={"ids": maya.id}))["items"]
    assert {name for name, value in ties.items() if value is True} == {"blocked_by"}

"""Follows, follow requests, blocks and mutes, and their lists."""

import time
from typing import Any

import pytest

from .client import Api, Json, Member, Visitor, done, eventually, refusal
from .load import register_members

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


def to(other: Member, **relationships: Any) -> Json:
    return {"id": other.id, **NOTHING, **relationships}


def put_relation(member: Member, what: str, other: Member, **params: Any) -> Json:
    return done(member.put(f"/api/v1/users/{other.id}/{what}", params=params))


def delete_relation(member: Member, what: str, other: Member) -> Json:
    return done(member.delete(f"/api/v1/users/{other.id}/{what}"))


def relationship(member: Member, other: Member) -> Json:
    (found,) = done(member.get("/api/v1/relationships", params={"ids": other.id}))["items"]
    assert done(member.get(f"/api/v1/users/{other.id}"))["relationship"] == found
    result: Json = found
    return result


def counts(viewer: Visitor, of: Member) -> tuple[int, int]:
    found = done(viewer.get(f"/api/v1/users/{of.id}"))["counts"]
    return found["followers"], found["following"]


def listed_usernames(viewer: Visitor, of: Member, what: str, limit: int = 100) -> list[str]:
    return [item["username"] for item in viewer.all_items(f"/api/v1/users/{of.id}/{what}", limit)]


def private_member(api: Api) -> Member:
    member = api.someone()
    done(member.patch("/api/v1/me", {"private": True}))
    return member


def test_follow_and_unfollow_are_idempotent(api: Api) -> None:
    maya, willy = api.someone(), api.someone()

    assert [put_relation(maya, "follow", willy) for _ in range(2)] == [to(willy, following=True)] * 2
    assert (counts(api.nobody, willy), counts(api.nobody, maya)) == ((1, 0), (0, 1))
    assert relationship(willy, maya) == to(maya, followed_by=True)
    assert done(willy.get("/api/v1/me"))["counts"]["followers"] == 1
    assert [delete_relation(maya, "follow", willy) for _ in range(2)] == [to(willy)] * 2
    assert (counts(api.nobody, willy), counts(api.nobody, maya)) == ((0, 0), (0, 0))


def test_profiles_without_a_token_and_the_own_profile_have_no_relationship(api: Api) -> None:
    maya = api.someone()

    assert "relationship" not in done(api.nobody.get(f"/api/v1/users/{maya.id}"))
    assert "relationship" not in done(maya.get(f"/api/v1/users/{maya.id}"))


def test_an_etag_changes_with_the_relationship_and_the_counts(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    path = f"/api/v1/users/{willy.id}"
    tag = maya.get(path).headers["etag"]
    unchanged = maya.get(path, headers={"If-None-Match": tag}).status_code
    put_relation(maya, "mute", willy)
    muted = maya.get(path, headers={"If-None-Match": tag})
    put_relation(maya, "follow", willy)

    assert (unchanged, muted.status_code) == (304, 200)
    assert maya.get(path, headers={"If-None-Match": muted.headers["etag"]}).status_code == 200


@pytest.mark.parametrize("what", ["follow", "block", "mute"])
def test_the_own_account_and_unknown_accounts_are_refused(api: Api, what: str) -> None:
    maya = api.someone()
    for method in ("PUT", "DELETE"):
        assert refusal(maya.request(method, f"/api/v1/users/{maya.id}/{what}")) == (409, "not_oneself")
        assert refusal(maya.request(method, f"/api/v1/users/1/{what}")) == (404, "user_not_found")
        assert refusal(maya.request(method, f"/api/v1/users/x/{what}")) == (404, "user_not_found")
        response = api.nobody.request(method, f"/api/v1/users/{maya.id}/{what}")
        assert refusal(response) == (401, "token_missing")


def test_a_private_account_accepts_or_rejects_follow_requests(api: Api) -> None:
    private, maya, willy = private_member(api), api.someone(), api.someone()

    assert put_relation(maya, "follow", private) == to(private, requested=True)
    assert put_relation(willy, "follow", private) == to(private, requested=True)
    assert counts(maya, private) == (0, 0)
    requests = [item["username"] for item in private.all_items("/api/v1/me/follow-requests", 1)]
    assert requests == [willy.username, maya.username]
    path = f"/api/v1/me/follow-requests/{maya.id}"
    assert [done(private.put(path)) for _ in range(2)] == [to(maya, followed_by=True)] * 2
    path = f"/api/v1/me/follow-requests/{willy.id}"
    assert [done(private.delete(path)) for _ in range(2)] == [to(willy)] * 2
    assert refusal(private.put(path)) == (404, "follow_request_not_found")
    assert private.all_items("/api/v1/me/follow-requests") == []
    assert relationship(maya, private) == to(private, following=True)
    assert relationship(willy, private) == to(private)
    assert counts(maya, private) == (1, 0)


def test_a_follow_request_can_be_withdrawn(api: Api) -> None:
    private, maya = private_member(api), api.someone()
    put_relation(maya, "follow", private)

    assert delete_relation(maya, "follow", private) == to(private)
    assert private.all_items("/api/v1/me/follow-requests") == []


def test_follow_requests_are_accepted_when_the_account_becomes_public(api: Api) -> None:
    private, maya = private_member(api), api.someone()
    put_relation(maya, "follow", private)
    done(private.patch("/api/v1/me", {"private": False}))

    def follows() -> None:
        assert relationship(maya, private) == to(private, following=True)

    eventually(follows)
    assert counts(api.nobody, private) == (1, 0)


def test_a_follow_right_after_the_account_became_private_is_a_request(api: Api) -> None:
    private, maya = api.someone(), api.someone()
    done(maya.get(f"/api/v1/users/{private.id}"))
    done(private.patch("/api/v1/me", {"private": True}))

    assert put_relation(maya, "follow", private) == to(private, requested=True)


def test_a_follower_can_be_removed(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    put_relation(willy, "follow", maya)
    path = f"/api/v1/me/followers/{willy.id}"

    assert [done(maya.delete(path)) for _ in range(2)] == [to(willy)] * 2
    assert relationship(willy, maya) == to(maya)
    assert counts(api.nobody, maya) == (0, 0)


def test_a_block_ends_follows_in_both_directions_and_prevents_new_ones(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    put_relation(maya, "follow", willy)
    put_relation(willy, "follow", maya)

    assert [put_relation(maya, "block", willy) for _ in range(2)] == [to(willy, blocking=True)] * 2
    assert relationship(willy, maya) == to(maya, blocked_by=True)
    assert counts(api.nobody, maya) == counts(api.nobody, willy) == (0, 0)
    assert refusal(willy.put(f"/api/v1/users/{maya.id}/follow")) == (403, "blocked")
    assert refusal(maya.put(f"/api/v1/users/{willy.id}/follow")) == (409, "blocking")
    assert [item["username"] for item in maya.all_items("/api/v1/me/blocks")] == [willy.username]
    assert willy.all_items("/api/v1/me/blocks") == []
    assert delete_relation(maya, "block", willy) == to(willy)
    assert put_relation(willy, "follow", maya) == to(maya, following=True)


def test_a_mute_is_private_and_can_have_an_end(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    before = time.time()
    muted = put_relation(maya, "mute", willy, duration=60)

    assert muted == to(willy, muting=True, muted_until=muted["muted_until"])
    assert time.strftime("%Y-%m-%dT%H:%M", time.gmtime(before + 60)) <= muted["muted_until"]
    assert relationship(willy, maya) == to(maya)
    assert put_relation(maya, "follow", willy) == {**muted, "following": True}
    assert put_relation(maya, "mute", willy) == to(willy, muting=True, following=True)
    assert [item["username"] for item in maya.all_items("/api/v1/me/mutes")] == [willy.username]
    assert [delete_relation(maya, "mute", willy) for _ in range(2)] == [to(willy, following=True)] * 2
    assert maya.all_items("/api/v1/me/mutes") == []


@pytest.mark.parametrize("duration", ["0", "59", "31536001", "-1", "x", "1.5", ""])
def test_a_mute_lasts_from_a_minute_to_a_year(api: Api, duration: str) -> None:
    maya, willy = api.someone(), api.someone()

    response = maya.put(f"/api/v1/users/{willy.id}/mute", params={"duration": duration})
    assert refusal(response) == (400, "query_invalid")
    assert relationship(maya, willy) == to(willy)


def test_followers_are_listed_newest_first_in_pages(api: Api) -> None:
    star, *fans = register_members(api, 8)
    for fan in fans:
        put_relation(fan, "follow", star)
        put_relation(star, "follow", fan)
    newest = [fan.username for fan in reversed(fans)]

    for limit in (1, 3, 7, 100):
        assert listed_usernames(api.nobody, star, "followers", limit) == newest
        assert listed_usernames(fans[0], star, "following", limit) == newest
    (*_, last) = api.nobody.pages(f"/api/v1/users/{star.id}/followers", 3)
    back = api.nobody.all_items(f"/api/v1/users/{star.id}/followers", 2, "prev", last["prev"])
    assert {item["username"] for item in back} == set(newest[:6])
    assert set(last["items"][0]) == {"id", "username", "display_name", "avatar_url"}


def test_lists_omit_blocked_accounts_and_fill_their_pages(api: Api) -> None:
    star, viewer, *fans = register_members(api, 8)
    for fan in fans:
        put_relation(fan, "follow", star)
    put_relation(viewer, "block", fans[-1])
    put_relation(fans[-3], "block", viewer)
    put_relation(viewer, "mute", fans[-2])
    page = done(viewer.get(f"/api/v1/users/{star.id}/followers", params={"limit": 3}))

    expected = [fans[-2].username, fans[-4].username, fans[-5].username]
    assert [item["username"] for item in page["items"]] == expected
    assert len(listed_usernames(api.nobody, star, "followers")) == 6


@pytest.mark.parametrize("what", ["followers", "following"])
def test_only_followers_see_the_lists_of_a_private_account(api: Api, what: str) -> None:
    private, follower, asking = private_member(api), api.someone(), api.someone()
    path = f"/api/v1/users/{private.id}/{what}"
    for one in (follower, asking):
        put_relation(one, "follow", private)
    done(private.put(f"/api/v1/me/follow-requests/{follower.id}"))

    for viewer in (api.nobody, api.someone(), asking):
        assert refusal(viewer.get(path)) == (403, "account_private")
    expected = [follower.username] if what == "followers" else []
    assert listed_usernames(follower, private, what) == listed_usernames(private, private, what) == expected
    done(private.delete(f"/api/v1/me/followers/{follower.id}"))
    assert refusal(follower.get(path)) == (403, "account_private")


def test_a_batch_of_relationships_keeps_the_order_of_the_ids(api: Api) -> None:
    maya, *others = register_members(api, 4)
    put_relation(maya, "follow", others[0])
    put_relation(others[1], "follow", maya)
    asked = f"{others[2].id},1,{maya.id},{others[1].id},{others[0].id},{others[2].id}"
    found = done(maya.get("/api/v1/relationships", params={"ids": asked}))["items"]

    assert found == [to(others[2]), to(others[1], followed_by=True), to(others[0], following=True)]
    for bad in ("", "x", "1,,2", ",".join(["1"] * 101), "99999999999999999999"):
        assert refusal(maya.get("/api/v1/relationships", params={"ids": bad})) == (400, "query_invalid")


def test_a_cursor_of_the_own_list_is_invalid_for_another_user(api: Api) -> None:
    maya, willy, *others = register_members(api, 4)
    for member in (maya, willy):
        for other in others:
            put_relation(member, "block", other)
    cursor = done(maya.get("/api/v1/me/blocks", params={"limit": 1}))["next"]

    response = willy.get("/api/v1/me/blocks", params={"limit": 1, "cursor": cursor})
    assert refusal(response) == (400, "cursor_invalid")


def test_a_deleted_account_is_in_no_list_and_no_count(api: Api) -> None:
    maya, leaver = api.someone(), api.someone()
    put_relation(maya, "follow", leaver)
    put_relation(leaver, "follow", maya)
    done(leaver.delete("/api/v1/me", params={"confirm": leaver.username}), 204)

    def is_gone() -> None:
        assert counts(api.nobody, maya) == (0, 0)

    eventually(is_gone)
    assert (
        listed_usernames(api.nobody, maya, "followers")
        == listed_usernames(api.nobody, maya, "following")
        == []
    )
    assert done(maya.get("/api/v1/relationships", params={"ids": leaver.id}))["items"] == []
    assert refusal(maya.put(f"/api/v1/users/{leaver.id}/follow")) == (404, "user_not_found")


ENDS = ["users/{}/follow", "users/{}/block", "users/{}/mute", "me/follow-requests/{}", "me/followers/{}"]


def test_relationships_to_a_hidden_account_can_be_ended(api: Api) -> None:
    """Follows, mutes and so on can be ended after the other account has become private or has blocked the user."""
    maya, willy = api.someone(), api.someone()
    done(willy.put(f"/api/v1/users/{maya.id}/mute"))
    done(willy.put(f"/api/v1/users/{maya.id}/block"))
    done(maya.patch("/api/v1/me", {"private": True}))
    done(maya.put(f"/api/v1/users/{willy.id}/block"))

    for path in ENDS * 2:
        done(willy.delete("/api/v1/" + path.format(maya.id)))

    (relationships,) = done(willy.get("/api/v1/relationships", params={"ids": maya.id}))["items"]
    assert {name for name, value in relationships.items() if value is True} == {"blocked_by"}

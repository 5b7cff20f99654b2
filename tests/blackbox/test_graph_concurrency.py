"""Relationships under concurrent changes and across processes."""

import random
from collections.abc import Callable
from typing import Any

from .client import Api, Json, Member, Visitor, done, eventually
from .load import ask, at_once, register_members


def put_relation(member: Member, what: str, other: Member, **params: Any) -> Json:
    return done(member.put(f"/api/v1/users/{other.id}/{what}", params=params))


def counts(viewer: Visitor, of: Member) -> tuple[int, int]:
    found = done(viewer.get(f"/api/v1/users/{of.id}"))["counts"]
    return found["followers"], found["following"]


def test_concurrent_opposite_changes_end_in_a_consistent_state(api: Api, chance: random.Random) -> None:
    people = register_members(api, 4)
    change_concurrently(people, chance, lambda work: at_once(api.base_url, work, connections=20))
    assert inconsistencies(people) == []


def test_concurrent_opposite_changes_on_two_processes_end_in_a_consistent_state(
    apis: list[Api], chance: random.Random
) -> None:
    people = register_members(apis[0], 4)

    def both(work: Any) -> None:
        bases = {waggle.base_url for waggle in apis}
        at_once(
            apis[0].base_url, lambda http: [one for base in bases for one in work(http, base)], connections=20
        )

    change_concurrently(people, chance, both)
    assert inconsistencies(people) == []


def change_concurrently(people: list[Member], chance: random.Random, run: Callable[[Any], object]) -> None:
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


def inconsistencies(people: list[Member]) -> list[tuple[str, object]]:
    """Relationships with a follow despite a block, and counts that differ from the relationships."""
    found: list[tuple[str, object]] = []
    for one in people:
        others = ",".join(other.id for other in people if other is not one)
        relationships = done(one.get("/api/v1/relationships", params={"ids": others}))["items"]
        for each in relationships:
            blocked, follows = (
                (each["blocking"] or each["blocked_by"]),
                (each["following"] or each["followed_by"]),
            )
            if blocked and follows:
                found.append((one.id, each))
        followers, following = (
            sum(each[name] for each in relationships) for name in ("followed_by", "following")
        )
        if counts(one, one) != (followers, following):
            found.append((one.id, counts(one, one)))
    return found


def test_a_block_takes_effect_in_another_process_within_a_second(apis: list[Api]) -> None:
    maya, willy, star = register_members(apis[0], 3)
    put_relation(willy, "follow", star)
    path = f"/api/v1/users/{star.id}/followers"
    elsewhere = Member(apis[-1].http, maya.user, maya.tokens)
    assert [item["id"] for item in elsewhere.all_items(path)] == [willy.id]
    put_relation(maya, "block", willy)

    assert maya.all_items(path) == []

    def hidden() -> None:
        assert elsewhere.all_items(path) == []

    eventually(hidden, 1.0)

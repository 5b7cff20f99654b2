"""What others are told of ties, and how many of them one may have."""

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from application.graph import relationships
from application.graph.audience import Audience
from application.graph.relationships import ChangeRelationship, Follow, Mute
from application.shared.events import (
    Blocked,
    Event,
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Unblocked,
    Unfollowed,
)
from domain.graph import Relationship, SelfRelationship, TooManyBlocks, TooManyFollows, TooManyMutes
from domain.shared import DomainError, Invalid, UserId, UserNotFound
from tests.port_contracts.graph import NOW, People, some_people
from tests.port_contracts.stores import new_id
from tests.unit.people import Waggle, refused


@pytest.fixture
def people(waggle: Waggle) -> People:
    return some_people(waggle.stores, 4)


def pair(people: People) -> dict[str, int]:
    return {"user_id": people.users[0], "other_id": people.users[1]}


@pytest.mark.parametrize(
    ("deeds", "told"),
    [
        (["follow", "follow"], [Followed]),
        (["follow", "unfollow", "unfollow"], [Followed, Unfollowed]),
        (["block", "block", "unblock", "unblock"], [Blocked, Unblocked]),
        (["follow", "block"], [Followed, Unfollowed, Blocked]),
        (["mute", "mute for an hour", "unmute"], []),
        (["unfollow", "unblock", "reject", "remove"], []),
    ],
)
async def test_every_change_that_concerns_others_is_told_once(
    waggle: Waggle, people: People, deeds: list[str], told: list[type[Event]]
) -> None:
    for deed in deeds:
        await people.do(people.users[0], deed, people.users[1])

    assert await waggle.told() == [kind(**pair(people)) for kind in told]


async def test_a_request_is_told_and_how_it_ended(waggle: Waggle, people: People) -> None:
    ann, bob, _, _ = people.users
    people.private = {bob}
    for user, deed, other in (
        (ann, "follow", bob),
        (bob, "reject", ann),
        (ann, "follow", bob),
        (bob, "accept", ann),
        (bob, "remove", ann),
    ):
        await people.do(user, deed, other)

    assert await waggle.told() == [
        FollowRequested(**pair(people)),
        FollowRequestEnded(**pair(people)),
        FollowRequested(**pair(people)),
        Followed(**pair(people), accepted=True),
        Unfollowed(**pair(people)),
    ]


@pytest.mark.parametrize(
    ("limit", "deed", "error"),
    [
        ("MAX_FOLLOWING", "follow", TooManyFollows),
        ("MAX_BLOCKS", "block", TooManyBlocks),
        ("MAX_MUTES", "mute", TooManyMutes),
    ],
)
async def test_there_is_an_end_to_how_many_one_can_have(
    waggle: Waggle,
    people: People,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    deed: str,
    error: type[DomainError],
) -> None:
    monkeypatch.setattr(relationships, limit, 2)
    ann, *others = people.users
    people.private = {others[0]}  # a request counts as well
    for other in others[:2]:
        await people.do(ann, deed, other)

    assert await refused(people.do(ann, deed, others[2])) is error
    await people.do(ann, deed, others[0])
    assert (await waggle.stores.graph.relationships(ann, [others[2]]))[others[2]] == Relationship(
        user=ann, other=others[2]
    )


async def test_nobody_is_tied_to_whom_there_is_not_nor_to_oneself(waggle: Waggle, people: People) -> None:
    ann, bob, _, _ = people.users
    people.gone = {bob}

    assert await refused(people.do(ann, "follow", bob)) is UserNotFound
    assert await refused(people.do(ann, "mute", bob)) is UserNotFound
    assert await refused(people.do(ann, "follow", ann)) is SelfRelationship
    assert await refused(people.do(ann, "block", ann)) is SelfRelationship
    assert await waggle.told() == []


@pytest.mark.parametrize("lasting", [timedelta(0), timedelta(seconds=59), timedelta(days=365, seconds=1)])
async def test_a_mute_is_neither_too_short_nor_too_long(
    waggle: Waggle, people: People, lasting: timedelta
) -> None:
    mute = Mute(ChangeRelationship(waggle.stores.open_graph, new_id, lambda *_: None), people, lambda: NOW)

    assert await refused(mute(people.users[0], people.users[1], lasting)) is Invalid


async def test_what_is_kept_of_both_is_dropped_even_if_the_commit_is_not_answered(
    waggle: Waggle, people: People
) -> None:
    dropped: list[UserId] = []

    def fails(_relationship: Relationship) -> Relationship:
        raise TimeoutError

    change = ChangeRelationship(waggle.stores.open_graph, new_id, lambda *users: dropped.extend(users))
    with pytest.raises(TimeoutError):
        await change(people.users[0], people.users[1], fails)
    await Follow(change, people, lambda: NOW)(people.users[2], people.users[3])

    assert dropped == [*people.users]


@dataclass
class Slow:
    """A store whose first answer is late."""

    known: frozenset[UserId] = frozenset()
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def popular(self) -> frozenset[UserId]:
        found = self.known
        if not self.asked.is_set():
            self.asked.set()
            await self.answers.wait()
        return found


async def test_a_late_answer_takes_back_nobody_s_popularity() -> None:
    star, store = UserId(7), Slow()
    audience = Audience(store, itertools.count(0.0, 0.01).__next__)  # type: ignore[arg-type]
    late = asyncio.create_task(audience.popular())
    await store.asked.wait()
    store.known = frozenset({star})
    told = await audience.is_popular(star)  # so what they publish now is copied to nobody

    store.answers.set()

    assert told
    assert star in await late
    assert star in await audience.popular()

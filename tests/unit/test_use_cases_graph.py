"""The events and the limits of relationships, and the cache of popular authors."""

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from application.graph import relationships
from application.graph.followers import ReadFollowers
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
from tests.port_contracts.graph_model import NOW, People, add_people
from tests.port_contracts.stores import new_id
from tests.unit.people import Waggle, refused


@pytest.fixture
def people(waggle: Waggle) -> People:
    return add_people(waggle.stores, 4)


def pair(people: People) -> dict[str, int]:
    return {"user_id": people.users[0], "other_id": people.users[1]}


@pytest.mark.parametrize(
    ("actions", "expected_events"),
    [
        (["follow", "follow"], [Followed]),
        (["follow", "unfollow", "unfollow"], [Followed, Unfollowed]),
        (["block", "block", "unblock", "unblock"], [Blocked, Unblocked]),
        (["follow", "block"], [Followed, Unfollowed, Blocked]),
        (["mute", "mute for an hour", "unmute"], []),
        (["unfollow", "unblock", "reject", "remove"], []),
    ],
)
async def test_each_change_that_concerns_others_publishes_one_event(
    waggle: Waggle, people: People, actions: list[str], expected_events: list[type[Event]]
) -> None:
    for action in actions:
        await people.do(people.users[0], action, people.users[1])

    assert await waggle.pending_events() == [kind(**pair(people)) for kind in expected_events]


async def test_a_follow_request_and_its_end_publish_events(waggle: Waggle, people: People) -> None:
    ann, bob, _, _ = people.users
    people.private = {bob}
    for user, action, other in (
        (ann, "follow", bob),
        (bob, "reject", ann),
        (ann, "follow", bob),
        (bob, "accept", ann),
        (bob, "remove", ann),
    ):
        await people.do(user, action, other)

    assert await waggle.pending_events() == [
        FollowRequested(**pair(people)),
        FollowRequestEnded(**pair(people)),
        FollowRequested(**pair(people)),
        Followed(**pair(people), accepted=True),
        Unfollowed(**pair(people)),
    ]


@pytest.mark.parametrize(
    ("limit", "action", "error"),
    [
        ("MAX_FOLLOWING", "follow", TooManyFollows),
        ("MAX_BLOCKS", "block", TooManyBlocks),
        ("MAX_MUTES", "mute", TooManyMutes),
    ],
)
async def test_follows_blocks_and_mutes_are_limited(
    waggle: Waggle,
    people: People,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    action: str,
    error: type[DomainError],
) -> None:
    monkeypatch.setattr(relationships, limit, 2)
    ann, *others = people.users
    people.private = {others[0]}  # a follow request counts too
    for other in others[:2]:
        await people.do(ann, action, other)

    assert await refused(people.do(ann, action, others[2])) is error
    await people.do(ann, action, others[0])
    assert (await waggle.stores.graph.reader.relationships(ann, [others[2]]))[others[2]] == Relationship(
        user=ann, other=others[2]
    )


async def test_unknown_accounts_and_ones_own_account_are_refused(waggle: Waggle, people: People) -> None:
    ann, bob, _, _ = people.users
    people.gone = {bob}

    assert await refused(people.do(ann, "follow", bob)) is UserNotFound
    assert await refused(people.do(ann, "mute", bob)) is UserNotFound
    assert await refused(people.do(ann, "follow", ann)) is SelfRelationship
    assert await refused(people.do(ann, "block", ann)) is SelfRelationship
    assert await waggle.pending_events() == []


@pytest.mark.parametrize("lasting", [timedelta(0), timedelta(seconds=59), timedelta(days=365, seconds=1)])
async def test_too_short_and_too_long_mutes_are_refused(
    waggle: Waggle, people: People, lasting: timedelta
) -> None:
    mute = Mute(ChangeRelationship(waggle.stores.graph.open_tx, new_id, lambda *_: None), people, lambda: NOW)

    assert await refused(mute(people.users[0], people.users[1], lasting)) is Invalid


async def test_cached_viewer_contexts_are_dropped_even_if_the_commit_fails(
    waggle: Waggle, people: People
) -> None:
    dropped: list[UserId] = []

    def fails(_relationship: Relationship) -> Relationship:
        raise TimeoutError

    change = ChangeRelationship(waggle.stores.graph.open_tx, new_id, lambda *users: dropped.extend(users))
    with pytest.raises(TimeoutError):
        await change(people.users[0], people.users[1], fails)
    await Follow(change, people, lambda: NOW)(people.users[2], people.users[3])

    assert dropped == [*people.users]


@dataclass
class DelayedReader:
    """A reader whose first answer is late."""

    known: frozenset[UserId] = frozenset()
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def popular(self) -> frozenset[UserId]:
        found = self.known
        if not self.asked.is_set():
            self.asked.set()
            await self.answers.wait()
        return found


async def test_a_late_answer_does_not_replace_a_newer_set_of_popular_authors() -> None:
    star, store = UserId(7), DelayedReader()
    audience = ReadFollowers(store, itertools.count(0.0, 0.01).__next__)  # type: ignore[arg-type]
    late = asyncio.create_task(audience.popular())
    await store.asked.wait()
    store.known = frozenset({star})
    popular = await audience.is_popular(star)  # so their new posts are not copied to followers

    store.answers.set()

    assert popular
    assert star in await late
    assert star in await audience.popular()

"""What every store of ties must do, asked through the use cases that change them."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from application.graph.audience import Audience
from application.graph.event_handlers import AcceptFollowRequests, EraseRelationships
from application.graph.ports import RelationshipList
from application.graph.relationships import ChangeRelationship, Follow, Mute
from application.graph.repair import RepairFollowCounts
from application.shared.events import AccountDeleted, ProfileChanged
from application.shared.paging import Window
from application.shared.subscriptions import MORE
from domain.graph import BlockedByOther, BlocksOther, FollowRequestNotFound, Relationship
from domain.shared import EventId, UserId
from tests.port_contracts.stores import BEGINNING, POPULAR, Stores, new_id, with_retries

NONE = {"followers": 0, "following": 0}
NOW = BEGINNING
LATER = NOW + timedelta(hours=1)

CHANGES: Mapping[str, Callable[[Relationship], Relationship]] = {
    "unfollow": Relationship.unfollowed,
    "block": Relationship.blocked,
    "unblock": Relationship.unblocked,
    "unmute": Relationship.unmuted,
    "accept": Relationship.accepted,
    "reject": Relationship.rejected,
    "remove": Relationship.without_follower,
}
DEEDS = ("follow", "follow", "mute", "mute for an hour", *CHANGES)


@dataclass
class People:
    """Some people of a store, who is private among them, and what they do."""

    stores: Stores
    users: Sequence[UserId]
    private: set[UserId] = field(default_factory=set)
    gone: set[UserId] = field(default_factory=set)

    async def is_private(self, user: UserId) -> bool | None:
        return None if user in self.gone else user in self.private

    async def existing(self, users: Collection[UserId]) -> frozenset[UserId]:
        return frozenset(users) - self.gone

    async def do(self, user: UserId, deed: str, other: UserId) -> bool:
        """Whether it was done: what is refused may be refused."""
        change = ChangeRelationship(self.stores.open_graph, new_id, forget)
        try:
            if deed == "follow":
                await Follow(change, self, lambda: NOW)(user, other)
            elif deed.startswith("mute"):
                lasting = timedelta(hours=1) if deed == "mute for an hour" else None
                await Mute(change, self, lambda: NOW)(user, other, lasting)
            else:
                await change(user, other, CHANGES[deed])
        except (BlockedByOther, BlocksOther, FollowRequestNotFound):
            return False
        return True

    async def listed(self, relation: RelationshipList, user: UserId) -> list[UserId]:
        found = await self.stores.graph.listed_users(relation, user, Window(100), (), NOW)
        return [one.user for one in found]


def forget(*_users: UserId) -> None:
    """Nothing is kept."""


def some_people(stores: Stores, number: int) -> People:
    return People(stores, [UserId(new_id()) for _ in range(number)])


Pair = tuple[UserId, UserId]


@dataclass
class Model:
    """The same in the plainest of ways. Dictionaries, since they keep the order in which things came."""

    private: set[UserId]
    follows: dict[Pair, None] = field(default_factory=dict)
    requests: dict[Pair, None] = field(default_factory=dict)
    blocks: dict[Pair, None] = field(default_factory=dict)
    mutes: dict[Pair, datetime | None] = field(default_factory=dict)

    def do(self, a: UserId, deed: str, b: UserId) -> bool:
        forth, back = (a, b), (b, a)
        if deed == "follow":
            return self._follow(forth)
        if deed == "accept":
            return self._accept(back)
        if deed in {"unfollow", "block"}:
            self._end(forth)
        if deed in {"remove", "block"}:
            self._end(back)
        if deed == "block":
            self.blocks.setdefault(forth)
        elif deed == "unblock":
            self.blocks.pop(forth, None)
        elif deed == "unmute":
            self.mutes.pop(forth, None)
        elif deed == "reject":
            self.requests.pop(back, None)
        elif deed.startswith("mute"):
            self.mutes[forth] = None if deed == "mute" else LATER
        return True

    def _follow(self, pair: Pair) -> bool:
        if pair in self.blocks or pair[::-1] in self.blocks:
            return False
        if pair not in self.follows:
            if pair[1] in self.private:
                self.requests.setdefault(pair)
            else:
                self.follows[pair] = None
        return True

    def _accept(self, pair: Pair) -> bool:
        if pair in self.requests:
            self._end(pair)
            self.follows[pair] = None
        return pair in self.follows

    def _end(self, pair: Pair) -> None:
        self.follows.pop(pair, None)
        self.requests.pop(pair, None)

    def lists(self, user: UserId) -> dict[RelationshipList, list[UserId]]:
        """The newest first."""
        return {
            "followers": [a for a, b in reversed(self.follows) if b == user],
            "following": [b for a, b in reversed(self.follows) if a == user],
            "requests": [a for a, b in reversed(self.requests) if b == user],
            "blocks": [b for a, b in reversed(self.blocks) if a == user],
            "mutes": [b for a, b in reversed(self.mutes) if a == user],
        }

    def relationships(self, user: UserId, other: UserId) -> Relationship:
        forth, back = (user, other), (other, user)
        return Relationship(
            user=user,
            other=other,
            following=forth in self.follows,
            requested=forth in self.requests,
            followed_by=back in self.follows,
            requested_by=back in self.requests,
            blocking=forth in self.blocks,
            blocked_by=back in self.blocks,
            muting=forth in self.mutes,
            muted_until=self.mutes.get(forth),
        )


class GraphContract:
    @given(
        steps=st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from(DEEDS), st.integers(1, 3)), min_size=1, max_size=25
        ),
        private=st.sets(st.integers(0, 3)),
    )
    async def test_ties_counts_and_lists_are_those_of_a_plain_model(
        self, stores: Stores, steps: Sequence[tuple[int, str, int]], private: set[int]
    ) -> None:
        people = some_people(stores, 4)
        people.private = {people.users[number] for number in private}
        model = Model(people.private)
        for who, deed, away in steps:
            user, other = people.users[who], people.users[(who + away) % 4]
            assert await people.do(user, deed, other) == model.do(user, deed, other)

        for user in people.users:
            others = [other for other in people.users if other != user]
            expected = model.lists(user)
            assert {relation: await people.listed(relation, user) for relation in expected} == expected
            assert await stores.graph.counts(user) == (
                len(expected["followers"]),
                len(expected["following"]),
            )
            assert await stores.graph.relationships(user, others) == {
                other: model.relationships(user, other) for other in others
            }
            relations = await stores.graph.viewer_relations(user)
            assert relations.version == await stores.graph.version(user)
            assert relations.follows == {*expected["following"]}
            assert relations.blocked == {
                other for other in others if {(user, other), (other, user)} & {*model.blocks}
            }
            assert relations.mutes == {b: until for (a, b), until in model.mutes.items() if a == user}
        assert await RepairFollowCounts(stores.graph_counters)(repair=False) == NONE

    @given(
        steps=st.lists(
            st.tuples(st.integers(0, 2), st.sampled_from(DEEDS), st.integers(1, 2)), min_size=1, max_size=15
        )
    )
    async def test_the_version_rises_with_every_change_of_a_standing(
        self, stores: Stores, steps: Sequence[tuple[int, str, int]]
    ) -> None:
        people = some_people(stores, 3)
        for who, deed, away in steps:
            before = [await stores.graph.viewer_relations(user) for user in people.users]
            await people.do(people.users[who], deed, people.users[(who + away) % 3])
            after = [await stores.graph.viewer_relations(user) for user in people.users]
            for was, now in zip(before, after, strict=True):
                assert now.version >= was.version
                assert now.version > was.version or now == was

    async def test_di6_opposite_storms_end_in_a_legal_state(self, stores: Stores) -> None:
        people = some_people(stores, 3)
        people.private = {people.users[2]}
        storm = [
            (user, deed, other)
            for deed in (
                "follow",
                "block",
                "follow",
                "accept",
                "unblock",
                "follow",
                "block",
                "unfollow",
                "follow",
            )
            for user in people.users
            for other in people.users
            if user != other
        ]

        await asyncio.gather(*(with_retries(lambda people=people, one=one: people.do(*one)) for one in storm))  # type: ignore[misc]

        relationships = [
            relationship
            for user in people.users
            for relationship in (
                await stores.graph.relationships(user, [one for one in people.users if one != user])
            ).values()
        ]
        for relationship in relationships:
            if relationship.blocking or relationship.blocked_by:
                assert relationship == relationship.unfollowed().without_follower()
            assert not (relationship.following and relationship.requested), relationship
        for user in people.users:
            followers = sum(
                relationship.followed_by for relationship in relationships if relationship.user == user
            )
            following = sum(
                relationship.following for relationship in relationships if relationship.user == user
            )
            assert await stores.graph.counts(user) == (followers, following)
        assert await RepairFollowCounts(stores.graph_counters)(repair=False) == NONE

    async def test_di6_of_a_follow_and_a_block_that_race_the_block_stays(self, stores: Stores) -> None:
        for _ in range(10):
            people = some_people(stores, 2)
            ann, bob = people.users
            await asyncio.gather(
                *(
                    with_retries(lambda people=people, one=one: people.do(*one))  # type: ignore[misc]
                    for one in (
                        (ann, "follow", bob),
                        (bob, "block", ann),
                        (ann, "follow", bob),
                        (bob, "follow", ann),
                    )
                )
            )
            relationship = (await stores.graph.relationships(ann, [bob]))[bob]
            assert (relationship.blocked_by, relationship.following, relationship.followed_by) == (
                True,
                False,
                False,
            )
            assert await stores.graph.counts(ann) == await stores.graph.counts(bob) == (0, 0)

    async def test_a_list_is_read_in_pages_both_ways_and_leaves_hidden_people_out(
        self, stores: Stores
    ) -> None:
        people = some_people(stores, 8)
        star, *fans = people.users
        for fan in fans:
            await people.do(fan, "follow", star)
        newest = fans[::-1]
        hidden = {newest[0], newest[3]}

        first = await stores.graph.listed_users("followers", star, Window(2), hidden, NOW)
        rest = await stores.graph.listed_users("followers", star, Window(10, first[1].id), hidden, NOW)
        back = await stores.graph.listed_users(
            "followers", star, Window(10, rest[-1].id, back=True), hidden, NOW
        )

        assert [one.user for one in first] == [newest[1], newest[2], newest[4]]
        assert [one.user for one in rest] == newest[4:]
        assert [one.user for one in back] == [newest[1], newest[2], *newest[4:6]]

    async def test_a_mute_that_has_ended_is_in_no_list(self, stores: Stores) -> None:
        people = some_people(stores, 3)
        ann, bob, cid = people.users
        await people.do(ann, "mute for an hour", bob)
        await people.do(ann, "mute", cid)
        at = {now: await stores.graph.listed_users("mutes", ann, Window(5), (), now) for now in (NOW, LATER)}

        assert [one.user for one in at[NOW]] == [cid, bob]
        assert [one.user for one in at[LATER]] == [cid]

    async def test_followers_are_given_by_their_ids(self, stores: Stores) -> None:
        people = some_people(stores, 6)
        star, *fans = people.users
        for fan in (fans[3], fans[0], fans[4], fans[1]):
            await people.do(fan, "follow", star)
        audience = Audience(stores.graph, lambda: 0.0)

        first = await audience.followers_of(star, UserId(0), 3)
        rest = await audience.followers_of(star, first[-1], 3)

        assert ([*first], [*rest]) == ([fans[0], fans[1], fans[3]], [fans[4]])

    async def test_who_was_once_popular_stays_so(self, stores: Stores) -> None:
        people, seconds = some_people(stores, POPULAR + 1), 0.0
        star, *fans = people.users
        audience = Audience(stores.graph, lambda: seconds)
        for fan in fans[:-1]:
            await people.do(fan, "follow", star)
        before = star in await audience.popular()
        await people.do(fans[-1], "follow", star)
        at_once = await audience.is_popular(star)
        for fan in fans:
            await people.do(fan, "unfollow", star)
        seconds = 10.0

        assert (before, at_once, star in await audience.popular()) == (False, True, True)
        assert not await audience.is_popular(fans[0])

    async def test_di2_a_drift_of_counts_that_was_planted_is_found_and_mended(self, stores: Stores) -> None:
        people = some_people(stores, 3)
        ann, bob, cid = people.users
        async with stores.open_graph() as tx:
            relationship = await tx.relationships.lock(ann, bob)
            for _ in range(3):  # as if it were no tie before, each time
                await tx.relationships.save(relationship, relationship.followed(private=False), new_id())
        await people.do(cid, "follow", ann)
        repair = RepairFollowCounts(stores.graph_counters)

        found, mended = await repair(repair=False), await repair(repair=True)

        assert found == mended == {"followers": 2, "following": 2}
        assert await repair(repair=False) == NONE
        assert await stores.graph.counts(ann) == (1, 1)
        assert await stores.graph.counts(bob) == (1, 0)

    async def test_a_deleted_account_leaves_no_ties_and_no_counts(self, stores: Stores) -> None:
        people = some_people(stores, 30)
        gone, *others = people.users
        people.private = {others[1]}
        for number, other in enumerate(others):
            await people.do(other, ("follow", "mute", "block")[number % 3], gone)
            await people.do(gone, "follow", other)
        await people.do(others[0], "follow", others[3])
        erase = EraseRelationships(stores.open_graph, new_id, forget, lambda: 0.0)

        await erase(AccountDeleted(user_id=gone), EventId(1))
        await erase(AccountDeleted(user_id=gone), EventId(2))

        assert not any((await stores.graph.viewer_relations(gone))[1:])
        assert await stores.graph.version(gone) == 0
        for other in others:
            assert (await stores.graph.relationships(other, [gone]))[gone] == Relationship(
                user=other, other=gone
            )
        assert await stores.graph.counts(others[0]) == (0, 1)
        assert await stores.graph.counts(others[3]) == (1, 0)
        assert await RepairFollowCounts(stores.graph_counters)(repair=False) == NONE

    async def test_erasing_goes_on_where_it_was_interrupted(self, stores: Stores) -> None:
        people = some_people(stores, 25)
        gone, *others = people.users
        for other in others:
            await people.do(other, "follow", gone)
        ticks = iter(range(100))
        erase = EraseRelationships(stores.open_graph, new_id, forget, lambda: float(next(ticks)))

        more = await erase(AccountDeleted(user_id=gone), EventId(1))
        left = await stores.graph.counts(gone)
        assert (more, 0 < left.followers < 25) == (MORE, True)
        while more is not None:
            more = await erase(AccountDeleted(user_id=gone), EventId(1), more)

        assert await stores.graph.counts(gone) == (0, 0)

    async def test_who_asked_follows_as_soon_as_the_account_is_open(self, stores: Stores) -> None:
        people = some_people(stores, 25)
        star, *fans = people.users
        people.private = {star}
        for fan in fans:
            await people.do(fan, "follow", star)
        accept = AcceptFollowRequests(stores.open_graph, people, new_id, forget, lambda: 0.0)
        opened = ProfileChanged(user_id=star, private=False)

        await accept(opened, EventId(1))  # late: it is private again
        before = await stores.graph.counts(star)
        people.private.clear()
        await accept(opened, EventId(2))

        assert (before.followers, (await stores.graph.counts(star)).followers) == (0, 24)
        assert await people.listed("requests", star) == []

    async def test_a_request_that_arrives_when_the_account_has_just_opened_is_let_in(
        self, stores: Stores
    ) -> None:
        people = some_people(stores, 2)
        ann, bob = people.users
        answers = iter([True, False])

        class Opening(People):
            async def is_private(self, _user: UserId) -> bool | None:
                return next(answers)

        relationship = await Follow(
            ChangeRelationship(stores.open_graph, new_id, forget), Opening(stores, people.users), lambda: NOW
        )(ann, bob)

        assert (relationship.following, relationship.requested) == (True, False)
        assert await people.listed("followers", bob) == [ann]

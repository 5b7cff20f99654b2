"""The contract of the graph ports, tested through the use cases."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from application.graph.event_handlers import AcceptFollowRequests, EraseRelationships
from application.graph.followers import ReadFollowers
from application.graph.relationships import ChangeRelationship, Follow
from application.graph.repair import RepairFollowCounts
from application.shared.events import AccountDeleted, ProfileChanged
from application.shared.paging import Window
from application.shared.subscriptions import MORE
from domain.graph import Relationship
from domain.shared import EventId, UserId
from tests.port_contracts.graph_model import ACTIONS, LATER, NONE, NOW, Model, People, add_people, forget
from tests.port_contracts.stores import POPULAR, Stores, new_id, with_retries


class GraphContract:
    @given(
        steps=st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from(ACTIONS), st.integers(1, 3)), min_size=1, max_size=25
        ),
        private=st.sets(st.integers(0, 3)),
    )
    async def test_relationships_counts_and_lists_equal_those_of_a_reference_model(
        self, stores: Stores, steps: Sequence[tuple[int, str, int]], private: set[int]
    ) -> None:
        people = add_people(stores, 4)
        people.private = {people.users[number] for number in private}
        model = Model(people.private)
        for who, action, away in steps:
            user, other = people.users[who], people.users[(who + away) % 4]
            assert await people.do(user, action, other) == model.do(user, action, other)

        for user in people.users:
            others = [other for other in people.users if other != user]
            expected = model.lists(user)
            assert {name: await people.listed(name, user) for name in expected} == expected
            assert await stores.graph.reader.counts(user) == (
                len(expected["followers"]),
                len(expected["following"]),
            )
            assert await stores.graph.reader.relationships(user, others) == {
                other: model.relationships(user, other) for other in others
            }
            relations = await stores.graph.reader.viewer_relations(user)
            assert relations.version == await stores.graph.reader.version(user)
            assert relations.follows == {*expected["following"]}
            assert relations.blocked == {
                other for other in others if {(user, other), (other, user)} & {*model.blocks}
            }
            assert relations.mutes == {b: until for (a, b), until in model.mutes.items() if a == user}
        assert await RepairFollowCounts(stores.graph.counters)(repair=False) == NONE

    @given(
        steps=st.lists(
            st.tuples(st.integers(0, 2), st.sampled_from(ACTIONS), st.integers(1, 2)), min_size=1, max_size=15
        )
    )
    async def test_the_version_rises_with_every_change_of_a_viewer_context(
        self, stores: Stores, steps: Sequence[tuple[int, str, int]]
    ) -> None:
        people = add_people(stores, 3)
        for who, action, away in steps:
            before = [await stores.graph.reader.viewer_relations(user) for user in people.users]
            await people.do(people.users[who], action, people.users[(who + away) % 3])
            after = [await stores.graph.reader.viewer_relations(user) for user in people.users]
            for was, now in zip(before, after, strict=True):
                assert now.version >= was.version
                assert now.version > was.version or now == was

    async def test_concurrent_opposite_changes_end_in_a_consistent_state(self, stores: Stores) -> None:
        people = add_people(stores, 3)
        people.private = {people.users[2]}
        changes = [
            (user, action, other)
            for action in (
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

        await asyncio.gather(
            *(with_retries(lambda change=change: people.do(*change)) for change in changes)  # type: ignore[misc]
        )

        relationships = [
            relationship
            for user in people.users
            for relationship in (
                await stores.graph.reader.relationships(user, [one for one in people.users if one != user])
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
            assert await stores.graph.reader.counts(user) == (followers, following)
        assert await RepairFollowCounts(stores.graph.counters)(repair=False) == NONE

    async def test_a_concurrent_follow_and_block_leave_only_the_block(self, stores: Stores) -> None:
        for _ in range(10):
            people = add_people(stores, 2)
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
            relationship = (await stores.graph.reader.relationships(ann, [bob]))[bob]
            assert (relationship.blocked_by, relationship.following, relationship.followed_by) == (
                True,
                False,
                False,
            )
            assert await stores.graph.reader.counts(ann) == await stores.graph.reader.counts(bob) == (0, 0)

    async def test_lists_are_read_in_pages_both_ways_without_hidden_accounts(self, stores: Stores) -> None:
        people = add_people(stores, 8)
        star, *fans = people.users
        for fan in fans:
            await people.do(fan, "follow", star)
        newest = fans[::-1]
        hidden = {newest[0], newest[3]}

        first = await stores.graph.reader.listed_users("followers", star, Window(2), hidden, NOW)
        rest = await stores.graph.reader.listed_users("followers", star, Window(10, first[1].id), hidden, NOW)
        back = await stores.graph.reader.listed_users(
            "followers", star, Window(10, rest[-1].id, back=True), hidden, NOW
        )

        assert [one.user for one in first] == [newest[1], newest[2], newest[4]]
        assert [one.user for one in rest] == newest[4:]
        assert [one.user for one in back] == [newest[1], newest[2], *newest[4:6]]

    async def test_an_ended_mute_is_in_no_list(self, stores: Stores) -> None:
        people = add_people(stores, 3)
        ann, bob, cid = people.users
        await people.do(ann, "mute for an hour", bob)
        await people.do(ann, "mute", cid)
        at = {
            now: await stores.graph.reader.listed_users("mutes", ann, Window(5), (), now)
            for now in (NOW, LATER)
        }

        assert [one.user for one in at[NOW]] == [cid, bob]
        assert [one.user for one in at[LATER]] == [cid]

    async def test_followers_are_read_in_the_order_of_their_ids(self, stores: Stores) -> None:
        people = add_people(stores, 6)
        star, *fans = people.users
        for fan in (fans[3], fans[0], fans[4], fans[1]):
            await people.do(fan, "follow", star)
        audience = ReadFollowers(stores.graph.reader, lambda: 0.0)

        first = await audience.after(star, UserId(0), 3)
        rest = await audience.after(star, first[-1], 3)

        assert ([*first], [*rest]) == ([fans[0], fans[1], fans[3]], [fans[4]])

    async def test_a_popular_account_stays_popular(self, stores: Stores) -> None:
        people, seconds = add_people(stores, POPULAR + 1), 0.0
        star, *fans = people.users
        audience = ReadFollowers(stores.graph.reader, lambda: seconds)
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

    async def test_wrong_counts_are_found_and_repaired(self, stores: Stores) -> None:
        people = add_people(stores, 3)
        ann, bob, cid = people.users
        async with stores.graph.open_tx() as tx:
            relationship = await tx.relationships.lock(ann, bob)
            for _ in range(3):  # each time as if nothing was stored before
                await tx.relationships.save(relationship, relationship.followed(private=False), new_id())
        await people.do(cid, "follow", ann)
        repair = RepairFollowCounts(stores.graph.counters)

        found, repaired = await repair(repair=False), await repair(repair=True)

        assert found == repaired == {"followers": 2, "following": 2}
        assert await repair(repair=False) == NONE
        assert await stores.graph.reader.counts(ann) == (1, 1)
        assert await stores.graph.reader.counts(bob) == (1, 0)

    async def test_a_deleted_account_leaves_no_relationships_and_no_counts(self, stores: Stores) -> None:
        people = add_people(stores, 30)
        gone, *others = people.users
        people.private = {others[1]}
        for number, other in enumerate(others):
            await people.do(other, ("follow", "mute", "block")[number % 3], gone)
            await people.do(gone, "follow", other)
        await people.do(others[0], "follow", others[3])
        erase = EraseRelationships(stores.graph.open_tx, new_id, forget, lambda: 0.0)

        await erase(AccountDeleted(user_id=gone), EventId(1))
        await erase(AccountDeleted(user_id=gone), EventId(2))

        assert not any((await stores.graph.reader.viewer_relations(gone))[1:])
        assert await stores.graph.reader.version(gone) == 0
        for other in others:
            assert (await stores.graph.reader.relationships(other, [gone]))[gone] == Relationship(
                user=other, other=gone
            )
        assert await stores.graph.reader.counts(others[0]) == (0, 1)
        assert await stores.graph.reader.counts(others[3]) == (1, 0)
        assert await RepairFollowCounts(stores.graph.counters)(repair=False) == NONE

    async def test_an_interrupted_erasure_continues(self, stores: Stores) -> None:
        people = add_people(stores, 25)
        gone, *others = people.users
        for other in others:
            await people.do(other, "follow", gone)
        ticks = iter(range(100))
        erase = EraseRelationships(stores.graph.open_tx, new_id, forget, lambda: float(next(ticks)))

        more = await erase(AccountDeleted(user_id=gone), EventId(1))
        left = await stores.graph.reader.counts(gone)
        assert (more, 0 < left.followers < 25) == (MORE, True)
        while more is not None:
            more = await erase(AccountDeleted(user_id=gone), EventId(1), more)

        assert await stores.graph.reader.counts(gone) == (0, 0)

    async def test_follow_requests_are_accepted_when_the_account_becomes_public(self, stores: Stores) -> None:
        people = add_people(stores, 25)
        star, *fans = people.users
        people.private = {star}
        for fan in fans:
            await people.do(fan, "follow", star)
        accept = AcceptFollowRequests(stores.graph.open_tx, people, new_id, forget, lambda: 0.0)
        opened = ProfileChanged(user_id=star, private=False)

        await accept(opened, EventId(1))  # the event is late: the account is private again
        before = await stores.graph.reader.counts(star)
        people.private.clear()
        await accept(opened, EventId(2))

        assert (before.followers, (await stores.graph.reader.counts(star)).followers) == (0, 24)
        assert await people.listed("requests", star) == []

    async def test_a_request_to_an_account_that_just_became_public_is_accepted(self, stores: Stores) -> None:
        people = add_people(stores, 2)
        ann, bob = people.users
        answers = iter([True, False])

        class Opening(People):
            async def is_private(self, _user: UserId) -> bool | None:
                return next(answers)

        relationship = await Follow(
            ChangeRelationship(stores.graph.open_tx, new_id, forget),
            Opening(stores, people.users),
            lambda: NOW,
        )(ann, bob)

        assert (relationship.following, relationship.requested) == (True, False)
        assert await people.listed("followers", bob) == [ann]

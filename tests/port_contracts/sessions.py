"""The contract of the session ports."""

from dataclasses import replace
from datetime import timedelta

import pytest

from application.identity.ports import SessionRow
from application.shared.paging import Window
from domain.identity import (
    SESSION_IDLE,
    SESSION_LIFE,
    Account,
    Session,
    SessionEnded,
)
from domain.shared import SessionId, made_at
from tests.port_contracts.stores import Stores, new_id


def a_session(of: Account, **members: object) -> Session:
    id_ = new_id()
    defaults = {
        "id": id_,
        "user_id": of.id,
        "seed": bytes(range(16)),
        "refreshed_at": made_at(id_),
        "authenticated_at": made_at(id_),
    }
    return Session(**{**defaults, **members})  # type: ignore[arg-type]


async def save_session(stores: Stores, session: Session) -> None:
    async with stores.identity.open_tx() as tx:
        await tx.sessions.save(session)


async def add_session(stores: Stores, session: Session) -> Session:
    async with stores.identity.open_tx() as tx:
        await tx.sessions.add(session)
    return session


class SessionsContract:
    async def test_every_member_makes_the_round_trip(self, stores: Stores) -> None:
        account = await stores.add_account()
        session = a_session(
            account,
            seed=bytes(range(240, 256)),
            generation=5,
            authenticated_at=made_at(new_id()),
            device="Bee browser 🐝 7",
            network="n" * 43,
            ended_at=made_at(new_id()) + timedelta(milliseconds=7),
        )
        await add_session(stores, session)

        async with stores.identity.open_tx() as tx:
            assert await tx.sessions.get(session.id) == session

    async def test_a_save_replaces_the_members_that_a_refresh_changes(self, stores: Stores) -> None:
        session = await add_session(stores, a_session(await stores.add_account()))
        refreshed = session.refreshed(0, session.refreshed_at + timedelta(hours=1))

        await save_session(stores, refreshed)

        async with stores.identity.open_tx() as tx:
            assert await tx.sessions.get(session.id) == refreshed

    async def test_an_unknown_session_counts_as_ended(self, stores: Stores) -> None:
        async with stores.identity.open_tx() as tx:
            with pytest.raises(SessionEnded):
                await tx.sessions.get(SessionId(new_id()))

    async def test_only_the_sessions_of_one_user_are_removed(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(), await stores.add_account()
        hers = [await add_session(stores, a_session(ann)) for _ in range(2)]
        his = await add_session(stores, a_session(bob))

        async with stores.identity.open_tx() as tx:
            removed = await tx.sessions.remove_all(ann.id)

        assert sorted(removed) == [session.id for session in hers]
        assert await stores.identity.reader.session_alive(his.id, his.refreshed_at) is True
        for session in hers:
            assert await stores.identity.reader.session_alive(session.id, session.refreshed_at) is False

    async def test_the_reader_and_the_domain_agree_on_active_sessions(self, stores: Stores) -> None:
        session = await add_session(stores, a_session(await stores.add_account()))
        now = session.refreshed_at

        async def alive(after: timedelta) -> bool:
            return await stores.identity.reader.session_alive(session.id, now + after)

        assert await alive(timedelta()) is True
        assert await alive(SESSION_IDLE - timedelta(milliseconds=1)) is True
        assert await alive(SESSION_IDLE) is False
        await save_session(stores, session.ended(now))
        assert await alive(timedelta()) is False
        assert await stores.identity.reader.session_alive(SessionId(new_id()), now) is False

    async def test_the_active_ones_of_many_sessions_are_found_with_one_read(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(), await stores.add_account()
        ids = [new_id() for _ in range(6)]
        now = made_at(ids[-1])
        barely = now - SESSION_IDLE + timedelta(milliseconds=1)
        for session in (
            a_session(ann, id=ids[0], ended_at=now),
            a_session(ann, id=ids[1], refreshed_at=now - SESSION_IDLE),
            a_session(ann, id=ids[2], refreshed_at=barely),
            a_session(bob, id=ids[3], refreshed_at=now),
            a_session(ann, id=ids[4], refreshed_at=now),
        ):
            await add_session(stores, session)
        many = [SessionId(id_) for id_ in (*ids, *range(1, 3_000))]

        assert await stores.identity.reader.sessions_alive(many, now) == {ids[2], ids[3], ids[4]}
        for id_ in ids:
            alone = await stores.identity.reader.sessions_alive([SessionId(id_)], now)
            assert (id_ in alone) is await stores.identity.reader.session_alive(SessionId(id_), now)
        assert await stores.identity.reader.sessions_alive([], now) == frozenset()
        long_after = made_at(ids[4]) + SESSION_LIFE
        await save_session(stores, a_session(ann, id=ids[4], refreshed_at=long_after))
        for late, active in ((timedelta(milliseconds=-1), {ids[4]}), (timedelta(), set[int]())):
            assert await stores.identity.reader.sessions_alive(many, long_after + late) == active

    async def test_active_sessions_are_listed_newest_first_in_pages(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(), await stores.add_account()
        ids = [new_id() for _ in range(6)]
        now = made_at(ids[-1])
        ended = a_session(ann, id=ids[0], ended_at=now)
        idle = a_session(ann, id=ids[1], refreshed_at=now - SESSION_IDLE)
        for session in (ended, idle, a_session(bob, id=ids[2])):
            await add_session(stores, session)
        for id_ in ids[3:]:
            await add_session(stores, a_session(ann, id=id_, device=f"device {id_}", refreshed_at=now))
        rows = [SessionRow(SessionId(id_), f"device {id_}", now) for id_ in reversed(ids[3:])]

        async def listed(window: Window) -> list[SessionRow]:
            return list(await stores.identity.reader.sessions_of(ann.id, now, window))

        assert await listed(Window(5)) == rows
        assert await listed(Window(1)) == rows[:2], (
            "one more than the limit, so that the caller knows that there is more"
        )
        assert await listed(Window(5, ids[4])) == rows[2:]
        assert await listed(Window(5, ids[3], back=True)) == rows[:2]
        assert await listed(Window(1, ids[3], back=True)) == rows[:2]

    @pytest.mark.parametrize("after", [-1, 0, 1])
    async def test_the_list_and_the_domain_agree_on_the_end_of_a_session(
        self, stores: Stores, after: int
    ) -> None:
        """ID-6."""
        session = a_session(await stores.add_account())
        for refreshed_at, end in (
            (session.created_at, session.created_at + SESSION_IDLE),
            (session.created_at + SESSION_LIFE, session.created_at + SESSION_LIFE),
        ):
            session = replace(session, id=SessionId(session.id + 1), refreshed_at=refreshed_at)
            await add_session(stores, session)
            now = end + timedelta(milliseconds=after)

            listed = await stores.identity.reader.sessions_of(session.user_id, now, Window(5))

            assert (session.id in [row.id for row in listed]) == session.alive(now) == (after < 0)

    async def test_token_exchanges_make_the_round_trip(self, stores: Stores) -> None:
        session = await add_session(stores, a_session(await stores.add_account()))
        for generation in range(3):
            session = session.refreshed(generation, session.refreshed_at + timedelta(seconds=2))
        assert len(session.exchanges) == 2
        await save_session(stores, session)

        async with stores.identity.open_tx() as tx:
            assert await tx.sessions.get(session.id) == session

    async def test_ended_and_then_long_unused_sessions_make_room(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(), await stores.add_account()
        now = made_at(new_id())
        oldest = await add_session(stores, a_session(ann, refreshed_at=now + timedelta(hours=9)))
        idle = await add_session(stores, a_session(ann, refreshed_at=now))
        used = await add_session(stores, a_session(ann, refreshed_at=now + timedelta(hours=8)))
        ended = await add_session(
            stores, a_session(ann, refreshed_at=now + timedelta(hours=10), ended_at=now)
        )
        his = await add_session(stores, a_session(bob))

        async def room(keep: int) -> list[int]:
            async with stores.identity.open_tx() as tx:
                return sorted(await tx.sessions.make_room(ann.id, keep))

        assert await room(4) == []
        assert await room(3) == [ended.id]
        assert await room(1) == sorted([idle.id, used.id])
        async with stores.identity.open_tx() as tx:
            assert await tx.sessions.get(oldest.id) == oldest
            assert await tx.sessions.get(his.id) == his
            with pytest.raises(SessionEnded):
                await tx.sessions.get(idle.id)

    async def test_sessions_that_began_before_a_time_end_in_batches(self, stores: Stores) -> None:
        ann = await stores.add_account()
        hers = [await add_session(stores, a_session(ann)) for _ in range(3)]
        later = await add_session(stores, a_session(ann))
        now = made_at(new_id())

        async with stores.identity.open_tx() as tx:
            while await tx.sessions.end_some(hers[0].created_at, now, 500):
                pass  # end the sessions that other tests left
        ended = []
        for _ in range(3):
            async with stores.identity.open_tx() as tx:
                ended.append(await tx.sessions.end_some(later.created_at, now, 2))

        assert sorted(len(some) for some in ended) == [0, 1, 2]
        assert sorted(id_ for some in ended for id_ in some) == [session.id for session in hers]
        async with stores.identity.open_tx() as tx:
            assert (await tx.sessions.get(hers[0].id)).ended_at == now
            assert (await tx.sessions.get(later.id)).ended_at is None

    async def test_all_sessions_of_a_user_except_one_end(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(), await stores.add_account()
        of_ann = [await add_session(stores, a_session(ann)) for _ in range(3)]
        before = await add_session(stores, a_session(ann, ended_at=made_at(new_id())))
        of_bob = await add_session(stores, a_session(bob))
        now = made_at(new_id())

        async with stores.identity.open_tx() as tx:
            ended = await tx.sessions.end_all(ann.id, now, but=of_ann[0].id)

        assert sorted(ended) == [session.id for session in of_ann[1:]]
        async with stores.identity.open_tx() as tx:
            stored = [await tx.sessions.get(session.id) for session in (*of_ann, before, of_bob)]
            assert [session.ended_at for session in stored] == [None, now, now, before.ended_at, None]
            assert await tx.sessions.end_all(ann.id, now) == [of_ann[0].id]
            assert await tx.sessions.end_all(ann.id, now) == []

"""What every store of accounts and sessions must do."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.text import email_key
from application.identity.ports import Credentials, SessionRow
from application.shared.paging import Window
from application.shared.people import AuthorCard
from domain.identity import (
    SESSION_IDLE,
    SESSION_LIFE,
    Account,
    EmailTaken,
    Session,
    SessionEnded,
    UsernameTaken,
)
from domain.shared import EventId, SessionId, UserId, UserNotFound, made_at
from tests.port_contracts.stores import Stores, an_account, new_id


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
    async with stores.open_identity() as tx:
        await tx.sessions.save(session)


async def add_session(stores: Stores, session: Session) -> Session:
    async with stores.open_identity() as tx:
        await tx.sessions.add(session)
    return session


async def remove(stores: Stores, account: Account, rests_until: datetime) -> None:
    async with stores.open_identity() as tx:
        await tx.accounts.remove(await tx.accounts.get(account.id), rests_until)


class AccountsContract:
    async def test_every_member_makes_the_round_trip(self, stores: Stores) -> None:
        account = an_account(
            email="Ännchen+Nektar@exämple.org",
            password_hash="$bcrypt-sha256$v=2,t=2b,r=12$" + "s" * 22 + "$" + "h" * 31,
            display_name="Ann 🐝 آن",
            bio="one\ntwo\t« three » \U0001f468‍\U0001f469‍\U0001f467",
            posts=7,
            version=3,
        )

        async with stores.open_identity() as tx:
            await tx.accounts.add(account)

        async with stores.open_identity() as tx:
            assert await tx.accounts.get(account.id) == account
        assert await stores.people.account(account.id) == account
        assert await stores.people.account_named(account.username) == account

    async def test_a_username_belongs_to_one(self, stores: Stores) -> None:
        account = await stores.add_account()

        with pytest.raises(UsernameTaken):
            await stores.add_account(username=account.username)

    async def test_id1_with_a_taken_name_nothing_is_said_about_the_address(self, stores: Stores) -> None:
        living, deleted = await stores.add_account(), await stores.add_account()
        await remove(stores, deleted, deleted.created_at + timedelta(days=90))

        for name in (living.username, deleted.username):
            for address in (living.email, f"free{new_id()}@example.org"):
                with pytest.raises(UsernameTaken):
                    await stores.add_account(username=name, email=address)

    @pytest.mark.parametrize(
        ("taken", "again"),
        [
            ("ann@example.org", "ann@example.org"),
            ("ann@example.org", "ANN@Example.ORG"),
            ("ann@münchen.de", "ANN@xn--mnchen-3ya.de"),
            ("kelvin@example.org", "\N{KELVIN SIGN}elvin@example.org"),
            (
                "jose\N{COMBINING ACUTE ACCENT}@example.org",
                "Jos\N{LATIN SMALL LETTER E WITH ACUTE}@example.org",
            ),
        ],
    )
    async def test_in3_an_address_belongs_to_one_however_it_is_written(
        self, stores: Stores, taken: str, again: str
    ) -> None:
        number = new_id()
        await stores.add_account(email=f"{number}{taken}")

        with pytest.raises(EmailTaken):
            await stores.add_account(email=f"{number}{again}")

    async def test_of_ten_who_want_a_name_at_once_one_gets_it(self, stores: Stores) -> None:
        name = an_account().username

        results = await asyncio.gather(
            *(stores.add_account(username=name) for _ in range(10)), return_exceptions=True
        )

        assert sum(isinstance(result, Account) for result in results) == 1
        assert sum(isinstance(result, UsernameTaken) for result in results) == 9

    async def test_saving_replaces_the_profile_and_nothing_else(self, stores: Stores) -> None:
        account = await stores.add_account(posts=2)
        edited = account.edited(display_name="Ann", bio="bees")

        async with stores.open_identity() as tx:
            await tx.accounts.save(
                replace(edited, posts=99, password_hash="other", username="other", email="o@example.org")
            )

        assert await stores.people.account(account.id) == edited

    async def test_a_new_password_hash_is_all_that_changes(self, stores: Stores) -> None:
        account = await stores.add_account()

        async with stores.open_identity() as tx:
            await tx.accounts.set_password_hash(account.id, "new")

        assert await stores.people.account(account.id) == replace(account, password_hash="new")

    async def test_an_account_that_is_removed_is_nowhere(self, stores: Stores) -> None:
        account = await stores.add_account()

        await remove(stores, account, account.created_at + timedelta(days=1))

        with pytest.raises(UserNotFound):
            await stores.people.account(account.id)
        assert await stores.people.cards([account.id]) == {}
        assert await stores.people.ids_named([account.username]) == {}
        credentials = stores.people.credentials(username=account.username, email=email_key(account.email))
        assert await credentials is None

    async def test_di4_the_name_of_a_removed_account_rests_until_its_time(self, stores: Stores) -> None:
        account, again, later = await stores.add_account(), an_account(), an_account()
        await remove(stores, account, later.created_at)

        with pytest.raises(UsernameTaken):
            await stores.add_account(id=again.id, username=account.username, email=account.email)
        await stores.add_account(id=later.id, username=account.username, email=account.email)

    async def test_di4_who_registers_while_the_account_is_removed_waits_and_does_not_get_the_name(
        self, stores: Stores
    ) -> None:
        account = await stores.add_account()

        async def removed() -> None:
            await remove(stores, account, account.created_at + timedelta(days=1))

        async def registered() -> Account:
            return await stores.add_account(username=account.username)

        results = await asyncio.gather(removed(), *(registered() for _ in range(5)), return_exceptions=True)

        assert [type(result) for result in results] == [type(None)] + 5 * [UsernameTaken]

    async def test_posts_are_counted_up_and_down(self, stores: Stores) -> None:
        account = await stores.add_account()

        async with stores.open_identity() as tx:
            await tx.accounts.count_posts(account.id, 3)
            await tx.accounts.count_posts(account.id, -1)

        assert (await stores.people.account(account.id)).posts == 2

    async def test_counting_the_posts_of_nobody_has_no_effect(self, stores: Stores) -> None:
        nobody = UserId(new_id())

        async with stores.open_identity() as tx:
            await tx.accounts.count_posts(nobody, 1)

        with pytest.raises(UserNotFound):
            await stores.people.account(nobody)


class IdentityReaderContract:
    async def test_nobody_has_an_unknown_id_or_name(self, stores: Stores) -> None:
        with pytest.raises(UserNotFound):
            await stores.people.account(UserId(new_id()))
        with pytest.raises(UserNotFound):
            await stores.people.account_named("nobody_has_this")

    async def test_credentials_are_found_by_name_and_by_address(self, stores: Stores) -> None:
        account = await stores.add_account(password_hash="secret")
        expected = Credentials(account.id, "secret")

        by_name = await stores.people.credentials(username=account.username, email="-")
        by_address = await stores.people.credentials(username="", email=email_key(account.email.upper()))

        assert (expected, expected) == (by_name, by_address)

    async def test_id2_a_network_is_recognised_from_which_the_account_was_logged_in(
        self, stores: Stores
    ) -> None:
        ann, bob = await stores.add_account(), await stores.add_account()
        await add_session(stores, a_session(ann, network="home"))
        await add_session(stores, a_session(ann, network="train", ended_at=made_at(new_id())))
        await add_session(stores, a_session(bob, network="elsewhere"))
        await add_session(stores, a_session(bob))

        recognised = stores.people.recognises
        assert [await recognised(ann.id, network) for network in ("home", "train", "elsewhere", "")] == [
            True,
            True,
            False,
            False,
        ]
        assert not await recognised(bob.id, "home")
        assert not await recognised(bob.id, "")
        assert not await recognised(UserId(0), "home")

    @pytest.mark.parametrize("login", ["", "nobody", "\ud800", "'; --", "%", "x" * 10_000])
    async def test_there_are_no_credentials_for_what_nobody_is_called(
        self, stores: Stores, login: str
    ) -> None:
        await stores.add_account()
        name = login if login.isascii() else ""

        assert await stores.people.credentials(username=name, email=email_key(login)) is None

    async def test_cards_are_of_those_that_exist(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(display_name="Ann"), await stores.add_account()

        cards = await stores.people.cards({ann.id, bob.id, UserId(1)})

        assert cards == {
            ann.id: AuthorCard(ann.id, ann.username, "Ann"),
            bob.id: AuthorCard(bob.id, bob.username, ""),
        }
        assert await stores.people.cards([]) == {}

    async def test_ids_are_of_the_names_that_exist(self, stores: Stores) -> None:
        ann = await stores.add_account()

        assert await stores.people.ids_named([ann.username, "nobody_has_this"]) == {ann.username: ann.id}
        assert await stores.people.ids_named([]) == {}


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

        async with stores.open_identity() as tx:
            assert await tx.sessions.get(session.id) == session

    async def test_saving_replaces_what_a_refresh_changes(self, stores: Stores) -> None:
        session = await add_session(stores, a_session(await stores.add_account()))
        refreshed = session.refreshed(0, session.refreshed_at + timedelta(hours=1))

        await save_session(stores, refreshed)

        async with stores.open_identity() as tx:
            assert await tx.sessions.get(session.id) == refreshed

    async def test_an_unknown_session_has_ended(self, stores: Stores) -> None:
        async with stores.open_identity() as tx:
            with pytest.raises(SessionEnded):
                await tx.sessions.get(SessionId(new_id()))

    async def test_all_sessions_of_one_user_are_removed_and_no_others(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(), await stores.add_account()
        hers = [await add_session(stores, a_session(ann)) for _ in range(2)]
        his = await add_session(stores, a_session(bob))

        async with stores.open_identity() as tx:
            removed = await tx.sessions.remove_all(ann.id)

        assert sorted(removed) == [session.id for session in hers]
        assert await stores.people.session_alive(his.id, his.refreshed_at) is True
        for session in hers:
            assert await stores.people.session_alive(session.id, session.refreshed_at) is False

    async def test_the_reader_tells_who_is_alive_as_the_domain_does(self, stores: Stores) -> None:
        session = await add_session(stores, a_session(await stores.add_account()))
        now = session.refreshed_at

        async def alive(after: timedelta) -> bool:
            return await stores.people.session_alive(session.id, now + after)

        assert await alive(timedelta()) is True
        assert await alive(SESSION_IDLE - timedelta(milliseconds=1)) is True
        assert await alive(SESSION_IDLE) is False
        await save_session(stores, session.ended(now))
        assert await alive(timedelta()) is False
        assert await stores.people.session_alive(SessionId(new_id()), now) is False

    async def test_of_many_sessions_those_that_live_are_found_at_once(self, stores: Stores) -> None:
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

        assert await stores.people.sessions_alive(many, now) == {ids[2], ids[3], ids[4]}
        for id_ in ids:
            alone = await stores.people.sessions_alive([SessionId(id_)], now)
            assert (id_ in alone) is await stores.people.session_alive(SessionId(id_), now)
        assert await stores.people.sessions_alive([], now) == frozenset()
        long_after = made_at(ids[4]) + SESSION_LIFE
        await save_session(stores, a_session(ann, id=ids[4], refreshed_at=long_after))
        for late, living in ((timedelta(milliseconds=-1), {ids[4]}), (timedelta(), set[int]())):
            assert await stores.people.sessions_alive(many, long_after + late) == living

    async def test_the_living_ones_of_a_user_are_listed_newest_first_page_by_page(
        self, stores: Stores
    ) -> None:
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
            return list(await stores.people.sessions_of(ann.id, now, window))

        assert await listed(Window(5)) == rows
        assert await listed(Window(1)) == rows[:2], "one more than the limit tells that there is more"
        assert await listed(Window(5, ids[4])) == rows[2:]
        assert await listed(Window(5, ids[3], back=True)) == rows[:2]
        assert await listed(Window(1, ids[3], back=True)) == rows[:2]

    @pytest.mark.parametrize("after", [-1, 0, 1])
    async def test_id6_the_list_and_the_domain_agree_on_how_long_a_session_lives(
        self, stores: Stores, after: int
    ) -> None:
        session = a_session(await stores.add_account())
        for refreshed_at, end in (
            (session.created_at, session.created_at + SESSION_IDLE),
            (session.created_at + SESSION_LIFE, session.created_at + SESSION_LIFE),
        ):
            session = replace(session, id=SessionId(session.id + 1), refreshed_at=refreshed_at)
            await add_session(stores, session)
            now = end + timedelta(milliseconds=after)

            listed = await stores.people.sessions_of(session.user_id, now, Window(5))

            assert (session.id in [row.id for row in listed]) == session.alive(now) == (after < 0)

    async def test_which_tokens_were_exchanged_makes_the_round_trip(self, stores: Stores) -> None:
        session = await add_session(stores, a_session(await stores.add_account()))
        for generation in range(3):
            session = session.refreshed(generation, session.refreshed_at + timedelta(seconds=2))
        assert len(session.exchanges) == 2
        await save_session(stores, session)

        async with stores.open_identity() as tx:
            assert await tx.sessions.get(session.id) == session

    async def test_room_is_made_by_the_ended_ones_and_then_by_those_that_were_used_last_long_ago(
        self, stores: Stores
    ) -> None:
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
            async with stores.open_identity() as tx:
                return sorted(await tx.sessions.make_room(ann.id, keep))

        assert await room(4) == []
        assert await room(3) == [ended.id]
        assert await room(1) == sorted([idle.id, used.id])
        async with stores.open_identity() as tx:
            assert await tx.sessions.get(oldest.id) == oldest
            assert await tx.sessions.get(his.id) == his
            with pytest.raises(SessionEnded):
                await tx.sessions.get(idle.id)

    async def test_sessions_that_began_before_a_moment_end_some_at_a_time(self, stores: Stores) -> None:
        ann = await stores.add_account()
        hers = [await add_session(stores, a_session(ann)) for _ in range(3)]
        later = await add_session(stores, a_session(ann))
        now = made_at(new_id())

        async with stores.open_identity() as tx:
            while await tx.sessions.end_some(hers[0].created_at, now, 500):
                pass  # what other tests left
        ended = []
        for _ in range(3):
            async with stores.open_identity() as tx:
                ended.append(await tx.sessions.end_some(later.created_at, now, 2))

        assert sorted(len(some) for some in ended) == [0, 1, 2]
        assert sorted(id_ for some in ended for id_ in some) == [session.id for session in hers]
        async with stores.open_identity() as tx:
            assert (await tx.sessions.get(hers[0].id)).ended_at == now
            assert (await tx.sessions.get(later.id)).ended_at is None

    async def test_all_sessions_of_a_user_end_but_one(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(), await stores.add_account()
        of_ann = [await add_session(stores, a_session(ann)) for _ in range(3)]
        before = await add_session(stores, a_session(ann, ended_at=made_at(new_id())))
        of_bob = await add_session(stores, a_session(bob))
        now = made_at(new_id())

        async with stores.open_identity() as tx:
            ended = await tx.sessions.end_all(ann.id, now, but=of_ann[0].id)

        assert sorted(ended) == [session.id for session in of_ann[1:]]
        async with stores.open_identity() as tx:
            stored = [await tx.sessions.get(session.id) for session in (*of_ann, before, of_bob)]
            assert [session.ended_at for session in stored] == [None, now, now, before.ended_at, None]
            assert await tx.sessions.end_all(ann.id, now) == [of_ann[0].id]
            assert await tx.sessions.end_all(ann.id, now) == []


class InboxContract:
    async def test_an_event_is_new_to_each_reaction_once(self, stores: Stores) -> None:
        event, other = EventId(new_id()), EventId(new_id())

        async def first_time(reaction: str, event: EventId) -> bool:
            async with stores.open_identity() as tx:
                return await tx.inbox.first_time(reaction, event)

        assert await first_time("count", event) is True
        assert await first_time("count", event) is False
        assert await first_time("mail", event) is True
        assert await first_time("count", other) is True

    async def test_a_reaction_that_was_undone_sees_the_event_as_new_again(self, stores: Stores) -> None:
        event = EventId(new_id())

        async def fail() -> None:
            async with stores.open_identity() as tx:
                await tx.inbox.first_time("count", event)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()

        async with stores.open_identity() as tx:
            assert await tx.inbox.first_time("count", event) is True

"""What people do with accounts and sessions."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from application.identity.ports import SessionRow
from application.identity.queries import Principal, Profile
from application.identity.sessions import ClientInfo, LoggedIn
from application.shared.errors import KeyReused, Overloaded, TokenInvalid
from application.shared.events import ProfileChanged, Registered
from application.shared.paging import Window
from application.shared.ports import IdempotentRequest
from domain.identity import (
    MAX_SESSIONS,
    RECENT,
    REUSE_GRACE,
    SESSION_IDLE,
    SESSION_LIFE,
    EmailTaken,
    RecentLoginRequired,
    SessionEnded,
    SessionNotFound,
    UsernameTaken,
    WrongCredentials,
    WrongPassword,
)
from domain.shared import Invalid, SessionId, Stale, UserId, UserNotFound
from tests.unit.people import PASSWORD, Waggle, refused

SECOND = timedelta(seconds=1)
TRY = IdempotentRequest("anyone:register", "key", "fingerprint")


class TestRegistering:
    async def test_it_opens_an_account_and_logs_it_in(self, waggle: Waggle) -> None:
        joined = await waggle.register("Ann", " Ann@Example.org ", PASSWORD, " Ann ", None)

        assert joined.user == Profile(joined.user.id, "ann", "Ann", "", 0)
        assert joined.replayed is False
        account = await waggle.read_account(joined.user.id)
        assert (account.email, account.password_hash) == ("Ann@Example.org", f"new:{PASSWORD}")
        assert (await waggle.authenticate(joined.tokens.access_token)).user_id == joined.user.id
        assert await waggle.told() == [Registered(user_id=joined.user.id)]

    async def test_all_faults_are_told_at_once(self, waggle: Waggle) -> None:
        with pytest.raises(Invalid) as caught:
            await waggle.register("a", "nowhere", "short", "x" * 51, None)

        assert [fault.field for fault in caught.value.field_errors] == [
            "username",
            "email",
            "password",
            "display_name",
        ]

    @pytest.mark.parametrize(
        ("name", "address", "expected"),
        [
            ("ANN", "other@example.org", UsernameTaken),
            ("bob", "ANN@example.org", EmailTaken),
            ("bob", "bob@example.org", None),
        ],
    )
    async def test_names_and_addresses_are_unique_whatever_their_case(
        self, waggle: Waggle, name: str, address: str, expected: type[Exception] | None
    ) -> None:
        await waggle.joins("ann")

        assert await refused(waggle.register(name, address, PASSWORD, "", None)) is expected

    async def test_a_refused_registration_leaves_nothing(self, waggle: Waggle) -> None:
        await waggle.joins("ann")
        before = await waggle.told()

        await refused(waggle.register("bob", "ann@example.org", PASSWORD, "", None))

        assert await waggle.told() == before
        assert await refused(waggle.read_profile.named("bob")) is UserNotFound

    async def test_a_second_attempt_gives_the_same_tokens_and_no_second_account(self, waggle: Waggle) -> None:
        first = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)
        waggle.time.pass_by(timedelta(minutes=5))
        second = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)

        assert second == replace(first, replayed=True)

    async def test_a_replay_shows_the_profile_as_it_was(self, waggle: Waggle) -> None:
        first = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)
        await waggle.edit_profile(first.user.id, "Anna", "bees", None)

        second = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)

        assert second.user == first.user

    async def test_a_replayed_refresh_token_works_until_it_was_used(self, waggle: Waggle) -> None:
        await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)
        again = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)

        await waggle.refresh(again.tokens.refresh_token)

    async def test_the_key_of_another_request_is_refused(self, waggle: Waggle) -> None:
        await waggle.register("ann", "a@example.org", PASSWORD, "", TRY)

        other = waggle.register("bob", "b@example.org", PASSWORD, "", replace(TRY, fingerprint="other"))

        assert await refused(other) is KeyReused
        assert await refused(waggle.read_profile.named("bob")) is UserNotFound

    async def test_a_key_whose_attempt_was_refused_can_be_used_again(self, waggle: Waggle) -> None:
        await waggle.joins("ann")
        await refused(waggle.register("ann", "b@example.org", PASSWORD, "", TRY))

        joined = await waggle.register("bob", "b@example.org", PASSWORD, "", replace(TRY, fingerprint="two"))

        assert joined.replayed is False


class TestLoggingIn:
    @pytest.mark.parametrize("login", ["ann", "ANN", " ann ", "ann@example.org", "Ann@EXAMPLE.org"])
    async def test_by_name_or_address_in_any_case(self, waggle: Waggle, login: str) -> None:
        ann = await waggle.somebody("ann")

        logged_in = await waggle.log_in(login, PASSWORD, None)

        assert logged_in.user.id == ann
        assert (await waggle.authenticate(logged_in.tokens.access_token)).user_id == ann

    @pytest.mark.parametrize(
        ("login", "secret"),
        [
            ("ann", "wrong horse battery"),
            ("ann", PASSWORD + " "),
            ("ann", PASSWORD.upper()),
            ("ann", ""),
            ("ann", "short"),
            ("ann", "x" * 10_000),
            ("ann", "\ud800" * 10),
            ("nobody", PASSWORD),
            ("", PASSWORD),
            ("", ""),
            ("ann\0", PASSWORD),
            ("аnn", PASSWORD),
            ("\N{KELVIN SIGN}", PASSWORD),
            ("\ud800", PASSWORD),
            ("@", PASSWORD),
        ],
    )
    async def test_id1_whatever_is_wrong_the_answer_is_the_same(
        self, waggle: Waggle, login: str, secret: str
    ) -> None:
        await waggle.joins("ann")

        with pytest.raises(WrongCredentials) as caught:
            await waggle.log_in(login, secret, None)

        assert str(caught.value) == "the name or the password is wrong"

    @pytest.mark.parametrize("login", ["ann", "nobody"])
    async def test_id4_in_a_crowd_it_is_refused_at_once_and_no_try_is_counted(
        self, waggle: Waggle, login: str
    ) -> None:
        await waggle.joins("ann")
        waggle.passwords.full = True
        for _ in range(30):
            with pytest.raises(Overloaded):
                await waggle.log_in(login, PASSWORD, None)
        waggle.passwords.full = False

        await waggle.log_in("ann", PASSWORD, None)

    async def test_the_same_password_typed_otherwise_is_right(self, waggle: Waggle) -> None:
        await waggle.register("ann", "a@example.org", "Ångström Ångström", "", None)

        logged_in = await waggle.log_in("ann", "A\u030angstro\u0308m A\u030angstro\u0308m", None)

        assert logged_in.user.username == "ann"

    async def test_each_login_is_a_session_of_its_own(self, waggle: Waggle) -> None:
        one = await waggle.joins("ann")
        two = await waggle.log_in("ann", PASSWORD, None)
        first = await waggle.authenticate(one.tokens.access_token)

        await waggle.log_out(first.session_id)

        assert await refused(waggle.refresh(one.tokens.refresh_token)) is SessionEnded
        assert await refused(waggle.refresh(two.tokens.refresh_token)) is None

    async def test_id4_an_outdated_hash_is_replaced(self, waggle: Waggle) -> None:
        ann = await waggle.somebody("ann")
        async with waggle.stores.open_identity() as tx:
            await tx.accounts.set_password_hash(ann, f"old:{PASSWORD}")

        await waggle.log_in("ann", PASSWORD, None)

        assert (await waggle.read_account(ann)).password_hash == f"new:{PASSWORD}"

    async def test_two_who_log_in_at_once_with_an_outdated_hash_are_both_right(self, waggle: Waggle) -> None:
        ann = await waggle.somebody("ann")
        async with waggle.stores.open_identity() as tx:
            await tx.accounts.set_password_hash(ann, f"old:{PASSWORD}")

        answers = await asyncio.gather(*(refused(waggle.log_in("ann", PASSWORD, None)) for _ in range(2)))

        assert answers == [None, None]

    async def test_a_password_that_is_changed_while_it_is_compared_opens_no_session(
        self, waggle: Waggle
    ) -> None:
        ann = await waggle.somebody("ann")
        login = asyncio.create_task(refused(waggle.log_in("ann", PASSWORD, None)))
        await asyncio.sleep(0)

        async with waggle.stores.open_identity() as tx:
            await tx.accounts.set_password_hash(ann, "new:another password")

        assert await login is WrongCredentials

    async def test_a_second_attempt_opens_no_second_session(self, waggle: Waggle) -> None:
        await waggle.joins("ann")

        first = await waggle.log_in("ann", PASSWORD, TRY)
        waggle.time.pass_by(SECOND)
        second = await waggle.log_in("ann", PASSWORD, TRY)

        assert second == replace(first, replayed=True)


class TestRefreshing:
    async def test_id5_a_refresh_token_is_exchanged_for_the_next(self, waggle: Waggle) -> None:
        tokens = (await waggle.joins()).tokens

        for _ in range(3):
            waggle.time.pass_by(timedelta(minutes=10))
            tokens, used = await waggle.refresh(tokens.refresh_token), tokens
            assert tokens.refresh_token != used.refresh_token
            assert await refused(waggle.authenticate(tokens.access_token)) is None

    async def test_id5_a_lost_answer_is_given_again_within_the_grace(self, waggle: Waggle) -> None:
        first = (await waggle.joins()).tokens.refresh_token

        answer = await waggle.refresh(first)
        waggle.time.pass_by(REUSE_GRACE)
        again = await waggle.refresh(first)

        assert again == answer
        assert await refused(waggle.refresh(again.refresh_token)) is None

    async def test_id5_two_tabs_that_race_get_the_same_successor(self, waggle: Waggle) -> None:
        first = (await waggle.joins()).tokens.refresh_token

        one, two = await asyncio.gather(waggle.refresh(first), waggle.refresh(first))

        assert one.refresh_token == two.refresh_token

    async def test_id5_reuse_after_the_grace_ends_the_session_for_thief_and_owner(
        self, waggle: Waggle
    ) -> None:
        stolen = (await waggle.joins()).tokens.refresh_token
        owner = await waggle.refresh(stolen)
        waggle.time.pass_by(REUSE_GRACE + SECOND)

        thief = await refused(waggle.refresh(stolen))

        assert thief is SessionEnded
        assert await refused(waggle.refresh(owner.refresh_token)) is SessionEnded
        assert await refused(waggle.authenticate(owner.access_token)) is TokenInvalid

    async def test_id5_within_its_grace_a_token_of_any_generation_brings_the_same_answer(
        self, waggle: Waggle
    ) -> None:
        token = (await waggle.joins()).tokens.refresh_token
        answers = []
        for _ in range(6):
            answers.append((token, await waggle.refresh(token)))
            token = answers[-1][1].refresh_token
            waggle.time.pass_by(timedelta(seconds=5))

        for used, answer in answers:
            assert await waggle.refresh(used) == answer
        waggle.time.pass_by(timedelta(milliseconds=1))
        assert await waggle.refresh(answers[1][0]) == answers[1][1]
        assert await refused(waggle.authenticate(answers[-1][1].access_token)) is None
        assert await refused(waggle.refresh(answers[0][0])) is SessionEnded, "thirty seconds and a bit"
        assert await refused(waggle.refresh(token)) is SessionEnded

    async def test_id5_a_session_that_ends_by_reuse_is_refused_at_once(self, waggle: Waggle) -> None:
        joined = await waggle.joins()
        newest = await waggle.refresh(joined.tokens.refresh_token)
        await waggle.authenticate(newest.access_token)
        waggle.time.pass_by(REUSE_GRACE + timedelta(milliseconds=1))

        assert await refused(waggle.refresh(joined.tokens.refresh_token)) is SessionEnded

        assert await refused(waggle.authenticate(newest.access_token)) is TokenInvalid

    async def test_id5_a_forged_token_ends_nothing(self, waggle: Waggle) -> None:
        token = (await waggle.joins()).tokens.refresh_token
        head, mac = token.rsplit("_", 1)

        for forged in (f"{head}_{'0' * len(mac)}", token.replace("_0_", "_1_"), "wgr_7_0_00", ""):
            assert await refused(waggle.refresh(forged)) is SessionEnded
        assert await refused(waggle.refresh(token)) is None

    async def test_id6_what_is_left_alone_for_long_has_ended(self, waggle: Waggle) -> None:
        token = (await waggle.joins()).tokens.refresh_token

        waggle.time.pass_by(SESSION_IDLE)

        assert await refused(waggle.refresh(token)) is SessionEnded

    async def test_id6_a_session_ends_however_often_it_is_refreshed(self, waggle: Waggle) -> None:
        token = (await waggle.joins()).tokens.refresh_token
        days = 0

        while True:
            waggle.time.pass_by(timedelta(days=10))
            days += 10
            if await refused(waggle.refresh(token)) is SessionEnded:
                break
            token = (await waggle.refresh(token)).refresh_token

        assert SESSION_LIFE <= timedelta(days=days) <= SESSION_LIFE + timedelta(days=10)


class TestLoggingOut:
    async def test_id7_both_tokens_end_at_once(self, waggle: Waggle) -> None:
        tokens = (await waggle.joins()).tokens
        principal = await waggle.authenticate(tokens.access_token)

        await waggle.log_out(principal.session_id)

        assert await refused(waggle.authenticate(tokens.access_token)) is TokenInvalid
        assert await refused(waggle.refresh(tokens.refresh_token)) is SessionEnded

    async def test_it_is_harmless_to_repeat(self, waggle: Waggle) -> None:
        principal = await waggle.authenticate((await waggle.joins()).tokens.access_token)

        await waggle.log_out(principal.session_id)

        assert await refused(waggle.log_out(principal.session_id)) is None


class TestEndingSessionsElsewhere:
    async def test_id8_one_sees_where_one_is_logged_in_and_no_one_else(self, waggle: Waggle) -> None:
        ann = await waggle.somebody("ann")
        await waggle.somebody("bob")
        waggle.time.pass_by(SECOND)
        phone = await waggle.log_in("ann", PASSWORD, None, ClientInfo("Bee\x1bphone 7", "net"))
        session = (await waggle.authenticate(phone.tokens.access_token)).session_id

        rows = (await waggle.list_sessions(ann, Window(10))).items

        assert rows[0] == SessionRow(session, "Bee phone 7", waggle.time.now)
        assert [row.device for row in rows] == ["Bee phone 7", ""]

    async def test_id8_a_session_is_ended_by_its_owner_only(self, waggle: Waggle) -> None:
        ann, bob = await waggle.joins("ann"), await waggle.joins("bob")
        of_ann = (await waggle.authenticate(ann.tokens.access_token)).session_id
        of_bob = (await waggle.authenticate(bob.tokens.access_token)).session_id

        for stranger, current, session in (
            (ann.user.id, of_ann, of_bob),
            (bob.user.id, of_bob, SessionId(7)),
        ):
            assert await refused(waggle.log_out_elsewhere(stranger, current, session)) is SessionNotFound
        assert await refused(waggle.log_out_elsewhere(bob.user.id, of_bob, of_bob)) is None

        assert await refused(waggle.authenticate(bob.tokens.access_token)) is TokenInvalid
        assert await refused(waggle.refresh(bob.tokens.refresh_token)) is SessionEnded
        assert await refused(waggle.log_out_elsewhere(bob.user.id, of_bob, of_bob)) is SessionNotFound
        assert await refused(waggle.authenticate(ann.tokens.access_token)) is None

    @pytest.mark.parametrize("keep", [True, False])
    async def test_id7_all_sessions_end_at_once(self, waggle: Waggle, keep: bool) -> None:
        here, there, bob = (
            await waggle.joins("ann"),
            await waggle.log_in_again("ann"),
            await waggle.joins("bob"),
        )
        session = (await waggle.authenticate(here.tokens.access_token)).session_id
        await waggle.authenticate(there.tokens.access_token)

        await waggle.log_out_everywhere(here.user.id, session, keep_current=keep)

        for joined, lives in ((here, keep), (there, False), (bob, True)):
            refusal = await refused(waggle.authenticate(joined.tokens.access_token))
            assert refusal is (None if lives else TokenInvalid)
            refusal = await refused(waggle.refresh(joined.tokens.refresh_token))
            assert refusal is (None if lives else SessionEnded)

    @pytest.mark.parametrize("act", ["one", "all", "others"])
    async def test_id8_to_end_other_sessions_needs_a_recent_password(self, waggle: Waggle, act: str) -> None:
        here, there = await waggle.joins("ann"), await waggle.log_in_again("ann")
        me = await waggle.authenticate(here.tokens.access_token)
        other = (await waggle.authenticate(there.tokens.access_token)).session_id

        async def end() -> type[Exception] | None:
            if act == "one":
                return await refused(waggle.log_out_elsewhere(me.user_id, me.session_id, other))
            keep = act == "others"
            return await refused(waggle.log_out_everywhere(me.user_id, me.session_id, keep_current=keep))

        waggle.time.pass_by(RECENT + SECOND)
        assert await end() is RecentLoginRequired
        assert await refused(waggle.authenticate(there.tokens.access_token)) is None
        await waggle.confirm(me.user_id, me.session_id, PASSWORD)
        assert await end() is None
        assert await refused(waggle.authenticate(there.tokens.access_token)) is TokenInvalid

    async def test_to_end_the_present_session_needs_no_password(self, waggle: Waggle) -> None:
        me = await waggle.authenticate((await waggle.joins("ann")).tokens.access_token)
        waggle.time.pass_by(RECENT + SECOND)

        assert await refused(waggle.log_out_elsewhere(me.user_id, me.session_id, me.session_id)) is None

    async def test_of_an_account_a_hundred_sessions_live_and_the_oldest_goes(self, waggle: Waggle) -> None:
        first = await waggle.joins("ann")
        logged_in = []
        for _ in range(MAX_SESSIONS - 1):
            waggle.time.pass_by(SECOND)
            logged_in.append(await waggle.log_in_again("ann"))
        await waggle.authenticate(first.tokens.access_token)
        assert len((await waggle.list_sessions(first.user.id, Window(200))).items) == MAX_SESSIONS

        waggle.time.pass_by(SECOND)
        await waggle.log_in_again("ann")

        assert len((await waggle.list_sessions(first.user.id, Window(200))).items) == MAX_SESSIONS
        assert await refused(waggle.authenticate(first.tokens.access_token)) is TokenInvalid
        assert await refused(waggle.refresh(first.tokens.refresh_token)) is SessionEnded
        assert await refused(waggle.refresh(logged_in[0].tokens.refresh_token)) is None

    async def test_an_operator_ends_all_sessions_of_one_or_of_everybody(self, waggle: Waggle) -> None:
        ann, bob, eve = [await waggle.joins(name) for name in ("ann", "bob", "eve")]

        assert await waggle.log_out_everywhere.by_operator(ann.user.id) == 1
        assert await refused(waggle.refresh(ann.tokens.refresh_token)) is SessionEnded
        assert await refused(waggle.refresh(bob.tokens.refresh_token)) is None
        waggle.time.pass_by(timedelta(days=1))
        assert await waggle.end_all_sessions() >= 2
        for joined in (bob, eve):
            assert await refused(waggle.refresh(joined.tokens.refresh_token)) is SessionEnded
        assert await waggle.end_all_sessions() == 0


class TestStoredCredentials:
    """What an idempotency key brings again dies with the session that it was about."""

    async def _ends(self, waggle: Waggle, how: str, joined: LoggedIn) -> None:
        me = await waggle.authenticate(joined.tokens.access_token)
        if how == "logout":
            await waggle.log_out(me.session_id)
        elif how == "elsewhere":
            await waggle.log_out_elsewhere(me.user_id, me.session_id, me.session_id)
        elif how == "everywhere":
            await waggle.log_out_everywhere(me.user_id, me.session_id)
        elif how == "password":
            await waggle.change_password(me.user_id, me.session_id, PASSWORD, "another horse")
        elif how == "confirm":
            await waggle.confirm(me.user_id, me.session_id, PASSWORD)
        elif how == "operator":
            await waggle.log_out_everywhere.by_operator(me.user_id)
        elif how == "key revoked":
            waggle.time.pass_by(timedelta(days=1))
            await waggle.end_all_sessions()
        elif how == "reuse":
            await waggle.refresh(joined.tokens.refresh_token)
            waggle.time.pass_by(REUSE_GRACE + SECOND)
            await refused(waggle.refresh(joined.tokens.refresh_token))
        elif how == "too many":
            for _ in range(MAX_SESSIONS):
                waggle.time.pass_by(SECOND)
                await waggle.log_in_again("ann")
        else:
            await waggle.delete_account(me.user_id, me.session_id, "ann")

    @pytest.mark.parametrize(
        "how",
        [
            "logout",
            "elsewhere",
            "everywhere",
            "password",
            "confirm",
            "operator",
            "key revoked",
            "reuse",
            "too many",
            "deletion",
        ],
    )
    async def test_a_registration_is_not_told_again(self, waggle: Waggle, how: str) -> None:
        joined = await waggle.register("ann", "a@example.org", PASSWORD, "", TRY)
        await self._ends(waggle, how, joined)

        assert await refused(waggle.register("ann", "a@example.org", PASSWORD, "", TRY)) is UsernameTaken

    @pytest.mark.parametrize("how", ["logout", "password", "confirm", "operator", "everywhere"])
    async def test_a_login_is_not_told_again(self, waggle: Waggle, how: str) -> None:
        await waggle.joins("ann")
        first = await waggle.log_in("ann", PASSWORD, TRY)
        await self._ends(waggle, how, first)

        if how == "password":
            assert await refused(waggle.log_in("ann", PASSWORD, TRY)) is WrongCredentials
            return
        again = await waggle.log_in("ann", PASSWORD, TRY)  # the password is right: another session
        assert again.replayed is False
        assert again.tokens != first.tokens

    async def test_what_carries_no_credentials_of_that_session_stays(self, waggle: Waggle) -> None:
        joined = await waggle.register("ann", "a@example.org", PASSWORD, "", TRY)
        idempotent_request = IdempotentRequest("ann:publish", "key", "f", joined.user.id)
        first = await waggle.says(joined.user.id, idempotent_request=idempotent_request)
        login = replace(TRY, scope="anyone:login")
        there = await waggle.log_in("ann", PASSWORD, login)
        await self._ends(waggle, "logout", joined)

        assert (
            await waggle.says(joined.user.id, idempotent_request=idempotent_request)
        ).presented == first.presented
        assert await waggle.log_in("ann", PASSWORD, login) == replace(there, replayed=True)


class TestPasswords:
    async def test_giving_it_again_brings_new_tokens_and_ends_the_old_chain(self, waggle: Waggle) -> None:
        joined = await waggle.joins()
        me = await waggle.authenticate(joined.tokens.access_token)
        newer = await waggle.refresh(joined.tokens.refresh_token)
        waggle.time.pass_by(SECOND)

        tokens = await waggle.confirm(me.user_id, me.session_id, PASSWORD)

        assert (await waggle.authenticate(tokens.access_token)).session_id == me.session_id
        for old in (joined.tokens, newer):
            assert await refused(waggle.refresh(old.refresh_token)) is SessionEnded
        assert await refused(waggle.refresh(tokens.refresh_token)) is None, "the session goes on"

    async def test_id8_giving_it_again_makes_the_session_recent(self, waggle: Waggle) -> None:
        joined = await waggle.joins()
        me = await waggle.authenticate(joined.tokens.access_token)
        waggle.time.pass_by(timedelta(minutes=6))

        async def recent() -> bool:
            async with waggle.stores.open_identity() as tx:
                session = await tx.sessions.get(me.session_id)
            return await refused(_as_work(lambda: session.require_recent(waggle.time.now))) is None

        assert await recent() is False
        assert await refused(waggle.confirm(me.user_id, me.session_id, "wrong horse")) is WrongPassword
        assert await recent() is False
        await waggle.confirm(me.user_id, me.session_id, PASSWORD)
        assert await recent() is True

    async def test_id7_a_new_password_ends_all_other_sessions(self, waggle: Waggle) -> None:
        here, there = await waggle.joins("ann"), await waggle.log_in_again("ann")
        me = await waggle.authenticate(here.tokens.access_token)
        await waggle.authenticate(there.tokens.access_token)

        tokens = await waggle.change_password(me.user_id, me.session_id, PASSWORD, "another horse")

        assert await refused(waggle.authenticate(there.tokens.access_token)) is TokenInvalid
        assert await refused(waggle.refresh(there.tokens.refresh_token)) is SessionEnded
        assert await refused(waggle.refresh(here.tokens.refresh_token)) is SessionEnded
        assert (await waggle.authenticate(tokens.access_token)).session_id == me.session_id
        assert await refused(waggle.refresh(tokens.refresh_token)) is None
        assert await refused(waggle.log_in("ann", PASSWORD, None)) is WrongCredentials
        assert await refused(waggle.log_in("ann", "another horse", None)) is None

    @pytest.mark.parametrize(
        ("current", "new", "expected"),
        [
            ("wrong", "another horse", WrongPassword),
            ("", "another horse", WrongPassword),
            ("x" * 10_000, "another horse", WrongPassword),
            (PASSWORD, "short", Invalid),
        ],
    )
    async def test_a_refused_change_changes_nothing(
        self, waggle: Waggle, current: str, new: str, expected: type[Exception]
    ) -> None:
        here, there = await waggle.joins("ann"), await waggle.log_in_again("ann")
        me = await waggle.authenticate(here.tokens.access_token)

        assert await refused(waggle.change_password(me.user_id, me.session_id, current, new)) is expected

        assert await refused(waggle.refresh(there.tokens.refresh_token)) is None
        assert await refused(waggle.log_in("ann", PASSWORD, None)) is None

    async def test_of_two_who_change_it_at_once_one_does(self, waggle: Waggle) -> None:
        me = await waggle.authenticate((await waggle.joins()).tokens.access_token)

        answers = await asyncio.gather(
            *(
                refused(waggle.change_password(me.user_id, me.session_id, PASSWORD, f"another horse {n}"))
                for n in range(2)
            )
        )

        assert sorted(answers, key=str) == sorted([None, WrongPassword], key=str)

    async def test_an_ended_session_changes_nothing(self, waggle: Waggle) -> None:
        me = await waggle.authenticate((await waggle.joins()).tokens.access_token)
        await waggle.log_out(me.session_id)

        change = waggle.change_password(me.user_id, me.session_id, PASSWORD, "another horse")

        assert await refused(change) is SessionEnded
        assert await refused(waggle.confirm(me.user_id, me.session_id, PASSWORD)) is SessionEnded
        assert await refused(waggle.log_in("ann", PASSWORD, None)) is None


async def _as_work(act: Callable[[], None]) -> None:
    act()


class Gate:
    """An answer about a session that arrives when it is let through."""

    def __init__(self) -> None:
        self.asked, self.open, self.alive = asyncio.Event(), asyncio.Event(), True

    async def session_alive(self, _session_id: SessionId, _now: datetime) -> bool:
        alive = self.alive
        self.asked.set()
        await self.open.wait()
        return alive


class TestAuthenticating:
    async def test_a_token_is_good_until_it_expires(self, waggle: Waggle) -> None:
        token = (await waggle.joins()).tokens.access_token

        waggle.time.pass_by(timedelta(minutes=10) - SECOND)
        before = await refused(waggle.authenticate(token))
        waggle.time.pass_by(SECOND)

        assert before is None
        assert await refused(waggle.authenticate(token)) is TokenInvalid

    async def test_id7_an_ended_session_is_served_two_seconds_at_most_where_nobody_was_told(
        self, waggle: Waggle
    ) -> None:
        elsewhere = replace(waggle.authenticate, _tokens=OrderedDict())
        token = (await waggle.joins()).tokens.access_token
        principal = await elsewhere(token)

        await waggle.log_out(principal.session_id)
        waggle.time.pass_by(2 * SECOND)

        assert await refused(elsewhere(token)) is TokenInvalid

    async def test_a_session_that_ends_while_it_is_asked_for_is_asked_for_again(self, waggle: Waggle) -> None:
        gate = Gate()
        here = replace(waggle.authenticate, reader=gate, _tokens=OrderedDict())  # type: ignore[arg-type]
        token = (await waggle.joins()).tokens.access_token
        request = asyncio.create_task(here(token))
        await gate.asked.wait()

        principal = await waggle.authenticate(token)
        gate.alive = False
        here.sessions_ended([principal.session_id])
        gate.open.set()

        assert await request == principal, "it was alive when it was asked for"
        assert await refused(here(token)) is TokenInvalid

    async def test_only_so_many_tokens_are_remembered(self, waggle: Waggle) -> None:
        few = replace(waggle.authenticate, capacity=2, _tokens=OrderedDict())
        joined = [await waggle.joins(name) for name in ("ann", "bob", "cat")]

        found = [await few(person.tokens.access_token) for person in joined * 2]

        assert [principal.user_id for principal in found] == [person.user.id for person in joined * 2]
        assert len(few._tokens) == 2

    async def test_it_tells_who_asks_and_by_which_session(self, waggle: Waggle) -> None:
        joined = await waggle.joins()

        principal = await waggle.authenticate(joined.tokens.access_token)

        assert principal == Principal(joined.user.id, principal.session_id, principal.until)
        assert await waggle.stores.people.session_alive(principal.session_id, waggle.time.now) is True


class TestProfiles:
    @pytest.fixture
    async def ann(self, waggle: Waggle) -> LoggedIn:
        return await waggle.joins("ann")

    async def test_an_edit_is_stored_and_told(self, waggle: Waggle, ann: LoggedIn) -> None:
        edited = await waggle.edit_profile(ann.user.id, " Anna ", None, 1)

        assert (edited.display_name, edited.bio, edited.version) == ("Anna", "", 2)
        assert await waggle.read_account(ann.user.id) == edited
        assert (await waggle.told())[-1] == ProfileChanged(user_id=ann.user.id, version=2)

    async def test_a_member_can_be_emptied(self, waggle: Waggle, ann: LoggedIn) -> None:
        await waggle.edit_profile(ann.user.id, "", None, None)

        assert (await waggle.read_profile(ann.user.id)).display_name == ""

    async def test_an_edit_of_an_older_version_is_stale_and_changes_nothing(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        edited = await waggle.edit_profile(ann.user.id, "Anna", None, 1)

        late = await refused(waggle.edit_profile(ann.user.id, "Annie", None, 1))

        assert late is Stale
        assert await waggle.read_account(ann.user.id) == edited

    async def test_an_edit_that_changes_nothing_tells_nobody(self, waggle: Waggle, ann: LoggedIn) -> None:
        before = await waggle.told()

        unchanged = await waggle.edit_profile(ann.user.id, ann.user.display_name, None, 1)

        assert unchanged.version == 1
        assert await waggle.told() == before

    async def test_faults_are_told_at_once(self, waggle: Waggle, ann: LoggedIn) -> None:
        with pytest.raises(Invalid) as caught:
            await waggle.edit_profile(ann.user.id, "x" * 51, "\0", None)

        assert [fault.field for fault in caught.value.field_errors] == ["display_name", "bio"]

    @pytest.mark.parametrize("name", ["ann", "ANN"])
    async def test_a_profile_is_found_by_name(self, waggle: Waggle, ann: LoggedIn, name: str) -> None:
        assert await waggle.read_profile.named(name) == ann.user

    @pytest.mark.parametrize("name", ["bob", "", "a b", "admin", "\0", "аnn", "x" * 10_000])
    async def test_nobody_has_another_name(self, waggle: Waggle, ann: LoggedIn, name: str) -> None:
        assert await refused(waggle.read_profile.named(name)) is UserNotFound
        assert await refused(waggle.read_profile(UserId(1))) is UserNotFound

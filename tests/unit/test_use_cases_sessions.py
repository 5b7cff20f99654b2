"""Refresh, end and authenticate sessions."""

import asyncio
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from application.identity.authentication import Principal
from application.identity.ports import SessionRow
from application.identity.sessions import ClientInfo
from application.shared.errors import TokenInvalid
from application.shared.paging import Window
from domain.identity import (
    MAX_SESSIONS,
    RECENT,
    REUSE_GRACE,
    SESSION_IDLE,
    SESSION_LIFE,
    RecentLoginRequired,
    SessionEnded,
    SessionNotFound,
)
from domain.shared import SessionId
from tests.unit.people import PASSWORD, Waggle, refused

SECOND = timedelta(seconds=1)


class TestRefresh:
    async def test_a_refresh_token_is_exchanged_for_the_next_one(self, waggle: Waggle) -> None:
        """ID-5."""
        tokens = (await waggle.register_user()).tokens

        for _ in range(3):
            waggle.time.advance(timedelta(minutes=10))
            tokens, used = await waggle.refresh(tokens.refresh_token), tokens
            assert tokens.refresh_token != used.refresh_token
            assert await refused(waggle.authenticate(tokens.access_token)) is None

    async def test_a_repeated_refresh_within_the_grace_returns_the_same_answer(self, waggle: Waggle) -> None:
        """ID-5."""
        first = (await waggle.register_user()).tokens.refresh_token

        answer = await waggle.refresh(first)
        waggle.time.advance(REUSE_GRACE)
        again = await waggle.refresh(first)

        assert again == answer
        assert await refused(waggle.refresh(again.refresh_token)) is None

    async def test_two_concurrent_refreshes_get_the_same_successor(self, waggle: Waggle) -> None:
        """ID-5."""
        first = (await waggle.register_user()).tokens.refresh_token

        one, two = await asyncio.gather(waggle.refresh(first), waggle.refresh(first))

        assert one.refresh_token == two.refresh_token

    async def test_reuse_after_the_grace_ends_the_session(self, waggle: Waggle) -> None:
        """ID-5."""
        stolen = (await waggle.register_user()).tokens.refresh_token
        owner = await waggle.refresh(stolen)
        waggle.time.advance(REUSE_GRACE + SECOND)

        thief = await refused(waggle.refresh(stolen))

        assert thief is SessionEnded
        assert await refused(waggle.refresh(owner.refresh_token)) is SessionEnded
        assert await refused(waggle.authenticate(owner.access_token)) is TokenInvalid

    async def test_a_token_of_any_generation_returns_the_same_answer_within_its_grace(
        self, waggle: Waggle
    ) -> None:
        """ID-5."""
        token = (await waggle.register_user()).tokens.refresh_token
        answers = []
        for _ in range(6):
            answers.append((token, await waggle.refresh(token)))
            token = answers[-1][1].refresh_token
            waggle.time.advance(timedelta(seconds=5))

        for used, answer in answers:
            assert await waggle.refresh(used) == answer
        waggle.time.advance(timedelta(milliseconds=1))
        assert await waggle.refresh(answers[1][0]) == answers[1][1]
        assert await refused(waggle.authenticate(answers[-1][1].access_token)) is None
        assert await refused(waggle.refresh(answers[0][0])) is SessionEnded, "thirty seconds and a bit"
        assert await refused(waggle.refresh(token)) is SessionEnded

    async def test_a_session_ended_by_reuse_is_refused_at_once(self, waggle: Waggle) -> None:
        """ID-5."""
        joined = await waggle.register_user()
        newest = await waggle.refresh(joined.tokens.refresh_token)
        await waggle.authenticate(newest.access_token)
        waggle.time.advance(REUSE_GRACE + timedelta(milliseconds=1))

        assert await refused(waggle.refresh(joined.tokens.refresh_token)) is SessionEnded

        assert await refused(waggle.authenticate(newest.access_token)) is TokenInvalid

    async def test_a_forged_token_ends_no_session(self, waggle: Waggle) -> None:
        """ID-5."""
        token = (await waggle.register_user()).tokens.refresh_token
        head, mac = token.rsplit("_", 1)

        for forged in (f"{head}_{'0' * len(mac)}", token.replace("_0_", "_1_"), "wgr_7_0_00", ""):
            assert await refused(waggle.refresh(forged)) is SessionEnded
        assert await refused(waggle.refresh(token)) is None

    async def test_an_unused_session_ends_after_thirty_days(self, waggle: Waggle) -> None:
        token = (await waggle.register_user()).tokens.refresh_token

        waggle.time.advance(SESSION_IDLE)

        assert await refused(waggle.refresh(token)) is SessionEnded

    async def test_a_session_ends_after_ninety_days_however_often_it_is_refreshed(
        self, waggle: Waggle
    ) -> None:
        token = (await waggle.register_user()).tokens.refresh_token
        days = 0

        while True:
            waggle.time.advance(timedelta(days=10))
            days += 10
            if await refused(waggle.refresh(token)) is SessionEnded:
                break
            token = (await waggle.refresh(token)).refresh_token

        assert SESSION_LIFE <= timedelta(days=days) <= SESSION_LIFE + timedelta(days=10)


class TestLogout:
    async def test_logout_ends_both_tokens_at_once(self, waggle: Waggle) -> None:
        """ID-7."""
        tokens = (await waggle.register_user()).tokens
        principal = await waggle.authenticate(tokens.access_token)

        await waggle.log_out(principal.session_id)

        assert await refused(waggle.authenticate(tokens.access_token)) is TokenInvalid
        assert await refused(waggle.refresh(tokens.refresh_token)) is SessionEnded

    async def test_a_repeated_logout_does_nothing(self, waggle: Waggle) -> None:
        principal = await waggle.authenticate((await waggle.register_user()).tokens.access_token)

        await waggle.log_out(principal.session_id)

        assert await refused(waggle.log_out(principal.session_id)) is None


class TestEndOtherSessions:
    async def test_users_list_only_their_own_sessions(self, waggle: Waggle) -> None:
        """ID-8."""
        ann = await waggle.new_user("ann")
        await waggle.new_user("bob")
        waggle.time.advance(SECOND)
        phone = await waggle.log_in("ann", PASSWORD, None, ClientInfo("Bee\x1bphone 7", "net"))
        session = (await waggle.authenticate(phone.tokens.access_token)).session_id

        rows = (await waggle.list_sessions(ann, Window(10))).items

        assert rows[0] == SessionRow(session, "Bee phone 7", waggle.time.now)
        assert [row.device for row in rows] == ["Bee phone 7", ""]

    async def test_only_its_owner_can_end_a_session(self, waggle: Waggle) -> None:
        """ID-8."""
        ann, bob = await waggle.register_user("ann"), await waggle.register_user("bob")
        of_ann = (await waggle.authenticate(ann.tokens.access_token)).session_id
        of_bob = (await waggle.authenticate(bob.tokens.access_token)).session_id

        for stranger, current, session in (
            (ann.user.id, of_ann, of_bob),
            (bob.user.id, of_bob, SessionId(7)),
        ):
            assert await refused(waggle.end_session(stranger, current, session)) is SessionNotFound
        assert await refused(waggle.end_session(bob.user.id, of_bob, of_bob)) is None

        assert await refused(waggle.authenticate(bob.tokens.access_token)) is TokenInvalid
        assert await refused(waggle.refresh(bob.tokens.refresh_token)) is SessionEnded
        assert await refused(waggle.end_session(bob.user.id, of_bob, of_bob)) is SessionNotFound
        assert await refused(waggle.authenticate(ann.tokens.access_token)) is None

    @pytest.mark.parametrize("keep", [True, False])
    async def test_logout_everywhere_ends_all_sessions_at_once(self, waggle: Waggle, keep: bool) -> None:
        """ID-7."""
        here, there, bob = (
            await waggle.register_user("ann"),
            await waggle.log_in_user("ann"),
            await waggle.register_user("bob"),
        )
        session = (await waggle.authenticate(here.tokens.access_token)).session_id
        await waggle.authenticate(there.tokens.access_token)

        await waggle.end_sessions(here.user.id, session, keep_current=keep)

        for joined, active in ((here, keep), (there, False), (bob, True)):
            refusal = await refused(waggle.authenticate(joined.tokens.access_token))
            assert refusal is (None if active else TokenInvalid)
            refusal = await refused(waggle.refresh(joined.tokens.refresh_token))
            assert refusal is (None if active else SessionEnded)

    @pytest.mark.parametrize("act", ["one", "all", "others"])
    async def test_ending_other_sessions_needs_a_recent_password(self, waggle: Waggle, act: str) -> None:
        """ID-8."""
        here, there = await waggle.register_user("ann"), await waggle.log_in_user("ann")
        me = await waggle.authenticate(here.tokens.access_token)
        other = (await waggle.authenticate(there.tokens.access_token)).session_id

        async def end() -> type[Exception] | None:
            if act == "one":
                return await refused(waggle.end_session(me.user_id, me.session_id, other))
            keep = act == "others"
            return await refused(waggle.end_sessions(me.user_id, me.session_id, keep_current=keep))

        waggle.time.advance(RECENT + SECOND)
        assert await end() is RecentLoginRequired
        assert await refused(waggle.authenticate(there.tokens.access_token)) is None
        await waggle.confirm(me.user_id, me.session_id, PASSWORD)
        assert await end() is None
        assert await refused(waggle.authenticate(there.tokens.access_token)) is TokenInvalid

    async def test_ending_the_current_session_needs_no_password(self, waggle: Waggle) -> None:
        me = await waggle.authenticate((await waggle.register_user("ann")).tokens.access_token)
        waggle.time.advance(RECENT + SECOND)

        assert await refused(waggle.end_session(me.user_id, me.session_id, me.session_id)) is None

    async def test_an_account_has_at_most_a_hundred_sessions(self, waggle: Waggle) -> None:
        first = await waggle.register_user("ann")
        logged_in = []
        for _ in range(MAX_SESSIONS - 1):
            waggle.time.advance(SECOND)
            logged_in.append(await waggle.log_in_user("ann"))
        await waggle.authenticate(first.tokens.access_token)
        assert len((await waggle.list_sessions(first.user.id, Window(200))).items) == MAX_SESSIONS

        waggle.time.advance(SECOND)
        await waggle.log_in_user("ann")

        assert len((await waggle.list_sessions(first.user.id, Window(200))).items) == MAX_SESSIONS
        assert await refused(waggle.authenticate(first.tokens.access_token)) is TokenInvalid
        assert await refused(waggle.refresh(first.tokens.refresh_token)) is SessionEnded
        assert await refused(waggle.refresh(logged_in[0].tokens.refresh_token)) is None

    async def test_an_operator_can_end_all_sessions_of_one_or_of_all_users(self, waggle: Waggle) -> None:
        ann, bob, eve = [await waggle.register_user(name) for name in ("ann", "bob", "eve")]

        assert await waggle.end_sessions.by_operator(ann.user.id) == 1
        assert await refused(waggle.refresh(ann.tokens.refresh_token)) is SessionEnded
        assert await refused(waggle.refresh(bob.tokens.refresh_token)) is None
        waggle.time.advance(timedelta(days=1))
        assert await waggle.end_sessions_of_all_users() >= 2
        for joined in (bob, eve):
            assert await refused(waggle.refresh(joined.tokens.refresh_token)) is SessionEnded
        assert await waggle.end_sessions_of_all_users() == 0


class DelayedReader:
    """A reader whose answer about a session waits until the test releases it."""

    def __init__(self) -> None:
        self.asked, self.open, self.alive = asyncio.Event(), asyncio.Event(), True

    async def session_alive(self, _session_id: SessionId, _now: datetime) -> bool:
        alive = self.alive
        self.asked.set()
        await self.open.wait()
        return alive


class TestAuthentication:
    async def test_a_token_is_valid_until_it_expires(self, waggle: Waggle) -> None:
        token = (await waggle.register_user()).tokens.access_token

        waggle.time.advance(timedelta(minutes=10) - SECOND)
        before = await refused(waggle.authenticate(token))
        waggle.time.advance(SECOND)

        assert before is None
        assert await refused(waggle.authenticate(token)) is TokenInvalid

    async def test_a_session_ended_elsewhere_is_accepted_for_at_most_two_seconds(
        self, waggle: Waggle
    ) -> None:
        """ID-7."""
        elsewhere = replace(waggle.authenticate, _tokens=OrderedDict())
        token = (await waggle.register_user()).tokens.access_token
        principal = await elsewhere(token)

        await waggle.log_out(principal.session_id)
        waggle.time.advance(2 * SECOND)

        assert await refused(elsewhere(token)) is TokenInvalid

    async def test_a_session_that_ends_during_a_read_is_read_again(self, waggle: Waggle) -> None:
        gate = DelayedReader()
        here = replace(waggle.authenticate, reader=gate, _tokens=OrderedDict())  # type: ignore[arg-type]
        token = (await waggle.register_user()).tokens.access_token
        request = asyncio.create_task(here(token))
        await gate.asked.wait()

        principal = await waggle.authenticate(token)
        gate.alive = False
        here.sessions_ended([principal.session_id])
        gate.open.set()

        assert await request == principal, "it was alive when it was asked for"
        assert await refused(here(token)) is TokenInvalid

    async def test_the_number_of_cached_tokens_is_bounded(self, waggle: Waggle) -> None:
        few = replace(waggle.authenticate, capacity=2, _tokens=OrderedDict())
        joined = [await waggle.register_user(name) for name in ("ann", "bob", "cat")]

        found = [await few(person.tokens.access_token) for person in joined * 2]

        assert [principal.user_id for principal in found] == [person.user.id for person in joined * 2]
        assert len(few._tokens) == 2

    async def test_a_principal_has_the_user_and_the_session(self, waggle: Waggle) -> None:
        joined = await waggle.register_user()

        principal = await waggle.authenticate(joined.tokens.access_token)

        assert principal == Principal(joined.user.id, principal.session_id, principal.until)
        assert (
            await waggle.stores.identity.reader.session_alive(principal.session_id, waggle.time.now) is True
        )

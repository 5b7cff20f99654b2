"""Confirm and change passwords, and delete the stored results of ended sessions."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from application.identity.sessions import LoggedIn
from application.shared.errors import TokenInvalid
from application.shared.ports import IdempotentRequest
from domain.identity import (
    MAX_SESSIONS,
    REUSE_GRACE,
    SessionEnded,
    UsernameTaken,
    WrongCredentials,
    WrongPassword,
)
from domain.shared import Invalid
from tests.unit.people import PASSWORD, Waggle, refused

SECOND = timedelta(seconds=1)
TRY = IdempotentRequest("anyone:register", "key", "fingerprint")


class TestStoredCredentials:
    """A stored idempotent result is deleted when the session that it has credentials of ends."""

    async def _invalidate(self, waggle: Waggle, how: str, joined: LoggedIn) -> None:
        me = await waggle.authenticate(joined.tokens.access_token)
        if how == "logout":
            await waggle.log_out(me.session_id)
        elif how == "elsewhere":
            await waggle.end_session(me.user_id, me.session_id, me.session_id)
        elif how == "everywhere":
            await waggle.end_sessions(me.user_id, me.session_id)
        elif how == "password":
            await waggle.change_password(me.user_id, me.session_id, PASSWORD, "another horse")
        elif how == "confirm":
            await waggle.confirm(me.user_id, me.session_id, PASSWORD)
        elif how == "operator":
            await waggle.end_sessions.by_operator(me.user_id)
        elif how == "key revoked":
            waggle.time.advance(timedelta(days=1))
            await waggle.end_sessions_of_all_users()
        elif how == "reuse":
            await waggle.refresh(joined.tokens.refresh_token)
            waggle.time.advance(REUSE_GRACE + SECOND)
            await refused(waggle.refresh(joined.tokens.refresh_token))
        elif how == "too many":
            for _ in range(MAX_SESSIONS):
                waggle.time.advance(SECOND)
                await waggle.log_in_user("ann")
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
    async def test_a_registration_is_not_replayed_once_its_session_has_ended(
        self, waggle: Waggle, how: str
    ) -> None:
        joined = await waggle.register("ann", "a@example.org", PASSWORD, "", TRY)
        await self._invalidate(waggle, how, joined)

        assert await refused(waggle.register("ann", "a@example.org", PASSWORD, "", TRY)) is UsernameTaken

    @pytest.mark.parametrize("how", ["logout", "password", "confirm", "operator", "everywhere"])
    async def test_a_login_is_not_replayed_once_its_session_has_ended(self, waggle: Waggle, how: str) -> None:
        await waggle.register_user("ann")
        first = await waggle.log_in("ann", PASSWORD, TRY)
        await self._invalidate(waggle, how, first)

        if how == "password":
            assert await refused(waggle.log_in("ann", PASSWORD, TRY)) is WrongCredentials
            return
        again = await waggle.log_in(
            "ann", PASSWORD, TRY
        )  # the password is right, so another session is opened
        assert again.replayed is False
        assert again.tokens != first.tokens

    async def test_results_without_credentials_of_the_ended_session_stay(self, waggle: Waggle) -> None:
        joined = await waggle.register("ann", "a@example.org", PASSWORD, "", TRY)
        idempotent_request = IdempotentRequest("ann:publish", "key", "f", joined.user.id)
        first = await waggle.publish_text(joined.user.id, idempotent_request=idempotent_request)
        login = replace(TRY, scope="anyone:login")
        there = await waggle.log_in("ann", PASSWORD, login)
        await self._invalidate(waggle, "logout", joined)

        assert (
            await waggle.publish_text(joined.user.id, idempotent_request=idempotent_request)
        ).hydrated == first.hydrated
        assert await waggle.log_in("ann", PASSWORD, login) == replace(there, replayed=True)


class TestPasswords:
    async def test_a_password_confirmation_issues_new_tokens_and_ends_the_old_chain(
        self, waggle: Waggle
    ) -> None:
        joined = await waggle.register_user()
        me = await waggle.authenticate(joined.tokens.access_token)
        newer = await waggle.refresh(joined.tokens.refresh_token)
        waggle.time.advance(SECOND)

        tokens = await waggle.confirm(me.user_id, me.session_id, PASSWORD)

        assert (await waggle.authenticate(tokens.access_token)).session_id == me.session_id
        for old in (joined.tokens, newer):
            assert await refused(waggle.refresh(old.refresh_token)) is SessionEnded
        assert await refused(waggle.refresh(tokens.refresh_token)) is None, "the session goes on"

    async def test_a_password_confirmation_makes_the_session_recent(self, waggle: Waggle) -> None:
        joined = await waggle.register_user()
        me = await waggle.authenticate(joined.tokens.access_token)
        waggle.time.advance(timedelta(minutes=6))

        async def recent() -> bool:
            async with waggle.stores.identity.open_tx() as tx:
                session = await tx.sessions.get(me.session_id)
            return await refused(_as_coroutine(lambda: session.require_recent(waggle.time.now))) is None

        assert await recent() is False
        assert await refused(waggle.confirm(me.user_id, me.session_id, "wrong horse")) is WrongPassword
        assert await recent() is False
        await waggle.confirm(me.user_id, me.session_id, PASSWORD)
        assert await recent() is True

    async def test_a_password_change_ends_all_other_sessions(self, waggle: Waggle) -> None:
        here, there = await waggle.register_user("ann"), await waggle.log_in_user("ann")
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
    async def test_a_refused_password_change_stores_nothing(
        self, waggle: Waggle, current: str, new: str, expected: type[Exception]
    ) -> None:
        here, there = await waggle.register_user("ann"), await waggle.log_in_user("ann")
        me = await waggle.authenticate(here.tokens.access_token)

        assert await refused(waggle.change_password(me.user_id, me.session_id, current, new)) is expected

        assert await refused(waggle.refresh(there.tokens.refresh_token)) is None
        assert await refused(waggle.log_in("ann", PASSWORD, None)) is None

    async def test_one_of_two_concurrent_password_changes_succeeds(self, waggle: Waggle) -> None:
        me = await waggle.authenticate((await waggle.register_user()).tokens.access_token)

        answers = await asyncio.gather(
            *(
                refused(waggle.change_password(me.user_id, me.session_id, PASSWORD, f"another horse {n}"))
                for n in range(2)
            )
        )

        assert sorted(answers, key=str) == sorted([None, WrongPassword], key=str)

    async def test_an_ended_session_cannot_change_the_password(self, waggle: Waggle) -> None:
        me = await waggle.authenticate((await waggle.register_user()).tokens.access_token)
        await waggle.log_out(me.session_id)

        change = waggle.change_password(me.user_id, me.session_id, PASSWORD, "another horse")

        assert await refused(change) is SessionEnded
        assert await refused(waggle.confirm(me.user_id, me.session_id, PASSWORD)) is SessionEnded
        assert await refused(waggle.log_in("ann", PASSWORD, None)) is None


async def _as_coroutine(act: Callable[[], None]) -> None:
    act()

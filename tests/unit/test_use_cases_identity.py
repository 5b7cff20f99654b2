"""Registration, login and profiles."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from application.identity.queries import Profile
from application.identity.sessions import LoggedIn
from application.shared.errors import KeyReused, Overloaded
from application.shared.events import ProfileChanged, Registered
from application.shared.ports import IdempotentRequest
from domain.identity import (
    EmailTaken,
    SessionEnded,
    UsernameTaken,
    WrongCredentials,
)
from domain.shared import Invalid, Stale, UserId, UserNotFound
from tests.unit.people import PASSWORD, Waggle, refused

SECOND = timedelta(seconds=1)
TRY = IdempotentRequest("anyone:register", "key", "fingerprint")


class TestRegistration:
    async def test_registration_makes_an_account_and_logs_it_in(self, waggle: Waggle) -> None:
        joined = await waggle.register("Ann", " Ann@Example.org ", PASSWORD, " Ann ", None)

        assert joined.user == Profile(joined.user.id, "ann", "Ann", "", 0)
        assert joined.replayed is False
        account = await waggle.read_account(joined.user.id)
        assert (account.email, account.password_hash) == ("Ann@Example.org", f"new:{PASSWORD}")
        assert (await waggle.authenticate(joined.tokens.access_token)).user_id == joined.user.id
        assert await waggle.pending_events() == [Registered(user_id=joined.user.id)]

    async def test_all_field_errors_are_reported_at_once(self, waggle: Waggle) -> None:
        with pytest.raises(Invalid) as caught:
            await waggle.register("a", "nowhere", "short", "x" * 51, None)

        assert [error.field for error in caught.value.field_errors] == [
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
    async def test_usernames_and_addresses_are_unique_whatever_their_case(
        self, waggle: Waggle, name: str, address: str, expected: type[Exception] | None
    ) -> None:
        await waggle.register_user("ann")

        assert await refused(waggle.register(name, address, PASSWORD, "", None)) is expected

    async def test_a_refused_registration_stores_nothing(self, waggle: Waggle) -> None:
        await waggle.register_user("ann")
        before = await waggle.pending_events()

        await refused(waggle.register("bob", "ann@example.org", PASSWORD, "", None))

        assert await waggle.pending_events() == before
        assert await refused(waggle.read_profile.named("bob")) is UserNotFound

    async def test_a_repeated_registration_returns_the_same_tokens_and_makes_no_second_account(
        self, waggle: Waggle
    ) -> None:
        first = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)
        waggle.time.advance(timedelta(minutes=5))
        second = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)

        assert second == replace(first, replayed=True)

    async def test_a_replay_returns_the_profile_of_the_first_answer(self, waggle: Waggle) -> None:
        first = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)
        await waggle.edit_profile(first.user.id, "Anna", "bees", None)

        second = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)

        assert second.user == first.user

    async def test_a_replayed_refresh_token_is_valid_until_its_use(self, waggle: Waggle) -> None:
        await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)
        again = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", TRY)

        renewed = await waggle.refresh(again.tokens.refresh_token)

        assert renewed.refresh_token != again.tokens.refresh_token
        assert (await waggle.authenticate(renewed.access_token)).user_id == again.user.id

    async def test_an_idempotency_key_of_another_request_is_refused(self, waggle: Waggle) -> None:
        await waggle.register("ann", "a@example.org", PASSWORD, "", TRY)

        other = waggle.register("bob", "b@example.org", PASSWORD, "", replace(TRY, fingerprint="other"))

        assert await refused(other) is KeyReused
        assert await refused(waggle.read_profile.named("bob")) is UserNotFound

    async def test_an_idempotency_key_of_a_refused_request_can_be_used_again(self, waggle: Waggle) -> None:
        await waggle.register_user("ann")
        await refused(waggle.register("ann", "b@example.org", PASSWORD, "", TRY))

        joined = await waggle.register("bob", "b@example.org", PASSWORD, "", replace(TRY, fingerprint="two"))

        assert joined.replayed is False


class TestLogin:
    @pytest.mark.parametrize("login", ["ann", "ANN", " ann ", "ann@example.org", "Ann@EXAMPLE.org"])
    async def test_login_with_username_or_address_in_any_case(self, waggle: Waggle, login: str) -> None:
        ann = await waggle.new_user("ann")

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
    async def test_an_unknown_account_and_a_wrong_password_get_the_same_answer(
        self, waggle: Waggle, login: str, secret: str
    ) -> None:
        await waggle.register_user("ann")

        with pytest.raises(WrongCredentials) as caught:
            await waggle.log_in(login, secret, None)

        assert str(caught.value) == "the name or the password is wrong"

    @pytest.mark.parametrize("login", ["ann", "nobody"])
    async def test_an_overloaded_login_is_refused_at_once_and_not_counted(
        self, waggle: Waggle, login: str
    ) -> None:
        await waggle.register_user("ann")
        waggle.passwords.full = True
        for _ in range(30):
            with pytest.raises(Overloaded):
                await waggle.log_in(login, PASSWORD, None)
        waggle.passwords.full = False

        await waggle.log_in("ann", PASSWORD, None)

    async def test_an_equivalent_unicode_spelling_of_the_password_is_accepted(self, waggle: Waggle) -> None:
        await waggle.register("ann", "a@example.org", "Ångström Ångström", "", None)

        logged_in = await waggle.log_in("ann", "A\u030angstro\u0308m A\u030angstro\u0308m", None)

        assert logged_in.user.username == "ann"

    async def test_each_login_opens_its_own_session(self, waggle: Waggle) -> None:
        one = await waggle.register_user("ann")
        two = await waggle.log_in("ann", PASSWORD, None)
        first = await waggle.authenticate(one.tokens.access_token)

        await waggle.log_out(first.session_id)

        assert await refused(waggle.refresh(one.tokens.refresh_token)) is SessionEnded
        assert await refused(waggle.refresh(two.tokens.refresh_token)) is None

    async def test_an_outdated_hash_is_replaced_at_login(self, waggle: Waggle) -> None:
        ann = await waggle.new_user("ann")
        async with waggle.stores.identity.open_tx() as tx:
            await tx.accounts.set_password_hash(ann, f"old:{PASSWORD}")

        await waggle.log_in("ann", PASSWORD, None)

        assert (await waggle.read_account(ann)).password_hash == f"new:{PASSWORD}"

    async def test_two_concurrent_logins_with_an_outdated_hash_both_succeed(self, waggle: Waggle) -> None:
        ann = await waggle.new_user("ann")
        async with waggle.stores.identity.open_tx() as tx:
            await tx.accounts.set_password_hash(ann, f"old:{PASSWORD}")

        answers = await asyncio.gather(*(refused(waggle.log_in("ann", PASSWORD, None)) for _ in range(2)))

        assert answers == [None, None]

    async def test_a_password_that_changes_during_the_comparison_opens_no_session(
        self, waggle: Waggle
    ) -> None:
        ann = await waggle.new_user("ann")
        login = asyncio.create_task(refused(waggle.log_in("ann", PASSWORD, None)))
        await asyncio.sleep(0)

        async with waggle.stores.identity.open_tx() as tx:
            await tx.accounts.set_password_hash(ann, "new:another password")

        assert await login is WrongCredentials

    async def test_a_repeated_login_opens_no_second_session(self, waggle: Waggle) -> None:
        await waggle.register_user("ann")

        first = await waggle.log_in("ann", PASSWORD, TRY)
        waggle.time.advance(SECOND)
        second = await waggle.log_in("ann", PASSWORD, TRY)

        assert second == replace(first, replayed=True)


class TestProfiles:
    @pytest.fixture
    async def ann(self, waggle: Waggle) -> LoggedIn:
        return await waggle.register_user("ann")

    async def test_an_edit_is_stored_and_publishes_an_event(self, waggle: Waggle, ann: LoggedIn) -> None:
        edited = await waggle.edit_profile(ann.user.id, " Anna ", None, 1)

        assert (edited.display_name, edited.bio, edited.version) == ("Anna", "", 2)
        assert await waggle.read_account(ann.user.id) == edited
        assert (await waggle.pending_events())[-1] == ProfileChanged(user_id=ann.user.id, version=2)

    async def test_a_member_can_be_emptied(self, waggle: Waggle, ann: LoggedIn) -> None:
        await waggle.edit_profile(ann.user.id, "", None, None)

        assert (await waggle.read_profile(ann.user.id)).display_name == ""

    async def test_an_edit_of_an_older_version_is_refused_as_stale(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        edited = await waggle.edit_profile(ann.user.id, "Anna", None, 1)

        late = await refused(waggle.edit_profile(ann.user.id, "Annie", None, 1))

        assert late is Stale
        assert await waggle.read_account(ann.user.id) == edited

    async def test_an_edit_without_a_change_publishes_no_event(self, waggle: Waggle, ann: LoggedIn) -> None:
        before = await waggle.pending_events()

        unchanged = await waggle.edit_profile(ann.user.id, ann.user.display_name, None, 1)

        assert unchanged.version == 1
        assert await waggle.pending_events() == before

    async def test_all_field_errors_of_an_edit_are_reported_at_once(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        with pytest.raises(Invalid) as caught:
            await waggle.edit_profile(ann.user.id, "x" * 51, "\0", None)

        assert [error.field for error in caught.value.field_errors] == ["display_name", "bio"]

    @pytest.mark.parametrize("name", ["ann", "ANN"])
    async def test_a_profile_is_found_by_its_username(self, waggle: Waggle, ann: LoggedIn, name: str) -> None:
        assert await waggle.read_profile.named(name) == ann.user

    @pytest.mark.parametrize("name", ["bob", "", "a b", "admin", "\0", "аnn", "x" * 10_000])
    async def test_an_unknown_username_finds_no_profile(
        self, waggle: Waggle, ann: LoggedIn, name: str
    ) -> None:
        assert await refused(waggle.read_profile.named(name)) is UserNotFound
        assert await refused(waggle.read_profile(UserId(1))) is UserNotFound

"""The contract of the account ports."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.text import email_key
from application.identity.ports import Credentials
from application.shared.people import AuthorCard
from domain.identity import (
    Account,
    EmailTaken,
    UsernameTaken,
)
from domain.shared import UserId, UserNotFound, made_at
from tests.port_contracts.sessions import a_session, add_session
from tests.port_contracts.stores import Stores, an_account, new_id


async def remove(stores: Stores, account: Account, rests_until: datetime) -> None:
    async with stores.identity.open_tx() as tx:
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

        async with stores.identity.open_tx() as tx:
            await tx.accounts.add(account)

        async with stores.identity.open_tx() as tx:
            assert await tx.accounts.get(account.id) == account
        assert await stores.identity.reader.account(account.id) == account
        assert await stores.identity.reader.account_named(account.username) == account

    async def test_a_username_belongs_to_one_account(self, stores: Stores) -> None:
        account = await stores.add_account()

        with pytest.raises(UsernameTaken):
            await stores.add_account(username=account.username)

    async def test_a_taken_username_hides_whether_the_address_is_taken(self, stores: Stores) -> None:
        existing, deleted = await stores.add_account(), await stores.add_account()
        await remove(stores, deleted, deleted.created_at + timedelta(days=90))

        for name in (existing.username, deleted.username):
            for address in (existing.email, f"free{new_id()}@example.org"):
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
    async def test_a_mailbox_belongs_to_one_account_however_it_is_spelled(
        self, stores: Stores, taken: str, again: str
    ) -> None:
        """IN-3."""
        number = new_id()
        await stores.add_account(email=f"{number}{taken}")

        with pytest.raises(EmailTaken):
            await stores.add_account(email=f"{number}{again}")

    async def test_one_of_ten_concurrent_registrations_gets_the_username(self, stores: Stores) -> None:
        name = an_account().username

        results = await asyncio.gather(
            *(stores.add_account(username=name) for _ in range(10)), return_exceptions=True
        )

        assert sum(isinstance(result, Account) for result in results) == 1
        assert sum(isinstance(result, UsernameTaken) for result in results) == 9

    async def test_a_save_replaces_the_profile_and_nothing_else(self, stores: Stores) -> None:
        account = await stores.add_account(posts=2)
        edited = account.edited(display_name="Ann", bio="bees")

        async with stores.identity.open_tx() as tx:
            await tx.accounts.save(
                replace(edited, posts=99, password_hash="other", username="other", email="o@example.org")
            )

        assert await stores.identity.reader.account(account.id) == edited

    async def test_a_new_password_hash_changes_nothing_else(self, stores: Stores) -> None:
        account = await stores.add_account()

        async with stores.identity.open_tx() as tx:
            await tx.accounts.set_password_hash(account.id, "new")

        assert await stores.identity.reader.account(account.id) == replace(account, password_hash="new")

    async def test_a_removed_account_is_not_found(self, stores: Stores) -> None:
        account = await stores.add_account()

        await remove(stores, account, account.created_at + timedelta(days=1))

        with pytest.raises(UserNotFound):
            await stores.identity.reader.account(account.id)
        assert await stores.identity.reader.cards([account.id]) == {}
        assert await stores.identity.reader.ids_named([account.username]) == {}
        credentials = stores.identity.reader.credentials(
            username=account.username, email=email_key(account.email)
        )
        assert await credentials is None

    async def test_the_username_of_a_removed_account_stays_reserved_for_a_time(self, stores: Stores) -> None:
        account, again, later = await stores.add_account(), an_account(), an_account()
        await remove(stores, account, later.created_at)

        with pytest.raises(UsernameTaken):
            await stores.add_account(id=again.id, username=account.username, email=account.email)
        await stores.add_account(id=later.id, username=account.username, email=account.email)

    async def test_a_registration_during_the_removal_does_not_get_the_username(self, stores: Stores) -> None:
        account = await stores.add_account()

        async def removed() -> None:
            await remove(stores, account, account.created_at + timedelta(days=1))

        async def registered() -> Account:
            return await stores.add_account(username=account.username)

        results = await asyncio.gather(removed(), *(registered() for _ in range(5)), return_exceptions=True)

        assert [type(result) for result in results] == [type(None)] + 5 * [UsernameTaken]

    async def test_the_post_count_goes_up_and_down(self, stores: Stores) -> None:
        account = await stores.add_account()

        async with stores.identity.open_tx() as tx:
            await tx.accounts.count_posts(account.id, 3)
            await tx.accounts.count_posts(account.id, -1)

        assert (await stores.identity.reader.account(account.id)).posts == 2

    async def test_a_post_count_of_an_unknown_account_has_no_effect(self, stores: Stores) -> None:
        nobody = UserId(new_id())

        async with stores.identity.open_tx() as tx:
            await tx.accounts.count_posts(nobody, 1)

        with pytest.raises(UserNotFound):
            await stores.identity.reader.account(nobody)


class IdentityReaderContract:
    async def test_an_unknown_id_or_username_is_not_found(self, stores: Stores) -> None:
        with pytest.raises(UserNotFound):
            await stores.identity.reader.account(UserId(new_id()))
        with pytest.raises(UserNotFound):
            await stores.identity.reader.account_named("nobody_has_this")

    async def test_credentials_are_found_by_username_and_by_address(self, stores: Stores) -> None:
        account = await stores.add_account(password_hash="secret")
        expected = Credentials(account.id, "secret")

        by_name = await stores.identity.reader.credentials(username=account.username, email="-")
        by_address = await stores.identity.reader.credentials(
            username="", email=email_key(account.email.upper())
        )

        assert (expected, expected) == (by_name, by_address)

    async def test_networks_of_earlier_logins_are_recognised(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(), await stores.add_account()
        await add_session(stores, a_session(ann, network="home"))
        await add_session(stores, a_session(ann, network="train", ended_at=made_at(new_id())))
        await add_session(stores, a_session(bob, network="elsewhere"))
        await add_session(stores, a_session(bob))

        recognised = stores.identity.reader.recognises
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
    async def test_unknown_logins_have_no_credentials(self, stores: Stores, login: str) -> None:
        await stores.add_account()
        name = login if login.isascii() else ""

        assert await stores.identity.reader.credentials(username=name, email=email_key(login)) is None

    async def test_only_existing_accounts_have_cards(self, stores: Stores) -> None:
        ann, bob = await stores.add_account(display_name="Ann"), await stores.add_account()

        cards = await stores.identity.reader.cards({ann.id, bob.id, UserId(1)})

        assert cards == {
            ann.id: AuthorCard(ann.id, ann.username, "Ann"),
            bob.id: AuthorCard(bob.id, bob.username, ""),
        }
        assert await stores.identity.reader.cards([]) == {}

    async def test_only_existing_usernames_have_ids(self, stores: Stores) -> None:
        ann = await stores.add_account()

        assert await stores.identity.reader.ids_named([ann.username, "nobody_has_this"]) == {
            ann.username: ann.id
        }
        assert await stores.identity.reader.ids_named([]) == {}

"""The contract of pending registrations and their mails. Each test reads only its own usernames and addresses."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from application.identity.ports import DueConfirmation, PendingRegistration
from domain.identity import UsernameTaken
from domain.shared import DomainError
from tests.port_contracts.stores import Stores, new_id, with_retries

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def a_pending(**members: object) -> PendingRegistration:
    number = new_id()
    name = f"user_{number >> 16}"
    defaults = {
        "id": number,
        "username": name,
        "email": f"{name}@example.org",
        "password_hash": "hash",
        "display_name": "",
        "seed": number.to_bytes(16, "big"),
        "digest": sha256(name.encode()).digest(),
        "expires_at": datetime.now(UTC) + DAY,
    }
    return PendingRegistration(**{**defaults, **members})  # type: ignore[arg-type]


async def add(
    stores: Stores, pending: PendingRegistration, after: timedelta = -MINUTE
) -> type[DomainError] | None:
    """Add the registration as if it was requested `after` from now. Returns the type of the error, if any."""
    try:
        async with stores.identity.open_tx() as tx:
            await tx.pending.add(pending, datetime.now(UTC) + after)
    except UsernameTaken as error:
        return type(error)
    return None


async def take(stores: Stores, digest: bytes, after: timedelta = timedelta()) -> PendingRegistration | None:
    async with stores.identity.open_tx() as tx:
        return await tx.pending.take(digest, datetime.now(UTC) + after)


async def claimed(
    stores: Stores, *ours: PendingRegistration, lease: timedelta = MINUTE
) -> Sequence[DueConfirmation]:
    ids = {pending.id for pending in ours}
    return [due for due in await stores.identity.confirmations.claim(100, lease) if due.id in ids]


async def claimed_mail(stores: Stores, pending: PendingRegistration) -> DueConfirmation:
    (due,) = await claimed(stores, pending)
    return due


class PendingRegistrationsContract:
    async def test_a_registration_is_taken_once_and_unchanged(self, stores: Stores) -> None:
        pending = a_pending(email="Ännchen+Nektar@exämple.org", display_name="Änn 🐝")
        assert await add(stores, pending) is None

        taken = await take(stores, pending.digest)

        assert taken is not None
        assert (taken.username, taken.email, taken.password_hash) == (
            pending.username,
            pending.email,
            pending.password_hash,
        )
        assert (taken.display_name, taken.seed) == (pending.display_name, pending.seed)
        assert await take(stores, pending.digest) is None

    async def test_one_of_several_concurrent_callers_takes_a_registration(self, stores: Stores) -> None:
        pending = a_pending()
        await add(stores, pending)

        all_taken = await asyncio.gather(
            *(with_retries(lambda: take(stores, pending.digest)) for _ in range(8))
        )

        assert len([taken for taken in all_taken if taken is not None]) == 1

    async def test_a_username_is_reserved_until_the_registration_expires(self, stores: Stores) -> None:
        pending = a_pending()
        await add(stores, pending)
        again = a_pending(username=pending.username)

        assert await add(stores, again) is UsernameTaken
        assert await take(stores, pending.digest, after=DAY + MINUTE) is None
        assert await add(stores, again, after=DAY + MINUTE) is None
        assert await take(stores, pending.digest) is None
        assert await take(stores, again.digest) is not None

    async def test_a_taken_username_is_refused_and_a_taken_address_is_not(self, stores: Stores) -> None:
        account = await stores.add_account()

        assert await add(stores, a_pending(username=account.username)) is UsernameTaken
        assert await add(stores, a_pending(email=account.email.upper())) is None

    async def test_the_username_of_a_deleted_account_is_refused(self, stores: Stores) -> None:
        account = await stores.add_account()
        async with stores.identity.open_tx() as tx:
            await tx.accounts.remove(account, datetime.now(UTC) + DAY)

        assert await add(stores, a_pending(username=account.username)) is UsernameTaken

    async def test_one_of_several_concurrent_registrations_gets_the_username(self, stores: Stores) -> None:
        first = a_pending()
        wanted = [first, *(a_pending(username=first.username) for _ in range(4))]

        async def ask(pending: PendingRegistration) -> type[DomainError] | None:
            return await with_retries(lambda: add(stores, pending))

        answers = await asyncio.gather(*map(ask, wanted))

        assert sorted(map(str, answers)) == sorted([str(None), *[str(UsernameTaken)] * 4])


class ConfirmationQueueContract:
    async def test_a_mail_is_due_at_once_and_claimed_once(self, stores: Stores) -> None:
        pending = a_pending(email="Ännchen@exämple.org")
        await add(stores, pending)

        due = await claimed_mail(stores, pending)

        assert (due.username, due.email, due.seed) == (pending.username, pending.email, pending.seed)
        assert (due.sent, due.attempts) == (0, 0)
        assert not await claimed(stores, pending)
        await stores.identity.confirmations.done(due, sent=True)
        await stores.pass_time(2 * HOUR)
        assert not await claimed(stores, pending)

    async def test_one_of_two_claims_gets_a_mail_until_the_lease_ends(self, stores: Stores) -> None:
        pending = a_pending()
        await add(stores, pending)

        both = await asyncio.gather(claimed(stores, pending), claimed(stores, pending))
        assert sorted(len(mails) for mails in both) == [0, 1]
        await stores.pass_time(2 * MINUTE)

        assert (await claimed_mail(stores, pending)).attempts == 0

    async def test_a_lost_lease_changes_nothing(self, stores: Stores) -> None:
        pending = a_pending()
        await add(stores, pending)
        lost = await claimed_mail(stores, pending)
        await stores.pass_time(2 * MINUTE)
        due = await claimed_mail(stores, pending)

        await stores.identity.confirmations.done(lost, sent=True)
        await stores.identity.confirmations.retry(lost, -MINUTE)
        assert not await claimed(stores, pending)

        await stores.identity.confirmations.retry(due, -MINUTE)
        assert (await claimed_mail(stores, pending)).attempts == 1

    async def test_a_retried_mail_is_due_later(self, stores: Stores) -> None:
        pending = a_pending()
        await add(stores, pending)
        await stores.identity.confirmations.retry(await claimed_mail(stores, pending), HOUR)

        assert not await claimed(stores, pending)
        await stores.pass_time(HOUR + MINUTE)
        assert (await claimed_mail(stores, pending)).attempts == 1

    async def test_mails_to_one_address_are_leased_one_at_a_time(self, stores: Stores) -> None:
        first = a_pending()
        second, third = a_pending(email=first.email.upper()), a_pending(email=first.email)
        for pending in (first, second, third):
            await add(stores, pending)

        one = await claimed_mail(stores, first)
        assert not await claimed(stores, first, second, third)
        await stores.identity.confirmations.done(one, sent=True)
        (two,) = await claimed(stores, second, third)
        assert (two.id, two.sent) == (second.id, 1)
        await stores.identity.confirmations.done(two, sent=False)
        await stores.pass_time(HOUR + MINUTE)

        assert (await claimed_mail(stores, third)).sent == 0

    async def test_expired_and_confirmed_registrations_have_no_due_mail(self, stores: Stores) -> None:
        expired, taken = a_pending(expires_at=datetime.now(UTC) - MINUTE), a_pending()
        for pending in (expired, taken):
            await add(stores, pending, after=-DAY)
        await take(stores, taken.digest)

        assert not await claimed(stores, expired, taken)

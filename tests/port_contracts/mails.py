"""The contract of mail queues. Each test looks only at the mails of its own users."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from application.notifications.ports import DueMail
from domain.shared import UserId
from tests.port_contracts.stores import Stores, new_id

NO_COOLDOWN = timedelta()
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


async def schedule_mail(stores: Stores, user: UserId, seq: int, after: timedelta = -MINUTE) -> None:
    async with stores.notifications.open_tx() as tx:
        await tx.streams.schedule_mail(user, seq, datetime.now(UTC) + after)


async def claim(stores: Stores, *users: UserId, lease: timedelta = MINUTE) -> Sequence[DueMail]:
    return [mail for mail in await stores.notifications.mail_queue.claim(100, lease) if mail.user in users]


async def claim_one(stores: Stores, user: UserId) -> DueMail:
    (mail,) = await claim(stores, user)
    return mail


def a_user() -> UserId:
    return UserId(new_id())


class MailQueueContract:
    async def test_a_mail_is_due_at_its_time(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 7, after=HOUR)
        assert not await claim(stores, user)

        await stores.pass_time(2 * HOUR)

        mail = await claim_one(stores, user)
        assert (mail.since, mail.attempts) == (7, 0)

    async def test_waiting_mails_are_counted_without_cooldowns(self, stores: Stores) -> None:
        queue, user = stores.notifications.mail_queue, a_user()
        before = await queue.waiting()
        await schedule_mail(stores, user, 7)
        await schedule_mail(stores, a_user(), 8, after=HOUR)

        assert await queue.waiting() == before + 2
        await queue.done(await claim_one(stores, user), 7, HOUR)
        assert await queue.waiting() == before + 1

    async def test_a_user_has_one_mail_which_covers_everything_from_the_first_entry(
        self, stores: Stores
    ) -> None:
        user = a_user()
        await schedule_mail(stores, user, 3)
        await schedule_mail(stores, user, 4, after=HOUR)

        assert (await claim_one(stores, user)).since == 3

    async def test_mails_are_claimed_longest_due_first(self, stores: Stores) -> None:
        late, early = a_user(), a_user()
        await schedule_mail(stores, late, 1)
        await schedule_mail(stores, early, 1, after=-HOUR)

        assert [mail.user for mail in await claim(stores, late, early)] == [early, late]
        assert not await stores.notifications.mail_queue.claim(0, MINUTE)

    async def test_one_of_two_claims_gets_a_mail_until_its_lease_ends(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)

        both = await asyncio.gather(claim(stores, user), claim(stores, user))
        assert sorted(len(mails) for mails in both) == [0, 1]

        await stores.pass_time(2 * MINUTE)
        assert (await claim_one(stores, user)).attempts == 0

    async def test_a_lost_lease_has_no_effect(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        lost = await claim_one(stores, user)
        await stores.pass_time(2 * MINUTE)
        mail = await claim_one(stores, user)

        await stores.notifications.mail_queue.done(lost, 9, NO_COOLDOWN)
        await stores.notifications.mail_queue.retry(lost, NO_COOLDOWN)
        assert not await claim(stores, user)

        await stores.notifications.mail_queue.retry(mail, NO_COOLDOWN)
        assert (await claim_one(stores, user))[:3] == (user, 1, 1)

    async def test_a_retry_waits_and_covers_entries_scheduled_meanwhile(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        mail = await claim_one(stores, user)
        await schedule_mail(stores, user, 2)

        await stores.notifications.mail_queue.retry(mail, HOUR)
        assert not await claim(stores, user)
        await stores.pass_time(2 * HOUR)

        assert (await claim_one(stores, user))[:3] == (user, 1, 1)

    async def test_a_finished_mail_is_not_due_again(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)

        await stores.notifications.mail_queue.done(await claim_one(stores, user), 1, NO_COOLDOWN)
        assert not await claim(stores, user)

        await schedule_mail(stores, user, 2, after=HOUR)
        assert not await claim(stores, user)
        await stores.pass_time(2 * HOUR)
        assert (await claim_one(stores, user)).since == 2

    async def test_entries_scheduled_while_a_mail_is_sent_are_not_lost(self, stores: Stores) -> None:
        user, another = a_user(), a_user()
        await schedule_mail(stores, user, 1)
        await schedule_mail(stores, another, 1)
        mails = {mail.user: mail for mail in await claim(stores, user, another)}
        await schedule_mail(stores, user, 3)
        await schedule_mail(stores, another, 2)

        await stores.notifications.mail_queue.done(
            mails[user], 2, NO_COOLDOWN
        )  # 3 is not covered by this mail
        await stores.notifications.mail_queue.done(mails[another], 2, NO_COOLDOWN)  # 2 is

        assert [(mail.user, mail.since) for mail in await claim(stores, user, another)] == [(user, 3)]

    async def test_entries_scheduled_during_the_cooldown_wait_for_its_end(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        await stores.notifications.mail_queue.done(await claim_one(stores, user), 1, 2 * HOUR)

        await schedule_mail(stores, user, 2)
        await schedule_mail(stores, user, 3)
        await stores.pass_time(HOUR)
        assert not await claim(stores, user)

        await stores.pass_time(HOUR + MINUTE)
        assert (await claim_one(stores, user))[:3] == (user, 2, 0)

    async def test_a_mail_scheduled_near_the_end_of_the_cooldown_keeps_its_delay(
        self, stores: Stores
    ) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        await stores.notifications.mail_queue.done(await claim_one(stores, user), 1, timedelta(seconds=1))

        await schedule_mail(stores, user, 2, after=HOUR)
        await stores.pass_time(MINUTE)
        assert not await claim(stores, user)

        await stores.pass_time(HOUR)
        assert (await claim_one(stores, user)).since == 2

    async def test_a_cooldown_without_new_entries_ends(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        await stores.notifications.mail_queue.done(await claim_one(stores, user), 5, HOUR)
        await stores.pass_time(2 * HOUR)

        empty = await claim_one(stores, user)  # whoever claims it finds nothing to send
        assert empty.since == 6
        await stores.notifications.mail_queue.done(empty, 6, NO_COOLDOWN)

        await stores.pass_time(HOUR)
        assert not await claim(stores, user)

    async def test_a_deleted_user_has_no_mail_due(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        async with stores.notifications.open_tx() as tx:
            await tx.streams.delete(user)

        assert not await claim(stores, user)

    async def test_a_rolled_back_mail_is_not_due(self, stores: Stores) -> None:
        user = a_user()

        async def fail() -> None:
            async with stores.notifications.open_tx() as tx:
                await tx.streams.schedule_mail(user, 1, datetime.now(UTC) - MINUTE)
                raise LookupError

        (error,) = await asyncio.gather(fail(), return_exceptions=True)

        assert isinstance(error, LookupError)
        assert not await claim(stores, user)

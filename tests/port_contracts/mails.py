"""What every queue of mails must do. A test looks at the mails of its own users only."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from application.notifications.ports import DueMail
from domain.shared import UserId
from tests.port_contracts.stores import Stores, new_id

NONE = timedelta()
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


async def schedule_mail(stores: Stores, user: UserId, seq: int, after: timedelta = -MINUTE) -> None:
    async with stores.open_notifications() as tx:
        await tx.streams.schedule_mail(user, seq, datetime.now(UTC) + after)


async def claimed(stores: Stores, *users: UserId, lease: timedelta = MINUTE) -> Sequence[DueMail]:
    return [mail for mail in await stores.mail_queue.claim(100, lease) if mail.user in users]


async def the_mail(stores: Stores, user: UserId) -> DueMail:
    (mail,) = await claimed(stores, user)
    return mail


def a_user() -> UserId:
    return UserId(new_id())


class MailQueueContract:
    async def test_a_mail_is_due_when_its_time_has_come(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 7, after=HOUR)
        assert not await claimed(stores, user)

        await stores.pass_time(2 * HOUR)

        mail = await the_mail(stores, user)
        assert (mail.since, mail.attempts) == (7, 0)

    async def test_a_user_has_one_mail_which_is_due_about_the_first_thing(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 3)
        await schedule_mail(stores, user, 4, after=HOUR)

        assert (await the_mail(stores, user)).since == 3

    async def test_what_is_due_longest_comes_first(self, stores: Stores) -> None:
        late, early = a_user(), a_user()
        await schedule_mail(stores, late, 1)
        await schedule_mail(stores, early, 1, after=-HOUR)

        assert [mail.user for mail in await claimed(stores, late, early)] == [early, late]
        assert not await stores.mail_queue.claim(0, MINUTE)

    async def test_of_two_who_claim_one_gets_it_until_the_lease_ends(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)

        both = await asyncio.gather(claimed(stores, user), claimed(stores, user))
        assert sorted(len(mails) for mails in both) == [0, 1]

        await stores.pass_time(2 * MINUTE)
        assert (await the_mail(stores, user)).attempts == 0

    async def test_who_lost_the_lease_changes_nothing(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        lost = await the_mail(stores, user)
        await stores.pass_time(2 * MINUTE)
        mail = await the_mail(stores, user)

        await stores.mail_queue.done(lost, 9, NONE)
        await stores.mail_queue.retry(lost, NONE)
        assert not await claimed(stores, user)

        await stores.mail_queue.retry(mail, NONE)
        assert (await the_mail(stores, user))[:3] == (user, 1, 1)

    async def test_a_retry_waits_and_takes_along_what_came_meanwhile(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        mail = await the_mail(stores, user)
        await schedule_mail(stores, user, 2)

        await stores.mail_queue.retry(mail, HOUR)
        assert not await claimed(stores, user)
        await stores.pass_time(2 * HOUR)

        assert (await the_mail(stores, user))[:3] == (user, 1, 1)

    async def test_what_is_done_is_over(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)

        await stores.mail_queue.done(await the_mail(stores, user), 1, NONE)
        assert not await claimed(stores, user)

        await schedule_mail(stores, user, 2, after=HOUR)
        assert not await claimed(stores, user)
        await stores.pass_time(2 * HOUR)
        assert (await the_mail(stores, user)).since == 2

    async def test_what_comes_while_a_mail_is_being_sent_is_not_lost(self, stores: Stores) -> None:
        user, another = a_user(), a_user()
        await schedule_mail(stores, user, 1)
        await schedule_mail(stores, another, 1)
        mails = {mail.user: mail for mail in await claimed(stores, user, another)}
        await schedule_mail(stores, user, 3)
        await schedule_mail(stores, another, 2)

        await stores.mail_queue.done(mails[user], 2, NONE)  # 3 came too late for it
        await stores.mail_queue.done(mails[another], 2, NONE)  # and 2 did not

        assert [(mail.user, mail.since) for mail in await claimed(stores, user, another)] == [(user, 3)]

    async def test_after_a_mail_there_is_a_rest_in_which_what_comes_waits(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        await stores.mail_queue.done(await the_mail(stores, user), 1, 2 * HOUR)

        await schedule_mail(stores, user, 2)
        await schedule_mail(stores, user, 3)
        await stores.pass_time(HOUR)
        assert not await claimed(stores, user)

        await stores.pass_time(HOUR + MINUTE)
        assert (await the_mail(stores, user))[:3] == (user, 2, 0)

    async def test_near_the_end_of_the_rest_a_mail_waits_as_long_as_it_asked_for(
        self, stores: Stores
    ) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        await stores.mail_queue.done(await the_mail(stores, user), 1, timedelta(seconds=1))

        await schedule_mail(stores, user, 2, after=HOUR)
        await stores.pass_time(MINUTE)
        assert not await claimed(stores, user)

        await stores.pass_time(HOUR)
        assert (await the_mail(stores, user)).since == 2

    async def test_a_rest_in_which_nothing_came_ends(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        await stores.mail_queue.done(await the_mail(stores, user), 5, HOUR)
        await stores.pass_time(2 * HOUR)

        empty = await the_mail(stores, user)  # whoever claims it finds nothing to say
        assert empty.since == 6
        await stores.mail_queue.done(empty, 6, NONE)

        await stores.pass_time(HOUR)
        assert not await claimed(stores, user)

    async def test_of_a_user_who_is_forgotten_nothing_is_due(self, stores: Stores) -> None:
        user = a_user()
        await schedule_mail(stores, user, 1)
        async with stores.open_notifications() as tx:
            await tx.streams.delete(user)

        assert not await claimed(stores, user)

    async def test_what_is_rolled_back_is_not_due(self, stores: Stores) -> None:
        user = a_user()

        async def fail() -> None:
            async with stores.open_notifications() as tx:
                await tx.streams.schedule_mail(user, 1, datetime.now(UTC) - MINUTE)
                raise LookupError

        (error,) = await asyncio.gather(fail(), return_exceptions=True)

        assert isinstance(error, LookupError)
        assert not await claimed(stores, user)

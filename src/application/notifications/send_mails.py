"""Mails about notifications, for users who want them. A mail covers what the user has not read in the app meanwhile."""

import asyncio
from datetime import timedelta

from application.notifications.compose_mail import ComposeMail
from application.notifications.ports import DueMail, MailQueue
from application.shared.log import log
from application.shared.log_events import MailDropped, MailFailed, MailRetried
from application.shared.mail import MAX_TRIES, Mail, Undeliverable, pause_before, reason_of
from domain.dataclasses import dataclass

AT_ONCE = 5
"""Mails that one process sends concurrently."""
LEASE = timedelta(seconds=60)
"""Ten seconds are for the delivery, the rest for a slow store."""
REFUSED = timedelta(days=1)
"""A refused address gets no mail for this time."""


@dataclass(frozen=True, slots=True)
class SendMails:
    """Sends due mails, one per user about everything new. At least once: after a crash between the delivery and its
    record, the mail is sent again with the same id."""

    queue: MailQueue
    compose: ComposeMail
    mail: Mail
    every: timedelta
    """The cooldown of a user after a mail. Later notifications are in the next one."""

    async def run(self, poll: timedelta = timedelta(seconds=1)) -> None:
        """Send mails until cancelled. Raises what the store raises; the caller restarts it."""
        while True:
            if await self() < AT_ONCE:
                await asyncio.sleep(poll.total_seconds())

    async def __call__(self) -> int:
        """Send up to AT_ONCE mails that are due. Returns how many."""
        due = await self.queue.claim(AT_ONCE, LEASE)
        await asyncio.gather(*(self._send(mail) for mail in due))
        return len(due)

    async def _send(self, mail: DueMail) -> None:
        up_to, cooldown = mail.since, timedelta()
        try:
            message, up_to = await self.compose(mail)
            if message is not None:
                await self.mail.send(message)
                cooldown = self.every
        except Undeliverable as reason:
            log(MailDropped(user_id=mail.user, reason=str(reason)))
            cooldown = REFUSED
        except Exception as error:  # noqa: BLE001 - one mail must not stop the others
            if mail.attempts + 1 < MAX_TRIES:
                log(MailRetried(user_id=mail.user, reason=reason_of(error)))
                await self.queue.retry(mail, pause_before(mail.attempts))
                return
            log(MailFailed(user_id=mail.user, reason=reason_of(error)))
            cooldown = self.every
        await self.queue.done(mail, up_to, cooldown)

"""Mails about notifications, for who wants them: sent when what they tell was not read in the app meanwhile."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from application.notifications.compose_mail import ComposeMail
from application.notifications.ports import DueMail, MailQueue
from application.shared.mail import MAX_TRIES, Mail, Undeliverable, pause_before, reason_of

log = logging.getLogger(__name__)

AT_ONCE = 5
"""Mails under way in one process."""
LEASE = timedelta(seconds=60)
"""Ten seconds are for handing over, the rest for a slow store."""
REFUSED = timedelta(days=1)
"""An address that was refused is left alone for so long."""


@dataclass(frozen=True, slots=True)
class SendMails:
    """Sends what is due, one mail of all that is new for a user. At least once: a crash between the handing over and
    its note sends a mail again, with the same id."""

    queue: MailQueue
    compose: ComposeMail
    mail: Mail
    every: timedelta
    """The rest of a user between two mails. What is told meanwhile is in the next."""

    async def run(self, poll: timedelta = timedelta(seconds=1)) -> None:
        """Send until cancelled. Raises what the store raises; the caller restarts it."""
        while True:
            if await self() < AT_ONCE:
                await asyncio.sleep(poll.total_seconds())

    async def __call__(self) -> int:
        """Send some of those that are due; how many were."""
        due = await self.queue.claim(AT_ONCE, LEASE)
        await asyncio.gather(*(self._send(mail) for mail in due))
        return len(due)

    async def _send(self, mail: DueMail) -> None:
        up_to, rest = mail.since, timedelta()
        try:
            message, up_to = await self.compose(mail)
            if message is not None:
                await self.mail.send(message)
                rest = self.every
        except Undeliverable as reason:
            log.warning("the mail to user %s is dropped: %s", mail.user, reason)
            rest = REFUSED
        except Exception as error:  # noqa: BLE001 - one mail must not stop the others
            if mail.attempts + 1 < MAX_TRIES:
                log.warning("the mail to user %s waits: %s", mail.user, reason_of(error))
                await self.queue.retry(mail, pause_before(mail.attempts))
                return
            log.error("the mail to user %s is dropped: %s", mail.user, reason_of(error))  # noqa: TRY400 - see reason_of
            rest = self.every
        await self.queue.done(mail, up_to, rest)

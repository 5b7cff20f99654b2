"""Mails about notifications, for who wants them: sent when what they tell was not read in the app meanwhile."""

import asyncio
import logging
import random
import traceback
from dataclasses import dataclass
from datetime import timedelta

from application.notifications.composing import ComposeMail
from application.notifications.ports import DueMail, MailQueue
from application.shared.mail import Mail, Undeliverable
from domain.shared import Unavailable

log = logging.getLogger(__name__)

AT_ONCE = 5
"""Mails under way in one process."""
LEASE = timedelta(seconds=60)
"""Ten seconds are for handing over, the rest for a slow store."""
MAX_TRIES = 12
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
                log.warning("the mail to user %s waits: %s", mail.user, _reason(error))
                await self.queue.retry(mail, _pause(mail.attempts))
                return
            log.error("the mail to user %s is dropped: %s", mail.user, _reason(error))  # noqa: TRY400 - see _reason
            rest = self.every
        await self.queue.done(mail, up_to, rest)


def _reason(error: Exception) -> str:
    if isinstance(error, Unavailable):
        return str(error)
    # Where it was, and not what it says: that may be an address.
    return f"{type(error).__name__}\n" + "".join(traceback.format_tb(error.__traceback__))


def _pause(attempts: int) -> timedelta:
    """Half a minute, then twice as long each time up to an hour: all tries together take some hours."""
    return timedelta(seconds=min(30 * 2.0**attempts, 3600) * random.uniform(0.5, 1))  # noqa: S311 - no secret

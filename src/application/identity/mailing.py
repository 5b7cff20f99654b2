"""The mails about registrations: one to confirm it, and a warning to an address that has an account already."""

import asyncio
from datetime import timedelta
from hashlib import sha256

from application.identity.confirming import ConfirmationToken
from application.identity.ports import ConfirmationQueue, DueConfirmation, IdentityReader
from application.shared.log import log
from application.shared.log_events import (
    RegistrationMailDropped,
    RegistrationMailFailed,
    RegistrationMailRetried,
)
from application.shared.mail import MAX_TRIES, Mail, Message, Site, Undeliverable, pause_before, reason_of
from domain.dataclasses import dataclass
from domain.identity import CONFIRMATION_LIFE, AsciiDomain, email_key

AT_ONCE = 5
"""Mails that one process sends at the same time."""
LEASE = timedelta(seconds=60)
"""Ten seconds are for the mail server, the rest for a slow store."""
CONFIRMATIONS_AN_HOUR = 5
"""Confirmations to one address, by whichever client they are requested."""
WARNINGS_AN_HOUR = 1
"""To one address that has an account already."""


@dataclass(frozen=True, slots=True)
class SendConfirmations:
    """Sends the mails that are due, each at least once. After a crash between the delivery and its record, a mail is sent
    again with the same id."""

    queue: ConfirmationQueue
    reader: IdentityReader
    token: ConfirmationToken
    mail: Mail
    site: Site
    ascii_domain: AsciiDomain

    async def run(self, poll: timedelta = timedelta(seconds=1)) -> None:
        """Send until cancelled. Raises whatever the store raises; the caller restarts it."""
        while True:
            if (
                not await self()
            ):  # sleep only if nothing was due: mails to one address are claimed one at a time
                await asyncio.sleep(poll.total_seconds())

    async def __call__(self) -> int:
        """Send up to AT_ONCE mails that are due. Returns how many were claimed."""
        due = await self.queue.claim(AT_ONCE, LEASE)
        await asyncio.gather(*(self._send(each) for each in due))
        return len(due)

    async def _send(self, due: DueConfirmation) -> None:
        sent = False
        try:
            message = await self._composed(due)
            if message is not None:
                await self.mail.send(message)
                sent = True
        except Undeliverable as reason:
            log(RegistrationMailDropped(registration_id=due.id, reason=str(reason)))
        except Exception as error:  # noqa: BLE001 - one mail must not stop the others
            if due.attempts + 1 < MAX_TRIES:
                log(RegistrationMailRetried(registration_id=due.id, reason=reason_of(error)))
                await self.queue.retry(due, pause_before(due.attempts))
                return
            log(RegistrationMailFailed(registration_id=due.id, reason=reason_of(error)))
        await self.queue.done(due, sent=sent)

    async def _composed(self, due: DueConfirmation) -> Message | None:
        """The message; None if the address has received its hourly limit of mails."""
        key = email_key(due.email, self.ascii_domain)
        taken = await self.reader.credentials(username="", email=key) is not None
        if due.sent >= (WARNINGS_AN_HOUR if taken else CONFIRMATIONS_AN_HOUR):
            return None
        id_ = sha256(f"registration {due.id}".encode()).hexdigest()[:32]
        if taken:
            return Message(due.email, f"Your account on {self.site.host}", self._warning(), id_)
        return Message(due.email, f"Confirm your account on {self.site.host}", self._confirmation(due), id_)

    def _confirmation(self, due: DueConfirmation) -> str:
        token, hours = self.token(due.seed), CONFIRMATION_LIFE // timedelta(hours=1)
        return "\n".join(
            (
                f"Somebody registered as @{due.username} on {self.site.host} with this address.",
                "",
                f"If it was you, open this link within {hours} hours of the registration:",
                "",
                f"{self.site.url}/confirm#token={token}",
                "",
                "Or paste this token where your app asks for it:",
                "",
                token,
                "",
                "If it was not you, ignore this mail: no account is opened.",
                "",
            )
        )

    def _warning(self) -> str:
        return "\n".join(
            (
                f"Somebody tried to register on {self.site.host} with this address. It has an account already, and",
                "nothing about that account has changed.",
                "",
                "If it was you, log in instead:",
                "",
                self.site.url,
                "",
                "If it was not you, there is nothing to do.",
                "",
            )
        )

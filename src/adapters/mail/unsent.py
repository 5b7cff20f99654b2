"""Mail where no mail server is set."""

import logging
from dataclasses import dataclass

from application.shared.mail import Message

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoggedMail:
    """For developers: shown in the log, but for the address, and sent to nobody."""

    async def send(self, message: Message) -> None:
        log.info(
            "a mail that is not sent, as WAGGLE_MAIL_URL is empty: %s\n%s", message.subject, message.text
        )


@dataclass(frozen=True, slots=True)
class NoMail:
    """Dropped: what waited would be old news on the day that a server is set."""

    async def send(self, message: Message) -> None:
        pass

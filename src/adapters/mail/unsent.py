"""Mail without a mail server."""

import logging
from dataclasses import dataclass

from application.shared.mail import Message

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoggedMail:
    """For developers: the mail is logged without its address, and not sent."""

    async def send(self, message: Message) -> None:
        log.info(
            "a mail that is not sent because WAGGLE_MAIL_URL is empty: %s\n%s", message.subject, message.text
        )


@dataclass(frozen=True, slots=True)
class NoMail:
    """Drops mail: if it were kept, it would be outdated when a mail server is configured."""

    async def send(self, message: Message) -> None:
        pass

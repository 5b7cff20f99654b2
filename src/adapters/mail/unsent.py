"""Mail without a mail server."""

import sys
from dataclasses import dataclass

from application.shared.mail import Message


@dataclass(frozen=True, slots=True)
class PrintedMail:
    """For developers: the mail is printed without its address, and not sent. It is not logged, because it may contain tokens."""

    async def send(self, message: Message) -> None:
        sys.stdout.write(
            f"a mail that is not sent because WAGGLE_MAIL_URL is empty: {message.subject}\n{message.text}\n"
        )
        sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class NoMail:
    """Drops mail: if it were kept, it would be outdated when a mail server is configured."""

    async def send(self, message: Message) -> None:
        pass

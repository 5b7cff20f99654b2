"""The port for sending mail."""

import random
import traceback
from datetime import timedelta
from typing import NamedTuple, Protocol, Self
from urllib.parse import urlsplit

from domain.shared import Unavailable

MAX_TRIES = 12
"""Attempts to send one mail."""


class Site(NamedTuple):
    """The names of this server in mails."""

    url: str
    """The public URL. Every link in a mail begins with it, never with anything from a request."""
    host: str

    @classmethod
    def at(cls, url: str) -> Self:
        return cls(url, urlsplit(url).hostname or "waggle")


class Message(NamedTuple):
    to: str
    """An address. It must not appear in logs or errors."""
    subject: str
    """One line."""
    text: str
    id: str
    """Letters and digits. The id is the same in every attempt, so that a mailbox can detect duplicates."""


class Undeliverable(Exception):
    """The mail will never be accepted, however often it is sent. The message has the reason, without the address."""


class Mail(Protocol):
    async def send(self, message: Message) -> None:
        """Send the message within ten seconds. Raises Unavailable if it may succeed later, and Undeliverable if not."""
        ...


def reason_of(error: Exception) -> str:
    """The reason why a mail was not sent, for the log."""
    if isinstance(error, Unavailable):
        return str(error)
    # The location of the error and not its message, which may contain an address.
    return f"{type(error).__name__}\n" + "".join(traceback.format_tb(error.__traceback__))


def pause_before(attempts: int) -> timedelta:
    """Half a minute, doubled after each attempt up to an hour. All attempts together take some hours."""
    return timedelta(seconds=min(30 * 2.0**attempts, 3600) * random.uniform(0.5, 1))  # noqa: S311 - no secret

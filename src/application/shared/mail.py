"""How mail leaves this server."""

import random
import traceback
from datetime import timedelta
from typing import NamedTuple, Protocol

from domain.shared import Unavailable

MAX_TRIES = 12
"""Of one mail."""


class Site(NamedTuple):
    """What a mail calls this server."""

    url: str
    """Where people find it: every link in a mail begins with it, and with nothing that came with a request."""
    host: str


class Message(NamedTuple):
    to: str
    """An address. It stands in no log and in no error."""
    subject: str
    """One line."""
    text: str
    id: str
    """Letters and digits; the same when the message is tried again, so that a mailbox can tell that it came twice."""


class Undeliverable(Exception):
    """This mail will never be taken, however often it is tried. Says why, without the address."""


class Mail(Protocol):
    async def send(self, message: Message) -> None:
        """Hand it over, within ten seconds. Raises Unavailable if it may succeed later, and Undeliverable if not."""
        ...


def reason_of(error: Exception) -> str:
    """Why a mail was not sent, for the log."""
    if isinstance(error, Unavailable):
        return str(error)
    # Where it was, and not what it says: that may be an address.
    return f"{type(error).__name__}\n" + "".join(traceback.format_tb(error.__traceback__))


def pause_before(attempts: int) -> timedelta:
    """Half a minute, then twice as long each time up to an hour: all tries together take some hours."""
    return timedelta(seconds=min(30 * 2.0**attempts, 3600) * random.uniform(0.5, 1))  # noqa: S311 - no secret

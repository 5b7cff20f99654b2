"""How mail leaves this server."""

from typing import NamedTuple, Protocol


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

"""Send mail by SMTP."""

import asyncio
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib

from adapters.mail.server import MailServer
from adapters.text import ascii_domain
from application.shared.mail import Message, Undeliverable
from application.shared.ports import Clock
from domain.shared import Unavailable

BUDGET = 10.0
"""Seconds for sending one mail, from the first packet to the last."""


@dataclass(frozen=True, slots=True)
class SmtpMail:
    """Opens a connection for each mail: there are few mails, and a kept connection may be dead. Of the server's answers only
    the code is logged, since the text usually repeats the address."""

    server: MailServer
    own_host: str
    """The name of this host in EHLO and message ids, in ASCII."""
    now: Clock
    budget: float = BUDGET

    async def send(self, message: Message) -> None:
        mail = self._compose(message)
        client = self._client()
        accepted = False
        try:
            async with asyncio.timeout(self.budget):
                await client.connect()
                await _submit(client, mail)
                accepted = True
                await client.quit()
        except (aiosmtplib.SMTPException, OSError) as error:
            if not accepted:  # otherwise only QUIT failed
                raise Unavailable(f"the mail server {_describe(error)}") from None
        finally:
            client.close()

    def _compose(self, message: Message) -> EmailMessage:
        """Raises Undeliverable if the address cannot be used. Headers cannot be injected: the policy refuses line breaks."""
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self.server.sender
        mail["To"] = _recipient(message.to)
        mail["Subject"] = message.subject
        mail["Date"] = self.now()
        mail["Message-ID"] = f"<{message.id}@{self.own_host}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: autoresponders must not answer it
        mail.set_content(message.text)
        return mail

    def _client(self) -> aiosmtplib.SMTP:
        server = self.server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username or None,
            password=server.password or None,
            local_hostname=self.own_host,  # otherwise it would be looked up in the DNS
            timeout=self.budget,
            use_tls=server.implicit_tls,
            start_tls=server.tls is not None and not server.implicit_tls,
            tls_context=server.tls,
        )


def _recipient(address: str) -> Address:
    local, _, domain = address.rpartition("@")
    try:
        return Address(username=local, domain=ascii_domain(domain))
    except ValueError:
        raise Undeliverable("an address of this form cannot receive mail") from None


async def _submit(client: aiosmtplib.SMTP, mail: EmailMessage) -> None:
    try:
        await client.send_message(mail)
    except aiosmtplib.SMTPRecipientsRefused as refused:
        code = max(recipient.code for recipient in refused.recipients)
        if code >= 500:
            raise Undeliverable(f"the mail server refuses the address ({code})") from None
        raise Unavailable(f"the mail server answered {code}") from None
    except aiosmtplib.SMTPDataError as error:
        if error.code >= 500:
            raise Undeliverable(f"the mail server refuses the mail ({error.code})") from None
        raise
    except (aiosmtplib.SMTPNotSupported, ValueError):
        raise Undeliverable("the mail server does not accept an address of this form") from None


def _describe(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"answered {error.code}"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    return f"cannot be reached ({type(error).__name__})"

"""SMTP delivery: to a server of the tests, to one that refuses, and to one that never answers."""

import asyncio
import datetime as dt
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from adapters.clock import utc_now
from adapters.mail.server import MailServer
from adapters.mail.smtp import SmtpMail
from application.shared.mail import Message, Undeliverable
from domain.shared import Unavailable
from tests.integration.smtp import Mailbox, mail_server, silent_server

CANARY = "canary@example.org"
MESSAGE = Message(CANARY, "Three bees", "Näktar\n.\nand honey\n", "0123")


def mail_at(url: str, budget: float = 10.0) -> SmtpMail:
    return SmtpMail(MailServer.of(url), "waggle.example.org", utc_now, budget)


def url_of(box: Mailbox, more: str = "", scheme: str = "smtp", login: str = "") -> str:
    return f"{scheme}://{login}127.0.0.1:{box.port}?from=Waggle%20<waggle@example.org>{more}"


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Creates the certificate of a host, with its key in the same file."""

    def make(host: str) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hive")])
        now = dt.datetime.now(dt.UTC)
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, SHA256())
        )
        path = tmp_path_factory.mktemp("certificate") / f"{host}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(signed.public_bytes(Encoding.PEM) + private)
        return path

    return make


def serving(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_mail_arrives_unchanged(box: Mailbox) -> None:
    await mail_at(url_of(box)).send(MESSAGE)

    ((sender, recipient, mail, encrypted, login),) = box.received
    assert (sender, recipient, encrypted, login) == ("waggle@example.org", CANARY, False, "")
    assert mail.get_content().replace("\r\n", "\n") == MESSAGE.text
    assert mail["From"] == "Waggle <waggle@example.org>"
    assert mail["Message-ID"] == "<0123@waggle.example.org>"
    assert (mail["To"], mail["Subject"]) == (CANARY, "Three bees")
    assert (mail["Auto-Submitted"], mail.get_content_type()) == ("auto-generated", "text/plain")
    assert abs(mail["Date"].datetime.timestamp() - time.time()) < 60
    assert box.commands[0] == "EHLO waggle.example.org"


async def test_the_mailer_logs_in_over_tls(certificate: Callable[[str], Path]) -> None:
    path = certificate("127.0.0.1")
    with mail_server(tls=serving(path)) as box:
        await mail_at(url_of(box, f"&ssl_ca_certs={path}", login="bee:h%2Fney@")).send(MESSAGE)

    ((_, _, _, encrypted, login),) = box.received
    assert (encrypted, login) == (True, "\0bee\0h/ney")


@pytest.mark.parametrize("host", ["127.0.0.2", "another authority"])
async def test_a_certificate_of_another_host_is_refused(
    host: str, certificate: Callable[[str], Path]
) -> None:
    shown = certificate("127.0.0.2" if host == "127.0.0.2" else "127.0.0.1")
    trusted = shown if host == "127.0.0.2" else certificate("127.0.0.1")
    with mail_server(tls=serving(shown)) as box, pytest.raises(Unavailable):
        await mail_at(url_of(box, f"&ssl_ca_certs={trusted}", login="bee:honey@")).send(MESSAGE)

    assert not box.received
    assert not [line for line in box.commands if line.startswith(("AUTH", "RCPT"))]


async def test_the_mailer_sends_nothing_without_starttls(
    certificate: Callable[[str], Path], box: Mailbox
) -> None:
    with pytest.raises(Unavailable):
        await mail_at(url_of(box, f"&ssl_ca_certs={certificate('127.0.0.1')}")).send(MESSAGE)

    assert [line.split()[0] for line in box.commands] == ["EHLO"]


@pytest.mark.parametrize(
    ("command", "answer", "error"),
    [
        ("CONNECT", f"421 not now, {CANARY}", Unavailable),
        ("AUTH", f"535 who are you, {CANARY}", Unavailable),
        ("MAIL", f"550 not from you, {CANARY}", Unavailable),
        ("RCPT", f"451 {CANARY} is grey", Unavailable),
        ("RCPT", f"550 {CANARY} is unknown", Undeliverable),
        ("DATA", f"451 not now, {CANARY}", Unavailable),
        ("DATA", f"554 not this, {CANARY}", Undeliverable),
        ("MAIL DATA", f"452 no room for {CANARY}", Unavailable),
        ("MAIL DATA", f"554 {CANARY} wants no such thing", Undeliverable),
    ],
)
async def test_refusals_are_temporary_or_permanent_and_errors_contain_no_address(
    command: str, answer: str, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with mail_server({command: answer}) as box, pytest.raises(error) as raised:
        await mail_at(url_of(box, login="bee:honey@")).send(MESSAGE)

    assert answer[:3] in str(raised.value)
    assert CANARY not in str(raised.value)
    assert "honey" not in caplog.text
    assert CANARY not in caplog.text


async def test_an_accepted_mail_counts_as_sent_even_if_quit_fails() -> None:
    with mail_server({"QUIT": "500 stay"}) as box:
        await mail_at(url_of(box)).send(MESSAGE)

    assert len(box.received) == 1


async def test_a_silent_server_costs_only_the_budget() -> None:
    with silent_server() as port:
        started = time.monotonic()
        with pytest.raises(Unavailable, match="did not answer in time"):
            await mail_at(f"smtp://127.0.0.1:{port}?from=waggle@example.org", budget=0.3).send(MESSAGE)

    assert 0.3 <= time.monotonic() - started < 5


@pytest.mark.parametrize("command", ["EHLO", "RCPT", "MAIL DATA", "QUIT"])
async def test_the_time_limit_covers_the_whole_smtp_conversation(command: str) -> None:
    with mail_server({command: ""}) as box:
        sending = mail_at(url_of(box), budget=0.3).send(MESSAGE)
        if command == "QUIT":
            await sending
        else:
            with pytest.raises(Unavailable):
                await sending


async def test_a_closed_port_is_unavailable() -> None:
    with silent_server() as port:
        pass
    with pytest.raises(Unavailable, match="cannot be reached"):
        await mail_at(f"smtp://127.0.0.1:{port}?from=waggle@example.org").send(MESSAGE)


@pytest.mark.parametrize(
    ("address", "envelope"),
    [
        ("bee@exämple.org", "bee@xn--exmple-cua.org"),
        ("Ännchen+Nektar@example.org", "Ännchen+Nektar@example.org"),
        ("a<b@example.org", '"a<b"@example.org'),
        ("a,b;c@example.org", '"a,b;c"@example.org'),
    ],
)
async def test_unusual_mail_addresses_are_encoded_correctly(
    address: str, envelope: str, box: Mailbox
) -> None:
    await mail_at(url_of(box)).send(MESSAGE._replace(to=address))

    ((_, recipient, mail, _, _),) = box.received
    assert recipient == envelope
    assert len(mail["To"].addresses) == 1


async def test_no_text_of_a_message_becomes_a_header_or_a_command(box: Mailbox) -> None:
    mail = mail_at(url_of(box))
    hostile = "a\r\nBcc: eve@example.org"
    with pytest.raises(ValueError, match=r"newline|linefeed|carriage"):
        await mail.send(MESSAGE._replace(subject=hostile))
    with pytest.raises(Undeliverable):
        await mail.send(MESSAGE._replace(to="a\r\nRCPT TO:<eve@example.org>@example.org"))
    await mail.send(MESSAGE._replace(text=".\r\nMAIL FROM:<eve@example.org>\r\n"))

    assert len(box.received) == 1
    assert not [line for line in box.commands if "eve" in line]


async def test_cancelling_a_mail_closes_the_connection() -> None:
    with mail_server({"EHLO": ""}) as box:
        sending = asyncio.create_task(mail_at(url_of(box)).send(MESSAGE))
        while not box.commands:  # noqa: ASYNC110 - it runs in another thread
            await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.wait([sending])

    assert sending.cancelled()  # pytest would warn about a socket that was not closed

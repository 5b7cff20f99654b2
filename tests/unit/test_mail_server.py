"""MailServer: how its URL is parsed; and what happens to mails without a mail server."""

import logging
import ssl

import pytest

from adapters.mail.server import MailServer
from adapters.mail.unsent import NoMail, PrintedMail
from application.shared.mail import Message


def test_a_url_configures_the_server_completely() -> None:
    server = MailServer.of("smtp://bee%40hive:h%2Fney@mail.hive:2525?from=Bee+Hive%20<bee+mail@hive.example>")

    assert (server.host, server.port, server.username, server.password) == (
        "mail.hive", 2525, "bee@hive", "h/ney",
    )  # fmt: skip
    assert (server.sender.display_name, server.sender.addr_spec) == ("Bee+Hive", "bee+mail@hive.example")
    assert "ney" not in repr(server)


@pytest.mark.parametrize(
    ("url", "port", "implicit_tls"),
    [("smtp://hive?from=bee@hive.example", 587, False), ("smtps://hive?from=bee@hive.example", 465, True)],
)
def test_other_hosts_require_tls_with_a_verified_certificate(
    url: str, port: int, *, implicit_tls: bool
) -> None:
    server = MailServer.of(url)

    assert server.tls is not None
    assert (server.tls.verify_mode, server.tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (server.port, server.implicit_tls) == (port, implicit_tls)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.9", "[::1]"])
def test_this_host_needs_no_tls(host: str) -> None:
    assert MailServer.of(f"smtp://{host}?from=bee@hive.example").tls is None
    assert MailServer.of(f"smtps://{host}?from=bee@hive.example").tls is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://hive?from=bee@hive.example",
        "smtp://?from=bee@hive.example",
        "smtp://hive:0?from=bee@hive.example",
        "smtp://hive/path?from=bee@hive.example",
        "smtp://:hunter2/more@hive?from=bee@hive.example",
        "smtp://:hunter2@hive",
        "smtp://:hunter2@hive?from=nobody",
        "smtp://:hunter2@hive?from=bäe@hive.example",
        "smtp://:hunter2@hive?from=bee@hive.example%0d%0aBcc:eve@hive.example",
        "smtp://:hunter2@hive?from=bee@hive.example&starttls=no",
        "smtp://:hunter2@hive?from=bee@hive.example&ssl_ca_certs=/nowhere/at/all",
    ],
)
def test_an_invalid_url_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be parsed|unknown parameters|must|is not a file") as caught:
        MailServer.of(url)

    assert "hunter2" not in str(caught.value)


async def test_without_a_server_the_mail_is_printed_without_its_recipient_and_not_logged(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    message = Message("canary@example.org", "Three bees", "and honey", "1")

    await NoMail().send(message)
    assert not caplog.text

    await PrintedMail().send(message)
    printed = capsys.readouterr().out
    assert "Three bees" in printed
    assert "and honey" in printed
    assert "canary" not in printed
    assert not caplog.text

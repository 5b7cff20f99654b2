"""A mail server on loopback that keeps its mails and answers as a test requests."""

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import NamedTuple, cast


class Received(NamedTuple):
    sender: str
    recipient: str
    mail: EmailMessage
    encrypted: bool
    login: str
    """User and password, as in `AUTH PLAIN`."""


@dataclass
class Mailbox:
    """The mails that a server received."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    """The answer to a command, instead of success. If it is empty, the server does not answer."""
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    """Every command that was received."""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, received: Received) -> None:
        with self._changed:
            self.received.append(received)
            self._changed.notify_all()

    def wait_for(self, count: int, timeout: float = 20.0) -> list[Received]:
        """The received mails, once there are this many."""
        with self._changed:
            there = self._changed.wait_for(lambda: len(self.received) >= count, timeout)
        assert there, f"{len(self.received)} of {count} mails came, after {self.commands}"
        return self.received


class _Session(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self) -> None:
        with suppress(OSError):  # a client may disconnect at any moment
            self._converse(cast("_Server", self.server).mailbox)

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # TLS has replaced the connection that the server closes

    def _converse(self, box: Mailbox) -> None:
        sender, recipient, login, encrypted = "", "", "", False
        self._say(box.answers.get("CONNECT", "220 hive"))
        while line := self.rfile.readline(2000).decode().rstrip("\r\n"):
            box.commands.append(line)
            verb = line.split(" ", 1)[0].upper()
            match verb:
                case _ if verb in box.answers:
                    self._say(box.answers[verb])
                case "EHLO":
                    offered = ["250-hive", "250-8BITMIME", "250-SMTPUTF8", "250-AUTH PLAIN"]
                    self._say(*offered, *(["250-STARTTLS"] if box.tls and not encrypted else []), "250 SIZE")
                case "STARTTLS" if box.tls:
                    self._say("220 go on")
                    self.connection = box.tls.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                    encrypted = True
                case "AUTH":
                    login = base64.b64decode(line.split(" ")[2]).decode()
                    self._say("235 welcome")
                case "MAIL":
                    sender = line.split("<")[1].split(">")[0]
                    self._say("250 fine")
                case "RCPT":
                    recipient = line.split("<", 1)[1].rsplit(">", 1)[0]
                    self._say("250 fine")
                case "DATA":
                    self._say("354 go on")
                    mail = message_from_bytes(self._data(), _class=EmailMessage, policy=SMTP)
                    box.put(Received(sender, recipient, mail, encrypted, login))
                    self._say(box.answers.get("MAIL DATA", "250 taken"))
                case "QUIT":
                    self._say("221 farewell")
                    return
                case _:
                    self._say("250 fine")

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline(2000)) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines if line).encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    mailbox: Mailbox


@contextmanager
def mail_server(
    answers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Mailbox]:
    with _Server(("127.0.0.1", 0), _Session) as server:
        box = server.mailbox = Mailbox(server.server_address[1], answers or {}, tls)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]

"""The mail server, parsed from its URL."""

import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    host: str
    port: int
    sender: Address
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    """None on this host only; otherwise the certificate and the host name are always verified."""
    implicit_tls: bool = False
    """TLS from the first byte, instead of STARTTLS."""

    @classmethod
    def of(cls, url: str) -> "MailServer":
        """Parse `smtp://[user:password@]host[:587]?from=waggle@example.org`, with STARTTLS except on this host, or `smtps://`
        on port 465. `from` may include a name, and `ssl_ca_certs=/a/file` names your own certificate authorities. Raises
        ValueError for anything else; the message contains no password."""
        try:
            parts = urlsplit(url)
            host, port, scheme = parts.hostname or "", parts.port, parts.scheme
        except ValueError:  # its message may contain a part of the password
            raise ValueError("cannot be parsed") from None
        if scheme not in PORTS or not host.isascii() or not host or port == 0 or parts.path.strip("/"):
            raise ValueError("must be like smtp://user:password@host:587?from=waggle@example.org")
        options = _options(parts)
        authorities = options.get("ssl_ca_certs")
        if authorities and not Path(authorities).is_file():
            raise ValueError(f"names {authorities}, which is not a file")
        plain = scheme == "smtp" and _is_loopback(host) and not authorities
        return cls(
            host,
            port or PORTS[scheme],
            _sender(options.get("from", "")),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            None if plain else ssl.create_default_context(cafile=authorities),
            scheme == "smtps",
        )


def _options(parts: SplitResult) -> dict[str, str]:
    # A `+` is not a blank here, as it is in forms: it may be part of an address.
    options = dict(parse_qsl(parts.query.replace("+", "%2B")))
    if unknown := sorted(options.keys() - {"from", "ssl_ca_certs"}):
        raise ValueError(f"has unknown parameters: {', '.join(unknown)}")
    return options


def _sender(text: str) -> Address:
    name, address = parseaddr(text)
    try:
        sender = Address(name, addr_spec=address)
    except Exception:  # noqa: BLE001 - the parser raises many types for an invalid address
        raise ValueError("must name the sender: ?from=waggle@example.org") from None
    if not (sender.username and sender.domain and address.isascii() and text.isprintable()):
        raise ValueError("must name the sender: ?from=waggle@example.org")
    return sender


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

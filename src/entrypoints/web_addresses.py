"""Check the web addresses in settings: URLs of servers, and origins as browsers send them."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

WEB_SCHEMES = {"https": 443, "http": 80}
"""Schemes with their default ports."""
CORS_SCHEMES = WEB_SCHEMES | dict.fromkeys(
    ("app", "capacitor", "chrome-extension", "ionic", "moz-extension", "tauri"), None
)
"""Also the schemes by which apps built with web technology name their own pages."""

_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_HOST = re.compile(rf"{_NAME.pattern}|\[[0-9a-f:.]+\]")


def is_web_address(text: str) -> bool:
    """Whether the text is an http(s) URL of a server, without user, query and fragment."""
    try:
        url = urlsplit(text)
        known = url.scheme in WEB_SCHEMES and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return known and not (url.username or url.query or url.fragment) and text.isascii() and text.isprintable()


def is_origin(text: str, schemes: Mapping[str, int | None]) -> bool:
    """Whether a browser can send exactly this text as `Origin` (RFC 6454)."""
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        return False
    if not host or url.scheme not in schemes or (port is not None and port in {0, schemes[url.scheme]}):
        return False
    named = f"[{host}]" if ":" in host else host
    return _HOST.fullmatch(named) is not None and text == f"{url.scheme}://{named}" + (
        f":{port}" if port else ""
    )


def is_host_pattern(text: str) -> bool:
    """Whether the text is a host name in lower case, or `*.` and a name, which means all names below it."""
    return len(text) <= 253 and _NAME.fullmatch(text.removeprefix("*.")) is not None


def listener_text(host: str, port: int) -> str:
    """The opposite of `listener_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listener_address(text: str) -> tuple[str, int]:
    """Parse an IP address and a port: `127.0.0.1:9091`, `[::1]:9091`. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise ValueError("the port must be a number up to 65535")
    address = ip_address(host.removeprefix("[").removesuffix("]"))
    if host != (f"[{address}]" if address.version == 6 else str(address)):
        raise ValueError("an IPv6 address must be in brackets")
    return str(address), int(port)

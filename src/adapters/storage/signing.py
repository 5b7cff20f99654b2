"""URLs that Waggle signs itself: tickets for uploads into its own storage, and time-limited URLs of renditions."""

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from adapters.storage.keys import is_key
from application.media.ports import TicketRefused, TicketTerms, UploadTicket

LIFE, STEP = 300, 60
"""The lifetime of a signed URL in seconds, and the period in which every request gets the same URL."""


def _signature(key: bytes, *parts: str) -> str:
    text = "\n".join(parts).encode(errors="surrogatepass")
    return urlsafe_b64encode(hmac.digest(key, text, "sha256")[:18]).decode()


def _is_current(until: str, now: float) -> bool:
    return until.isascii() and until.isdigit() and len(until) <= 12 and int(until) > now


@dataclass(frozen=True, slots=True)
class TicketSigner:
    """Issues and verifies tickets for the storages that Waggle serves itself. Implements TicketVerifier."""

    key: bytes
    origin: str
    """Without a trailing slash."""
    clock: Callable[[], float] = time.time

    def ticket(self, key: str, size: int, content_type: str, until: datetime) -> UploadTicket:
        seconds = str(int(until.timestamp()))
        query = {"until": seconds, "size": str(size), "type": content_type}
        query["sig"] = _signature(self.key, "upload", key, seconds, str(size), content_type)
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        return UploadTicket("PUT", f"{self.origin}/media/uploads/{key}?{urlencode(query)}", headers, until)

    def check(self, key: str, query: Mapping[str, str]) -> TicketTerms:
        until, size, content_type, given = (query.get(name, "") for name in ("until", "size", "type", "sig"))
        right = _signature(self.key, "upload", key, until, size, content_type)
        if not hmac.compare_digest(right.encode(), given.encode(errors="surrogatepass")) or not is_key(key):
            raise TicketRefused("this ticket is invalid or was altered")
        if not _is_current(until, self.clock()):
            raise TicketRefused("this ticket has expired: begin a new upload")
        return TicketTerms(key, int(size), content_type)


@dataclass(frozen=True, slots=True)
class MediaAddresses:
    """Signs and verifies the URLs of renditions. Implements RenditionAddresses and AddressVerifier."""

    key: bytes
    origin: str
    """Without a trailing slash."""
    clock: Callable[[], float] = time.time

    def permanent(self, path: str) -> str:
        return self.origin + path

    def signed(self, path: str) -> str:
        until = str(self._step() + LIFE)
        return f"{self.origin}{path}?until={until}&sig={_signature(self.key, 'rendition', path, until)}"

    def until(self) -> datetime:
        return datetime.fromtimestamp(self._step() + STEP, UTC)

    def check(self, path: str, until: str, signature: str) -> bool:
        right = _signature(self.key, "rendition", path, until)
        same = hmac.compare_digest(right.encode(), signature.encode(errors="surrogatepass"))
        return same and _is_current(until, self.clock())

    def _step(self) -> int:
        return int(self.clock()) // STEP * STEP

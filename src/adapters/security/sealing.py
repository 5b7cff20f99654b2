"""The secrets of the server, derived from one master key, each for one purpose."""

import hashlib
import hmac
import os
from base64 import urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
KEY_NUMBER = b"\x01"
"""The prefix of everything that is sealed, so that keys can change while old ones still open."""


class Secrets:
    """Keys for one purpose each, so that a leaked key reveals nothing about another."""

    def __init__(self, master: bytes) -> None:
        if len(master) < 32:
            raise ValueError("the master key has fewer than 32 bytes")
        self._master = master
        self._cipher = AESGCM(self.key("seal"))
        self._index = self.key("index")
        self._fingerprint = self.key("fingerprint")

    def key(self, purpose: str) -> bytes:
        return hmac.digest(self._master, f"waggle/{purpose}".encode(), "sha256")

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt with AES-256-GCM. `context` names where the result is stored; it can be opened only with the same context."""
        nonce = os.urandom(NONCE)
        return KEY_NUMBER + nonce + self._cipher.encrypt(nonce, plain, _associated_data(context))

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt. Raises ValueError if the data was changed, moved to another context, or sealed with another master key."""
        number, nonce, rest = sealed[:1], sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        if number != KEY_NUMBER:
            raise ValueError(f"the data of {context} is sealed with another key")
        try:
            return self._cipher.decrypt(nonce, rest, _associated_data(context))
        except InvalidTag:
            raise ValueError(f"cannot open the data of {context}") from None

    def index(self, key: str) -> bytes:
        """A keyed hash that is equal only for equal keys, to find sealed data."""
        return hmac.digest(self._index, key.encode(errors="surrogatepass"), "sha256")

    def fingerprint(self, *parts: bytes) -> str:
        """A keyed hash of a request, which may contain a password."""
        digest = hmac.new(self._fingerprint, digestmod=hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return urlsafe_b64encode(digest.digest()).decode().rstrip("=")


def _associated_data(context: str) -> bytes:
    return KEY_NUMBER + context.encode()

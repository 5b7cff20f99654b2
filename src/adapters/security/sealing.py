"""The server's secrets, derived from one master key, each for one purpose."""

import hashlib
import hmac
import os
from base64 import urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
KEY_NUMBER = b"\x01"
"""Stands before everything that is sealed, so that keys can change while old ones still open."""


class Secrets:
    """Keys for one purpose each, so that what one of them leaks says nothing of another."""

    def __init__(self, master: bytes) -> None:
        if len(master) < 32:
            raise ValueError("the master key has less than 32 bytes")
        self._master = master
        self._cipher = AESGCM(self.key("seal"))
        self._index = self.key("index")
        self._fingerprint = self.key("fingerprint")

    def key(self, purpose: str) -> bytes:
        return hmac.digest(self._master, f"waggle/{purpose}".encode(), "sha256")

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        """AES-256-GCM. `bound_to` names the place it is stored in: it cannot be opened elsewhere."""
        nonce = os.urandom(NONCE)
        return KEY_NUMBER + nonce + self._cipher.encrypt(nonce, plain, _place(bound_to))

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Raises ValueError if it was altered, moved, or sealed under another master key."""
        number, nonce, rest = sealed[:1], sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        if number != KEY_NUMBER:
            raise ValueError(f"what is sealed for {bound_to} is sealed with another key")
        try:
            return self._cipher.decrypt(nonce, rest, _place(bound_to))
        except InvalidTag:
            raise ValueError(f"cannot open what is sealed for {bound_to}") from None

    def index(self, key: str) -> bytes:
        """Equal for equal keys and nothing else: to find what is sealed."""
        return hmac.digest(self._index, key.encode(errors="surrogatepass"), "sha256")

    def fingerprint(self, *parts: bytes) -> str:
        """Of a request. Keyed, since there may be a password in it."""
        digest = hmac.new(self._fingerprint, digestmod=hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return urlsafe_b64encode(digest.digest()).decode().rstrip("=")


def _place(bound_to: str) -> bytes:
    return KEY_NUMBER + bound_to.encode()

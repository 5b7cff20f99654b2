"""The encryption that SQL stores need."""

from typing import Protocol


class Sealer(Protocol):
    """Encrypts values that are not searched, and makes keyed hashes to look values up."""

    def seal(self, plain: bytes, context: str) -> bytes: ...
    def open(self, sealed: bytes, context: str) -> bytes: ...
    def index(self, key: str) -> bytes: ...

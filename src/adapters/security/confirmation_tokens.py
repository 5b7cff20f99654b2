"""The tokens that confirm a registration."""

import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MacConfirmationTokens:
    """256 bits, derived from the seed of a registration and a key for this purpose only. So the token is not stored, and
    neither the database nor the key alone is enough to make it."""

    key: bytes

    def __call__(self, seed: bytes) -> str:
        return f"wgc_{hmac.digest(self.key, seed, 'sha256').hex()}"

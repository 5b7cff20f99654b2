"""The tokens that confirm a registration."""

import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MacConfirmationTokens:
    """256 bits, made of the seed of a registration and a key that serves nothing else. So the token is stored nowhere,
    and neither the database nor the key alone can make it."""

    key: bytes

    def __call__(self, seed: bytes) -> str:
        return f"wgc_{hmac.digest(self.key, seed, 'sha256').hex()}"

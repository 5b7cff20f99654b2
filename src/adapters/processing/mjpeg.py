"""Telling a raw film of JPEGs from a JPEG."""

import re

ENOUGH = 3
"""Pictures. Cameras append a preview or a second view to a picture; only films go on."""
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_BEGINS, _ENDS, _SCAN, _APP2 = b"\xff\xd8\xff", 0xD9, 0xDA, 0xE2
_SAYS_OF_OTHERS = b"MPF\0"


def is_film(data: bytes) -> bool:
    """Whether ENOUGH pictures follow each other with nothing between, and the first does not say that there are more of
    them (multi-picture format)."""
    at: int | None = 0
    for _ in range(ENOUGH):
        if at is None or not data.startswith(_BEGINS, at):
            return False
        at = _end(data, at + 2)
    return at is not None


def _end(data: bytes, at: int) -> int | None:
    """Where the picture ends whose first marker is here; None if it does not, or is one of a set."""
    while at + 4 <= len(data) or data[at + 1 : at + 2] == bytes([_ENDS]):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == _ENDS:
            return at + 2
        if marker == _APP2 and data.startswith(_SAYS_OF_OTHERS, at + 4):
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == _SCAN:
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                return None
            at = found.start()
    return None

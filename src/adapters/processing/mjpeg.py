"""Detecting a raw Motion JPEG video, which looks like a JPEG."""

import re

ENOUGH = 3
"""Consecutive images that make a video. Cameras append a preview or a second view to an image; only videos have more."""
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_BEGINS, _ENDS, _SCAN, _APP2 = b"\xff\xd8\xff", 0xD9, 0xDA, 0xE2
_MULTI_PICTURE = b"MPF\0"


def is_video(data: bytes) -> bool:
    """Return whether ENOUGH images follow each other without gaps, and the first one does not declare that it contains
    several (multi-picture format)."""
    at: int | None = 0
    for _ in range(ENOUGH):
        if at is None or not data.startswith(_BEGINS, at):
            return False
        at = _end(data, at + 2)
    return at is not None


def _end(data: bytes, at: int) -> int | None:
    """Return the end of the image whose first marker is at `at`; None if it has no end, or belongs to a set."""
    while at + 4 <= len(data) or data[at + 1 : at + 2] == bytes([_ENDS]):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == _ENDS:
            return at + 2
        if marker == _APP2 and data.startswith(_MULTI_PICTURE, at + 4):
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == _SCAN:
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                return None
            at = found.start()
    return None

"""JPEG without metadata."""

import struct

from adapters.processing.exif import orientation
from adapters.processing.sources import Source, opened, sequence

_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_FILLER, _COMMENT, _START_OF_SCAN = 0xFF, 0xFE, 0xDA
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length."""


def read(data: bytes) -> Source:
    picture, exif = _without_metadata(data)
    return sequence(opened(picture, "JPEG"), 1, orientation(exif))


def _without_metadata(data: bytes) -> tuple[bytes, bytes]:
    """Return the JPEG without the segments that a decoder does not need, and its Exif. From the first segment that cannot be
    parsed on, the data stays unchanged."""
    kept, exif, at = [data[:2]], b"", 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == _FILLER or marker in _ALONE:
            at += 1 if marker == _FILLER else 2
            continue
        if marker == _START_OF_SCAN:
            break
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        body = data[at + 4 : end]
        if marker == _APP1 and not exif and body.startswith(b"Exif\0"):
            exif = body
        if _is_needed(marker, body):
            kept.append(data[at:end])
        at = end
    kept.append(data[at:])
    return b"".join(kept), exif


def _is_needed(marker: int, body: bytes) -> bool:
    """JFIF and Adobe segments define the colour channels, and APP2 may contain the colour profile."""
    if marker == _APP0:
        return body.startswith(b"JFIF\0") and len(body) >= 12
    if marker == _APP14:
        return body.startswith(b"Adobe") and len(body) >= 12
    if marker == _APP2:
        return body.startswith(b"ICC_PROFILE\0") and len(body) > 14
    return marker != _COMMENT and not _APP0 <= marker <= _APP15

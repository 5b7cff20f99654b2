"""The NAL units of H.264: removes the messages that cameras write between frames, and keeps those that decoders need."""

import re
import struct
from collections.abc import Iterator

from adapters.processing.cutting import Sample

_SLICES = {1, 2, 5}
_IDR, _SEI = 5, 6
_KEPT = {6, 45, 137, 144, 147}
"""SEI messages that change the visible result: recovery points, frame packing of two views, and colour information."""
_BY_USER = 5
_X264 = bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef")
_BUILD = re.compile(rb"x264 - core \d{1,6}")
"""Decoders work around bugs of some builds, so the build number stays. The encoder settings after it are private."""
_ENDS = b"\x80"


def size_of_lengths(extradata: bytes | None) -> int | None:
    """Return the size in bytes of the length field before each unit; None if the units have no length fields."""
    if not extradata or len(extradata) < 7 or extradata[0] != 1:
        return None
    return (extradata[4] & 3) + 1


def sample_of(data: memoryview, lengths: int, pts: int, duration: int) -> Sample:
    is_idr = is_reference = False
    for unit in _units(data, lengths):
        kind = unit[0] & 31
        if kind in _SLICES:
            is_idr, is_reference = is_idr or kind == _IDR, is_reference or bool(unit[0] & 0x60)
    return Sample(pts, duration, is_idr, is_reference)


def cleaned(data: memoryview, lengths: int) -> bytes | None:
    """Return the sample without private messages; None if it has no messages. Raises ValueError."""
    units = list(_units(data, lengths))
    if not any(unit[0] & 31 == _SEI for unit in units):
        return None
    made = b""
    for unit in units:
        kept = bytes(unit) if unit[0] & 31 != _SEI else _kept_messages(bytes(unit))
        if kept:
            made += len(kept).to_bytes(lengths) + kept
    return made


def _units(data: memoryview, lengths: int) -> Iterator[memoryview]:
    at = 0
    while at + lengths < len(data):
        size = int.from_bytes(data[at : at + lengths])
        at += lengths
        if at + size > len(data):
            raise ValueError("a unit that is longer than its sample")
        if size:
            yield data[at : at + size]
        at += size


def _kept_messages(unit: bytes) -> bytes:
    """Return the unit with the kept messages; b"" if none is kept."""
    made = b"".join(_message(kind, body) for kind, body in _messages(unit[1:].replace(b"\0\0\3", b"\0\0")))
    if not made:
        return b""
    return unit[:1] + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", made + _ENDS)


def _message(kind: int, body: bytes) -> bytes:
    if kind == _BY_USER and body.startswith(_X264):
        build = _BUILD.match(body, len(_X264))
        body = _X264 + build[0] + b" \0" if build else b""
    elif kind not in _KEPT:
        body = b""
    if not body:
        return b""
    return _number(kind) + _number(len(body)) + body


def _number(value: int) -> bytes:
    return b"\xff" * (value // 255) + struct.pack("B", value % 255)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 < len(data):
        values = []
        for _ in range(2):
            value = 0
            while at < len(data) - 1 and data[at] == 0xFF:
                value, at = value + 255, at + 1
            values.append(value + data[at])
            at += 1
            if at >= len(data):
                return
        kind, size = values
        yield kind, data[at : at + size]
        at += size

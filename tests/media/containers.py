"""Image files built by hand: valid ones that encoders do not write, and invalid ones."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.media.common import encoded

RED, GREEN, BLUE, WHITE, CLEAR = "red", "lime", "blue", "white", ""
"""Colours of frames; CLEAR is transparent."""
_PALETTE = [(RED, 255, 0, 0), (GREEN, 0, 255, 0), (BLUE, 0, 0, 255), (WHITE, 255, 255, 255)]
TABLE = bytes(value for _, *rgb in _PALETTE for value in rgb)


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of one colour."""

    colour: str
    box: tuple[int, int, int, int] = (0, 0, 20, 20)
    """Left, top, width, height."""
    delay: int | None = 10
    """In the unit of the format; None omits the control block of the frame."""
    disposal: int = 0
    blend: int = 0
    per: int = 100
    """APNG only: the denominator of the delay in seconds."""
    transparent: bool = False
    """GIF only: whether its colour is transparent."""


# --- GIF -------------------------------------------------------------------------------------------


def gif(
    *frames: Frame, size: tuple[int, int] = (20, 20), loop: int | None = None, by: bytes = b"NETSCAPE2.0"
) -> bytes:
    made = [b"GIF89a", struct.pack("<HHBBB", *size, 0x81, 2, 0), TABLE]
    if loop is not None:
        made.append(b"!\xff\x0b" + by + b"\x03\x01" + struct.pack("<H", loop) + b"\0")
    for frame in frames:
        index = next(number for number, (name, *_) in enumerate(_PALETTE) if name == frame.colour)
        if frame.delay is not None:
            flags = frame.disposal << 2 | frame.transparent
            made.append(b"!\xf9\x04" + struct.pack("<BHB", flags, frame.delay, index) + b"\0")
        made.append(b"," + struct.pack("<HHHHB", *frame.box, 0) + _coded(frame.box[2], frame.box[3], index))
    return b"".join(made) + b";"


def _coded(width: int, height: int, index: int) -> bytes:
    """The compressed data of a GIF frame of a single colour."""
    image = Image.new("P", (width, height), index)
    image.putpalette(TABLE)
    data = encoded(image, "GIF", optimize=False)
    end = len(data) - 1
    at = 13 + (3 << (data[10] & 7) + 1)
    while data[at : at + 1] == b"!":
        at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    return data[at + 10 : end]


# --- PNG -------------------------------------------------------------------------------------------

Chunk = tuple[bytes, bytes]


def png(*chunks: Chunk) -> bytes:
    """Join the chunks, which may be invalid, with correct checksums."""
    made = b"\x89PNG\r\n\x1a\n"
    for name, body in (*chunks, (b"IEND", b"")):
        made += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return made


def head(width: int, height: int, depth: int = 8, kind: int = 6) -> Chunk:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)


def pixels(colour: str, width: int, height: int) -> bytes:
    value = next((bytes((*rgb, 255)) for name, *rgb in _PALETTE if name == colour), bytes(4))
    return zlib.compress((b"\0" + value * width) * height)


def apng(
    *frames: Frame, size: tuple[int, int] = (20, 20), plays: int = 0, hidden: str | None = None
) -> bytes:
    """`hidden` is the colour of a default image that is not a frame."""
    made: list[Chunk] = [head(*size), (b"acTL", struct.pack(">II", len(frames), plays))]
    if hidden is not None:
        made.append((b"IDAT", pixels(hidden, *size)))
    number = 0
    for index, frame in enumerate(frames):
        left, top, width, height = frame.box
        control = (width, height, left, top, frame.delay or 0, frame.per, frame.disposal, frame.blend)
        made.append((b"fcTL", struct.pack(">IIIIIHHBB", number, *control)))
        number += 1
        data = pixels(frame.colour, width, height)
        if index == 0 and hidden is None:
            made.append((b"IDAT", data))
        else:
            made.append((b"fdAT", struct.pack(">I", number) + data))
            number += 1
    return png(*made)


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """Insert these bytes after the header of a PNG."""
    return data[:33] + b"".join(chunks) + data[33:]


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    right = zlib.crc32(name + body)
    return (
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", right if checksum is None else checksum)
    )


# --- JPEG and AVIF ---------------------------------------------------------------------------------


def with_segments(data: bytes, *segments: tuple[int, bytes]) -> bytes:
    """Insert these segments before all others of a JPEG."""
    added = b"".join(
        b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments
    )
    return data[:2] + added + data[2:]


def images(*colours: str, size: tuple[int, int] = (20, 20)) -> list[Image.Image]:
    return [Image.new("RGBA", size, colour or (0, 0, 0, 0)) for colour in colours]


def sequence(kind: str, colours: Sequence[str], durations: Sequence[int], **options: Any) -> bytes:
    first, *rest = images(*colours)
    return encoded(first, kind, save_all=True, append_images=rest, duration=list(durations), **options)


def avif_that_plays(data: bytes, times: int) -> bytes:
    """Set the number of plays in the edit list of an AVIF that repeats for ever."""
    at = data.index(b"elst")
    made = bytearray(data)
    (version,) = data[at + 4 : at + 5]
    segment = struct.unpack_from(">Q" if version else ">I", data, at + 12)[0]
    made[at + 7] = 0 if times == 1 else 1
    head_at = data.index(b"tkhd")
    wide = data[head_at + 4]
    struct.pack_into(">Q" if wide else ">I", made, head_at + (32 if wide else 24), segment * times)
    return bytes(made)


def avif_with_two_lists(data: bytes) -> bytes:
    """Split the property list of an AVIF into two boxes of the same version."""
    at = data.index(b"ipma") - 4
    (size,) = struct.unpack_from(">I", data, at)
    entries = data[at + 16 : at + size]
    first = 3 + entries[2]
    lists = [
        struct.pack(">I4sII", 16 + len(part), b"ipma", 0, 1) + part
        for part in (entries[:first], entries[first:])
    ]
    made = bytearray(data[:at] + b"".join(lists) + data[at + size :])
    longer = len(made) - len(data)
    for name in (b"meta", b"iprp"):
        box = data.index(name) - 4
        struct.pack_into(">I", made, box, struct.unpack_from(">I", data, box)[0] + longer)
    _move_extents(made, longer)
    return bytes(made)


def _move_extents(data: bytearray, by: int) -> None:
    """Shift the extents of items with 4-byte offsets from the start of the file."""
    at = data.index(b"iloc") + 8
    sizes, base = data[at], data[at + 1] >> 4
    assert (data[at - 4], sizes) == (0, 0x44)
    (items,) = struct.unpack_from(">H", data, at + 2)
    at += 4
    for _ in range(items):
        at += 4 + base
        (extents,) = struct.unpack_from(">H", data, at)
        at += 2
        for _ in range(extents):
            struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + by)
            at += 8

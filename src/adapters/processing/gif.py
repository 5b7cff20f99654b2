"""GIF, split into frames, to be composed as browsers do."""

import struct
from collections.abc import Callable
from fractions import Fraction

from PIL import Image

from adapters.processing.sources import FOREVER, Disposal, Piece, Source, composed, opened
from domain.media import MAX_FRAMES

_EXTENSION, _IMAGE, _CONTROL, _APPLICATION = 0x21, 0x2C, 0xF9, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE, 4: Disposal.RESTORE}
"""4 is not a valid method, but some encoders write it instead of 3."""
_HAS_COLOURS, _INTERLACED = 0x80, 0x40
_NO_CONTROL = b"\0\0\0\0"


def read(data: bytes) -> Source:
    """Raises ValueError, IndexError or struct.error for a truncated file. Reads at most one frame more than the limit, so
    that exceeding it is noticed."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    colours, at = _colours(data, 13, flags)
    pieces: list[Piece] = []
    plays, control = 1, _NO_CONTROL
    while at < len(data) and len(pieces) <= MAX_FRAMES:
        if data[at] == _EXTENSION:
            label = data[at + 1]
            blocks, at = _blocks(data, at + 2)
            if label == _CONTROL and blocks and len(blocks[0]) >= 4:
                control = blocks[0]
            elif label == _APPLICATION and len(blocks) > 1 and blocks[0][:11] in _LOOPS:
                plays = _plays(blocks[1], plays)
        elif data[at] == _IMAGE:
            begin = at
            left, top, *size, flags = struct.unpack_from("<HHHHB", data, at + 1)
            own, at = _colours(data, at + 10, flags)
            _, at = _blocks(data, at + 1)
            if not pieces:  # browsers enlarge the canvas for the first frame only
                width, height = max(width, left + size[0]), max(height, top + size[1])
            pieces.append(_piece(data[begin:at], own or colours, control))
            control = _NO_CONTROL
        else:  # the trailer, or invalid data
            break
    if not pieces:
        raise ValueError("a GIF without a picture")
    return composed((width, height), pieces, plays)


def _colours(data: bytes, at: int, flags: int) -> tuple[bytes, int]:
    """Return the colour table that begins at `at`, empty if there is none, and its end."""
    end = at + (3 << (flags & 7) + 1 if flags & _HAS_COLOURS else 0)
    return data[at:end], end


def _blocks(data: bytes, at: int) -> tuple[list[bytes], int]:
    blocks = []
    while size := data[at]:
        blocks.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    return blocks, at + 1


def _plays(block: bytes, known: int) -> int:
    """Return the number of plays. The file has the number of repetitions after the first play."""
    if len(block) < 3 or block[0] & 7 != 1:
        return known
    repetitions: int = struct.unpack_from("<H", block, 1)[0]
    return repetitions + 1 if repetitions else FOREVER


def _piece(image: bytes, colours: bytes, control: bytes) -> Piece:
    left, top, width, height = struct.unpack_from("<HHHH", image, 1)
    return Piece(
        _decoder(image, colours, control),
        (left, top),
        (width, height),
        Fraction(10 * struct.unpack_from("<H", control, 1)[0]),
        _DISPOSALS.get(control[0] >> 2 & 7, Disposal.KEEP),
        over=bool(control[0] & 1),
    )


def _decoder(image: bytes, colours: bytes, control: bytes) -> Callable[[], Image.Image]:
    """Return a function that decodes the frame as a separate GIF whose canvas it fills."""
    width, height, flags = struct.unpack_from("<HHB", image, 5)
    table = _HAS_COLOURS | (len(colours) // 3).bit_length() - 2 if colours else 0
    coded = image[_colours(image, 10, flags)[1] :]
    file = (
        b"GIF89a",
        struct.pack("<HHBBB", width, height, table, 0, 0),
        colours,
        b"!\xf9\x04\x01\0\0" + control[3:4] + b"\0" if control[0] & 1 else b"",
        struct.pack("<BHHHHB", _IMAGE, 0, 0, width, height, flags & _INTERLACED),
        coded,
        b";",
    )
    return lambda: opened(b"".join(file), "GIF").convert("RGBA")

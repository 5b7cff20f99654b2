"""Colours of images are converted to sRGB, and a transparent colour stays transparent.

The expectations were compared with Chromium.
"""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.media.common import encoded
from tests.media.containers import head, png
from tests.media.renditions import process

# --- Colour spaces -----------------------------------------------------------------------------------


def grey_png(*chunks: tuple[bytes, bytes], kind: int = 0, row: bytes = b"\x80" * 8) -> bytes:
    return png(head(8, 8, 8, kind), *chunks, (b"IDAT", zlib.compress((b"\0" + row) * 8)))


def swapped() -> bytes:
    """sRGB primaries with red and green swapped: the red of the file is green."""
    places = (31_270, 32_900, 30_000, 60_000, 64_000, 33_000, 15_000, 6_000)
    return grey_png(
        (b"gAMA", struct.pack(">I", 45_455)),
        (b"cHRM", struct.pack(">8I", *places)),
        kind=2,
        row=b"\xff\0\0" * 8,
    )


def avif_of(primaries: int, transfer: int, colour: tuple[int, int, int]) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (32, 32), colour), "AVIF", quality=100, subsampling="4:4:4"))
    at = data.index(b"nclx")
    struct.pack_into(">HH", data, at + 4, primaries, transfer)
    return bytes(data)


COLOURS: dict[str, tuple[Callable[[], bytes], tuple[int, int, int]]] = {
    "PNG, linear": (lambda: grey_png((b"gAMA", struct.pack(">I", 100_000))), (188, 188, 188)),
    "PNG, darker gamma": (lambda: grey_png((b"gAMA", struct.pack(">I", 62_500))), (156, 156, 156)),
    "PNG, gamma of a screen": (lambda: grey_png((b"gAMA", struct.pack(">I", 45_455))), (128, 128, 128)),
    "PNG, sRGB besides a gamma": (
        lambda: grey_png((b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))),
        (128, 128, 128),
    ),
    "PNG, zero gamma": (lambda: grey_png((b"gAMA", bytes(4)), (b"cHRM", bytes(32))), (128, 128, 128)),
    "PNG, invalid primaries": (
        lambda: grey_png((b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", bytes(32))),
        (128, 128, 128),
    ),
    "PNG, red and green swapped": (swapped, (0, 255, 0)),
    "PNG, linear by code points": (lambda: grey_png((b"cICP", b"\x01\x08\0\x01")), (188, 188, 188)),
    "AVIF, sRGB": (lambda: avif_of(1, 13, (128, 128, 128)), (128, 128, 128)),
    "AVIF, linear": (lambda: avif_of(1, 8, (128, 128, 128)), (188, 188, 188)),
    "AVIF, wide gamut": (lambda: avif_of(12, 13, (200, 100, 50)), (215, 93, 31)),
    "AVIF, HDR: paper white": (lambda: avif_of(9, 16, (148, 148, 148)), (187, 187, 187)),
    "AVIF, HDR: a highlight": (lambda: avif_of(9, 16, (190, 190, 190)), (250, 250, 250)),
    "PNG, HDR with a peak luminance": (
        lambda: grey_png(
            (b"cICP", b"\x09\x10\0\x01"), (b"cLLI", struct.pack(">II", 4_700_000, 0)), row=b"\x94" * 8
        ),
        (221, 221, 221),
    ),
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_are_converted_to_srgb(tmp_path: Path, name: str) -> None:
    build, expected = COLOURS[name]
    process(build(), tmp_path)
    with Image.open(tmp_path / "large.webp") as image:
        seen = image.convert("RGB").getpixel((4, 4))
    assert isinstance(seen, tuple)
    assert max(abs(a - b) for a, b in zip(seen, expected, strict=True)) <= 4, seen


# --- Transparency by colour --------------------------------------------------------------------------

KEYED = {
    # depth, colour type, transparent colour, one row, width, expected alpha of the row
    "grey, 1 bit": (1, 0, b"\0\x01", b"\xf0", 8, [0, 0, 0, 0, 255, 255, 255, 255]),
    "grey, 2 bits": (2, 0, b"\0\x02", b"\x1b", 4, [255, 255, 0, 255]),
    "grey, 4 bits": (4, 0, b"\0\x0f", b"\x0f\xf3", 4, [255, 0, 0, 255]),
    "grey, 8 bits": (8, 0, b"\0\x7f", b"\x00\x7f\x80\xff", 4, [255, 0, 255, 255]),
    "grey, 16 bits": (16, 0, b"\x12\x34", b"\x12\x34\x12\x35\xff\xff", 3, [0, 255, 255]),
    "colours, 8 bits": (8, 2, b"\0\x12\0\x56\0\x9a", b"\x12\x56\x9a\x12\x56\x9b", 2, [0, 255]),
    "colours, 16 bits": (
        16,
        2,
        b"\x12\x34\x56\x78\x9a\xbc",
        b"\x12\x34\x56\x78\x9a\xbc\xff\xff\0\0\0\0",
        2,
        [0, 255],
    ),
}


@pytest.mark.parametrize("name", KEYED)
def test_a_transparent_colour_stays_transparent(tmp_path: Path, name: str) -> None:
    depth, kind, key, row, width, expected = KEYED[name]
    data = png(head(width, 1, depth, kind), (b"tRNS", key), (b"IDAT", zlib.compress(b"\0" + row)))
    process(data, tmp_path)
    with Image.open(io.BytesIO((tmp_path / "large.webp").read_bytes())) as image:
        assert list(image.convert("RGBA").getchannel("A").tobytes()) == expected

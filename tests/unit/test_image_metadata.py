"""Metadata of images is removed. Only the Exif orientation has an effect, and broken metadata never rejects an image.

The expectations were compared with Chromium.
"""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from domain.media import MediaKind
from tests.media import corpus
from tests.media.common import encoded
from tests.media.containers import BLUE, CLEAR, RED, avif_with_two_lists, chunk, with_chunks, with_segments
from tests.media.renditions import large_still, process


def scene(kind: str, **options: object) -> bytes:
    """An image of 64 × 32 pixels, red in the upper left quarter and blue elsewhere."""
    image = Image.new("RGB", (64, 32), "blue")
    image.paste("red", (0, 0, 32, 16))
    return encoded(image, kind, **options)


UPRIGHT = ((64, 32), (RED, BLUE, BLUE, BLUE))
TURNED = ((32, 64), (BLUE, RED, BLUE, BLUE))
"""By orientation 6: rotated clockwise by 90°."""
EXIF = corpus.exif(6).tobytes()
BROKEN_EXIF = (
    b"Exif\0\0",
    b"Exif\0\0MM\0*",
    b"Exif\0\0nothing of the kind",
    b"Exif\0\0II*\0\xff\xff\xff\xff",
    b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x01" * 40,
    EXIF[:24],
    EXIF[:18] + b"\xff" * 60,
)
XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    b"<rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/'><tiff:Orientation>6</tiff:Orientation>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"


def text(name: str, value: str) -> PngImagePlugin.PngInfo:
    about = PngImagePlugin.PngInfo()
    about.add_itxt(name, value)
    return about


def riff(data: bytes, name: bytes, body: bytes) -> bytes:
    """Extend a simple WebP by this chunk after the image."""
    padded = body + b"\0" * (len(body) % 2)
    flags = {b"EXIF": 0x08, b"XMP ": 0x04}[name]
    extended = (
        b"VP8X" + struct.pack("<II", 10, flags) + (63).to_bytes(3, "little") + (31).to_bytes(3, "little")
    )
    chunks = extended + data[12:] + name + struct.pack("<I", len(body)) + padded
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def broken_avif(exif: bytes) -> bytes:
    """Overwrite valid Exif, because Pillow does not write broken Exif."""
    data = scene("AVIF", exif=corpus.exif(1).tobytes())
    at = data.index(b"MM\0*")
    return data[:at] + exif.ljust(100, b"\xff") + data[at + 100 :]


ODD: dict[str, Callable[[], bytes]] = {
    **{
        f"JPEG with broken Exif {number}": lambda exif=exif: with_segments(scene("JPEG"), (0xE1, exif))  # type: ignore[misc]
        for number, exif in enumerate(BROKEN_EXIF)
    },
    "JPEG with an orientation in XMP": lambda: with_segments(scene("JPEG"), (0xE1, XMP_JPEG + XMP)),
    "JPEG with a truncated JFIF segment": lambda: with_segments(scene("JPEG"), (0xE0, b"JFIF\0")),
    "JPEG with a truncated Adobe segment": lambda: with_segments(scene("JPEG"), (0xEE, b"Adobe\0")),
    "JPEG with a truncated Photoshop segment": lambda: with_segments(scene("JPEG"), (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0")),
    "JPEG with a multi-picture list without images": lambda: with_segments(scene("JPEG"), (0xE2, b"MPF\0II*\0\xff")),
    "JPEG with an invalid profile": lambda: scene("JPEG", icc_profile=b"no profile at all" * 9),
    "JPEG with missing parts of a profile": lambda: with_segments(
        scene("JPEG"), (0xE2, b"ICC_PROFILE\0\x02\x05abc"), (0xE2, b"ICC_PROFILE\0")
    ),
    "JPEG with long comments": lambda: with_segments(scene("JPEG"), *[(0xFE, b"x" * 65_000)] * 20),
    **{
        f"PNG with broken Exif {number}": lambda exif=exif: with_chunks(  # type: ignore[misc]
            scene("PNG"), chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
        )
        for number, exif in enumerate(BROKEN_EXIF)
    },
    "PNG with an orientation in XMP": lambda: scene("PNG", pnginfo=text("XML:com.adobe.xmp", XMP.decode())),
    "PNG with an orientation in a text of ImageMagick": lambda: scene(
        "PNG", pnginfo=text("Raw profile type exif", f"\nexif\n{len(EXIF):8}\n{EXIF.hex()}\n")
    ),
    "PNG with a long text": lambda: with_chunks(
        scene("PNG"), chunk(b"zTXt", b"About\0\0" + zlib.compress(b"x" * 3_000_000))
    ),
    "PNG with a text of many parts": lambda: with_chunks(
        scene("PNG"), *[chunk(b"zTXt", b"About\0\0" + zlib.compress(b"x" * 900_000))] * 80
    ),
    "PNG with an invalid text": lambda: with_chunks(scene("PNG"), chunk(b"iTXt", b"\xff\0\x01\x07\xfe")),
    "PNG with a wrong checksum of a text": lambda: with_chunks(
        scene("PNG"), chunk(b"tEXt", b"Title\0a", checksum=1)
    ),
    "PNG with a profile that cannot be decompressed": lambda: with_chunks(
        scene("PNG"), chunk(b"iCCP", b"name\0\0not packed")
    ),
    "PNG with an unknown compression of a profile": lambda: with_chunks(
        scene("PNG"), chunk(b"iCCP", b"name\0\x07" + zlib.compress(b"profile"))
    ),
    "PNG with an invalid profile": lambda: with_chunks(
        scene("PNG"), chunk(b"iCCP", b"name\0\0" + zlib.compress(b"profile" * 50))
    ),
    "PNG with truncated gamma, primaries and density": lambda: with_chunks(
        scene("PNG"), chunk(b"gAMA", b"\0"), chunk(b"cHRM", b"\0\0"), chunk(b"pHYs", b"\0"), chunk(b"sRGB", b"")
    ),
    **{
        f"WebP with broken Exif {number}": lambda exif=exif: riff(scene("WEBP"), b"EXIF", exif)  # type: ignore[misc]
        for number, exif in enumerate(BROKEN_EXIF)
    },
    "WebP with an orientation in XMP": lambda: riff(scene("WEBP"), b"XMP ", XMP),
    "AVIF with an orientation in XMP": lambda: scene("AVIF", xmp=XMP),
    **{
        f"AVIF with broken Exif {number}": lambda exif=exif: broken_avif(exif.removeprefix(b"Exif\0\0"))  # type: ignore[misc]
        for number, exif in enumerate(BROKEN_EXIF)
    },
    "GIF with XMP": lambda: (
        (data := scene("GIF"))[: (at := data.index(b",", 13 + (3 << (data[10] & 7) + 1)))]
        + b"!\xff\x0bXMP DataXMP" + XMP.replace(b"\0", b"") + b"\x01" + bytes(range(255, -1, -1)) + b"\0" + data[at:]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_broken_metadata_neither_rejects_nor_rotates_an_image(tmp_path: Path, name: str) -> None:
    assert process(ODD[name](), tmp_path).kind is MediaKind.IMAGE
    assert large_still(tmp_path) == UPRIGHT


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_exif_orientation_rotates_an_image(tmp_path: Path, kind: str) -> None:
    process(scene(kind, exif=EXIF), tmp_path)
    assert large_still(tmp_path) == TURNED


def test_an_avif_may_have_two_property_lists(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 32), "blue")
    image.paste("red", (0, 0, 32, 16))
    image.paste((0, 0, 0, 0), (32, 16, 64, 32))
    process(avif_with_two_lists(encoded(image, "AVIF")), tmp_path)
    assert large_still(tmp_path) == ((64, 32), (RED, BLUE, BLUE, CLEAR))

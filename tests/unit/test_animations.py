"""Pictures come out as browsers show them: frames, durations, repetitions and transparency; and whatever metadata says.

In this process, since what confines the child is tested elsewhere. The expectations were compared with Chromium.
"""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image, PngImagePlugin

from adapters.processing import images
from adapters.processing.types import type_of
from domain.media import MediaKind, ProcessingResult
from tests.media import corpus
from tests.media.containers import (
    BLUE,
    CLEAR,
    GREEN,
    RED,
    WHITE,
    Frame,
    apng,
    avif_that_plays,
    avif_with_two_lists,
    chunk,
    encoded,
    gif,
    head,
    png,
    sequence,
    with_chunks,
    with_segments,
)

FOREVER = 0
NAMES = {(255, 0, 0): RED, (0, 255, 0): GREEN, (0, 0, 255): BLUE, (255, 255, 255): WHITE}
LEFT_TOP, RIGHT_TOP, LEFT_BOTTOM, RIGHT_BOTTOM = (
    (0, 0, 10, 10),
    (10, 0, 10, 10),
    (0, 10, 10, 10),
    (10, 10, 10, 10),
)


class Shown(NamedTuple):
    size: tuple[int, int]
    frames: Sequence[tuple[str, ...]]
    """The colours of the four quarters: upper left, upper right, lower left, lower right."""
    durations: list[int]
    plays: int


def make(data: bytes, folder: Path) -> ProcessingResult:
    upload, media_type = folder / "upload", type_of(data[:64])
    assert media_type is not None
    upload.write_bytes(data)
    return images.make(upload, folder, media_type, lambda _: None)


def shown(folder: Path) -> Shown:
    frames, durations = [], []
    with Image.open(folder / "large.webp") as image:
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            image.load()
            frames.append(quarters(image))
            durations.append(int(image.info["duration"]))
        return Shown(image.size, frames, durations, int(image.info["loop"]))


def quarters(image: Image.Image) -> tuple[str, ...]:
    seen = image.convert("RGBA")
    width, height = seen.size
    at = [
        (width // 4 + right * width // 2, height // 4 + low * height // 2)
        for low in (0, 1)
        for right in (0, 1)
    ]
    return tuple(_name(seen.getpixel(place)) for place in at)


def _name(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    *rgb, alpha = pixel
    if alpha < 30:
        return CLEAR
    return min(NAMES.items(), key=lambda one: sum(abs(a - b) for a, b in zip(one[0], rgb, strict=True)))[1]


ONE_AFTER_ANOTHER = (Frame(RED), Frame(GREEN, LEFT_TOP), Frame(BLUE, RIGHT_BOTTOM))
FILLED = [(RED,) * 4, (GREEN, RED, RED, RED), (GREEN, RED, RED, BLUE)]
ANIMATIONS: dict[str, tuple[Callable[[], bytes], Shown]] = {
    "GIF that plays once": (
        lambda: gif(*ONE_AFTER_ANOTHER),
        Shown((20, 20), FILLED, [100, 100, 100], 1),
    ),
    "GIF for ever": (
        lambda: gif(*ONE_AFTER_ANOTHER, loop=0),
        Shown((20, 20), FILLED, [100, 100, 100], FOREVER),
    ),
    "GIF that is repeated once plays twice": (
        lambda: gif(*ONE_AFTER_ANOTHER, loop=1),
        Shown((20, 20), FILLED, [100, 100, 100], 2),
    ),
    "GIF that is repeated ten times, said by the other name": (
        lambda: gif(*ONE_AFTER_ANOTHER, loop=10, by=b"ANIMEXTS1.0"),
        Shown((20, 20), FILLED, [100, 100, 100], 11),
    ),
    "GIF that is repeated more often than a WebP can say": (
        lambda: gif(*ONE_AFTER_ANOTHER, loop=65_535),
        Shown((20, 20), FILLED, [100, 100, 100], 65_535),
    ),
    "GIF with frames of 0, 1, 2 and 500 hundredths": (
        lambda: gif(Frame(RED, delay=0), Frame(GREEN, delay=1), Frame(BLUE, delay=2), Frame(RED, delay=500)),
        Shown((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4, (RED,) * 4], [100, 100, 20, 5000], 1),
    ),
    "GIF without controls": (
        lambda: gif(Frame(RED, delay=None), Frame(GREEN, LEFT_TOP, delay=None)),
        Shown((20, 20), FILLED[:2], [100, 100], 1),
    ),
    "GIF whose areas are cleared, then kept": (
        lambda: gif(
            Frame(RED, disposal=1),
            Frame(GREEN, LEFT_TOP, disposal=2),
            Frame(BLUE, RIGHT_TOP, delay=None),
            Frame(WHITE, LEFT_BOTTOM),
        ),
        Shown(
            (20, 20),
            [(RED,) * 4, (GREEN, RED, RED, RED), (CLEAR, BLUE, RED, RED), (CLEAR, BLUE, WHITE, RED)],
            [100] * 4,
            1,
        ),
    ),
    "GIF whose areas are restored": (
        lambda: gif(
            Frame(RED),
            Frame(GREEN, LEFT_TOP, disposal=3),
            Frame(BLUE, RIGHT_TOP, disposal=4),
            Frame(WHITE, LEFT_BOTTOM),
        ),
        Shown(
            (20, 20),
            [(RED,) * 4, (GREEN, RED, RED, RED), (RED, BLUE, RED, RED), (RED, RED, WHITE, RED)],
            [100] * 4,
            1,
        ),
    ),
    "GIF whose first frame is restored to nothing": (
        lambda: gif(Frame(RED, disposal=3), Frame(GREEN, LEFT_TOP)),
        Shown((20, 20), [(RED,) * 4, (GREEN, CLEAR, CLEAR, CLEAR)], [100, 100], 1),
    ),
    "GIF with transparent colours": (
        lambda: gif(Frame(RED, LEFT_TOP), Frame(GREEN, transparent=True), Frame(BLUE, RIGHT_BOTTOM)),
        Shown(
            (20, 20),
            [(RED, CLEAR, CLEAR, CLEAR), (RED, CLEAR, CLEAR, BLUE)],
            [200, 100],  # frames that look alike are one to the encoder
            1,
        ),
    ),
    "GIF whose first frame is larger than its screen": (
        lambda: gif(Frame(RED, (20, 0, 20, 40)), Frame(GREEN, (0, 0, 20, 20)), size=(20, 20)),
        Shown((40, 40), [(CLEAR, RED, CLEAR, RED), (GREEN, RED, CLEAR, RED)], [100, 100], 1),
    ),
    "GIF with a later frame that leaves the screen, and one outside": (
        lambda: gif(
            Frame(RED),
            Frame(GREEN, (10, 10, 30, 30), disposal=2),
            Frame(BLUE, (50, 50, 9, 9)),
            Frame(BLUE, LEFT_TOP),
        ),
        Shown(
            (20, 20),
            [(RED,) * 4, (RED, RED, RED, GREEN), (RED, RED, RED, CLEAR), (BLUE, RED, RED, CLEAR)],
            [100] * 4,
            1,
        ),
    ),
    "GIF without its end": (
        lambda: gif(*ONE_AFTER_ANOTHER)[:-1],
        Shown((20, 20), FILLED, [100, 100, 100], 1),
    ),
    "APNG that plays three times": (
        lambda: apng(*ONE_AFTER_ANOTHER, plays=3),
        Shown((20, 20), FILLED, [100, 100, 100], 3),
    ),
    "APNG whose default picture is no frame": (
        lambda: apng(Frame(RED), Frame(GREEN), hidden=WHITE, plays=1),
        Shown((20, 20), [(RED,) * 4, (GREEN,) * 4], [100, 100], 1),
    ),
    "APNG with thirtieths of a second": (
        lambda: apng(*(Frame(colour, delay=1, per=30) for colour in (RED, GREEN, BLUE, RED))),
        Shown((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4, (RED,) * 4], [33, 34, 33, 33], FOREVER),
    ),
    "APNG with a delay of nothing, and of hundredths that are not said": (
        lambda: apng(Frame(RED, delay=0), Frame(GREEN, delay=50, per=0), Frame(BLUE, delay=11, per=1000)),
        Shown((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4], [100, 500, 11], FOREVER),
    ),
    "APNG whose areas are cleared and restored": (
        lambda: apng(
            Frame(RED),
            Frame(GREEN, LEFT_TOP, disposal=1),
            Frame(BLUE, RIGHT_TOP, disposal=2),
            Frame(WHITE, LEFT_BOTTOM),
        ),
        Shown(
            (20, 20),
            [(RED,) * 4, (GREEN, RED, RED, RED), (CLEAR, BLUE, RED, RED), (CLEAR, RED, WHITE, RED)],
            [100] * 4,
            FOREVER,
        ),
    ),
    "APNG that lays over and replaces": (
        lambda: apng(Frame(RED), Frame(CLEAR, LEFT_TOP, blend=1, delay=20), Frame(CLEAR, RIGHT_TOP, blend=0)),
        Shown((20, 20), [(RED,) * 4, (RED, CLEAR, RED, RED)], [300, 100], FOREVER),
    ),
    "APNG whose first frame is restored to nothing": (
        lambda: apng(Frame(RED, disposal=2), Frame(GREEN, LEFT_TOP)),
        Shown((20, 20), [(RED,) * 4, (GREEN, CLEAR, CLEAR, CLEAR)], [100, 100], FOREVER),
    ),
    "WebP with frames of its own durations": (
        lambda: sequence("WEBP", [RED, GREEN, BLUE, RED], [0, 10, 11, 15_000], loop=3),
        Shown((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4, (RED,) * 4], [100, 100, 11, 15_000], 3),
    ),
    "WebP that plays once, and is transparent": (
        lambda: sequence("WEBP", [CLEAR, GREEN, CLEAR], [40, 3_000, 50], loop=1),
        Shown((20, 20), [(CLEAR,) * 4, (GREEN,) * 4, (CLEAR,) * 4], [40, 3_000, 50], 1),
    ),
    "AVIF with frames of its own durations": (
        lambda: sequence("AVIF", [RED, GREEN, BLUE], [40, 1_000, 5]),
        Shown((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4], [40, 1_000, 100], FOREVER),
    ),
    "AVIF that plays once": (
        lambda: avif_that_plays(sequence("AVIF", [RED, GREEN], [500, 500]), 1),
        Shown((20, 20), [(RED,) * 4, (GREEN,) * 4], [500, 500], 1),
    ),
    "AVIF that plays three times": (
        lambda: avif_that_plays(sequence("AVIF", [RED, CLEAR], [500, 500]), 3),
        Shown((20, 20), [(RED,) * 4, (CLEAR,) * 4], [500, 500], 3),
    ),
}


@pytest.mark.parametrize("name", ANIMATIONS)
def test_an_animation_is_shown_as_by_a_browser(tmp_path: Path, name: str) -> None:
    build, expected = ANIMATIONS[name]
    made = make(build(), tmp_path)
    assert made.kind is MediaKind.ANIMATION
    assert shown(tmp_path) == expected
    assert (made.width, made.height) == expected.size
    with Image.open(tmp_path / "small.webp") as still:
        assert quarters(still) == expected.frames[0]


STILLS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "APNG of one frame beside its default picture": (lambda: apng(Frame(RED), hidden=WHITE), (RED,) * 4),
    "APNG of one frame": (lambda: apng(Frame(GREEN)), (GREEN,) * 4),
    "APNG whose frames do not fit": (
        lambda: apng(Frame(RED, (10, 10, 20, 20)), hidden=WHITE),
        (WHITE,) * 4,
    ),
    "APNG without frames": (lambda: apng(hidden=BLUE), (BLUE,) * 4),
    "GIF of one frame that fills a part": (
        lambda: gif(Frame(RED, LEFT_TOP, disposal=2), loop=3),
        (RED, CLEAR, CLEAR, CLEAR),
    ),
    "GIF with something else behind": (
        lambda: gif(Frame(RED))[:-1] + gif(Frame(GREEN)),
        (RED,) * 4,
    ),
}


@pytest.mark.parametrize("name", STILLS)
def test_a_single_frame_is_a_picture(tmp_path: Path, name: str) -> None:
    build, expected = STILLS[name]
    assert make(build(), tmp_path).kind is MediaKind.IMAGE
    with Image.open(tmp_path / "large.webp") as image:
        assert quarters(image) == expected


# --- The picture decides, metadata never -----------------------------------------------------------


def scene(kind: str, **options: object) -> bytes:
    """Red above on the left, blue elsewhere, 64 by 32."""
    image = Image.new("RGB", (64, 32), "blue")
    image.paste("red", (0, 0, 32, 16))
    return encoded(image, kind, **options)


AS_IT_LIES = ((64, 32), (RED, BLUE, BLUE, BLUE))
TURNED = ((32, 64), (BLUE, RED, BLUE, BLUE))
"""By orientation 6, a quarter with the clock."""
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
    """A simple WebP, made an extended one with this chunk behind the picture."""
    padded = body + b"\0" * (len(body) % 2)
    flags = {b"EXIF": 0x08, b"XMP ": 0x04}[name]
    extended = (
        b"VP8X" + struct.pack("<II", 10, flags) + (63).to_bytes(3, "little") + (31).to_bytes(3, "little")
    )
    chunks = extended + data[12:] + name + struct.pack("<I", len(body)) + padded
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def broken_avif(exif: bytes) -> bytes:
    """Pillow writes no broken Exif: a good one is spoiled."""
    data = scene("AVIF", exif=corpus.exif(1).tobytes())
    at = data.index(b"MM\0*")
    return data[:at] + exif.ljust(100, b"\xff") + data[at + 100 :]


ODD: dict[str, Callable[[], bytes]] = {
    **{
        f"JPEG with broken Exif {number}": lambda exif=exif: with_segments(scene("JPEG"), (0xE1, exif))  # type: ignore[misc]
        for number, exif in enumerate(BROKEN_EXIF)
    },
    "JPEG with an orientation in XMP": lambda: with_segments(scene("JPEG"), (0xE1, XMP_JPEG + XMP)),
    "JPEG with half a JFIF": lambda: with_segments(scene("JPEG"), (0xE0, b"JFIF\0")),
    "JPEG with half an Adobe": lambda: with_segments(scene("JPEG"), (0xEE, b"Adobe\0")),
    "JPEG with half a Photoshop": lambda: with_segments(scene("JPEG"), (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0")),
    "JPEG with a list of pictures that are not there": lambda: with_segments(scene("JPEG"), (0xE2, b"MPF\0II*\0\xff")),
    "JPEG with a profile that is none": lambda: scene("JPEG", icc_profile=b"no profile at all" * 9),
    "JPEG with a profile in parts of which some are missing": lambda: with_segments(
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
    "PNG with an orientation in a text of ImageMagick's": lambda: scene(
        "PNG", pnginfo=text("Raw profile type exif", f"\nexif\n{len(EXIF):8}\n{EXIF.hex()}\n")
    ),
    "PNG with a long text": lambda: with_chunks(
        scene("PNG"), chunk(b"zTXt", b"About\0\0" + zlib.compress(b"x" * 3_000_000))
    ),
    "PNG with a text of many parts": lambda: with_chunks(
        scene("PNG"), *[chunk(b"zTXt", b"About\0\0" + zlib.compress(b"x" * 900_000))] * 80
    ),
    "PNG with a text that is none": lambda: with_chunks(scene("PNG"), chunk(b"iTXt", b"\xff\0\x01\x07\xfe")),
    "PNG with a text whose checksum is wrong": lambda: with_chunks(
        scene("PNG"), chunk(b"tEXt", b"Title\0a", checksum=1)
    ),
    "PNG with a profile that cannot be unpacked": lambda: with_chunks(
        scene("PNG"), chunk(b"iCCP", b"name\0\0not packed")
    ),
    "PNG with a profile packed in an unknown way": lambda: with_chunks(
        scene("PNG"), chunk(b"iCCP", b"name\0\x07" + zlib.compress(b"profile"))
    ),
    "PNG with a profile that is none": lambda: with_chunks(
        scene("PNG"), chunk(b"iCCP", b"name\0\0" + zlib.compress(b"profile" * 50))
    ),
    "PNG with half a gamma, primaries and density": lambda: with_chunks(
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
    "GIF with an XMP of its own": lambda: (
        (data := scene("GIF"))[: (at := data.index(b",", 13 + (3 << (data[10] & 7) + 1)))]
        + b"!\xff\x0bXMP DataXMP" + XMP.replace(b"\0", b"") + b"\x01" + bytes(range(255, -1, -1)) + b"\0" + data[at:]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_metadata_neither_fails_nor_turns_a_picture(tmp_path: Path, name: str) -> None:
    made = make(ODD[name](), tmp_path)
    with Image.open(tmp_path / "large.webp") as image:
        assert (image.size, quarters(image)) == AS_IT_LIES
    assert made.kind is MediaKind.IMAGE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_an_orientation_in_exif_turns_a_picture(tmp_path: Path, kind: str) -> None:
    make(scene(kind, exif=EXIF), tmp_path)
    with Image.open(tmp_path / "large.webp") as image:
        assert (image.size, quarters(image)) == TURNED


def test_properties_of_an_avif_may_stand_in_two_lists(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 32), "blue")
    image.paste("red", (0, 0, 32, 16))
    image.paste((0, 0, 0, 0), (32, 16, 64, 32))
    make(avif_with_two_lists(encoded(image, "AVIF")), tmp_path)
    with Image.open(tmp_path / "large.webp") as made:
        assert (made.size, quarters(made)) == ((64, 32), (RED, BLUE, BLUE, CLEAR))


# --- Colours that are named by numbers -------------------------------------------------------------


def grey_png(*chunks: tuple[bytes, bytes], kind: int = 0, row: bytes = b"\x80" * 8) -> bytes:
    return png(head(8, 8, 8, kind), *chunks, (b"IDAT", zlib.compress((b"\0" + row) * 8)))


def swapped() -> bytes:
    """Primaries of sRGB, of which red and green are exchanged: what the file calls red is green."""
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


NAMED: dict[str, tuple[Callable[[], bytes], tuple[int, int, int]]] = {
    "PNG, linear": (lambda: grey_png((b"gAMA", struct.pack(">I", 100_000))), (188, 188, 188)),
    "PNG, darker": (lambda: grey_png((b"gAMA", struct.pack(">I", 62_500))), (156, 156, 156)),
    "PNG, of a screen": (lambda: grey_png((b"gAMA", struct.pack(">I", 45_455))), (128, 128, 128)),
    "PNG, sRGB whatever else it says": (
        lambda: grey_png((b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))),
        (128, 128, 128),
    ),
    "PNG, without light": (lambda: grey_png((b"gAMA", bytes(4)), (b"cHRM", bytes(32))), (128, 128, 128)),
    "PNG, places that make no colours": (
        lambda: grey_png((b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", bytes(32))),
        (128, 128, 128),
    ),
    "PNG, red and green exchanged": (swapped, (0, 255, 0)),
    "PNG, linear by numbers": (lambda: grey_png((b"cICP", b"\x01\x08\0\x01")), (188, 188, 188)),
    "AVIF, sRGB": (lambda: avif_of(1, 13, (128, 128, 128)), (128, 128, 128)),
    "AVIF, linear": (lambda: avif_of(1, 8, (128, 128, 128)), (188, 188, 188)),
    "AVIF, wide colours": (lambda: avif_of(12, 13, (200, 100, 50)), (215, 93, 31)),
    "AVIF, HDR: paper white": (lambda: avif_of(9, 16, (148, 148, 148)), (187, 187, 187)),
    "PNG, HDR that says how bright it is": (
        lambda: grey_png(
            (b"cICP", b"\x09\x10\0\x01"), (b"cLLI", struct.pack(">II", 4_700_000, 0)), row=b"\x94" * 8
        ),
        (221, 221, 221),
    ),
    "AVIF, HDR: a highlight": (lambda: avif_of(9, 16, (190, 190, 190)), (250, 250, 250)),
}


@pytest.mark.parametrize("name", NAMED)
def test_colours_are_turned_into_those_of_screens(tmp_path: Path, name: str) -> None:
    build, expected = NAMED[name]
    make(build(), tmp_path)
    with Image.open(tmp_path / "large.webp") as image:
        seen = image.convert("RGB").getpixel((4, 4))
    assert isinstance(seen, tuple)
    assert max(abs(a - b) for a, b in zip(seen, expected, strict=True)) <= 4, seen


# --- One colour that is transparent ----------------------------------------------------------------

KEYED = {
    # depth, kind of colour, key, one row: the key, almost the key, the rest
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
    make(data, tmp_path)
    with Image.open(io.BytesIO((tmp_path / "large.webp").read_bytes())) as image:
        assert list(image.convert("RGBA").getchannel("A").tobytes()) == expected

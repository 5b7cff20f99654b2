"""The renditions of uploads of every kind, including hostile ones. `tests/unit` and `tests/integration` have many more samples,
without HTTP."""

import io
import struct
import zipfile
import zlib
from typing import Any

import pytest
from PIL import Image

from .client import Api, Json, Member, done
from .pictures import animation, opened, picture, ready, served, settled, uploaded, uploads, video

pytestmark = pytest.mark.short_run_shapes("embedded")
CANARY = b"CANARY-d4f0"


@pytest.fixture(scope="module")
def maya(api: Api) -> Member:
    return api.someone()


def files(media: Json) -> dict[str, bytes]:
    return {name: served(rendition["url"]).content for name, rendition in media["renditions"].items()}


def test_a_video_has_a_poster_and_a_duration_and_supports_ranges(maya: Member) -> None:
    media = ready(maya, video(2))

    assert media["kind"] == "video"
    assert 1.5 < media["duration"] < 2.5
    assert {"video", "poster"} <= set(media["renditions"])
    rendition = media["renditions"]["video"]
    assert rendition["type"] == "video/mp4"
    part = served(rendition["url"], Range="bytes=4-7")
    assert (part.status_code, part.content, part.headers["content-type"]) == (206, b"ftyp", "video/mp4")
    assert opened(served(media["renditions"]["poster"]["url"]).content).size == (160, 120)


def test_an_animation_keeps_its_frames(maya: Member) -> None:
    media = ready(maya, animation(5))

    assert media["kind"] == "animation"
    moving = Image.open(io.BytesIO(files(media)["large"]))
    assert getattr(moving, "n_frames", 1) == 5


RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)
SLOW_AND_FAST = [3_000, 10, 40]
"""Durations of frames in milliseconds. Browsers show a frame with at most 10 ms for 100 ms."""


def frames_of(data: bytes) -> tuple[list[int], int, list[tuple[int, ...]]]:
    """Return the durations, the number of plays, and the colour at the centre of each frame."""
    durations, colours = [], []
    with Image.open(io.BytesIO(data)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            durations.append(int(image.info["duration"]))
            seen = image.convert("RGBA").getpixel((image.width // 2, image.height // 2))
            assert isinstance(seen, tuple)
            colours.append(seen)
        return durations, int(image.info["loop"]), colours


def moving(kind: str, **options: Any) -> bytes:
    made = io.BytesIO()
    first, *rest = [Image.new("RGBA", (48, 48), colour) for colour in (RED, GREEN, BLUE)]
    first.save(made, kind, save_all=True, append_images=rest, **options)
    return made.getvalue()


@pytest.mark.parametrize(
    ("kind", "options", "durations", "plays"),
    [
        ("WEBP", {"duration": SLOW_AND_FAST, "loop": 3}, [3_000, 100, 40], 3),
        ("PNG", {"duration": SLOW_AND_FAST, "loop": 3}, [3_000, 100, 40], 3),
        ("AVIF", {"duration": SLOW_AND_FAST}, [3_000, 100, 40], 0),
        ("GIF", {"duration": SLOW_AND_FAST, "loop": 3}, [3_000, 100, 40], 4),
        ("GIF", {"duration": 200}, [200, 200, 200], 1),
    ],
    ids=["WebP", "APNG", "AVIF", "GIF", "GIF without a loop"],
)
def test_an_animation_has_the_durations_and_plays_of_a_browser(
    maya: Member, kind: str, options: dict[str, Any], durations: list[int], plays: int
) -> None:
    """A GIF stores the number of repetitions, the other formats the number of plays."""
    media = ready(maya, moving(kind, **options))

    found, found_plays, colours = frames_of(files(media)["large"])
    assert (found, found_plays) == (durations, plays)
    near = [
        all(abs(a - b) < 40 for a, b in zip(seen, drawn, strict=True))
        for seen, drawn in zip(colours, (RED, GREEN, BLUE), strict=True)
    ]
    assert near == [True, True, True]


def test_the_hidden_default_image_of_an_animation_is_not_shown(maya: Member) -> None:
    made = io.BytesIO()
    hidden, *rest = [Image.new("RGBA", (48, 48), colour) for colour in (RED, GREEN, BLUE)]
    hidden.save(made, "PNG", save_all=True, append_images=rest, duration=500, default_image=True)

    media = ready(maya, made.getvalue())

    durations, _, colours = frames_of(files(media)["large"])
    assert durations == [500, 500]
    assert [colour[0] < 60 for colour in colours] == [True, True]
    assert opened(files(media)["small"]).convert("RGB").getpixel((24, 24))[0] < 60  # type: ignore[index]


def test_broken_metadata_does_not_reject_an_image(maya: Member) -> None:
    media = ready(maya, picture(kind="JPEG", exif=b"Exif\0\0this is no Exif at all"))

    assert (media["kind"], media["width"]) == ("image", 320)


def tagged_picture() -> bytes:
    """An image that is stored rotated, with a position and a comment."""
    image = Image.new("RGB", (80, 40), "white")
    image.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # upright after a clockwise rotation
    exif[0x010E] = CANARY.decode()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    made = io.BytesIO()
    image.save(made, "JPEG", exif=exif, comment=CANARY, quality=95)
    return made.getvalue()


def test_an_image_is_served_upright_and_without_its_position(maya: Member) -> None:
    """ME-3."""
    media = ready(maya, tagged_picture())

    assert (media["width"], media["height"]) == (40, 80)
    for name, data in files(media).items():
        assert CANARY not in data, name
        image = opened(data)
        assert image.size == (40, 80)
        assert not image.getexif()
        red, green, _ = image.convert("RGB").getpixel((35, 5))  # type: ignore[misc]
        assert (red > 200, green < 100) == (True, True), name


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("evil.html", CANARY)
    return made.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that claims side × side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(9999)))
        + chunk(b"IEND", b"")
    )


POLYGLOTS = {
    "a PNG that is a ZIP": picture() + zipped(),
    "a JPEG with PHP": picture(kind="JPEG", comment=b"<?php echo '" + CANARY + b"'; ?>"),
    "a JPEG with HTML behind it": picture(kind="JPEG") + b"<script>" + CANARY + b"</script>",
    "a GIF with JavaScript": animation(2) + b"*/=1;alert('" + CANARY + b"')",
    "an MP4 with HTML behind it": video(0.5) + struct.pack(">I", 30) + b"free<b>" + CANARY + b"</b>1234567",
}


@pytest.mark.parametrize("name", POLYGLOTS)
def test_renditions_of_a_polyglot_contain_only_the_image(maya: Member, name: str) -> None:
    """ME-1."""
    media = settled(maya, uploaded(maya, POLYGLOTS[name]))

    for rendition, data in files(media).items():
        assert CANARY not in data, rendition
        assert b"<script" not in data
        assert b"<?php" not in data


HOSTILE = {
    "an SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "type_unsupported"),
    "an HTML page": (b"<!doctype html><script>1</script>", "type_unsupported"),
    "a PDF": (b"%PDF-1.7\n1 0 obj", "type_unsupported"),
    "a ZIP": (zipped(), "type_unsupported"),
    "a playlist": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "type_unsupported"),
    "text": (b"hello", "type_unsupported"),
    "one byte": (b"\xff", "type_unsupported"),
    "a bomb": (bomb(13_000), "too_large"),
    "a very wide bomb": (bomb(60_000), "too_large"),
    "half an image": (picture(300, 300)[: len(picture(300, 300)) // 2], "damaged"),
    "too many frames": (animation(300, 8, 8), "too_large"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_upload_fails_with_a_reason(maya: Member, name: str) -> None:
    """ME-1, ME-2."""
    data, reason = HOSTILE[name]
    media = settled(maya, done(uploads(maya, data, name="innocent.png"), 202))

    assert (media["state"], media["reason"], media["renditions"]) == ("failed", reason, {})
    assert ready(maya, picture(20, 20))["kind"] == "image"  # the worker still runs

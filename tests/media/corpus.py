"""Sample uploads and the expected result of each. All of them are generated; the repository contains no media files."""

import io
import zlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import av
from PIL import Image, ImageCms, PngImagePlugin

from domain.media import FailureReason, MediaKind
from tests.media.common import BLUE, CANARY, RED, encoded, silence
from tests.media.containers import head, png


class Sample(NamedTuple):
    name: str
    make: Callable[[], bytes]
    outcome: MediaKind | FailureReason
    red_corner: bool = True
    """Whether, shown upright, its upper left corner is red and the rest is blue."""


def scene(width: int = 640, height: int = 400, mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(RED, (0, 0, width // 4, height // 4))
    return image if mode == "RGB" else image.convert(mode)


def exif(orientation: int = 1) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010E] = CANARY.decode()
    gps = found.get_ifd(0x8825)
    gps[1], gps[2] = "N", (52.0, 31.0, 12.0)
    gps[29] = CANARY.decode()
    return found


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""The order in which pixels are stored in a file whose Exif has this orientation."""


def photograph(orientation: int) -> bytes:
    """A photograph with this Exif orientation, and with the GPS position in its metadata."""
    image = scene()
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + CANARY + b"</x:xmpmeta>"
    return encoded(image, "JPEG", quality=90, exif=exif(orientation), comment=CANARY, xmp=xmp)


def with_text(**options: Any) -> bytes:
    about = PngImagePlugin.PngInfo()
    about.add_text("Location", CANARY.decode(), zip=False)
    about.add_itxt("XML:com.adobe.xmp", CANARY.decode())
    return encoded(scene(), "PNG", pnginfo=about, exif=exif(), **options)


def animated(kind: str = "GIF", frames: int = 12, size: tuple[int, int] = (200, 120)) -> bytes:
    images = []
    for number in range(frames):
        image = scene(*size)
        left = (size[0] - 10) * number // frames
        image.paste((40, 230, 60), (left, size[1] // 2, left + 10, size[1] // 2 + 10))
        images.append(image)
    return encoded(images[0], kind, save_all=True, append_images=images[1:], duration=60, loop=0)


def video(
    codec: str = "libx264", container: str = "mp4", sound: str | None = None, turn: int = 0, seconds: int = 2
) -> bytes:
    made = io.BytesIO()
    with av.open(made, "w", format=container) as file:
        for name in ("title", "comment", "location"):
            file.metadata[name] = CANARY.decode()
        video: Any = file.add_stream(codec, rate=12)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        if turn:
            video.set_display_rotation(turn)
        audio: Any = file.add_stream(sound, rate=48_000) if sound else None
        picture = scene(320, 240)
        for _ in range(12 * seconds):
            file.mux(video.encode(av.VideoFrame.from_image(picture)))  # type: ignore[no-untyped-call]
        file.mux(video.encode())
        if audio is not None:
            for number in range(20):
                file.mux(audio.encode(silence(number)))
            file.mux(audio.encode())
    return made.getvalue()


def png_bomb(side: int = 13_000) -> bytes:
    """A PNG of side × side equal pixels with one bit each: only about 20 KB."""
    row = b"\0" + bytes((side + 7) // 8)
    packer, body = zlib.compressobj(9), b""
    for _ in range(side):
        body += packer.compress(row)
    return png(head(side, side, depth=1, kind=0), (b"IDAT", body + packer.flush()))


@cache
def gif_bomb() -> bytes:
    """More frames than the limit."""
    return animated(frames=300, size=(400, 30))


def srgb_twin() -> bytes:
    """An image with an sRGB profile, which does not change its colours."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encoded(scene(), "JPEG", icc_profile=profile)


PHP, HTML = b"<?php system($_GET['c']); ?>", b"<script>alert(document.domain)</script>"
ZIP = b"PK\x03\x04\x14\0\0\0\0\0" + b"payload.js" * 4 + b"PK\x05\x06" + bytes(18)
PAYLOADS = (CANARY, PHP, HTML, b"PK\x03\x04", b"payload.js")
"""No rendition may contain these bytes."""

GOOD: tuple[Sample, ...] = (
    *(Sample(f"photograph, orientation {n}", partial(photograph, n), MediaKind.IMAGE) for n in range(1, 9)),
    Sample("progressive JPEG", lambda: encoded(scene(), "JPEG", progressive=True), MediaKind.IMAGE),
    Sample("grey JPEG", lambda: encoded(scene(mode="L"), "JPEG"), MediaKind.IMAGE, red_corner=False),
    Sample("CMYK JPEG", lambda: encoded(scene(mode="CMYK"), "JPEG"), MediaKind.IMAGE),
    Sample("JPEG with a profile", srgb_twin, MediaKind.IMAGE),
    Sample("PNG with text", with_text, MediaKind.IMAGE),
    Sample("PNG with a palette", lambda: encoded(scene(mode="P"), "PNG"), MediaKind.IMAGE),
    Sample("PNG with alpha", lambda: encoded(scene(mode="RGBA"), "PNG"), MediaKind.IMAGE),
    Sample(
        "grey PNG with alpha", lambda: encoded(scene(mode="LA"), "PNG"), MediaKind.IMAGE, red_corner=False
    ),
    Sample(
        "16 bit PNG",
        lambda: encoded(Image.new("I;16", (64, 48), 40_000), "PNG"),
        MediaKind.IMAGE,
        red_corner=False,
    ),
    Sample("one bit PNG", lambda: encoded(scene(mode="1"), "PNG"), MediaKind.IMAGE, red_corner=False),
    Sample(
        "tiny PNG", lambda: encoded(Image.new("RGB", (1, 1), RED), "PNG"), MediaKind.IMAGE, red_corner=False
    ),
    Sample(
        "long PNG",
        lambda: encoded(Image.new("RGB", (9_000, 3), RED), "PNG"),
        MediaKind.IMAGE,
        red_corner=False,
    ),
    Sample("WebP", lambda: encoded(scene(), "WEBP", exif=exif(), quality=90), MediaKind.IMAGE),
    Sample("lossless WebP", lambda: encoded(scene(mode="RGBA"), "WEBP", lossless=True), MediaKind.IMAGE),
    Sample("AVIF", lambda: encoded(scene(), "AVIF", exif=exif()), MediaKind.IMAGE),
    Sample("GIF", lambda: encoded(scene(), "GIF", comment=CANARY), MediaKind.IMAGE),
    Sample("animated GIF", animated, MediaKind.ANIMATION),
    Sample("animated WebP", lambda: animated("WEBP"), MediaKind.ANIMATION),
    Sample("animated PNG", lambda: animated("PNG"), MediaKind.ANIMATION),
    Sample("animated AVIF", lambda: animated("AVIF"), MediaKind.ANIMATION),
    Sample(
        "JPEG with broken Exif",
        lambda: encoded(scene(), "JPEG", exif=b"Exif\0\0broken" + CANARY),
        MediaKind.IMAGE,
    ),
    Sample("MP4", video, MediaKind.VIDEO),
    Sample("3GP", lambda: video(container="3gp"), MediaKind.VIDEO),
    Sample("QuickTime", lambda: video(container="mov"), MediaKind.VIDEO),
    Sample("JPEG with a preview behind it", lambda: photograph(1) + photograph(1), MediaKind.IMAGE),
    Sample("MP4 with sound", lambda: video(sound="aac"), MediaKind.VIDEO),
    Sample("MP4 from a camera on its side", lambda: video(turn=90), MediaKind.VIDEO, red_corner=False),
    Sample("WebM", lambda: video("libvpx-vp9", "webm", "libopus"), MediaKind.VIDEO),
    Sample("GIF and JavaScript", lambda: encoded(scene(), "GIF") + b"/*" + HTML + b"*/", MediaKind.IMAGE),
    Sample("JPEG and PHP", lambda: encoded(scene(), "JPEG", comment=PHP) + PHP, MediaKind.IMAGE),
    Sample("PNG and ZIP", lambda: encoded(scene(), "PNG") + ZIP, MediaKind.IMAGE),
    Sample("MP4 and HTML", lambda: video() + HTML, MediaKind.VIDEO),
)
UNSUPPORTED: tuple[Sample, ...] = (
    Sample("SVG", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", FailureReason.TYPE_UNSUPPORTED),
    Sample("HTML", lambda: b"<!doctype html>" + HTML, FailureReason.TYPE_UNSUPPORTED),
    Sample("playlist", lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", FailureReason.TYPE_UNSUPPORTED),
    Sample(
        "concat script", lambda: b"ffconcat version 1.0\nfile /etc/passwd\n", FailureReason.TYPE_UNSUPPORTED
    ),
    Sample("PDF", lambda: b"%PDF-1.7\n%%EOF", FailureReason.TYPE_UNSUPPORTED),
    Sample("ZIP", lambda: ZIP, FailureReason.TYPE_UNSUPPORTED),
    Sample("TIFF", lambda: encoded(scene(), "TIFF"), FailureReason.TYPE_UNSUPPORTED),
    Sample("Matroska", lambda: video(container="matroska"), FailureReason.TYPE_UNSUPPORTED),
    Sample("one byte", lambda: b"\xff", FailureReason.TYPE_UNSUPPORTED),
    Sample("MP3", lambda: b"\xff\xfb\x90\x64" + bytes(400), FailureReason.AUDIO_ONLY),
    Sample("MP3 with tags", lambda: b"ID3\x04" + bytes(400), FailureReason.AUDIO_ONLY),
    Sample("AAC", lambda: b"\xff\xf1\x50\x80" + bytes(400), FailureReason.AUDIO_ONLY),
    Sample("WAVE", lambda: b"RIFF\x24\0\0\0WAVEfmt " + bytes(400), FailureReason.AUDIO_ONLY),
    Sample("Ogg", lambda: b"OggS" + bytes(24) + b"OpusHead" + bytes(400), FailureReason.AUDIO_ONLY),
    Sample("M4A", lambda: b"\0\0\0\x14ftypM4A \0\0\0\0M4A " + bytes(400), FailureReason.AUDIO_ONLY),
    Sample("HEIC", lambda: b"\0\0\0\x14ftypheic\0\0\0\0mif1" + bytes(400), FailureReason.TYPE_UNSUPPORTED),
)
"""Types that are rejected from their first bytes."""
BAD: tuple[Sample, ...] = (
    Sample("raw Motion JPEG", lambda: photograph(1) * 5, FailureReason.TYPE_UNSUPPORTED),
    Sample("PNG bomb", png_bomb, FailureReason.TOO_LARGE),
    Sample("GIF of 300 frames", gif_bomb, FailureReason.TOO_LARGE),
    Sample("half a JPEG", lambda: (data := photograph(1))[: len(data) // 2], FailureReason.DAMAGED),
    Sample("the head of a JPEG", lambda: photograph(1)[:200], FailureReason.DAMAGED),
    Sample("half a PNG", lambda: (data := encoded(scene(), "PNG"))[: len(data) // 2], FailureReason.DAMAGED),
    Sample(
        "half a WebP", lambda: (data := encoded(scene(), "WEBP"))[: len(data) // 2], FailureReason.DAMAGED
    ),
    Sample("half an MP4", lambda: (data := video())[: len(data) // 2], FailureReason.DAMAGED),
    Sample("PNG of noise", lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, FailureReason.DAMAGED),
    Sample("MPEG-4 part 2", lambda: video("mpeg4"), FailureReason.CODEC_UNSUPPORTED),
)

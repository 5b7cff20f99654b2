"""Processing of images and animations with Pillow. Runs in the child."""

import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import blurhash
from PIL import Image

from adapters.processing import avif, colours, gif, jpeg, mjpeg, png, webp
from adapters.processing.sources import Source
from application.media.ports import UploadRejected
from domain.media import (
    MAX_FRAMES,
    MAX_IMAGE_BYTES,
    MAX_PIXELS,
    MAX_PIXELS_OF_FRAMES,
    MAX_SIDE,
    FailureReason,
    MediaKind,
    ProcessingResult,
    Rendition,
)

READERS: dict[str, Callable[[bytes], Source]] = {
    "image/jpeg": jpeg.read,
    "image/png": png.read,
    "image/gif": gif.read,
    "image/webp": webp.read,
    "image/avif": avif.read,
}
SIDES = {"large": 2048, "small": 800, "thumbnail": 400}
"""The longest side of each rendition in pixels, largest first. Images are never enlarged."""
WEBP, JPEG = {"quality": 80, "method": 4}, {"quality": 85, "optimize": True, "progressive": True}
_TINY = 64 * 64
"""Images of at most so many pixels are compressed losslessly: chroma subsampling would spoil pixel art and icons."""
ANIMATION_SIDE, ANIMATION_PIXELS = 720, 40_000_000
"""The limits of a side of each frame, and of the pixels of all frames together: all of them are in memory at once."""
_TOO_SHORT, _USUAL_FRAME = 10, 100
"""Milliseconds. Browsers show a frame with a duration of at most the first value for the second value."""
_LONGEST_FRAME, _MOST_PLAYS = 2**24 - 1, 2**16 - 1
"""The largest values that WebP can store."""
_FLAGS, _HAS_ALPHA = 20, 0x10
"""The offset of the flags of an animated WebP, and the flag for transparency."""
_HASH_SIDE = 32
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that makes an image upright, by its Exif orientation."""

Progress = Callable[[int], None]


def make(upload: Path, into: Path, media_type: str, progress: Progress) -> ProcessingResult:
    """Make the renditions of an image or animation. Raises UploadRejected, MemoryError, and any other exception for a
    damaged file."""
    if upload.stat().st_size > MAX_IMAGE_BYTES:
        raise UploadRejected(FailureReason.TOO_LARGE)
    data = upload.read_bytes()
    if media_type == "image/jpeg" and mjpeg.is_video(data):
        raise UploadRejected(FailureReason.TYPE_UNSUPPORTED)
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        source = READERS[media_type](data)
        check_size(*source.size)
        if source.frames > MAX_FRAMES or source.pixels > MAX_PIXELS_OF_FRAMES:
            raise UploadRejected(FailureReason.TOO_LARGE)
        progress(10)
        if source.frames > 1:
            still, frames, durations = _animation(source)
        else:
            image, _ = next(source.shown())
            still, frames, durations = _upright(image, source.orientation), [], []
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UploadRejected(FailureReason.TOO_LARGE) from None
    progress(50)
    renditions = stills(still, into)
    if frames:
        renditions = [one for one in renditions if one.name != "large"]
        renditions.insert(0, _saved_animation(frames, durations, source.plays, into))
    large = renditions[0]
    return ProcessingResult(
        kind=MediaKind.ANIMATION if frames else MediaKind.IMAGE,
        width=large.width,
        height=large.height,
        blurhash=hash_of(still),
        renditions=tuple(renditions),
    )


def check_size(width: int, height: int) -> None:
    """Raises UploadRejected for a width or height outside the limits."""
    if width < 1 or height < 1 or max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise UploadRejected(FailureReason.TOO_LARGE)


def stills(image: Image.Image, into: Path) -> list[Rendition]:
    """Save each size as WebP and as JPEG. JPEG has no transparency, so the image is placed on white there."""
    made: list[Rendition] = []
    for name, side in SIDES.items():
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        image.info.clear()
        tiny = image.width * image.height <= _TINY
        how = WEBP | {"lossless": tiny}
        made.append(_saved(image, into / f"{name}.webp", name, "image/webp", "WEBP", how))
        flat = image if image.mode == "RGB" else _on_white(image)
        how = JPEG | {"subsampling": 0} if tiny else JPEG
        made.append(_saved(flat, into / f"{name}_jpeg.jpg", f"{name}_jpeg", "image/jpeg", "JPEG", how))
    return made


def hash_of(image: Image.Image) -> str:
    small = image.copy()
    small.thumbnail((_HASH_SIDE, _HASH_SIDE))
    flat = small if small.mode == "RGB" else _on_white(small)
    width, height = flat.size
    data = flat.tobytes()
    rows = [
        [tuple(data[3 * (y * width + x) : 3 * (y * width + x) + 3]) for x in range(width)]
        for y in range(height)
    ]
    hashed: str = blurhash.encode(rows, 4, 3)
    return hashed


def _upright(
    image: Image.Image,
    orientation: int,
    side: int = SIDES["large"],
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """Return the image upright, in sRGB, with no side longer than `side`."""
    image.draft("RGB", (2 * side, 2 * side))  # a large JPEG need not be decoded in full size
    image.load()
    shown = colours.resizable(image)
    shown = shown.copy() if shown is image else shown
    shown.thumbnail((side, side), resampling)
    shown = colours.plain(shown)
    if orientation in _TURNS:
        shown = shown.transpose(_TURNS[orientation])
    if shown.mode == "RGBA" and shown.getchannel("A").getextrema() == (255, 255):
        shown = shown.convert("RGB")
    shown.info.clear()
    return shown


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _animation(source: Source) -> tuple[Image.Image, list[Image.Image], list[int]]:
    """Return the first frame in full size for the stills, all frames, and their durations in milliseconds."""
    side = min(ANIMATION_SIDE, int((ANIMATION_PIXELS / source.frames) ** 0.5))
    frames, durations = [], []
    still, elapsed, total = None, Fraction(0), 0
    for image, milliseconds in source.shown():
        if still is None:
            still = _upright(image, source.orientation)
        frames.append(_upright(image, source.orientation, side, Image.Resampling.BILINEAR).convert("RGBA"))
        elapsed += milliseconds if milliseconds > _TOO_SHORT else _USUAL_FRAME
        # Rounding errors do not add up, and no duration is so short that browsers would replace it.
        duration = min(max(round(elapsed) - total, _TOO_SHORT + 1), _LONGEST_FRAME)
        durations.append(duration)
        total += duration
    if still is None:
        raise ValueError("an animation without frames")
    return still, frames, durations


def _saved_animation(frames: list[Image.Image], durations: list[int], plays: int, into: Path) -> Rendition:
    first, *rest = frames
    how = {
        "save_all": True,
        "append_images": rest,
        "duration": durations,
        "loop": min(plays, _MOST_PLAYS),
        "background": (0, 0, 0, 0),
        "quality": 70,
        "method": 2,
        "lossless": first.width * first.height <= _TINY,
    }
    file = into / "large.webp"
    made = _saved(first, file, "large", "image/webp", "WEBP", how)
    if any(frame.getchannel("A").getextrema() != (255, 255) for frame in frames):
        # The encoder crops transparent borders off the frames, and then omits the flag for transparency.
        with file.open("r+b") as written:
            written.seek(_FLAGS)
            flags = written.read(1)[0]
            written.seek(_FLAGS)
            written.write(bytes([flags | _HAS_ALPHA]))
    return made


def _saved(
    image: Image.Image, file: Path, name: str, type_: str, format_: str, how: dict[str, Any]
) -> Rendition:
    image.save(file, format_, **how)
    return Rendition(name=name, type=type_, width=image.width, height=image.height, bytes=file.stat().st_size)

"""Pictures and animations, by Pillow. Runs in the child."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import blurhash
from PIL import AvifImagePlugin, Image, ImageCms, ImageOps, ImageSequence

from adapters.processing.types import PICTURES
from application.media.ports import Rejected
from domain.media import (
    MAX_FRAMES,
    MAX_IMAGE_BYTES,
    MAX_PIXELS,
    MAX_PIXELS_OF_FRAMES,
    MAX_SIDE,
    Kind,
    Made,
    Reason,
    Rendition,
)

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the child may start none
SIDES = {"large": 2048, "small": 800, "thumbnail": 400}
"""The longest side of each rendition at most, largest first; nothing is ever enlarged."""
WEBP, JPEG = {"quality": 80, "method": 4}, {"quality": 85, "optimize": True, "progressive": True}
ANIMATION_SIDE, ANIMATION_PIXELS = 720, 40_000_000
"""Of an animation's frames, and of all of them together: they are in memory at once."""
_SHORTEST_FRAME, _USUAL_FRAME = 20, 100
"""Milliseconds. What says less is shown by browsers as if it said the second."""
_HASH_SIDE = 32

Progress = Callable[[int], None]


def make(upload: Path, into: Path, media_type: str, progress: Progress) -> Made:
    """Raises Rejected, MemoryError, and anything at all for what is damaged."""
    if upload.stat().st_size > MAX_IMAGE_BYTES:
        raise Rejected(Reason.TOO_LARGE)
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(upload, formats=[PICTURES[media_type]]) as image:
            check_size(*image.size)
            frames = getattr(image, "n_frames", 1) if media_type != "image/jpeg" else 1
            if frames > MAX_FRAMES or frames * image.width * image.height > MAX_PIXELS_OF_FRAMES:
                raise Rejected(Reason.TOO_LARGE)
            progress(10)
            animated = _animation(image, frames) if frames > 1 else None
            progress(40)
            image.seek(0)
            still = _upright(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Rejected(Reason.TOO_LARGE) from None
    progress(50)
    renditions = stills(still, into)
    if animated is not None:
        renditions = [one for one in renditions if one.name != "large"]
        renditions.insert(0, _saved_animation(animated, into))
    large = renditions[0]
    return Made(
        kind=Kind.IMAGE if animated is None else Kind.ANIMATION,
        width=large.width,
        height=large.height,
        blurhash=hash_of(still),
        renditions=tuple(renditions),
    )


def check_size(width: int, height: int) -> None:
    """Raises Rejected."""
    if width < 1 or height < 1 or max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Rejected(Reason.TOO_LARGE)


def stills(image: Image.Image, into: Path) -> list[Rendition]:
    """Each size as WebP and as JPEG, which knows no transparency: it lies on white there."""
    made: list[Rendition] = []
    for name, side in SIDES.items():
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        image.info.clear()
        made.append(_saved(image, into / f"{name}.webp", name, "image/webp", "WEBP", WEBP))
        flat = image if image.mode == "RGB" else _on_white(image)
        made.append(_saved(flat, into / f"{name}_jpeg.jpg", f"{name}_jpeg", "image/jpeg", "JPEG", JPEG))
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


def _upright(image: Image.Image) -> Image.Image:
    """The picture no larger than any rendition, in sRGB and the right way up."""
    image.draft("RGB", (2 * SIDES["large"], 2 * SIDES["large"]))  # a large JPEG need not be decoded whole
    image.load()
    profile = image.info.get("icc_profile")
    orientation = image.getexif()
    shown = _plain(image) if image.mode not in {"RGB", "RGBA", "CMYK", "L"} else image.copy()
    shown.thumbnail((SIDES["large"], SIDES["large"]), Image.Resampling.LANCZOS)
    if profile:
        shown = _in_srgb(shown, profile)
    shown = _plain(shown)
    turned = Image.Image.getexif(shown)
    turned[0x0112] = orientation.get(0x0112, 1)
    shown = ImageOps.exif_transpose(shown)
    shown.info.clear()
    return shown


def _plain(image: Image.Image) -> Image.Image:
    """In RGB, or RGBA if anything of it is transparent."""
    if image.mode in {"RGB", "RGBA"} and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """As it is, if its profile is one that cannot be understood."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, ValueError, OSError):
        return image
    return turned or image


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _animation(image: Image.Image, frames: int) -> tuple[list[Image.Image], list[int]]:
    """The frames, and for how many milliseconds each is shown."""
    bound = min(ANIMATION_SIDE, int((ANIMATION_PIXELS / frames) ** 0.5))
    pictures, durations = [], []
    for frame in ImageSequence.Iterator(image):
        duration = int(frame.info.get("duration") or 0)
        picture = frame.convert("RGBA")
        picture.thumbnail((bound, bound), Image.Resampling.BILINEAR)
        picture.info.clear()
        pictures.append(picture)
        durations.append(duration if duration >= _SHORTEST_FRAME else _USUAL_FRAME)
    return pictures, durations


def _saved_animation(animated: tuple[list[Image.Image], list[int]], into: Path) -> Rendition:
    (first, *rest), durations = animated
    how = {
        "save_all": True,
        "append_images": rest,
        "duration": durations,
        "loop": 0,
        "quality": 70,
        "method": 2,
    }
    return _saved(first, into / "large.webp", "large", "image/webp", "WEBP", how)


def _saved(
    image: Image.Image, file: Path, name: str, type_: str, format_: str, how: dict[str, Any]
) -> Rendition:
    image.save(file, format_, **how)
    return Rendition(name=name, type=type_, width=image.width, height=image.height, bytes=file.stat().st_size)

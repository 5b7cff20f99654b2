"""Processing an image in this process, and reading the colours of its renditions."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from adapters.processing import images
from adapters.processing.types import type_of
from domain.media import ProcessingResult
from tests.media.containers import BLUE, CLEAR, GREEN, RED, WHITE

_NAMES = {(255, 0, 0): RED, (0, 255, 0): GREEN, (0, 0, 255): BLUE, (255, 255, 255): WHITE}


class Animation(NamedTuple):
    size: tuple[int, int]
    frames: Sequence[tuple[str, ...]]
    """The colours of the four quarters: upper left, upper right, lower left, lower right."""
    durations: list[int]
    """In milliseconds."""
    plays: int


def process(data: bytes, folder: Path) -> ProcessingResult:
    """Process the image as the child does, without its confinement."""
    upload, media_type = folder / "upload", type_of(data[:64])
    assert media_type is not None
    upload.write_bytes(data)
    return images.make(upload, folder, media_type, lambda _: None)


def large_animation(folder: Path) -> Animation:
    frames, durations = [], []
    with Image.open(folder / "large.webp") as image:
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            image.load()
            frames.append(quarters(image))
            durations.append(int(image.info["duration"]))
        return Animation(image.size, frames, durations, int(image.info["loop"]))


def large_still(folder: Path) -> tuple[tuple[int, int], tuple[str, ...]]:
    """The size and the colours of the quarters."""
    with Image.open(folder / "large.webp") as image:
        return image.size, quarters(image)


def quarters(image: Image.Image) -> tuple[str, ...]:
    pixels = image.convert("RGBA")
    width, height = pixels.size
    centres = [
        (width // 4 + right * width // 2, height // 4 + low * height // 2)
        for low in (0, 1)
        for right in (0, 1)
    ]
    return tuple(_name(pixels.getpixel(centre)) for centre in centres)


def _name(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    *rgb, alpha = pixel
    if alpha < 30:
        return CLEAR
    return min(_NAMES.items(), key=lambda one: sum(abs(a - b) for a, b in zip(one[0], rgb, strict=True)))[1]

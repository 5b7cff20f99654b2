"""WebP. Its library composes animations as browsers do, and reads no metadata."""

from adapters.processing.exif import orientation
from adapters.processing.sources import FOREVER, Source, opened, sequence


def read(data: bytes) -> Source:
    image = opened(data, "WEBP")
    return sequence(image, int(image.info.get("loop", FOREVER)), orientation(image.info.get("exif") or b""))

"""An image file as a sequence of frames, composed as browsers do it. Runs in the child.

A module for each container format splits it into frames, and Pillow decodes each frame as a separate file, for two reasons.
Pillow composes sequences differently from browsers (cleared areas of a GIF, the hidden image of an APNG, frames outside
the canvas). And metadata is removed before any decoder reads it, so broken metadata never makes an image fail.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from PIL import Image

FOREVER = 0
UPRIGHT = 1

Shown = Iterator[tuple[Image.Image, Fraction]]
"""Each composed frame and its duration in milliseconds. A frame is valid until the next one is requested."""


@dataclass(frozen=True, slots=True)
class Source:
    size: tuple[int, int]
    frames: int
    plays: int
    """The number of times that an animation plays; 0 means for ever."""
    pixels: int
    """The sum of the decoded pixels of all frames."""
    shown: Callable[[], Shown]
    orientation: int = UPRIGHT
    """As in Exif, 1 to 8."""


class Disposal(Enum):
    """The change of the area of a frame before the next frame."""

    KEEP = 0
    CLEAR = 1
    """Clear to transparent, as browsers do; not to the background colour of a GIF."""
    RESTORE = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """One frame as stored in the file: a part of the canvas."""

    decoded: Callable[[], Image.Image]
    """Returns the frame in RGBA."""
    at: tuple[int, int]
    size: tuple[int, int]
    milliseconds: Fraction
    disposal: Disposal
    over: bool = True
    """Whether the frame is blended over the canvas; else it replaces that area."""


def composed(size: tuple[int, int], pieces: Sequence[Piece], plays: int) -> Source:
    """Compose the pieces on a canvas that is transparent at first. Parts outside the canvas are cut off."""

    def shown() -> Shown:
        canvas = Image.new("RGBA", size)
        for number, piece in enumerate(pieces):
            before = canvas.copy() if piece.disposal is Disposal.RESTORE and len(pieces) > 1 else None
            left, top = piece.at
            right, bottom = min(left + piece.size[0], size[0]), min(top + piece.size[1], size[1])
            if right > left and bottom > top:
                visible = piece.decoded()
                if visible.size != (right - left, bottom - top):
                    visible = visible.crop((0, 0, right - left, bottom - top))
                if piece.over and number:
                    canvas.alpha_composite(visible, piece.at)
                elif visible.size == size:
                    canvas = visible
                else:
                    canvas.paste(visible, piece.at)
            yield canvas, piece.milliseconds
            if before is not None:
                canvas = before
            elif piece.disposal is Disposal.CLEAR:
                canvas.paste((0, 0, 0, 0), (left, top, right, bottom))

    pixels = sum(max(size[0] * size[1], piece.size[0] * piece.size[1]) for piece in pieces)
    return Source(size, len(pieces), plays if len(pieces) > 1 else 1, pixels, shown)


def sequence(image: Image.Image, plays: int, orientation: int = UPRIGHT) -> Source:
    """Return the source of a still image, or of an animation that the library of its format composes as browsers do."""
    frames = int(getattr(image, "n_frames", 1))

    def shown() -> Shown:
        elapsed = 0
        for number in range(frames):
            if frames > 1:
                image.seek(number)
                image.load()  # until then, `info` is that of another frame
            end = int(image.info.get("timestamp") or 0) + int(image.info.get("duration") or 0)
            yield image, Fraction(end - elapsed)
            elapsed = end

    pixels = frames * image.width * image.height
    return Source(image.size, frames, plays if frames > 1 else 1, pixels, shown, orientation)


def opened(data: bytes, kind: str) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=[kind])

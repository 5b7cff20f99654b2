"""Colours, markers and encoders that all media of the tests share."""

import io
from fractions import Fraction
from typing import Any

import av
from PIL import Image

CANARY = b"CANARY-52.520008,13.404954"
"""Is written into every metadata field of a sample. No rendition may contain it."""
RED, BLUE = (230, 20, 20), (20, 40, 220)


def is_reddish(colour: Any) -> bool:
    """Return whether a pixel is RED and not BLUE, after lossy compression."""
    return bool(colour[0] > 150 and colour[2] < 110)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def silence(number: int) -> av.AudioFrame:
    """Return the frame with this number of a silent stereo stream: 960 samples at 48 kHz."""
    frame = av.AudioFrame(format="fltp", layout="stereo", samples=960)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 960, Fraction(1, 48_000)
    return frame

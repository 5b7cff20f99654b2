"""The poster of a video: a still frame, as players show it."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import Colorspace
from PIL import Image, ImageStat

from application.media.ports import UploadRejected
from domain.media import FailureReason

_LOOKS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""The positions that are tried, as fractions of the duration, after the first second."""
_FIRST_LOOK = 1.0
_PIXELS = 600_000_000
"""The limit of decoded pixels per position: 290 frames of 1080p."""
_VARIED = 10.0
"""The standard deviation of brightness from which on a frame counts as varied."""
_HD_LINES = 720
_UNTAGGED = 2
_OPAQUE = 250
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_SAMPLE = (64, 64)
_UPRIGHT = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}
"""The transposition of a frame, by the signs of the upper left of its display matrix."""


def still_image_of(
    file: Path, form: str, seconds: float, shape: Fraction, matrix: Sequence[int] | None
) -> Image.Image:
    """Return the first varied frame, of a few from the beginning to the end; if none is varied, the most varied of them.
    `shape` is the aspect ratio of a pixel. Transparency is kept. Raises UploadRejected if no frame can be decoded."""
    best, most = None, -1.0
    looks = min(_FIRST_LOOK, seconds / 2), *(seconds * part for part in _LOOKS)
    with av.open(str(file), format=form, options={"protocol_whitelist": "file"}) as source:
        decoder = _decoder(source.streams.video[0])
        for second in looks:
            try:
                frame = _frame_at(source, decoder, second)
            except av.FFmpegError:  # another position may be decodable
                continue
            if frame is None:
                continue
            picture = _picture(frame)
            variety = ImageStat.Stat(picture.convert("RGB").resize(_SAMPLE).convert("L")).stddev[0]
            if variety > most:
                best, most = picture, variety
            if most >= _VARIED:
                break
    if best is None:
        raise UploadRejected(FailureReason.DAMAGED)
    return upright(best.resize(display_size(*best.size, shape)), matrix)


def matrix_of(frame: Any) -> tuple[int, ...] | None:
    """Return the nine numbers of the display matrix, which rotates and mirrors the video; None if there is none."""
    found = frame.side_data.get(SideData.DISPLAYMATRIX)
    return None if found is None else tuple(memoryview(bytes(found)).cast("i"))


def display_size(width: int, height: int, shape: Fraction) -> tuple[int, int]:
    """Return the size of the frame with square pixels, as in browsers: one side is stretched, none is made smaller."""
    return (round(width * shape), height) if shape >= 1 else (width, round(height / shape))


def upright(picture: Image.Image, matrix: Sequence[int] | None) -> Image.Image:
    """Apply the display matrix. A rotation by another angle than a multiple of 90° is ignored, as in browsers."""
    if matrix is None:
        return picture
    most = max(abs(matrix[n]) for n in (0, 1, 3, 4)) or 1
    a, b, c, d = (round(matrix[n] / most) for n in (0, 1, 3, 4))
    how = _UPRIGHT.get((a, b, c, d))
    return picture if how is None else picture.transpose(how)


def is_transparent(video: Any) -> bool:
    """Return whether the video may be transparent: a WebM that stores an alpha frame with each frame."""
    declared = any(name.lower() == "alpha_mode" and value == "1" for name, value in video.metadata.items())
    return declared and video.codec_context.codec.canonical_name in _ALPHA_DECODERS


def _decoder(video: Any) -> Any:
    """Return a decoder that also decodes transparency, if the video has any."""
    decoder = video.codec_context
    if is_transparent(video):
        decoder = av.CodecContext.create(_ALPHA_DECODERS[decoder.codec.canonical_name], "r")
    decoder.thread_type, decoder.thread_count = "NONE", 1  # the child may start no threads
    decoder.open()
    return decoder


def _frame_at(source: Any, decoder: Any, second: float) -> Any:
    """Return the frame that is shown at `second`, or the last one before it that can be reached within the limit."""
    video = source.streams.video[0]
    source.seek(int(second * av.time_base))
    decoder.flush_buffers()
    left = max(1, _PIXELS // (video.codec_context.width * video.codec_context.height))
    found = None
    for packet in source.demux(video):
        for frame in decoder.decode(packet if packet.size else None):
            found, left = frame, left - 1
            if left <= 0 or frame.pts is None or frame.pts * video.time_base >= second:
                return found
    return found


def _picture(frame: Any) -> Image.Image:
    colours = {}
    if frame.colorspace == _UNTAGGED:  # browsers then guess by the size
        colours = {"src_colorspace": Colorspace.ITU709 if frame.height >= _HD_LINES else Colorspace.ITU601}
    if frame.format.name.startswith("yuva"):
        shown = frame.reformat(format="rgba", threads=1, **colours)
        plane = shown.planes[0]
        size = shown.width, shown.height
        picture = Image.frombytes("RGBA", size, bytes(plane), "raw", "RGBA", plane.line_size)
        return picture if picture.getchannel("A").getextrema()[0] < _OPAQUE else picture.convert("RGB")  # type: ignore[operator]
    image: Image.Image = frame.to_image(threads=1, **colours)
    return image

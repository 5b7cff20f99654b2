"""Videos as cameras, editors and browsers write them. Every frame shows its number."""

import io
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
from PIL import Image

from tests.media.common import BLUE, CANARY, RED, silence

RATE = 25
"""Frames per second."""
_BITS = 8
_WIDTH, _HEIGHT = 20 * _BITS, 96
Box = tuple[bytes, "bytes | list[Box]"]
_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}


def opened(video: bytes, *, whole: bool = False) -> Any:
    """Open the video for reading; `whole` includes the frames that its edit list hides."""
    return av.open(io.BytesIO(video), options={"ignore_editlist": "1"} if whole else {})


def numbered(number: int) -> Image.Image:
    """A frame with the number as white bars on black above, and a red corner on blue below."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), BLUE)
    for bit in range(_BITS):
        shade = 235 if number >> bit & 1 else 16
        image.paste((shade, shade, shade), (20 * bit, 0, 20 * bit + 20, _HEIGHT // 2))
    image.paste(RED, (0, _HEIGHT // 2, _WIDTH // 4, _HEIGHT))
    return image


def number_in(picture: Image.Image) -> int:
    bars = picture.convert("L").resize((_BITS, 2), Image.Resampling.BOX).tobytes()
    return sum(1 << bit for bit in range(_BITS) if bars[bit] > 128)


def numbers_in(video: bytes) -> list[int]:
    """The numbers of all frames in the file, whether shown or not."""
    with opened(video, whole=True) as source:
        return [number_in(frame.to_image()) for frame in source.decode(video=0)]


def numbers_shown(video: bytes) -> list[int]:
    """The numbers of the frames that a player shows."""
    with opened(video) as source:
        return [number_in(frame.to_image()) for frame in source.decode(video=0)]


def video(
    frames: int = 100,
    *,
    container: str = "mp4",
    codec: str = "libx264",
    sound: str | None = None,
    key_every: int = 25,
    b_frames: int = 0,
    picture: Callable[[int], Image.Image] = numbered,
    shape: Fraction | None = None,
    matrix: Sequence[int] | None = None,
    pixels: str = "yuv420p",
    x264: str = "",
    options: dict[str, str] | None = None,
    change: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """Encode a video. `shape` is the aspect ratio of a pixel; `change` is applied to each video packet."""
    made = io.BytesIO()
    with av.open(made, "w", format=container, options=options or {}) as file:
        video: Any = file.add_stream(codec, rate=RATE)
        first = picture(0)
        video.width, video.height = first.size
        video.pix_fmt = pixels
        video.gop_size, video.max_b_frames = key_every, b_frames
        if shape is not None:
            video.codec_context.sample_aspect_ratio = shape
        if matrix is not None:
            video.set_display_matrix(matrix)
        if codec == "libx264":
            video.options = {
                "preset": "ultrafast" if not b_frames else "veryfast",
                "x264-params": x264 or "scenecut=0",
            }
        if pixels == "yuva420p":
            video.metadata["alpha_mode"] = "1"
            video.options = {"auto-alt-ref": "0"}
        audio: Any = file.add_stream(sound, rate=48_000) if sound else None
        for number in range(frames):
            frame = _frame(picture(number))
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            _mux(file, video.encode(frame), change)
        _mux(file, video.encode(), change)
        if audio is not None:
            for number in range(frames * 48_000 // RATE // 960):
                file.mux(audio.encode(silence(number)))
            file.mux(audio.encode())
    return made.getvalue()


def audio_only(codec: str, container: str) -> bytes:
    made = io.BytesIO()
    with av.open(made, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=48_000)
        for number in range(20):
            file.mux(stream.encode(silence(number)))
        file.mux(stream.encode())
    return made.getvalue()


def _mux(file: Any, packets: list[Any], change: Callable[[bytes], bytes] | None) -> None:
    for packet in packets:
        one = packet
        if change is not None:
            one = av.Packet(change(bytes(packet)))
            one.stream, one.time_base, one.is_keyframe = packet.stream, packet.time_base, packet.is_keyframe
            one.pts, one.dts, one.duration = packet.pts, packet.dts, packet.duration
        file.mux(one)


def _frame(image: Image.Image) -> av.VideoFrame:
    if image.mode == "RGB":
        return av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call,no-any-return]
    frame = av.VideoFrame(*image.size, "rgba")
    plane, data, row = frame.planes[0], image.tobytes(), 4 * image.width
    plane.update(
        b"".join(data[at : at + row].ljust(plane.line_size, b"\0") for at in range(0, len(data), row))
    )
    return frame


# --- MP4: parsing and building ----------------------------------------------------------------------


def boxes_of(data: bytes) -> list[Box]:
    found: list[Box] = []
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + size]
        found.append((kind, boxes_of(body) if kind in _CONTAINERS else body))
        at += size
    return found


def joined(boxes: Sequence[Box]) -> bytes:
    made = b""
    for kind, body in boxes:
        data = body if isinstance(body, bytes) else joined(body)
        made += struct.pack(">I4s", len(data) + 8, kind) + data
    return made


def changed(
    data: bytes, path: Sequence[bytes], how: Callable[[bytes], bytes], handler: bytes = b"vide"
) -> bytes:
    """Change the body of one box, in the track with this handler. Data before `moov` keeps its offset."""

    def within(boxes: Sequence[Box], path: Sequence[bytes]) -> list[Box]:
        made: list[Box] = []
        for kind, body in boxes:
            new = body
            if kind == path[0] and (kind != b"trak" or handler in joined([(kind, body)])):
                if isinstance(body, bytes):
                    new = how(body)
                else:
                    new = within(body, path[1:]) if len(path) > 1 else boxes_of(how(joined(body)))
            made.append((kind, new))
        return made

    return joined(within(boxes_of(data), path))


def with_edits(data: bytes, *edits: tuple[int, int], handler: bytes = b"vide", speed: float = 1) -> bytes:
    """Each edit is a length in milliseconds and a start in units of the track; a start of -1 shows nothing."""
    body = struct.pack(">II", 0, len(edits)) + b"".join(
        struct.pack(">iiI", length, start, round(speed * 65536)) for length, start in edits
    )
    elst = struct.pack(">I4s", len(body) + 8, b"elst") + body

    def how(trak: bytes) -> bytes:
        kept = [box for box in boxes_of(trak) if box[0] != b"edts"]
        return joined([kept[0], (b"edts", elst), *kept[1:]])

    return changed(data, (b"moov", b"trak"), how, handler)


def units_a_frame(data: bytes) -> int:
    with opened(data) as source:
        return int(1 / (RATE * source.streams.video[0].time_base))


def first_time(data: bytes) -> int:
    """The presentation time of the first frame, without an edit list."""
    with opened(data, whole=True) as source:
        return int(min(packet.pts for packet in source.demux(video=0) if packet.pts is not None))


def trimmed(data: bytes, start: int, stop: int) -> bytes:
    """Trim like an editor that does not encode again: an edit list shows the frames from `start` until before `stop`."""
    unit = units_a_frame(data)
    return with_edits(data, ((stop - start) * 1000 // RATE, first_time(data) + start * unit))


def encrypted(data: bytes) -> bytes:
    """Mark the video as encrypted; its content does not matter."""

    def how(body: bytes) -> bytes:
        entry = body[8:]
        inside = joined([(b"frma", b"avc1"), (b"schm", bytes(4) + b"cenc" + bytes(4))])
        entry = entry[8:] + joined([(b"sinf", inside)])
        return body[:8] + joined([(b"encv", entry)])

    return changed(data, (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"), how)


# --- SEI messages in the packets --------------------------------------------------------------------

X264 = bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef")


def message(kind: int, body: bytes) -> bytes:
    size = b"\xff" * (len(body) // 255) + bytes([len(body) % 255])
    return bytes([kind]) + size + body


def with_messages(*messages: bytes) -> Callable[[bytes], bytes]:
    """Return a change of Annex B packets that inserts these messages before the frames."""
    return lambda data: b"\0\0\0\1\x06" + b"".join(messages) + b"\x80" + data


PRIVATE = message(5, bytes(range(1, 17)) + CANARY)
CAPTIONS = message(4, b"\xb5\x00\x31" + CANARY)
RECOVERY = message(6, b"\x84\x40")


# --- WebM: parsing and building ---------------------------------------------------------------------

_MASTERS = {0x18538067, 0x1654AE6B, 0xAE, 0xE0}


def webm_changed(data: bytes, path: Sequence[int], more: bytes) -> bytes:
    """Append elements to the one at this path. The WebM must have been written in one pass (option `live`)."""
    made, at = b"", 0
    while at < len(data):
        kind_length = 9 - data[at].bit_length()
        kind = int.from_bytes(data[at : at + kind_length])
        at += kind_length
        length = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + length]) & ((1 << 7 * length) - 1)
        unknown = size == (1 << 7 * length) - 1
        body = data[at + length :] if unknown else data[at + length : at + length + size]
        at = len(data) if unknown else at + length + size
        if kind == path[0]:
            body = webm_changed(body, path[1:], more) if len(path) > 1 else body + more
        written = b"\x01" + b"\xff" * 7 if unknown else (0x100000000000000 | len(body)).to_bytes(8)
        made += kind.to_bytes(kind_length) + written + body
    return made


def element(kind: int, body: bytes) -> bytes:
    return kind.to_bytes((kind.bit_length() + 7) // 8) + bytes([0x80 | len(body)]) + body


def webm_with_shape(data: bytes, width: int, height: int) -> bytes:
    more = element(0x54B0, width.to_bytes(2)) + element(0x54BA, height.to_bytes(2))
    return webm_changed(data, (0x18538067, 0x1654AE6B, 0xAE, 0xE0), more)


def webm_encrypted(data: bytes) -> bytes:
    key = element(0x47E1, b"\5") + element(0x47E2, b"key-of-somebody!")
    encryption = element(0x5033, b"\1") + element(0x5035, key)
    more = element(0x6D80, element(0x6240, encryption))
    return webm_changed(data, (0x18538067, 0x1654AE6B, 0xAE), more)

"""PNG and APNG, split into frames without metadata, to be composed as browsers do."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from PIL import Image

from adapters.processing import colours, hdr, profiles
from adapters.processing.exif import orientation
from adapters.processing.sources import Disposal, Piece, Source, composed, opened, sequence
from domain.media import MAX_FRAMES

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DECIDING = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"}
"""Chunks that must be intact. Damaged chunks of other types are ignored."""
_MAX_PROFILE = 4 * 1024 * 1024
_DISPOSALS = {1: Disposal.CLEAR, 2: Disposal.RESTORE}
_GREY, _RGB = 0, 2


@dataclass(slots=True)
class _Parts:
    """The parts of a file: chunks that all images share, the default image, and the frames with their control chunks."""

    head: bytes = b""
    shared: list[tuple[bytes, bytes]] = field(default_factory=list)
    default: list[bytes] = field(default_factory=list)
    frames: list[tuple[bytes, list[bytes]]] = field(default_factory=list)
    plays: int | None = None
    """None if the file is not an animation."""
    other: dict[bytes, bytes] = field(default_factory=dict)


def read(data: bytes) -> Source:
    """Raises ValueError or struct.error for a damaged file. Reads at most one frame more than the limit, so that exceeding
    it is noticed."""
    parts = _Parts()
    for name, body in _chunks(data):
        _sort(parts, name, body)
    if not parts.default:
        raise ValueError("a PNG without a picture")
    size: tuple[int, int] = struct.unpack_from(">II", parts.head)
    pieces = [_piece(parts, *frame) for frame in parts.frames if frame[1]]
    if pieces and all(_lies_within(piece, size) for piece in pieces):
        return composed(size, pieces, parts.plays or 0)
    image = _decoded(parts, size, parts.default)
    return sequence(image, 1, orientation(parts.other.get(b"eXIf", b"")))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    name = b""
    while name != b"IEND" and at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length) if len(body) == length else (None,)
        at += 12 + length
        if checksum == zlib.crc32(body, zlib.crc32(name)):
            yield name, body
        elif name in _DECIDING:
            raise ValueError(f"{name!r} is damaged")


def _sort(parts: _Parts, name: bytes, body: bytes) -> None:
    if name == b"IHDR":
        parts.head = body
    elif name in {b"PLTE", b"tRNS"}:
        parts.shared.append((name, body))
    elif name == b"IDAT":
        parts.default.append(body)
        if parts.frames:  # its control chunk came first, so the default image is the first frame
            parts.frames[-1][1].append(body)
    elif name == b"acTL" and not parts.default:
        parts.plays = struct.unpack_from(">I", body, 4)[0]
    elif name == b"fcTL" and parts.plays is not None and len(parts.frames) <= MAX_FRAMES:
        parts.frames.append((body, []))
    elif name == b"fdAT" and parts.frames:
        parts.frames[-1][1].append(body[4:])
    else:
        parts.other.setdefault(name, body)


def _piece(parts: _Parts, control: bytes, coded: list[bytes]) -> Piece:
    width, height, left, top, delay, unit, disposal, blend = struct.unpack_from(">IIIIHHBB", control, 4)
    return Piece(
        lambda: colours.plain(_decoded(parts, (width, height), coded)).convert("RGBA"),
        (left, top),
        (width, height),
        Fraction(1000 * delay, unit or 100),
        _DISPOSALS.get(disposal, Disposal.KEEP),
        over=blend == 1,
    )


def _lies_within(piece: Piece, size: tuple[int, int]) -> bool:
    return all(
        part > 0 and at + part <= whole for at, part, whole in zip(piece.at, piece.size, size, strict=True)
    )


def _decoded(parts: _Parts, size: tuple[int, int], coded: list[bytes]) -> Image.Image:
    """Decode one image as a separate PNG without other chunks. Its `info` has the colour space."""
    head = struct.pack(">II", *size) + parts.head[8:]
    chunks = [(b"IHDR", head), *parts.shared, *((b"IDAT", body) for body in coded), (b"IEND", b"")]
    image = opened(
        _SIGNATURE
        + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
            for name, body in chunks
        ),
        "PNG",
    )
    if len(numbers := parts.other.get(b"cICP", b"")) == 4:
        colours.name(image, numbers[0], numbers[1], _brightest(parts.other.get(b"cLLI", b"")))
    elif profile := _profile(parts.other):
        image.info["icc_profile"] = profile
    _fix_transparency(image, depth=head[8], kind=head[9])
    return image


def _profile(chunks: dict[bytes, bytes]) -> bytes | None:
    """Return the colour profile from the chunk with the highest precedence; None for sRGB and for broken chunks."""
    if brought := _unpacked(chunks.get(b"iCCP", b"")):
        return brought
    if b"sRGB" in chunks or len(gamma := chunks.get(b"gAMA", b"")) != 4 or gamma == bytes(4):
        return None
    exponent = struct.unpack(">I", gamma)[0] / 100_000
    if len(places := chunks.get(b"cHRM", b"")) != 32:
        return profiles.of_gamma(exponent)
    white, red, green, blue = ((x / 100_000, y / 100_000) for x, y in struct.iter_unpack(">II", places))
    return profiles.of_gamma(exponent, (red, green, blue, white))


def _brightest(chunk: bytes) -> float:
    """Return the peak luminance in nits."""
    tenths_of_millinits = struct.unpack_from(">I", chunk)[0] if len(chunk) == 8 else 0
    return tenths_of_millinits / 10_000 or hdr.BRIGHTEST_NITS


def _unpacked(chunk: bytes) -> bytes | None:
    """Return the profile; None if it is broken or too large."""
    _, _, packed = chunk.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], _MAX_PROFILE)
    except zlib.error:
        return None
    return profile if unpacker.eof else None


def _fix_transparency(image: Image.Image, *, depth: int, kind: int) -> None:
    """Scale the transparent colour: Pillow keeps it as in the file even where it scales the colours of the image."""
    key = image.info.get("transparency")
    if kind == _GREY and depth in {2, 4} and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2**depth - 1)
    elif kind == _RGB and depth == 16 and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)

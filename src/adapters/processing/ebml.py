"""The parts of WebM that FFmpeg does not support: detecting encryption, and writing the aspect ratio of pixels."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HEAD = 4 * 1024 * 1024
"""The tracks are described within so many bytes."""
_SEGMENT, _TRACKS, _TRACK, _VIDEO, _NAME, _VOID = 0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0x536E, 0xEC
_ENCODINGS, _ENCODING, _ENCRYPTION = 0x6D80, 0x6240, 0x5035
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
PLACEHOLDER = "-" * 64
"""A track name that `set_display_size` replaces: it reserves the space."""


class Element(NamedTuple):
    kind: int
    at: int
    body: int
    stop: int


def is_encrypted(path: Path) -> bool:
    """Return whether any track is encrypted."""
    data = _head(path)
    return any(
        encryption.kind == _ENCRYPTION
        for track in _tracks(data)
        for encodings in _children(data, track, _ENCODINGS)
        for encoding in _children(data, encodings, _ENCODING)
        for encryption in _children(data, encoding)
    )


def set_display_size(path: Path, width: int, height: int) -> None:
    """Write the display size of the video in place of a track name that is PLACE. Raises ValueError if no track has that
    name."""
    data = _head(path)
    for track in _tracks(data):
        children = list(_children(data, track))
        video = next((one for one in children if one.kind == _VIDEO), None)
        if video is None or not any(one.kind == _NAME for one in children):
            continue
        said = b"".join(
            data[one.at : one.stop]
            for one in _children(data, video)
            if one.kind not in {_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT}
        )
        said += _element(_DISPLAY_WIDTH, width.to_bytes(4)) + _element(_DISPLAY_HEIGHT, height.to_bytes(4))
        others = b"".join(data[one.at : one.stop] for one in children if one.kind not in {_VIDEO, _NAME})
        made = others + _element(_VIDEO, said)
        left = track.stop - track.body - len(made)
        made += _VOID.to_bytes(1) + (0x100000000000000 | (left - 9)).to_bytes(8) + bytes(left - 9)
        with path.open("r+b") as file:
            file.seek(track.body)
            file.write(made)
        return
    raise ValueError("no track name reserves space")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _tracks(data: bytes) -> Iterator[Element]:
    for segment in _elements(data, 0, len(data)):
        if segment.kind == _SEGMENT:
            for tracks in _children(data, segment, _TRACKS):
                yield from _children(data, tracks, _TRACK)


def _children(data: bytes, parent: Element, kind: int | None = None) -> Iterator[Element]:
    return (one for one in _elements(data, parent.body, parent.stop) if kind in {None, one.kind})


def _elements(data: bytes, at: int, stop: int) -> Iterator[Element]:
    while at < stop:
        kind, body = _number(data, at, marked=True)
        size, body = _number(data, body, marked=False)
        end = stop if size is None else min(stop, body + size)
        if kind is None or end < body:
            return
        yield Element(kind, at, body, end)
        at = end


def _number(data: bytes, at: int, *, marked: bool) -> tuple[int | None, int]:
    """Return an integer of variable length, with or without its length marker, and the offset of its end. None if the value
    is unknown."""
    if at >= len(data) or data[at] == 0:
        return None, at + 1
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length])
    if not marked:
        value &= (1 << 7 * length) - 1
        if value == (1 << 7 * length) - 1:
            return None, at + length
    return value, at + length


def _element(kind: int, body: bytes) -> bytes:
    return kind.to_bytes((kind.bit_length() + 7) // 8) + (0x10000000 | len(body)).to_bytes(4) + body

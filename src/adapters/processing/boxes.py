"""The parts of an MP4 that FFmpeg does not report: the edit lists of its tracks, and whether a track is encrypted."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

MAX_MOOV = 64 * 1024 * 1024
"""Bytes. Ten minutes of video need at most 1 MB."""
_MAX_EDITS = 1_000
_ENCRYPTED = {b"encv", b"enca", b"drmi", b"drms"}
_NORMAL_SPEED = 1 << 16


@dataclass(frozen=True, slots=True)
class Edit:
    start: int | None
    """In units of the time scale of the track; None if the edit shows nothing."""
    length: int
    """In units of the time scale of the movie; 0 in the last edit means to the end."""
    speed: int = _NORMAL_SPEED

    @property
    def normal(self) -> bool:
        """Whether it is shown at its recorded speed."""
        return self.speed == _NORMAL_SPEED


@dataclass(slots=True)
class Track:
    timescale: int = 0
    """Units per second."""
    edits: list[Edit] = field(default_factory=list)
    encrypted: bool = False


@dataclass(slots=True)
class Movie:
    tick: Fraction = Fraction(1, 1000)
    """A unit of its time scale in seconds. The lengths of edits are rounded to it."""
    tracks: dict[int, Track] = field(default_factory=dict)
    """The tracks by id, which is `stream.id` in PyAV."""


def read_movie(path: Path) -> Movie:
    """Read the movie header; without tracks if none can be parsed. Boxes that are unknown or not needed are skipped, whatever
    they contain."""
    movie = Movie()
    with path.open("rb") as file:
        moov, _ = _moov(file)
    for kind, body in _boxes(moov):
        if kind == b"mvhd":
            movie.tick = Fraction(1, _timescale(body) or 1000)
        elif kind == b"trak":
            number, track = _track(body)
            movie.tracks.setdefault(number, track)
    return movie


def set_display_size(path: Path, width: int, height: int) -> None:
    """Write the display size of the only video track into its header. FFmpeg writes it only into the sample description."""
    with path.open("r+b") as file:
        moov, at = _moov(file)
        for kind, body in _boxes(moov):
            head = _inside(body, b"tkhd") if kind == b"trak" else b""
            if head and _inside(body, b"mdia", b"hdlr")[8:12] == b"vide":
                file.seek(at + moov.index(head) + len(head) - 8)
                file.write(struct.pack(">II", width << 16, height << 16))


def _moov(file: BinaryIO) -> tuple[bytes, int]:
    """Return the body of the first `moov` box and its offset; b"" if there is none, or it exceeds MAX_MOOV."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        left = size - 8
        if size == 1:
            left = int.from_bytes(file.read(8)) - 16
        if kind == b"moov":
            at = file.tell()
            return (file.read(left if size else MAX_MOOV) if left <= MAX_MOOV else b""), at
        if left < 0:
            break
        file.seek(left, 1)
    return b"", 0


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        stop = at + size if size else len(data)
        if stop < at + head:
            return
        yield kind, data[at + head : stop]
        at = stop


def _inside(data: bytes, *path: bytes) -> bytes:
    """Return the body of the first box at this path; b"" if there is none."""
    for step in path:
        data = next((body for kind, body in _boxes(data) if kind == step), b"")
    return data


def _track(data: bytes) -> tuple[int, Track]:
    head = _inside(data, b"tkhd")
    number = int.from_bytes(head[20:24] if head[:1] == b"\1" else head[12:16])
    descriptions = _inside(data, b"mdia", b"minf", b"stbl", b"stsd")[8:]
    track = Track(
        timescale=_timescale(_inside(data, b"mdia", b"mdhd")),
        edits=_edits(_inside(data, b"edts", b"elst")),
        encrypted=any(kind in _ENCRYPTED for kind, _ in _boxes(descriptions)),
    )
    return number, track


def _timescale(head: bytes) -> int:
    """Return the time scale from the body of an mvhd or mdhd box."""
    return int.from_bytes(head[20:24] if head[:1] == b"\1" else head[12:16])


def _edits(data: bytes) -> list[Edit]:
    shape = struct.Struct(">QqI" if data[:1] == b"\1" else ">IiI")
    count = min(int.from_bytes(data[4:8]), (len(data) - 8) // shape.size, _MAX_EDITS)
    return [
        Edit(start if start >= 0 else None, length, speed)
        for length, start, speed in (
            shape.unpack_from(data, 8 + shape.size * n) for n in range(max(0, count))
        )
    ]

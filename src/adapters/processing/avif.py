"""AVIF. Its library composes animations as browsers do; this module handles the metadata, the colours and the number of
plays."""

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from PIL import AvifImagePlugin, Image

from adapters.processing import colours, hdr
from adapters.processing.exif import orientation
from adapters.processing.sources import FOREVER, Source, opened, sequence

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the child may start no threads
_BEFORE_BOXES = {b"meta": 4, b"stsd": 8, b"av01": 78}
"""The number of bytes between the header of a box and its child boxes."""
_MANY = 64
"""The limit of boxes of one type; no real file has so many."""


def read(data: bytes) -> Source:
    """The orientation is a property of the image, which Pillow reports as if it were Exif. The real Exif is not read."""
    plays = _plays(data)
    image = opened(_repaired(data), "AVIF")
    if "icc_profile" not in image.info:
        _name_colours(image, data)
    return sequence(image, plays, orientation(image.info.get("exif") or b""))


class _Box(NamedTuple):
    name: bytes
    start: int
    """The offset of its header."""
    body: int
    end: int


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        stop = end if size == 0 else start + size
        if not body <= stop <= end:
            return
        yield _Box(name, start, body, stop)
        start = stop


def _find(data: bytes, path: str) -> list[_Box]:
    """Return all boxes at a path like `moov/trak/tkhd`."""
    found = [_Box(b"", 0, 0, len(data))]
    for name in path.encode().split(b"/"):
        found = [
            inner
            for box in found
            for inner in _boxes(data, box.body + _BEFORE_BOXES.get(box.name, 0), box.end)
            if inner.name == name
        ][:_MANY]
    return found


def _repaired(data: bytes) -> bytes:
    """Rename the Exif item, because the library refuses an image with broken Exif, and merge the property lists, because the
    library refuses more than one."""
    repaired = bytearray(data)
    for path in ("meta", "moov/trak/meta"):
        for box in _find(data, f"{path}/iinf"):
            repaired[box.body : box.end] = data[box.body : box.end].replace(b"Exif", b"none")
    for box in _find(data, "meta/iprp"):
        _merge_associations(repaired, [one for one in _boxes(data, box.body, box.end) if one.name == b"ipma"])
    return bytes(repaired)


def _merge_associations(data: bytearray, lists: list[_Box]) -> None:
    """Merge adjacent property lists of the same version into one list, followed by padding."""
    if len(lists) < 2 or len({bytes(data[one.body : one.body + 4]) for one in lists}) > 1:
        return
    if any(one.end != following.start for one, following in pairwise(lists)):
        return
    first, last = lists[0], lists[-1]
    count = sum(struct.unpack_from(">I", data, one.body + 4)[0] for one in lists)
    entries = b"".join(bytes(data[one.body + 8 : one.end]) for one in lists)
    size = last.end - first.start
    merged = (
        struct.pack(">I4s", size, b"ipma")
        + data[first.body : first.body + 4]
        + struct.pack(">I", count)
        + entries
    )
    data[first.start : last.end] = merged.ljust(size, b"\0")


def _name_colours(image: Image.Image, data: bytes) -> None:
    """Set the colour space from the code points in the file, which Pillow does not report."""
    brightest = hdr.BRIGHTEST_NITS
    for box in _find(data, "meta/iprp/ipco/clli")[:1]:
        if box.end - box.body >= 4:
            brightest = float(struct.unpack_from(">H", data, box.body)[0]) or brightest
    for path in ("meta/iprp/ipco/colr", "moov/trak/mdia/minf/stbl/stsd/av01/colr"):
        for box in _find(data, path):
            if data[box.body : box.body + 4] == b"nclx" and box.end - box.body >= 8:
                primaries, transfer = struct.unpack_from(">HH", data, box.body + 4)
                colours.name(image, primaries, transfer, brightest)
                return


def _plays(data: bytes) -> int:
    """Return the number of plays from the edit list of the first track: once, as often as its segment fits into the track,
    or for ever."""
    lists, heads = _find(data, "moov/trak/edts/elst"), _find(data, "moov/trak/tkhd")
    if not (lists and heads):
        return FOREVER
    try:
        version, repeats = data[lists[0].body], data[lists[0].body + 3] & 1
        (segment,) = struct.unpack_from(">Q" if version else ">I", data, lists[0].body + 8)
        wide = data[heads[0].body]
        (track,) = struct.unpack_from(">Q" if wide else ">I", data, heads[0].body + (28 if wide else 20))
    except (struct.error, IndexError):
        return FOREVER
    if not repeats:
        return 1
    if track == (2**64 - 1 if wide else 2**32 - 1) or segment == 0:
        return FOREVER
    return int(-(-track // segment))

"""Reading the orientation from Exif; all other Exif data is ignored."""

import struct

from adapters.processing.sources import UPRIGHT

_ORIENTATION, _SHORT = 0x0112, 3


def orientation(exif: bytes) -> int:
    """Return the orientation from 1 to 8; 1 if Exif is broken or has none."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return UPRIGHT
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(entries):
            tag, type_, _, value = struct.unpack_from(order + "HHIH", exif, at + 2 + 12 * entry)
            if (tag, type_) == (_ORIENTATION, _SHORT):
                return value if 1 <= value <= 8 else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT

"""ICC profiles for images that specify their colours by code points, as PNG and AVIF do, instead of a profile.

A profile contains only the parts that Little CMS needs for the conversion to sRGB: three primaries and a curve.
"""

import struct
from collections.abc import Callable

Point = tuple[float, float]
_Row = tuple[float, float, float]
Places = tuple[Point, Point, Point, Point]
"""The chromaticities of red, green, blue and white."""

D65: Point = (0.3127, 0.3290)
PRIMARIES: dict[int, Places] = {
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}
"""Chromaticities by their code points in H.273. Code point 1, sRGB, needs no profile."""
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50: _Row = (0.9642, 1.0, 0.8249)
_STEPS = 1024


def of_numbers(primaries: int, transfer: int) -> bytes | None:
    """Return the profile for these code points of H.273; None if they mean sRGB or are unknown."""
    curve = _CURVES.get(transfer)
    if curve is None and (primaries in PRIMARIES and transfer in _LIKE_SRGB):
        curve = _srgb
    if curve is None:
        return None
    return profile(PRIMARIES.get(primaries, SRGB), curve)


def of_gamma(exponent: float, places: Places = SRGB) -> bytes | None:
    """Return the profile for samples that are the light raised to `exponent`. None for chromaticities that span no colours."""
    try:
        return profile(places, lambda value: value ** (1 / exponent))
    except (ZeroDivisionError, OverflowError, struct.error):
        return None


def profile(places: Places, curve: Callable[[float], float]) -> bytes:
    columns = _adapted(places)
    samples = [round(65535 * min(1.0, max(0.0, curve(step / (_STEPS - 1))))) for step in range(_STEPS)]
    table = struct.pack(f">4sII{_STEPS}H", b"curv", 0, _STEPS, *samples)
    description = b"desc" + struct.pack(">II", 0, 1) + b"\0" * 79
    tags = {
        b"desc": description,
        b"wtpt": _xyz(_D50),
        **{name + b"XYZ": _xyz(column) for name, column in zip((b"r", b"g", b"b"), columns, strict=True)},
        b"rTRC": table,
    }
    at = 128 + 4 + 12 * (len(tags) + 2)
    index, body = [], b""
    for name, data in tags.items():
        index.append((name, at + len(body), len(data)))
        body += data + b"\0" * (-len(data) % 4)
    index += [(name, *index[-1][1:]) for name in (b"gTRC", b"bTRC")]
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"\0" * 4, 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">iii", *(round(65536 * part) for part in _D50))
    listed = b"".join(struct.pack(">4sII", *one) for one in index)
    return head.ljust(128, b"\0") + struct.pack(">I", len(index)) + listed + body


def between(source: Places, target: Places) -> tuple[_Row, _Row, _Row]:
    """Return the matrix that converts linear light between two sets of primaries."""
    to_target = _inverse(_columns(*_adapted(target)))
    return _columns(*(times(to_target, column) for column in _adapted(source)))


def _xyz(values: _Row) -> bytes:
    return b"XYZ " + struct.pack(">Iiii", 0, *(round(65536 * value) for value in values))


def _adapted(places: Places) -> list[_Row]:
    """Return each primary in XYZ, adapted to D50."""
    red, green, blue, white = (_light(place) for place in places)
    shares = times(_inverse(_columns(red, green, blue)), white)
    to_cones = _BRADFORD
    scales = tuple(
        target / source for target, source in zip(times(to_cones, _D50), times(to_cones, white), strict=True)
    )
    adapted = []
    for primary, share in zip((red, green, blue), shares, strict=True):
        cones = times(to_cones, (primary[0] * share, primary[1] * share, primary[2] * share))
        scaled = (cones[0] * scales[0], cones[1] * scales[1], cones[2] * scales[2])
        adapted.append(times(_inverse(to_cones), scaled))
    return adapted


def _light(place: Point) -> _Row:
    x, y = place
    return x / y, 1.0, (1 - x - y) / y


def _columns(*columns: _Row) -> tuple[_Row, _Row, _Row]:
    first, second, third = columns
    return tuple(zip(first, second, third, strict=True))  # type: ignore[return-value]


def times(matrix: tuple[_Row, _Row, _Row], vector: _Row) -> _Row:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def _inverse(matrix: tuple[_Row, _Row, _Row]) -> tuple[_Row, _Row, _Row]:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    by = 1 / (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
    return (
        ((e * i - f * h) * by, (c * h - b * i) * by, (b * f - c * e) * by),
        ((f * g - d * i) * by, (a * i - c * g) * by, (c * d - a * f) * by),
        ((d * h - e * g) * by, (b * g - a * h) * by, (a * e - b * d) * by),
    )


def _srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


_LIKE_SRGB = {1, 2, 6, 13, 14, 15}
_CURVES: dict[int, Callable[[float], float]] = {
    4: lambda value: value**2.2,
    5: lambda value: value**2.8,
    8: lambda value: value,
}

"""Tone mapping of HDR images for SDR screens, as in browsers (reference white tone mapping of SMPTE ST 2094-50)."""

import math
from functools import lru_cache

from PIL import ImageFilter

from adapters.processing import profiles

CURVES = {16: "PQ", 18: "HLG"}
"""The HDR transfer functions by their code points in H.273."""
BRIGHTEST_NITS = 1000.0
"""The peak luminance of an image that does not specify one."""
_WHITE_NITS = 203.0
"""The luminance of diffuse white in an HDR image; highlights are brighter."""
_STEPS = 33
_KNEE_WEIGHT = 0.65


@lru_cache(maxsize=1)
def table(primaries: int, transfer: int, brightest: float) -> ImageFilter.Color3DLUT:
    """Return the table from the colours of the file to sRGB. `brightest` is in nits. The computation takes 0.2 s."""
    tone = _Tone(brightest / _WHITE_NITS)
    curve = _pq if transfer == 16 else _hlg
    light = [curve(step / (_STEPS - 1)) / _WHITE_NITS for step in range(_STEPS)]
    to_srgb = profiles.between(profiles.PRIMARIES.get(primaries, profiles.SRGB), profiles.SRGB)

    def shown(red: float, green: float, blue: float) -> tuple[float, float, float]:
        seen = tuple(light[round(value * (_STEPS - 1))] for value in (red, green, blue))
        gain = tone.gain(max(seen))
        mixed = profiles.times(to_srgb, (seen[0] * gain, seen[1] * gain, seen[2] * gain))
        return _coded(mixed[0]), _coded(mixed[1]), _coded(mixed[2])

    return ImageFilter.Color3DLUT.generate(_STEPS, shown)


class _Tone:
    """The tone curve: white and darker values are scaled linearly, brighter ones are compressed towards the peak of an SDR
    screen."""

    def __init__(self, brightest: float) -> None:
        room = min(1.0, math.log2(max(brightest, 1.0)) / math.log2(BRIGHTEST_NITS / _WHITE_NITS))
        self._white = 1 - room / 2
        self._brightest = max(brightest, 1.0)
        self._bend = (
            1 + _KNEE_WEIGHT * (1 / self._white - 1),
            self._white + _KNEE_WEIGHT * (1 - self._white),
        )

    def gain(self, light: float) -> float:
        if light <= 1:
            return self._white
        if light >= self._brightest:
            return 1 / light
        # A quadratic Bézier curve from white over the bend to the peak: first solve for its parameter, then evaluate it.
        a = 1 - 2 * self._bend[0] + self._brightest
        b = 2 * (self._bend[0] - 1)
        c = 1 - light
        at = (-b + math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a) if abs(a) > 1e-9 else -c / b
        high = (1 - at) ** 2 * self._white + 2 * at * (1 - at) * self._bend[1] + at * at
        return high / light


def _pq(value: float) -> float:
    """Return nits."""
    power = value ** (1 / 78.84375)
    return float(
        10_000 * (max(0.0, power - 0.8359375) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    )


def _hlg(value: float) -> float:
    """Return nits, on a screen with a peak of 1,000 nits."""
    scene = (
        value * value / 3 if value <= 0.5 else (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
    )
    return float(1000 * scene**1.2)


def _coded(light: float) -> float:
    light = min(1.0, max(0.0, light))
    return 12.92 * light if light <= 0.0031308 else float(1.055 * light ** (1 / 2.4) - 0.055)

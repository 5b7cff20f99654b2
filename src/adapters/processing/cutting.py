"""Which samples of a track its edit list shows, and when. What it does not show must not be in what is served, so a list
that cannot be followed exactly without encoding the film again is rejected."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from adapters.processing.boxes import Edit
from application.media.ports import UploadRejected
from domain.media import FailureReason

_MOST_ROUNDED = Fraction(1, 100)
"""Seconds by which a length may be wrong that was rounded to the movie's time scale."""
_ROLL = 2
"""Packets of sound that a decoder needs before the first that is heard."""


class Sample(NamedTuple):
    """All times are in units of the track's time scale."""

    pts: int
    duration: int
    fresh: bool = True
    """Whether nothing from here on needs anything before it: an IDR picture."""
    needed: bool = True
    """Whether other samples may need it: a picture that is a reference."""


@dataclass(frozen=True, slots=True)
class Span:
    start: Fraction
    stop: Fraction | None
    """None: to the end."""
    shown_at: Fraction

    def has(self, pts: int) -> bool:
        return self.start <= pts and (self.stop is None or pts < self.stop)

    @property
    def shift(self) -> int:
        return round(self.shown_at - self.start)


def shown_pictures(
    samples: Sequence[Sample], edits: Sequence[Edit], timescale: int, tick: Fraction
) -> list[int | None]:
    """By how much the time of each sample changes; None for one that is not shown. The samples are in the order in
    which they are decoded; `tick` is the unit of the edits' lengths in seconds. Raises UploadRejected."""
    first = min(one.pts for one in samples)
    length = sum(one.duration for one in samples)
    end = max(first + length, *(one.pts + one.duration for one in samples))
    rounded = min(tick, _MOST_ROUNDED) * timescale
    spans = [_widened(span, first, end, rounded) for span in _spans(edits, timescale, tick, first)]
    shifts = [_shift(spans, one.pts) for one in samples]
    if not _decodable(samples, shifts):
        only = spans[0]
        # Some programs forget that the first picture is shown later than it is decoded. They cut nothing off.
        if only.start > first or only.stop is None or only.stop - only.start + rounded < length:
            raise UploadRejected(FailureReason.EDIT_UNSUPPORTED)
        shifts = [only.shift] * len(samples)
    if all(shift is None for shift in shifts):
        raise UploadRejected(FailureReason.DAMAGED)
    return shifts


def _decodable(samples: Sequence[Sample], shifts: Sequence[int | None]) -> bool:
    """Whether no sample that is shown may need one that is not."""
    needs = False
    for one, shift in zip(reversed(samples), reversed(shifts), strict=True):
        if shift is not None:
            needs = True
        elif needs and one.needed:
            return False
        if one.fresh:
            needs = False
    return True


def heard_sound(
    samples: Sequence[Sample], edits: Sequence[Edit], timescale: int, tick: Fraction
) -> list[int | None]:
    """The same of sound, to the packet (some 20 ms). A decoder needs a few packets before the first, which stay and are
    not heard: the priming that encoders write is nothing else."""
    spans = _spans(edits, timescale, tick, min(one.pts for one in samples))
    shifts = [_shift(spans, one.pts) for one in samples]
    begun = next(
        (n for n, one in enumerate(samples) if spans[0].start < one.pts + max(1, one.duration)), len(samples)
    )
    for number in range(max(0, begun - _ROLL), len(samples)):
        if samples[number].pts >= spans[0].start:
            break
        shifts[number] = spans[0].shift
    return shifts


def decoding_times(shown: Sequence[int]) -> list[int]:
    """For samples in the order in which they are decoded, by when they are shown."""
    ordered = sorted(shown)
    late = max(due - pts for due, pts in zip(ordered, shown, strict=True))
    return [due - late for due in ordered]


def _spans(edits: Sequence[Edit], timescale: int, tick: Fraction, first: int) -> list[Span]:
    """What is shown of the track, in order. Raises UploadRejected if it goes back, or shows something twice or at another speed."""
    spans: list[Span] = []
    now = Fraction(0)
    close = min(tick, _MOST_ROUNDED) * timescale
    for number, edit in enumerate(edits):
        length = edit.length * tick * timescale
        if edit.start is None:
            now += length
            continue
        if not edit.normal:
            raise UploadRejected(FailureReason.EDIT_UNSUPPORTED)
        start = Fraction(edit.start)
        stop = None if edit.length == 0 and number == len(edits) - 1 else start + length
        before = spans[-1] if spans else None
        if before is not None and before.stop is not None:
            if start < before.stop - close:
                raise UploadRejected(FailureReason.EDIT_UNSUPPORTED)
            if start <= before.stop + close and before.shown_at + (before.stop - before.start) == now:
                spans[-1] = Span(before.start, stop, before.shown_at)
                now += length
                continue
        spans.append(Span(start, stop, now))
        now += length
    return spans or [Span(Fraction(min(0, first)), None, now)]


def _widened(span: Span, first: int, end: int, rounded: Fraction) -> Span:
    """Without what was only lost by rounding."""
    start, stop = span.start, span.stop
    if first < start <= first + rounded:
        start = Fraction(first)
    if stop is not None and stop + rounded >= end:
        stop = None
    return Span(start, stop, span.shown_at)


def _shift(spans: Sequence[Span], pts: int) -> int | None:
    return next((span.shift for span in spans if span.has(pts)), None)

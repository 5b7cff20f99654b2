"""Applying the edit list of a track: which samples it shows, and when. Samples that it does not show must not be served, so
a list that cannot be followed exactly without encoding the video again is rejected."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from adapters.processing.boxes import Edit
from application.media.ports import UploadRejected
from domain.media import FailureReason

_MOST_ROUNDED = Fraction(1, 100)
"""The largest error in seconds of a length that was rounded to the time scale of the movie."""
_ROLL = 2
"""The audio packets that a decoder needs before the first audible one."""


class Sample(NamedTuple):
    """A packet of a track. All times are in units of the time scale of the track."""

    pts: int
    duration: int
    is_idr: bool = True
    """Whether no sample from this one on depends on an earlier one."""
    is_reference: bool = True
    """Whether other samples may depend on it."""


@dataclass(frozen=True, slots=True)
class Span:
    start: Fraction
    stop: Fraction | None
    """None means to the end."""
    shown_at: Fraction

    def has(self, pts: int) -> bool:
        return self.start <= pts and (self.stop is None or pts < self.stop)

    @property
    def shift(self) -> int:
        return round(self.shown_at - self.start)


def visible_frames(
    samples: Sequence[Sample], edits: Sequence[Edit], timescale: int, tick: Fraction
) -> list[int | None]:
    """Return the change of the time of each sample; None for a sample that is not shown. The samples are in decoding order;
    `tick` is the unit of the lengths of edits in seconds. Raises UploadRejected."""
    first = min(one.pts for one in samples)
    length = sum(one.duration for one in samples)
    end = max(first + length, *(one.pts + one.duration for one in samples))
    rounded = min(tick, _MOST_ROUNDED) * timescale
    spans = [_widened(span, first, end, rounded) for span in _spans(edits, timescale, tick, first)]
    shifts = [_shift(spans, one.pts) for one in samples]
    if not _decodable(samples, shifts):
        only = spans[0]
        # Some programs ignore that the first frame is presented later than it is decoded. They trim nothing.
        if only.start > first or only.stop is None or only.stop - only.start + rounded < length:
            raise UploadRejected(FailureReason.EDIT_UNSUPPORTED)
        shifts = [only.shift] * len(samples)
    if all(shift is None for shift in shifts):
        raise UploadRejected(FailureReason.DAMAGED)
    return shifts


def _decodable(samples: Sequence[Sample], shifts: Sequence[int | None]) -> bool:
    """Return whether no shown sample may depend on one that is not shown."""
    needs = False
    for one, shift in zip(reversed(samples), reversed(shifts), strict=True):
        if shift is not None:
            needs = True
        elif needs and one.is_reference:
            return False
        if one.is_idr:
            needs = False
    return True


def audible_packets(
    samples: Sequence[Sample], edits: Sequence[Edit], timescale: int, tick: Fraction
) -> list[int | None]:
    """The same for audio, with the precision of a packet (about 20 ms). A decoder needs a few packets before the first
    audible one. They stay in the file and are not heard: the priming that encoders write is the same."""
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
    """Return decoding times for samples in decoding order, from their presentation times."""
    ordered = sorted(shown)
    late = max(due - pts for due, pts in zip(ordered, shown, strict=True))
    return [due - late for due in ordered]


def _spans(edits: Sequence[Edit], timescale: int, tick: Fraction, first: int) -> list[Span]:
    """Return the shown spans of the track in order. Raises UploadRejected if the list goes back in time, shows a span twice,
    or changes the speed."""
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
    """Extend the span to the first or last sample if only a rounding error separates them."""
    start, stop = span.start, span.stop
    if first < start <= first + rounded:
        start = Fraction(first)
    if stop is not None and stop + rounded >= end:
        stop = None
    return Span(start, stop, span.shown_at)


def _shift(spans: Sequence[Span], pts: int) -> int | None:
    return next((span.shift for span in spans if span.has(pts)), None)

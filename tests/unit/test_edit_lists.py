"""Frames and audio that the edit list of a video hides are not in the processed video."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from adapters.processing.boxes import Edit
from adapters.processing.cutting import Sample, audible_packets, visible_frames
from application.media.ports import UploadRejected
from domain.media import FailureReason
from tests.media.processed import Bench, video
from tests.media.videos import (
    first_time,
    numbers_in,
    numbers_shown,
    opened,
    trimmed,
    units_a_frame,
    with_edits,
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("start", "stop", "b_frames"),
    [(10, 40, 0), (10, 40, 2), (0, 24, 0), (0, 20, 2), (10, 30, 0), (20, 30, 2), (0, 40, 0), (0, 40, 2)],
)
def test_frames_that_were_trimmed_at_key_frames_are_removed(
    bench: Bench, start: int, stop: int, b_frames: int
) -> None:
    data = trimmed(video(b_frames=b_frames), start, stop)
    assert len(numbers_in(data)) == 40
    result = bench(data)

    assert numbers_in(bench.video) == numbers_shown(bench.video) == list(range(start, stop))
    assert result.duration == pytest.approx((stop - start) / 25, abs=0.01)
    assert bench.progress == sorted(bench.progress)


@pytest.mark.parametrize(
    ("start", "stop", "b_frames"),
    [(12, 40, 0), (9, 40, 2), (1, 40, 0), (12, 24, 0), (0, 24, 2), (11, 20, 0)],
)
def test_a_video_whose_trimmed_frames_cannot_be_removed_is_rejected(
    bench: Bench, start: int, stop: int, b_frames: int
) -> None:
    data = trimmed(video(b_frames=b_frames), start, stop)
    assert bench.rejected(data) is FailureReason.EDIT_UNSUPPORTED
    assert "trimmed parts" in FailureReason.EDIT_UNSUPPORTED.text


def test_several_edits_are_joined(bench: Bench) -> None:
    data = video()
    unit = units_a_frame(data)
    result = bench(with_edits(data, (400, 0), (200, 20 * unit), (400, 30 * unit)))

    assert numbers_in(bench.video) == [*range(10), *range(20, 25), *range(30, 40)]
    assert result.duration == pytest.approx(1.0, abs=0.01)


def test_contiguous_edits_keep_all_frames(bench: Bench) -> None:
    data = video(b_frames=2)
    unit, first = units_a_frame(data), first_time(data)
    bench(with_edits(data, (480, first), (1120, first + 12 * unit)))
    assert numbers_in(bench.video) == list(range(40))


def test_edits_in_another_order_or_at_another_speed_are_rejected(bench: Bench) -> None:
    data = video()
    unit = units_a_frame(data)
    for edited in (
        with_edits(data, (400, 20 * unit), (400, 0)),
        with_edits(data, (400, 0), (400, 0)),
        with_edits(data, (1600, 0), speed=0),
        with_edits(data, (3200, 0), speed=0.5),
    ):
        assert bench.rejected(edited) is FailureReason.EDIT_UNSUPPORTED


def test_audio_is_trimmed_like_the_video(bench: Bench) -> None:
    data = with_edits(trimmed(video(sound="aac"), 10, 30), (800, 19_200 + 1024), handler=b"soun")
    result = bench(data)

    with opened(bench.video, whole=True) as source:
        heard = [packet.duration or 0 for packet in source.demux(audio=0) if packet.pts is not None]
    assert sum(heard) == pytest.approx(0.8 * 48_000, abs=4 * 1024)
    assert result.duration == pytest.approx(0.8, abs=0.05)


def test_a_delayed_start_and_audio_priming_are_not_taken_for_trimming(bench: Bench) -> None:
    data = video(sound="aac", b_frames=2)
    delayed = with_edits(data, (500, -1), (1600, first_time(data)))
    result = bench(delayed)

    assert numbers_in(bench.video) == list(range(40))
    assert result.duration == pytest.approx(2.1, abs=0.05)
    with opened(bench.video) as source:
        assert source.streams.video[0].start_time * source.streams.video[0].time_base == Fraction(1, 2)
        assert source.streams.audio[0].start_time == 0


def test_a_rounded_length_of_an_edit_trims_nothing(bench: Bench) -> None:
    data = video(b_frames=2)
    bench(with_edits(data, (1599, first_time(data))))
    assert numbers_in(bench.video) == list(range(40))


@pytest.mark.parametrize("flags", ["empty_moov+default_base_moof", "empty_moov+delay_moov"])
def test_trimmed_frames_of_a_fragmented_video_are_removed(bench: Bench, flags: str) -> None:
    data = video(flags=f"frag_keyframe+{flags}")
    bench(with_edits(data, (0, 10 * units_a_frame(data))))
    assert numbers_in(bench.video) == numbers_shown(bench.video) == list(range(10, 40))


# --- By the times of samples alone ------------------------------------------------------------------

MS = Fraction(1, 1000)


def samples(*times: int, idr: Sequence[int] = (0,), unreferenced: Sequence[int] = ()) -> list[Sample]:
    return [Sample(pts, 10, n in idr, n not in unreferenced) for n, pts in enumerate(times)]


def test_the_last_frame_stays_if_it_starts_at_the_rounded_end_of_the_edit_list() -> None:
    """Some phones write such lists."""
    found = [Sample(9_018, 12_000), Sample(15_018, 9, is_idr=False), Sample(12_018, 9, is_idr=False)]
    edits = [Edit(9_018, 133)]  # 11,970 of 12,018 units
    assert visible_frames(found, edits, 90_000, MS) == [-9_018] * 3


def test_an_edit_list_that_ignores_the_decoding_delay_trims_no_referenced_frame() -> None:
    found = samples(20, 60, 40, 30, 50)
    assert visible_frames(found, [Edit(0, 50)], 1000, MS) == [0] * 5
    with pytest.raises(UploadRejected):
        visible_frames(found, [Edit(0, 45)], 1000, MS)


def test_an_unreferenced_frame_can_be_removed_anywhere() -> None:
    with pytest.raises(UploadRejected):
        visible_frames(samples(0, 20, 10), [Edit(0, 20)], 1000, MS)
    unreferenced = samples(0, 20, 10, unreferenced=(1,))
    assert visible_frames(unreferenced, [Edit(0, 20)], 1000, MS) == [0, None, 0]
    assert visible_frames(samples(0, 10, 20, idr=(0, 2)), [Edit(20, 10)], 1000, MS) == [None, None, -20]


def test_frames_of_an_open_gop_are_not_separated_from_their_references() -> None:
    # In decoding order: 20, 50, 30, 40. The frames 30 and 40 may depend on both 20 and 50.
    open_gop = samples(20, 50, 30, 40, idr=(0,))
    with pytest.raises(UploadRejected):
        visible_frames(open_gop, [Edit(25, 35)], 1000, MS)


def test_an_audio_decoder_gets_two_packets_of_preroll() -> None:
    audio = [Sample(1024 * n, 1024) for n in range(10)]
    assert audible_packets(audio, [Edit(4_196, 0)], 48_000, MS) == [None] * 2 + [-4_196] * 8
    assert audible_packets(audio, [Edit(1_024, 0)], 48_000, MS) == [-1_024] * 10
    assert audible_packets(audio, [], 48_000, MS) == [0] * 10

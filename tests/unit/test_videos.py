"""What is made of films is what players show of them, and nothing else is in it."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters.processing import videos as making
from adapters.processing.boxes import Edit
from adapters.processing.cutting import Sample, heard_sound, shown_pictures
from adapters.processing.types import type_of_file
from application.media.ports import UploadRejected
from domain.media import FailureReason, ProcessingResult
from tests.media import videos
from tests.media.corpus import CANARY
from tests.media.videos import (
    film,
    first_time,
    numbered,
    numbers_in,
    numbers_shown,
    opened,
    trimmed,
    units_a_frame,
)

MATRICES = {
    "as it is": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "turned by 180": (-1, 0, 0, -1),
    "turned to the right": (0, 1, -1, 0),
    "turned to the left": (0, -1, 1, 0),
    "turned and mirrored": (0, 1, 1, 0),
    "turned to the left and mirrored": (0, -1, -1, 0),
}
RED_AT = {
    "as it is": "lower left",
    "mirrored": "lower right",
    "upside down": "upper left",
    "turned by 180": "upper right",
    "turned to the right": "upper left",
    "turned to the left": "lower right",
    "turned and mirrored": "upper right",
    "turned to the left and mirrored": "lower left",
}


class Bench:
    def __init__(self, folder: Path) -> None:
        self.upload, self.into = folder / "upload", folder / "made"
        self.into.mkdir()
        self.told: list[int] = []

    def __call__(self, data: bytes) -> ProcessingResult:
        self.upload.write_bytes(data)
        media_type = type_of_file(self.upload)
        assert media_type is not None
        return making.make(self.upload, self.into, media_type, self.told.append, audio=True)

    def rejected(self, data: bytes) -> FailureReason:
        with pytest.raises(UploadRejected) as caught:
            self(data)
        return caught.value.reason

    @property
    def film(self) -> bytes:
        return next(self.into.glob("video.*")).read_bytes()

    @property
    def poster(self) -> Image.Image:
        with Image.open(next(self.into.glob("poster.*"))) as image:
            image.load()
            return image


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def matrix(name: str) -> tuple[int, ...]:
    a, b, c, d = MATRICES[name]
    return a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30


def corner_of_red(picture: Image.Image) -> str:
    shown = picture.convert("RGB")
    width, height = shown.size
    corners = {"upper left": (4, 4), "upper right": (width - 5, 4), "lower left": (4, height - 5)}
    corners["lower right"] = (width - 5, height - 5)
    found = [name for name, at in corners.items() if _reddish(shown.getpixel(at))]
    assert len(found) == 1
    return found[0]


def _reddish(colour: Any) -> bool:
    return bool(colour[0] > 150 and colour[2] < 110)


# --- What an edit list cuts off -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop", "b_frames"),
    [(25, 100, 0), (25, 100, 2), (0, 60, 0), (0, 50, 2), (25, 75, 0), (50, 75, 2), (0, 100, 0), (0, 100, 2)],
)
def test_what_was_cut_off_at_key_frames_is_not_in_the_film(
    bench: Bench, start: int, stop: int, b_frames: int
) -> None:
    data = trimmed(film(100, b_frames=b_frames), start, stop)
    assert len(numbers_in(data)) == 100
    made = bench(data)

    assert numbers_in(bench.film) == numbers_shown(bench.film) == list(range(start, stop))
    assert made.duration == pytest.approx((stop - start) / 25, abs=0.01)
    assert bench.told == sorted(bench.told)


@pytest.mark.parametrize(
    ("start", "stop", "b_frames"),
    [(30, 100, 0), (24, 100, 2), (1, 100, 0), (30, 60, 0), (0, 60, 2), (26, 50, 0)],
)
def test_what_cannot_be_cut_off_exactly_is_refused(
    bench: Bench, start: int, stop: int, b_frames: int
) -> None:
    assert (
        bench.rejected(trimmed(film(100, b_frames=b_frames), start, stop)) is FailureReason.EDIT_UNSUPPORTED
    )
    assert "cut off" in FailureReason.EDIT_UNSUPPORTED.text


def test_several_parts_follow_each_other(bench: Bench) -> None:
    data = film(100)
    unit = units_a_frame(data)
    made = bench(videos.with_edits(data, (1000, 0), (400, 50 * unit), (1000, 75 * unit)))

    assert numbers_in(bench.film) == [*range(25), *range(50, 60), *range(75, 100)]
    assert made.duration == pytest.approx(2.4, abs=0.01)


def test_parts_that_go_on_where_the_one_before_ended_are_one(bench: Bench) -> None:
    data = film(100, b_frames=2)
    unit, first = units_a_frame(data), first_time(data)
    bench(videos.with_edits(data, (1200, first), (2800, first + 30 * unit)))
    assert numbers_in(bench.film) == list(range(100))


def test_parts_in_another_order_or_at_another_speed_are_refused(bench: Bench) -> None:
    data = film(100)
    unit = units_a_frame(data)
    assert (
        bench.rejected(videos.with_edits(data, (1000, 50 * unit), (1000, 0)))
        is FailureReason.EDIT_UNSUPPORTED
    )
    assert bench.rejected(videos.with_edits(data, (1000, 0), (1000, 0))) is FailureReason.EDIT_UNSUPPORTED
    assert bench.rejected(videos.with_edits(data, (4000, 0), speed=0)) is FailureReason.EDIT_UNSUPPORTED
    assert bench.rejected(videos.with_edits(data, (8000, 0), speed=0.5)) is FailureReason.EDIT_UNSUPPORTED


def test_sound_is_cut_as_the_pictures_are(bench: Bench) -> None:
    data = videos.with_edits(trimmed(film(100, sound="aac"), 25, 75), (2000, 48_000 + 1024), handler=b"soun")
    made = bench(data)

    with opened(bench.film, whole=True) as source:
        heard = [packet.duration or 0 for packet in source.demux(audio=0) if packet.pts is not None]
    assert sum(heard) == pytest.approx(2 * 48_000, abs=4 * 1024)
    assert made.duration == pytest.approx(2.0, abs=0.05)


def test_a_delay_and_the_priming_of_sound_are_nothing_that_was_cut(bench: Bench) -> None:
    data = film(50, sound="aac", b_frames=2)
    delayed = videos.with_edits(data, (500, -1), (2000, first_time(data)))
    made = bench(delayed)

    assert numbers_in(bench.film) == list(range(50))
    assert made.duration == pytest.approx(2.5, abs=0.05)
    with opened(bench.film) as source:
        assert source.streams.video[0].start_time * source.streams.video[0].time_base == Fraction(1, 2)
        assert source.streams.audio[0].start_time == 0


def test_a_length_that_was_rounded_cuts_nothing_off(bench: Bench) -> None:
    data = film(50, b_frames=2)
    bench(videos.with_edits(data, (1999, first_time(data))))
    assert numbers_in(bench.film) == list(range(50))


@pytest.mark.parametrize("how", ["empty_moov+default_base_moof", "empty_moov+delay_moov"])
def test_what_was_cut_off_of_a_film_in_fragments_is_not_in_it(bench: Bench, how: str) -> None:
    data = film(100, options={"movflags": f"frag_keyframe+{how}"})
    bench(videos.with_edits(data, (0, 25 * units_a_frame(data))))
    assert numbers_in(bench.film) == numbers_shown(bench.film) == list(range(25, 100))


def samples(*times: int, fresh: Sequence[int] = (0,), unneeded: Sequence[int] = ()) -> list[Sample]:
    return [Sample(pts, 10, n in fresh, n not in unneeded) for n, pts in enumerate(times)]


MS = Fraction(1, 1000)


def test_a_phone_whose_last_frame_starts_where_the_rounded_list_ends_keeps_it() -> None:
    odd = [Sample(9_018, 12_000), Sample(15_018, 9, fresh=False), Sample(12_018, 9, fresh=False)]
    edits = [Edit(9_018, 133)]  # 11,970 of 12,018 units
    assert shown_pictures(odd, edits, 90_000, MS) == [-9_018] * 3


def test_a_list_that_forgets_that_frames_are_shown_later_than_decoded_cuts_nothing_that_is_needed() -> None:
    found = samples(20, 60, 40, 30, 50)
    assert shown_pictures(found, [Edit(0, 50)], 1000, MS) == [0] * 5
    with pytest.raises(UploadRejected):
        shown_pictures(found, [Edit(0, 45)], 1000, MS)


def test_a_frame_that_nothing_needs_is_left_out_wherever_it_is() -> None:
    later = samples(0, 20, 10)
    with pytest.raises(UploadRejected):
        shown_pictures(later, [Edit(0, 20)], 1000, MS)
    unneeded = samples(0, 20, 10, unneeded=(1,))
    assert shown_pictures(unneeded, [Edit(0, 20)], 1000, MS) == [0, None, 0]
    assert shown_pictures(samples(0, 10, 20, fresh=(0, 2)), [Edit(20, 10)], 1000, MS) == [None, None, -20]


def test_pictures_that_need_some_before_their_key_frame_keep_it() -> None:
    # Decoded: 20, 50, 30, 40. 30 and 40 are shown between the first picture and the second, and may need both.
    open_group = samples(20, 50, 30, 40, fresh=(0,))
    with pytest.raises(UploadRejected):
        shown_pictures(open_group, [Edit(25, 35)], 1000, MS)


def test_a_decoder_of_sound_gets_two_packets_to_begin_with() -> None:
    sound = [Sample(1024 * n, 1024) for n in range(10)]
    assert heard_sound(sound, [Edit(4_196, 0)], 48_000, MS) == [None] * 2 + [-4_196] * 8
    assert heard_sound(sound, [Edit(1_024, 0)], 48_000, MS) == [-1_024] * 10
    assert heard_sound(sound, [], 48_000, MS) == [0] * 10


# --- As it is played ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MATRICES)
def test_a_film_is_turned_and_mirrored_as_its_source(bench: Bench, name: str) -> None:
    made = bench(film(10, matrix=matrix(name)))

    with opened(bench.film) as source:
        frame = next(source.decode(video=0))
    kept = frame.side_data.get("DISPLAYMATRIX")
    shown = (1 << 16, 0, 0, 0, 1 << 16) if kept is None else tuple(memoryview(bytes(kept)).cast("i"))[:5]
    assert shown == matrix(name)[:5]
    assert (made.width, made.height) == bench.poster.size
    assert made.width == (160 if MATRICES[name][0] else 96)
    assert corner_of_red(bench.poster) == RED_AT[name]


@pytest.mark.parametrize(
    ("shape", "turned", "size"),
    [
        (Fraction(2), "as it is", (320, 96)),
        (Fraction(1, 2), "as it is", (160, 192)),
        (Fraction(2), "turned to the left", (96, 320)),
    ],
)
def test_pixels_keep_their_shape(bench: Bench, shape: Fraction, turned: str, size: tuple[int, int]) -> None:
    made = bench(film(10, shape=shape, matrix=matrix(turned)))

    assert (made.width, made.height) == size == bench.poster.size
    assert {(one.width, one.height) for one in made.renditions if one.name == "video"} == {size}
    with opened(bench.film) as source:
        assert source.streams.video[0].sample_aspect_ratio == shape
    head = bench.film[bench.film.index(b"tkhd") :]
    upright = size if MATRICES[turned][0] else size[::-1]
    assert tuple(int.from_bytes(head[at : at + 2]) for at in (80, 84)) == upright


def test_the_shape_that_the_container_tells_goes_before_the_film_s_own(bench: Bench) -> None:
    data = film(10, shape=Fraction(3, 2))
    square = videos.changed(
        data,
        (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"),
        lambda body: body.replace(b"pasp\0\0\0\3\0\0\0\2", b"pasp\0\0\0\1\0\0\0\1"),
    )
    assert square != data
    made = bench(square)
    assert (made.width, made.height) == (160, 96)
    with opened(bench.film) as source:
        assert source.streams.video[0].sample_aspect_ratio == 1


def test_a_webm_keeps_the_shape_of_its_pixels(bench: Bench) -> None:
    data = videos.webm_with_shape(
        film(30, container="webm", codec="libvpx", sound="libopus", options={"live": "1"}), 320, 96
    )
    made = bench(data)

    assert (made.width, made.height) == (320, 96) == bench.poster.size
    with opened(bench.film) as source:
        assert source.streams.video[0].sample_aspect_ratio == 2
        assert source.streams.video[0].metadata.get("title") is None
        source.seek(1_000_000)
        assert next(source.decode(video=0)).time is not None
    assert numbers_in(bench.film) == list(range(30))


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_transparent_film_stays_so(bench: Bench, codec: str) -> None:
    def half(number: int) -> Image.Image:
        image = numbered(number).convert("RGBA")
        image.paste((0, 0, 0, 0), (80, 48, 160, 96))
        return image

    made = bench(film(10, container="webm", codec=codec, pixels="yuva420p", picture=half))

    assert bench.poster.mode == "RGBA"
    assert [one.type for one in made.renditions if one.name == "poster"] == ["image/webp"]
    seen = [bench.poster.getpixel(at)[3] for at in ((20, 70), (120, 70))]  # type: ignore[index]
    assert (seen[0] > 250, seen[1] < 5) == (True, True)
    with opened(bench.film) as source:
        stream = source.streams.video[0]
        assert {key.lower(): value for key, value in stream.metadata.items()}["alpha_mode"] == "1"
        packets = [packet for packet in source.demux(stream) if packet.size]
        assert all(packet.has_sidedata("matroska_block_additional") for packet in packets)


def test_the_poster_of_a_film_that_begins_black_shows_something(bench: Bench) -> None:
    def late(number: int) -> Image.Image:
        return numbered(number) if number >= 60 else Image.new("RGB", (160, 96))

    made = bench(film(100, picture=late, key_every=250))
    assert corner_of_red(bench.poster) == "lower left"
    assert len({one.name for one in made.renditions}) == 4


def test_a_film_that_is_black_throughout_has_a_black_poster(bench: Bench) -> None:
    bench(film(20, picture=lambda _: Image.new("RGB", (160, 96))))
    assert bench.poster.convert("L").getextrema()[1] < 20  # type: ignore[operator]


def test_the_poster_of_an_untagged_film_in_hd_has_its_colours(bench: Bench) -> None:
    """Browsers take BT.709 for it."""

    def green(_: int) -> Image.Image:
        return Image.new("RGB", (1280, 720), (40, 200, 60))

    bench(film(2, picture=green))
    with opened(bench.film) as source:
        shown = next(source.decode(video=0)).to_image(src_colorspace="ITU709")
    expected, seen = shown.getpixel((600, 300)), bench.poster.convert("RGB").getpixel((600, 300))
    assert max(abs(one - other) for one, other in zip(expected, seen, strict=True)) <= 4  # type: ignore[arg-type]


# --- What is between the pictures ---------------------------------------------------------------------


def test_what_cameras_write_between_the_pictures_goes_and_what_decoders_need_stays(bench: Bench) -> None:
    change = videos.with_messages(videos.PLACE, videos.RECOVERY, videos.CAPTIONS)
    data = film(20, change=change)
    assert data.count(CANARY) > 40 - 5
    assert data.count(videos.X264) == 1
    bench(data)

    assert CANARY not in bench.film
    assert bench.film.count(videos.X264) == 1
    build = bench.film[bench.film.index(videos.X264) + 16 :][:15]
    assert build.startswith(b"x264 - core ")
    assert b"options" not in bench.film
    assert bench.film.count(videos.RECOVERY) == 20
    assert numbers_shown(bench.film) == list(range(20))


def test_a_build_that_decoders_make_up_for_plays_as_in_its_source(bench: Bench) -> None:
    """x264 before build 151 wrote 4:4:4 differently, and only this message tells."""
    data = film(20, pixels="yuv444p")
    bench(data)
    assert bench.film.count(videos.X264) == data.count(videos.X264) == 1
    with opened(data) as before, opened(bench.film) as after:
        for one, other in zip(before.decode(video=0), after.decode(video=0), strict=True):
            assert one.to_image().tobytes() == other.to_image().tobytes()


# --- Recordings, and what is none ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "sound"), [("libvpx", "libopus"), ("libvpx-vp9", "libopus"), ("libsvtav1", None)]
)
def test_a_recording_of_a_browser_has_the_duration_that_reading_finds(
    bench: Bench, codec: str, sound: str | None
) -> None:
    data = film(50, container="webm", codec=codec, sound=sound, options={"live": "1"})
    with opened(data) as source:
        assert source.duration is None
    made = bench(data)

    assert made.duration == pytest.approx(2.0, abs=0.05)
    with opened(bench.film) as source:
        assert source.duration / 1_000_000 == pytest.approx(2.0, abs=0.05)
    assert numbers_shown(bench.film) == list(range(50))


@pytest.mark.parametrize("sound", ["aac", "libopus"])
def test_a_recording_in_fragments_is_a_film(bench: Bench, sound: str) -> None:
    data = film(50, sound=sound, options={"movflags": "frag_keyframe+empty_moov+default_base_moof"})
    made = bench(data)
    assert made.duration == pytest.approx(2.0, abs=0.05)
    assert numbers_shown(bench.film) == list(range(50))
    assert b"moof" not in bench.film


def test_a_recording_that_begins_late_begins_at_nothing(bench: Bench) -> None:
    data = film(50, container="webm", codec="libvpx", options={"live": "1", "output_ts_offset": "100"})
    assert bench(data).duration == pytest.approx(2.0, abs=0.05)


def test_what_is_encrypted_is_called_so(bench: Bench) -> None:
    assert bench.rejected(videos.encrypted(film(10))) is FailureReason.ENCRYPTED
    live = film(10, container="webm", codec="libvpx", options={"live": "1"})
    assert bench.rejected(videos.webm_encrypted(live)) is FailureReason.ENCRYPTED


def test_sound_alone_is_called_so(bench: Bench) -> None:
    assert bench.rejected(videos.sound_alone("aac", "mp4")) is FailureReason.AUDIO_ONLY
    assert bench.rejected(videos.sound_alone("libopus", "webm")) is FailureReason.AUDIO_ONLY


def test_broken_metadata_fails_no_film(bench: Bench) -> None:
    broken = videos.joined(
        [
            (b"meta", b"\0\0\0\0" + b"\x80\x81\xff" * 7),
            (b"\xa9nam", b"\0\x0a\0\0\xff\xfe\xfd\xfc...."),
            (b"\xa9xyz", b"\xff"),
            (b"ID32", b"\xff" * 20),
        ]
    )
    data = film(10)
    for path in ((b"moov",), (b"moov", b"trak")):
        odd = videos.changed(
            data, path, lambda body: body + videos.joined([(b"udta", broken), (b"wxyz", b"\1\2\3")])
        )
        bench(odd + b"\xff\xff\xff\xffjunk")
        assert numbers_shown(bench.film) == list(range(10))


def test_tags_in_another_encoding_fail_no_film(bench: Bench) -> None:
    data = film(10, container="webm", codec="libvpx", options={"live": "1"})
    name = videos.element(0x536E, b"\xff\xfe\x80 name")
    bench(videos.webm_changed(data, (0x18538067, 0x1654AE6B, 0xAE), name))
    assert numbers_shown(bench.film) == list(range(10))

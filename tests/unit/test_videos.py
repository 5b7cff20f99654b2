"""A processed video plays like its source, and contains nothing that players do not need."""

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from domain.media import FailureReason
from tests.media import videos
from tests.media.common import CANARY, is_reddish
from tests.media.processed import Bench, video
from tests.media.videos import numbered, numbers_in, numbers_shown, opened

MATRICES = {
    "none": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "rotated by 180": (-1, 0, 0, -1),
    "rotated right": (0, 1, -1, 0),
    "rotated left": (0, -1, 1, 0),
    "rotated right and mirrored": (0, 1, 1, 0),
    "rotated left and mirrored": (0, -1, -1, 0),
}
RED_AT = {
    "none": "lower left",
    "mirrored": "lower right",
    "upside down": "upper left",
    "rotated by 180": "upper right",
    "rotated right": "upper left",
    "rotated left": "lower right",
    "rotated right and mirrored": "upper right",
    "rotated left and mirrored": "lower left",
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def matrix(name: str) -> tuple[int, ...]:
    a, b, c, d = MATRICES[name]
    return a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30


def red_corner(picture: Image.Image) -> str:
    shown = picture.convert("RGB")
    width, height = shown.size
    corners = {"upper left": (4, 4), "upper right": (width - 5, 4), "lower left": (4, height - 5)}
    corners["lower right"] = (width - 5, height - 5)
    (found,) = [name for name, at in corners.items() if is_reddish(shown.getpixel(at))]
    return found


# --- Rotation, pixel shape, transparency and poster --------------------------------------------------


@pytest.mark.parametrize("name", MATRICES)
def test_a_video_keeps_the_rotation_of_its_source(bench: Bench, name: str) -> None:
    result = bench(videos.video(10, matrix=matrix(name)))

    with opened(bench.video) as source:
        frame = next(source.decode(video=0))
    kept = frame.side_data.get("DISPLAYMATRIX")
    shown = (1 << 16, 0, 0, 0, 1 << 16) if kept is None else tuple(memoryview(bytes(kept)).cast("i"))[:5]
    assert shown == matrix(name)[:5]
    assert (result.width, result.height) == bench.poster.size
    assert result.width == (160 if MATRICES[name][0] else 96)
    assert red_corner(bench.poster) == RED_AT[name]


@pytest.mark.parametrize(
    ("shape", "rotation", "size"),
    [
        (Fraction(2), "none", (320, 96)),
        (Fraction(1, 2), "none", (160, 192)),
        (Fraction(2), "rotated left", (96, 320)),
    ],
)
def test_a_video_keeps_the_aspect_ratio_of_its_pixels(
    bench: Bench, shape: Fraction, rotation: str, size: tuple[int, int]
) -> None:
    result = bench(videos.video(10, shape=shape, matrix=matrix(rotation)))

    assert (result.width, result.height) == size == bench.poster.size
    assert {(one.width, one.height) for one in result.renditions if one.name == "video"} == {size}
    with opened(bench.video) as source:
        assert source.streams.video[0].sample_aspect_ratio == shape
    head = bench.video[bench.video.index(b"tkhd") :]
    upright = size if MATRICES[rotation][0] else size[::-1]
    assert tuple(int.from_bytes(head[at : at + 2]) for at in (80, 84)) == upright


def test_the_aspect_ratio_of_the_container_has_precedence_over_that_of_the_stream(bench: Bench) -> None:
    data = videos.video(10, shape=Fraction(3, 2))
    square = videos.changed(
        data,
        (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"),
        lambda body: body.replace(b"pasp\0\0\0\3\0\0\0\2", b"pasp\0\0\0\1\0\0\0\1"),
    )
    assert square != data
    result = bench(square)
    assert (result.width, result.height) == (160, 96)
    with opened(bench.video) as source:
        assert source.streams.video[0].sample_aspect_ratio == 1


def test_a_webm_keeps_the_aspect_ratio_of_its_pixels(bench: Bench) -> None:
    recording = video(30, container="webm", codec="libvpx", sound="libopus")
    result = bench(videos.webm_with_shape(recording, 320, 96))

    assert (result.width, result.height) == (320, 96) == bench.poster.size
    with opened(bench.video) as source:
        assert source.streams.video[0].sample_aspect_ratio == 2
        assert source.streams.video[0].metadata.get("title") is None
        source.seek(1_000_000)
        assert next(source.decode(video=0)).time is not None
    assert numbers_in(bench.video) == list(range(30))


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_transparent_video_stays_transparent(bench: Bench, codec: str) -> None:
    def half(number: int) -> Image.Image:
        image = numbered(number).convert("RGBA")
        image.paste((0, 0, 0, 0), (80, 48, 160, 96))
        return image

    result = bench(videos.video(4, container="webm", codec=codec, pixels="yuva420p", picture=half))

    assert bench.poster.mode == "RGBA"
    assert [one.type for one in result.renditions if one.name == "poster"] == ["image/webp"]
    alpha = [bench.poster.getpixel(at)[3] for at in ((20, 70), (120, 70))]  # type: ignore[index]
    assert (alpha[0] > 250, alpha[1] < 5) == (True, True)
    with opened(bench.video) as source:
        stream = source.streams.video[0]
        assert {key.lower(): value for key, value in stream.metadata.items()}["alpha_mode"] == "1"
        packets = [packet for packet in source.demux(stream) if packet.size]
        assert all(packet.has_sidedata("matroska_block_additional") for packet in packets)


def test_the_poster_skips_a_black_beginning(bench: Bench) -> None:
    def late(number: int) -> Image.Image:
        return numbered(number) if number >= 60 else Image.new("RGB", (160, 96))

    result = bench(videos.video(100, picture=late, key_every=250))
    assert red_corner(bench.poster) == "lower left"
    assert len({one.name for one in result.renditions}) == 4


def test_a_black_video_has_a_black_poster(bench: Bench) -> None:
    bench(videos.video(20, picture=lambda _: Image.new("RGB", (160, 96))))
    assert bench.poster.convert("L").getextrema()[1] < 20  # type: ignore[operator]


def test_the_poster_of_an_hd_video_without_colour_space_uses_bt_709(bench: Bench) -> None:
    """Browsers do the same."""

    def green(_: int) -> Image.Image:
        return Image.new("RGB", (1280, 720), (40, 200, 60))

    bench(videos.video(1, picture=green))
    with opened(bench.video) as source:
        shown = next(source.decode(video=0)).to_image(src_colorspace="ITU709")
    expected, found = shown.getpixel((600, 300)), bench.poster.convert("RGB").getpixel((600, 300))
    assert max(abs(one - other) for one, other in zip(expected, found, strict=True)) <= 4  # type: ignore[arg-type]


# --- SEI messages ------------------------------------------------------------------------------------


def test_private_messages_between_frames_are_removed_and_those_for_decoders_stay(bench: Bench) -> None:
    change = videos.with_messages(videos.PRIVATE, videos.RECOVERY, videos.CAPTIONS)
    data = videos.video(20, change=change)
    assert data.count(CANARY) > 40 - 5
    assert data.count(videos.X264) == 1
    bench(data)

    assert CANARY not in bench.video
    assert bench.video.count(videos.X264) == 1
    build = bench.video[bench.video.index(videos.X264) + 16 :][:15]
    assert build.startswith(b"x264 - core ")
    assert b"options" not in bench.video
    assert bench.video.count(videos.RECOVERY) == 20
    assert numbers_shown(bench.video) == list(range(20))


def test_the_message_with_the_encoder_build_stays(bench: Bench) -> None:
    """x264 before build 151 wrote 4:4:4 differently, and a decoder knows that only from this message."""
    data = videos.video(10, pixels="yuv444p")
    bench(data)
    assert bench.video.count(videos.X264) == data.count(videos.X264) == 1
    with opened(data) as before, opened(bench.video) as after:
        for one, other in zip(before.decode(video=0), after.decode(video=0), strict=True):
            assert one.to_image().tobytes() == other.to_image().tobytes()


# --- Recordings, encryption and broken metadata ------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "sound"), [("libvpx", "libopus"), ("libvpx-vp9", "libopus"), ("libsvtav1", None)]
)
def test_the_duration_of_a_browser_recording_is_measured(bench: Bench, codec: str, sound: str | None) -> None:
    data = video(30, container="webm", codec=codec, sound=sound)
    with opened(data) as source:
        assert source.duration is None
    result = bench(data)

    assert result.duration == pytest.approx(1.2, abs=0.05)
    with opened(bench.video) as source:
        assert source.duration / 1_000_000 == pytest.approx(1.2, abs=0.05)
    assert numbers_shown(bench.video) == list(range(30))


@pytest.mark.parametrize("sound", ["aac", "libopus"])
def test_a_fragmented_recording_becomes_a_plain_mp4(bench: Bench, sound: str) -> None:
    data = video(sound=sound, flags="frag_keyframe+empty_moov+default_base_moof")
    result = bench(data)
    assert result.duration == pytest.approx(1.6, abs=0.05)
    assert numbers_shown(bench.video) == list(range(40))
    assert b"moof" not in bench.video


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libsvtav1"])
@pytest.mark.parametrize("flags", ["", "frag_keyframe+empty_moov"])
def test_an_mp4_recording_may_contain_vp9_or_av1(bench: Bench, codec: str, flags: str) -> None:
    result = bench(video(codec=codec, sound="libopus", flags=flags))

    assert result.renditions[0].type == "video/mp4"
    assert result.duration == pytest.approx(1.6, abs=0.05)
    assert numbers_in(bench.video) == numbers_shown(bench.video) == list(range(40))


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libsvtav1"])
def test_vp9_and_av1_are_trimmed_at_key_frames_only(bench: Bench, codec: str) -> None:
    data = video(codec=codec)
    assert bench.rejected(videos.trimmed(data, 5, 40)) is FailureReason.EDIT_UNSUPPORTED

    bench(videos.trimmed(data, 10, 35))
    assert numbers_in(bench.video) == list(range(10, 35))


def test_the_start_time_of_a_recording_is_set_to_zero(bench: Bench) -> None:
    options = {"live": "1", "output_ts_offset": "100"}
    data = videos.video(25, container="webm", codec="libvpx", options=options)
    assert bench(data).duration == pytest.approx(1.0, abs=0.05)


def test_an_encrypted_video_is_rejected(bench: Bench) -> None:
    assert bench.rejected(videos.encrypted(video(10))) is FailureReason.ENCRYPTED
    recording = video(10, container="webm", codec="libvpx")
    assert bench.rejected(videos.webm_encrypted(recording)) is FailureReason.ENCRYPTED


def test_audio_without_video_is_rejected(bench: Bench) -> None:
    assert bench.rejected(videos.audio_only("aac", "mp4")) is FailureReason.AUDIO_ONLY
    assert bench.rejected(videos.audio_only("libopus", "webm")) is FailureReason.AUDIO_ONLY


def test_broken_metadata_does_not_reject_a_video(bench: Bench) -> None:
    broken = videos.joined(
        [
            (b"meta", b"\0\0\0\0" + b"\x80\x81\xff" * 7),
            (b"\xa9nam", b"\0\x0a\0\0\xff\xfe\xfd\xfc...."),
            (b"\xa9xyz", b"\xff"),
            (b"ID32", b"\xff" * 20),
        ]
    )
    data = video(10)
    for path in ((b"moov",), (b"moov", b"trak")):
        odd = videos.changed(
            data, path, lambda body: body + videos.joined([(b"udta", broken), (b"wxyz", b"\1\2\3")])
        )
        bench(odd + b"\xff\xff\xff\xffjunk")
        assert numbers_shown(bench.video) == list(range(10))


def test_tags_in_another_encoding_do_not_reject_a_video(bench: Bench) -> None:
    data = video(10, container="webm", codec="libvpx")
    name = videos.element(0x536E, b"\xff\xfe\x80 name")
    bench(videos.webm_changed(data, (0x18538067, 0x1654AE6B, 0xAE), name))
    assert numbers_shown(bench.video) == list(range(10))

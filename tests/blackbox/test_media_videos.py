"""Videos as cameras, editors and browsers write them: the server serves what players show, and nothing else."""

import io
from collections.abc import Callable
from fractions import Fraction

import pytest
from PIL import Image

from tests.media import videos
from tests.media.videos import numbered, numbers_in, numbers_shown, trimmed, video

from .client import Api, Json, Member
from .pictures import opened, ready, served, settled, uploaded

pytestmark = pytest.mark.short_run_shapes("embedded")


@pytest.fixture(scope="module")
def maya(api: Api) -> Member:
    return api.someone()


def file(media: Json, name: str) -> bytes:
    return served(media["renditions"][name]["url"]).content


def test_trimmed_frames_are_not_served(maya: Member) -> None:
    data = trimmed(video(100, sound="aac"), 25, 75)
    assert len(numbers_in(data)) == 100
    media = ready(maya, data)

    shown = file(media, "video")
    assert numbers_in(shown) == numbers_shown(shown) == list(range(25, 75))
    assert {"video", "poster"} <= set(media["renditions"])


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a video trimmed between key frames": (lambda: trimmed(video(50), 5, 50), "edit_unsupported"),
    "an encrypted MP4": (lambda: videos.encrypted(video(10)), "encrypted"),
    "an encrypted WebM": (
        lambda: videos.webm_encrypted(video(10, container="webm", codec="libvpx", options={"live": "1"})),
        "encrypted",
    ),
    "audio only": (lambda: videos.audio_only("aac", "mp4"), "audio_only"),
    "H.264 without a container": (lambda: video(10, container="h264"), "type_unsupported"),
    "VP8 without a container": (lambda: video(10, container="ivf", codec="libvpx"), "type_unsupported"),
    "MPEG-4 part 2": (lambda: video(10, codec="mpeg4"), "codec_unsupported"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unsupported_video_fails_with_a_reason_and_an_explanation(maya: Member, name: str) -> None:
    make, reason = REFUSED[name]
    media = settled(maya, uploaded(maya, make()))

    assert (media["state"], media["reason"], media["renditions"]) == ("failed", reason, {})
    assert media["reason_text"].endswith(".")
    assert len(media["reason_text"]) > 20


def test_a_mirrored_video_stays_mirrored(maya: Member) -> None:
    media = ready(maya, video(10, matrix=(0, 1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30)))

    assert (media["width"], media["height"]) == (96, 160)
    poster = opened(file(media, "poster")).convert("RGB")
    assert poster.size == (96, 160)
    red, _, blue = poster.getpixel((92, 4))  # type: ignore[misc]
    assert (red > 150, blue < 110) == (True, True)


def test_all_sizes_of_a_video_with_non_square_pixels_are_stretched(maya: Member) -> None:
    media = ready(maya, video(10, shape=Fraction(2)))

    rendition = media["renditions"]["video"]
    assert (media["width"], media["height"]) == (rendition["width"], rendition["height"]) == (320, 96)
    assert opened(file(media, "poster")).size == (320, 96)


def test_a_recording_of_a_browser_is_ready_with_its_duration(maya: Member) -> None:
    media = ready(maya, video(50, container="webm", codec="libvpx", sound="libopus", options={"live": "1"}))

    assert media["duration"] == pytest.approx(2.0, abs=0.1)
    assert media["reason_text"] is None
    assert numbers_shown(file(media, "video")) == list(range(50))


def test_the_poster_skips_a_black_beginning(maya: Member) -> None:
    def late(number: int) -> Image.Image:
        return numbered(number) if number >= 40 else Image.new("RGB", (160, 96))

    media = ready(maya, video(60, picture=late, key_every=250))
    assert Image.open(io.BytesIO(file(media, "poster"))).convert("L").getextrema()[1] > 100  # type: ignore[operator]

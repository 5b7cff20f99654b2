"""Films as cameras, editors and browsers make them: what is served is what players show, and nothing else."""

import io
from collections.abc import Callable
from fractions import Fraction

import pytest
from PIL import Image

from tests.media import videos
from tests.media.videos import film, numbered, numbers_in, numbers_shown, trimmed

from .client import Api, Json, Member
from .pictures import opened, ready, served, settled, uploaded

pytestmark = pytest.mark.told_by("embedded")


@pytest.fixture(scope="module")
def maya(api: Api) -> Member:
    return api.someone()


def file(media: Json, name: str) -> bytes:
    return served(media["renditions"][name]["url"]).content


def test_frames_that_were_cut_off_are_not_in_what_is_served(maya: Member) -> None:
    data = trimmed(film(100, sound="aac"), 25, 75)
    assert len(numbers_in(data)) == 100
    media = ready(maya, data)

    video = file(media, "video")
    assert numbers_in(video) == numbers_shown(video) == list(range(25, 75))
    assert {"video", "poster"} <= set(media["renditions"])


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a film that was trimmed between key frames": (lambda: trimmed(film(50), 5, 50), "edit_unsupported"),
    "an encrypted film": (lambda: videos.encrypted(film(10)), "encrypted"),
    "an encrypted WebM": (
        lambda: videos.webm_encrypted(film(10, container="webm", codec="libvpx", options={"live": "1"})),
        "encrypted",
    ),
    "sound alone": (lambda: videos.sound_alone("aac", "mp4"), "audio_only"),
    "H.264 without a container": (lambda: film(10, container="h264"), "type_unsupported"),
    "VP8 without a container": (lambda: film(10, container="ivf", codec="libvpx"), "type_unsupported"),
    "MPEG-4 part 2": (lambda: film(10, codec="mpeg4"), "codec_unsupported"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_shown_as_it_is_fails_with_a_reason_and_words_for_it(maya: Member, name: str) -> None:
    make, reason = REFUSED[name]
    media = settled(maya, uploaded(maya, make()))

    assert (media["state"], media["reason"], media["renditions"]) == ("failed", reason, {})
    assert media["reason_text"].endswith(".")
    assert len(media["reason_text"]) > 20


def test_a_mirrored_film_is_shown_mirrored(maya: Member) -> None:
    media = ready(maya, film(10, matrix=(0, 1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30)))

    assert (media["width"], media["height"]) == (96, 160)
    poster = opened(file(media, "poster")).convert("RGB")
    assert poster.size == (96, 160)
    red, _, blue = poster.getpixel((92, 4))  # type: ignore[misc]
    assert (red > 150, blue < 110) == (True, True)


def test_pixels_that_are_not_square_count_in_every_size(maya: Member) -> None:
    media = ready(maya, film(10, shape=Fraction(2)))

    video = media["renditions"]["video"]
    assert (media["width"], media["height"]) == (video["width"], video["height"]) == (320, 96)
    assert opened(file(media, "poster")).size == (320, 96)


def test_a_recording_of_a_browser_is_ready_with_its_duration(maya: Member) -> None:
    media = ready(maya, film(50, container="webm", codec="libvpx", sound="libopus", options={"live": "1"}))

    assert media["duration"] == pytest.approx(2.0, abs=0.1)
    assert media["reason_text"] is None
    assert numbers_shown(file(media, "video")) == list(range(50))


def test_the_poster_of_a_film_that_begins_black_shows_something(maya: Member) -> None:
    def late(number: int) -> Image.Image:
        return numbered(number) if number >= 40 else Image.new("RGB", (160, 96))

    media = ready(maya, film(60, picture=late, key_every=250))
    assert Image.open(io.BytesIO(file(media, "poster"))).convert("L").getextrema()[1] > 100  # type: ignore[operator]

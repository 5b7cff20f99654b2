"""Animations are composed as in browsers: frames, durations, number of plays and transparency.

The tests run in this process; the confinement of the child is tested elsewhere. The expectations were compared with Chromium.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from domain.media import MediaKind
from tests.media.containers import (
    BLUE,
    CLEAR,
    GREEN,
    RED,
    WHITE,
    Frame,
    apng,
    avif_that_plays,
    gif,
    sequence,
)
from tests.media.renditions import Animation, large_animation, large_still, process, quarters

FOREVER = 0
LEFT_TOP, RIGHT_TOP, LEFT_BOTTOM, RIGHT_BOTTOM = (
    (0, 0, 10, 10),
    (10, 0, 10, 10),
    (0, 10, 10, 10),
    (10, 10, 10, 10),
)

THREE_FRAMES = (Frame(RED), Frame(GREEN, LEFT_TOP), Frame(BLUE, RIGHT_BOTTOM))
COMPOSED = [(RED,) * 4, (GREEN, RED, RED, RED), (GREEN, RED, RED, BLUE)]
ANIMATIONS: dict[str, tuple[Callable[[], bytes], Animation]] = {
    "GIF that plays once": (
        lambda: gif(*THREE_FRAMES),
        Animation((20, 20), COMPOSED, [100, 100, 100], 1),
    ),
    "GIF for ever": (
        lambda: gif(*THREE_FRAMES, loop=0),
        Animation((20, 20), COMPOSED, [100, 100, 100], FOREVER),
    ),
    "GIF with one repetition": (
        lambda: gif(*THREE_FRAMES, loop=1),
        Animation((20, 20), COMPOSED, [100, 100, 100], 2),
    ),
    "GIF with ten repetitions in an ANIMEXTS block": (
        lambda: gif(*THREE_FRAMES, loop=10, by=b"ANIMEXTS1.0"),
        Animation((20, 20), COMPOSED, [100, 100, 100], 11),
    ),
    "GIF with more repetitions than WebP can store": (
        lambda: gif(*THREE_FRAMES, loop=65_535),
        Animation((20, 20), COMPOSED, [100, 100, 100], 65_535),
    ),
    "GIF with frames of 0, 1, 2 and 500 hundredths of a second": (
        lambda: gif(Frame(RED, delay=0), Frame(GREEN, delay=1), Frame(BLUE, delay=2), Frame(RED, delay=500)),
        Animation((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4, (RED,) * 4], [100, 100, 20, 5000], 1),
    ),
    "GIF without control blocks": (
        lambda: gif(Frame(RED, delay=None), Frame(GREEN, LEFT_TOP, delay=None)),
        Animation((20, 20), COMPOSED[:2], [100, 100], 1),
    ),
    "GIF with cleared and kept areas": (
        lambda: gif(
            Frame(RED, disposal=1),
            Frame(GREEN, LEFT_TOP, disposal=2),
            Frame(BLUE, RIGHT_TOP, delay=None),
            Frame(WHITE, LEFT_BOTTOM),
        ),
        Animation(
            (20, 20),
            [(RED,) * 4, (GREEN, RED, RED, RED), (CLEAR, BLUE, RED, RED), (CLEAR, BLUE, WHITE, RED)],
            [100] * 4,
            1,
        ),
    ),
    "GIF with restored areas": (
        lambda: gif(
            Frame(RED),
            Frame(GREEN, LEFT_TOP, disposal=3),
            Frame(BLUE, RIGHT_TOP, disposal=4),
            Frame(WHITE, LEFT_BOTTOM),
        ),
        Animation(
            (20, 20),
            [(RED,) * 4, (GREEN, RED, RED, RED), (RED, BLUE, RED, RED), (RED, RED, WHITE, RED)],
            [100] * 4,
            1,
        ),
    ),
    "GIF with a restored first frame": (
        lambda: gif(Frame(RED, disposal=3), Frame(GREEN, LEFT_TOP)),
        Animation((20, 20), [(RED,) * 4, (GREEN, CLEAR, CLEAR, CLEAR)], [100, 100], 1),
    ),
    "GIF with transparent colours": (
        lambda: gif(Frame(RED, LEFT_TOP), Frame(GREEN, transparent=True), Frame(BLUE, RIGHT_BOTTOM)),
        Animation(
            (20, 20),
            [(RED, CLEAR, CLEAR, CLEAR), (RED, CLEAR, CLEAR, BLUE)],
            [200, 100],  # the encoder merges equal frames
            1,
        ),
    ),
    "GIF with a first frame larger than its canvas": (
        lambda: gif(Frame(RED, (20, 0, 20, 40)), Frame(GREEN, (0, 0, 20, 20)), size=(20, 20)),
        Animation((40, 40), [(CLEAR, RED, CLEAR, RED), (GREEN, RED, CLEAR, RED)], [100, 100], 1),
    ),
    "GIF with later frames partly and wholly outside its canvas": (
        lambda: gif(
            Frame(RED),
            Frame(GREEN, (10, 10, 30, 30), disposal=2),
            Frame(BLUE, (50, 50, 9, 9)),
            Frame(BLUE, LEFT_TOP),
        ),
        Animation(
            (20, 20),
            [(RED,) * 4, (RED, RED, RED, GREEN), (RED, RED, RED, CLEAR), (BLUE, RED, RED, CLEAR)],
            [100] * 4,
            1,
        ),
    ),
    "GIF without a trailer": (
        lambda: gif(*THREE_FRAMES)[:-1],
        Animation((20, 20), COMPOSED, [100, 100, 100], 1),
    ),
    "APNG that plays three times": (
        lambda: apng(*THREE_FRAMES, plays=3),
        Animation((20, 20), COMPOSED, [100, 100, 100], 3),
    ),
    "APNG with a default image that is not a frame": (
        lambda: apng(Frame(RED), Frame(GREEN), hidden=WHITE, plays=1),
        Animation((20, 20), [(RED,) * 4, (GREEN,) * 4], [100, 100], 1),
    ),
    "APNG with delays in thirtieths of a second": (
        lambda: apng(*(Frame(colour, delay=1, per=30) for colour in (RED, GREEN, BLUE, RED))),
        Animation((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4, (RED,) * 4], [33, 34, 33, 33], FOREVER),
    ),
    "APNG with a zero delay and a zero denominator": (
        lambda: apng(Frame(RED, delay=0), Frame(GREEN, delay=50, per=0), Frame(BLUE, delay=11, per=1000)),
        Animation((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4], [100, 500, 11], FOREVER),
    ),
    "APNG with cleared and restored areas": (
        lambda: apng(
            Frame(RED),
            Frame(GREEN, LEFT_TOP, disposal=1),
            Frame(BLUE, RIGHT_TOP, disposal=2),
            Frame(WHITE, LEFT_BOTTOM),
        ),
        Animation(
            (20, 20),
            [(RED,) * 4, (GREEN, RED, RED, RED), (CLEAR, BLUE, RED, RED), (CLEAR, RED, WHITE, RED)],
            [100] * 4,
            FOREVER,
        ),
    ),
    "APNG with blended and replaced areas": (
        lambda: apng(Frame(RED), Frame(CLEAR, LEFT_TOP, blend=1, delay=20), Frame(CLEAR, RIGHT_TOP, blend=0)),
        Animation((20, 20), [(RED,) * 4, (RED, CLEAR, RED, RED)], [300, 100], FOREVER),
    ),
    "APNG with a restored first frame": (
        lambda: apng(Frame(RED, disposal=2), Frame(GREEN, LEFT_TOP)),
        Animation((20, 20), [(RED,) * 4, (GREEN, CLEAR, CLEAR, CLEAR)], [100, 100], FOREVER),
    ),
    "WebP with different durations": (
        lambda: sequence("WEBP", [RED, GREEN, BLUE, RED], [0, 10, 11, 15_000], loop=3),
        Animation((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4, (RED,) * 4], [100, 100, 11, 15_000], 3),
    ),
    "transparent WebP that plays once": (
        lambda: sequence("WEBP", [CLEAR, GREEN, CLEAR], [40, 3_000, 50], loop=1),
        Animation((20, 20), [(CLEAR,) * 4, (GREEN,) * 4, (CLEAR,) * 4], [40, 3_000, 50], 1),
    ),
    "AVIF with different durations": (
        lambda: sequence("AVIF", [RED, GREEN, BLUE], [40, 1_000, 5]),
        Animation((20, 20), [(RED,) * 4, (GREEN,) * 4, (BLUE,) * 4], [40, 1_000, 100], FOREVER),
    ),
    "AVIF that plays once": (
        lambda: avif_that_plays(sequence("AVIF", [RED, GREEN], [500, 500]), 1),
        Animation((20, 20), [(RED,) * 4, (GREEN,) * 4], [500, 500], 1),
    ),
    "AVIF that plays three times": (
        lambda: avif_that_plays(sequence("AVIF", [RED, CLEAR], [500, 500]), 3),
        Animation((20, 20), [(RED,) * 4, (CLEAR,) * 4], [500, 500], 3),
    ),
}


@pytest.mark.parametrize("name", ANIMATIONS)
def test_an_animation_is_composed_as_in_a_browser(tmp_path: Path, name: str) -> None:
    build, expected = ANIMATIONS[name]
    result = process(build(), tmp_path)
    assert result.kind is MediaKind.ANIMATION
    assert large_animation(tmp_path) == expected
    assert (result.width, result.height) == expected.size
    with Image.open(tmp_path / "small.webp") as still:
        assert quarters(still) == expected.frames[0]


STILLS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "APNG of one frame besides its default image": (lambda: apng(Frame(RED), hidden=WHITE), (RED,) * 4),
    "APNG of one frame": (lambda: apng(Frame(GREEN)), (GREEN,) * 4),
    "APNG with a frame outside its canvas": (
        lambda: apng(Frame(RED, (10, 10, 20, 20)), hidden=WHITE),
        (WHITE,) * 4,
    ),
    "APNG without frames": (lambda: apng(hidden=BLUE), (BLUE,) * 4),
    "GIF of one frame that covers a part": (
        lambda: gif(Frame(RED, LEFT_TOP, disposal=2), loop=3),
        (RED, CLEAR, CLEAR, CLEAR),
    ),
    "GIF followed by other data": (
        lambda: gif(Frame(RED))[:-1] + gif(Frame(GREEN)),
        (RED,) * 4,
    ),
}


@pytest.mark.parametrize("name", STILLS)
def test_an_animation_of_a_single_frame_is_an_image(tmp_path: Path, name: str) -> None:
    build, expected = STILLS[name]
    assert process(build(), tmp_path).kind is MediaKind.IMAGE
    assert large_still(tmp_path)[1] == expected

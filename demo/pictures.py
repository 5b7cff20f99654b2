"""Draws the pictures of the demo, so that it needs no pictures by others."""

import io
import math
import random

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 960, 640
Colour = tuple[int, int, int]


def draw(scene: str, seed: str) -> bytes:
    """Draw a scene as a PNG. The same arguments give the same bytes. Raises KeyError for an unknown scene."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    SCENES[scene](ImageDraw.Draw(image), random.Random(f"{scene} {seed}"))
    made = io.BytesIO()
    image.save(made, "PNG")
    return made.getvalue()


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _sky(on: ImageDraw.ImageDraw, top: Colour, bottom: Colour) -> None:
    for row in range(HEIGHT):
        on.line([(0, row), (WIDTH, row)], _mixed(top, bottom, row / HEIGHT))


def _rows(on: ImageDraw.ImageDraw, rng: random.Random, far: Colour, near: Colour, height: float) -> None:
    """Draw rows of hills or waves, the nearest last."""
    rows = 3 if height > 30 else 9
    for row in range(rows):
        level = HEIGHT * (0.5 + 0.45 * row / rows)
        length, shift = rng.uniform(60, 130) * height / 20, rng.uniform(0, math.tau)
        ridge = [(x, level + height * math.sin(x / length + shift)) for x in range(0, WIDTH + 1, 8)]
        on.polygon([(0, HEIGHT), *ridge, (WIDTH, HEIGHT)], _mixed(far, near, row / (rows - 1)))


def _disc(on: ImageDraw.ImageDraw, rng: random.Random, colour: Colour) -> None:
    x, y, radius = rng.uniform(0.2, 0.8) * WIDTH, rng.uniform(0.15, 0.4) * HEIGHT, rng.uniform(35, 70)
    on.ellipse([x - radius, y - radius, x + radius, y + radius], colour)


def _hills(on: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _sky(on, (70, 60, 120), (250, 170, 110))
    _disc(on, rng, (255, 200, 90))
    _rows(on, rng, (120, 80, 110), (30, 25, 45), 45)


def _sea(on: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _sky(on, (15, 25, 60), (90, 120, 160))
    _disc(on, rng, (240, 235, 215))
    _rows(on, rng, (60, 110, 150), (10, 40, 80), 10)


def _meadow(on: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _sky(on, (150, 200, 240), (225, 240, 250))
    _rows(on, rng, (120, 170, 90), (60, 120, 50), 35)
    for _ in range(300):
        x, y = rng.uniform(0, WIDTH), rng.uniform(0.6, 1) * HEIGHT
        size = 2 + 6 * y / HEIGHT
        petals: Colour = rng.choice([(210, 50, 60), (250, 250, 245), (130, 80, 170), (245, 200, 60)])
        on.ellipse([x - size, y - size, x + size, y + size], petals)
        on.ellipse([x - size / 3, y - size / 3, x + size / 3, y + size / 3], (90, 70, 20))


def _comb(on: ImageDraw.ImageDraw, rng: random.Random) -> None:
    on.rectangle([0, 0, WIDTH, HEIGHT], (90, 55, 15))
    side = 48.0
    step = side * math.sqrt(3)
    for row in range(round(HEIGHT / side / 1.5) + 2):
        for column in range(round(WIDTH / step) + 2):
            x, y = (column + row % 2 / 2) * step, row * 1.5 * side
            corners = [
                (x + 0.93 * side * math.sin(turn), y + 0.93 * side * math.cos(turn))
                for turn in (math.tau * corner / 6 for corner in range(6))
            ]
            on.polygon(corners, _mixed((250, 200, 70), (190, 120, 25), rng.random()))


SCENES = {"hills": _hills, "sea": _sea, "meadow": _meadow, "comb": _comb}

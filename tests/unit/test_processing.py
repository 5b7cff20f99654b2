"""What is made of uploads, and that nothing an upload does harms who looks at it. A child process is started, no socket."""

import asyncio
import io
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest
from PIL import Image

from adapters.processing import parent as starting
from adapters.processing.parent import IMAGE_LIMITS, ChildProcessor
from application.media.ports import UploadRejected
from domain.media import EXTENSIONS, FailureReason, MediaKind, ProcessingResult
from domain.shared import Unavailable
from tests.media import corpus
from tests.media.corpus import BAD, GOOD, PAYLOADS, Sample

SOURCE = Path(starting.__file__).resolve().parents[2]


class Bench:
    def __init__(self, folder: Path) -> None:
        self.upload, self.into = folder / "upload", folder / "made"
        self.into.mkdir()
        self.told: list[int] = []

    async def __call__(self, data: bytes, processor: ChildProcessor | None = None) -> ProcessingResult:
        self.upload.write_bytes(data)
        return await (processor or ChildProcessor())(self.upload, self.into, self.told.append)

    def files(self, made: ProcessingResult) -> Iterator[tuple[str, Path]]:
        for one in made.renditions:
            yield one.name, self.into / f"{one.name}.{EXTENSIONS[one.type]}"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def reddish(colour: tuple[int, ...]) -> bool:
    return colour[0] > 150 and colour[2] < 110


@pytest.mark.parametrize("sample", GOOD, ids=lambda sample: sample.name)
async def test_what_is_good_comes_out_clean_and_the_right_way_up(bench: Bench, sample: Sample) -> None:
    made = await bench(sample.make())
    assert made.kind is sample.outcome
    assert bench.told == sorted(bench.told)
    assert (made.duration is not None) == (made.kind is MediaKind.VIDEO)
    assert {path.name for path in bench.into.iterdir()} == {path.name for _, path in bench.files(made)}
    for rendition, (name, path) in zip(made.renditions, bench.files(made), strict=True):
        data = path.read_bytes()
        assert len(data) == rendition.bytes
        assert [payload for payload in PAYLOADS if payload in data] == []
        if rendition.type.startswith("video"):
            continue
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.size == (rendition.width, rendition.height)
            assert not image.getexif()
            assert "icc_profile" not in image.info
            if sample.mark:
                shown = image.convert("RGB")
                width, height = shown.size
                corners = [(3, 3), (width - 4, 3), (3, height - 4), (width - 4, height - 4)]
                seen = [reddish(shown.getpixel(at)) for at in corners]  # type: ignore[arg-type]
                assert seen == [True, False, False, False], name


@pytest.mark.parametrize("sample", BAD, ids=lambda sample: sample.name)
async def test_what_is_bad_is_rejected_with_a_reason(bench: Bench, sample: Sample) -> None:
    with pytest.raises(UploadRejected) as caught:
        await bench(sample.make())
    assert caught.value.reason is sample.outcome


async def test_a_picture_is_given_in_three_sizes_and_never_enlarged(bench: Bench) -> None:
    made = await bench(corpus.encoded(corpus.scene(3000, 2000), "JPEG"))
    sizes = {one.name: (one.type, one.width, one.height) for one in made.renditions}
    assert sizes == {
        "large": ("image/webp", 2048, 1365),
        "large_jpeg": ("image/jpeg", 2048, 1365),
        "small": ("image/webp", 800, 533),
        "small_jpeg": ("image/jpeg", 800, 533),
        "thumbnail": ("image/webp", 400, 267),
        "thumbnail_jpeg": ("image/jpeg", 400, 267),
    }
    assert (made.width, made.height) == (2048, 1365)
    assert len(made.blurhash) == 28


async def test_as_many_pixels_as_are_taken_fit_into_the_memory_of_the_child(bench: Bench) -> None:
    made = await bench(corpus.encoded(Image.new("P", (8_000, 5_000), 3), "GIF"))
    assert (made.width, made.height) == (2048, 1280)


async def test_an_animation_keeps_its_frames_and_their_time(bench: Bench) -> None:
    made = await bench(corpus.animated(frames=7))
    with Image.open(bench.into / "large.webp") as image:
        assert (image.n_frames, image.info["loop"]) == (7, 0)  # type: ignore[attr-defined]
        durations = []
        for frame in range(7):
            image.seek(frame)
            image.load()
            durations.append(image.info["duration"])
    assert durations == [60] * 7
    assert [one.name for one in made.renditions if one.name.endswith("_jpeg")] == [
        "large_jpeg",
        "small_jpeg",
        "thumbnail_jpeg",
    ]


@pytest.mark.parametrize(
    ("codec", "container", "sound"), [("libx264", "mp4", "aac"), ("libvpx-vp9", "webm", "libopus")]
)
async def test_a_film_is_taken_over_with_its_pictures_and_its_sound_and_nothing_else(
    bench: Bench, codec: str, container: str, sound: str
) -> None:
    made = await bench(corpus.film(codec, container, sound))
    assert (made.width, made.height) == (320, 240)
    assert made.duration == pytest.approx(2.0, abs=0.1)
    with av.open(str(bench.into / f"video.{container}")) as film:
        assert [stream.type for stream in film.streams] == ["video", "audio"]
        assert sum(1 for _ in film.decode(video=0)) == 24
        kept = {"major_brand", "minor_version", "compatible_brands", "encoder"}
        assert {*film.metadata} <= kept


async def test_a_film_on_its_side_is_shown_upright(bench: Bench) -> None:
    made = await bench(corpus.film(turn=90))
    assert (made.width, made.height) == (240, 320)
    with av.open(str(bench.into / "video.mp4")) as film:
        assert next(film.decode(video=0)).rotation == 90
    with Image.open(bench.into / "poster.jpg") as poster:
        assert poster.size == (240, 320)
        # Turned by 90 degrees against the clock, what was above on the left lies below on the left.
        assert reddish(poster.getpixel((3, 316)))  # type: ignore[arg-type]


async def test_sound_is_refused_where_it_is_not_allowed(bench: Bench) -> None:
    silent = ChildProcessor(audio=False)
    assert (await bench(corpus.film(), silent)).kind is MediaKind.VIDEO
    with pytest.raises(UploadRejected) as caught:
        await bench(corpus.film(sound="aac"), silent)
    assert caught.value.reason is FailureReason.AUDIO_REFUSED


async def test_me2_what_takes_more_memory_than_it_may_is_too_costly(bench: Bench) -> None:
    small = replace(IMAGE_LIMITS, memory=160 * 1024 * 1024)
    with pytest.raises(UploadRejected) as caught:
        await bench(corpus.encoded(corpus.scene(6000, 6000), "PNG"), ChildProcessor(images=small))
    assert caught.value.reason in {FailureReason.TOO_COSTLY, FailureReason.DAMAGED}
    assert (await bench(corpus.photograph(1))).kind is MediaKind.IMAGE


async def test_me2_what_takes_more_time_than_it_may_is_too_costly(bench: Bench) -> None:
    short = replace(IMAGE_LIMITS, seconds=0.01)
    with pytest.raises(UploadRejected) as caught:
        await bench(corpus.photograph(1), ChildProcessor(images=short))
    assert caught.value.reason is FailureReason.TOO_COSTLY


CHILDREN = {
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": FailureReason.TOO_COSTLY,
    "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)": FailureReason.TOO_COSTLY,
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": FailureReason.DAMAGED,
}


@pytest.mark.parametrize("code", CHILDREN)
async def test_a_child_that_dies_has_said_enough(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    child = tmp_path / "child.py"
    child.write_text(code)
    monkeypatch.setattr(starting, "_CHILD", child)
    with pytest.raises(UploadRejected) as caught:
        await bench(corpus.photograph(1))
    assert caught.value.reason is CHILDREN[code]


async def test_a_child_that_cannot_run_is_no_fault_of_the_upload(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_CHILD", tmp_path / "nothing.py")
    with pytest.raises(Unavailable):
        await bench(corpus.photograph(1))


async def test_who_gives_up_leaves_no_child_behind(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, number = tmp_path / "child.py", tmp_path / "number"
    child.write_text(f"import os, time; open({str(number)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    monkeypatch.setattr(starting, "_CHILD", child)
    work = asyncio.create_task(bench(corpus.photograph(1)))
    while not (number.exists() and number.read_text()):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), signal.SIG_DFL)


async def test_the_child_has_no_network_no_environment_and_starts_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCE
    child = tmp_path / "child.py"
    child.write_text(
        f"""
import json, os, sys
sys.path.insert(0, {str(source)!r})
from adapters.processing.confinement import confine
order = json.loads(sys.stdin.readline())
confine(memory=order["memory"], cpu_seconds=5, file_bytes=1000)
import socket, subprocess
bad = [name for name in os.environ if name not in {{"LC_CTYPE"}}]
def tries(what):
    try:
        what()
    except OSError:
        return
    bad.append(what.__name__)
def connect():
    socket.socket().connect(("127.0.0.1", 9))
def resolve():
    socket.getaddrinfo("example.org", 80)
def spawn():
    subprocess.run(["true"])
def fork():
    os.fork()
def system():
    os.system("true")
for what in (connect, resolve, spawn, fork, system):
    tries(what)
print(json.dumps({{"rejected": "damaged" if not bad else "lost"}}))
"""
    )
    monkeypatch.setattr(starting, "_CHILD", child)
    with pytest.raises(UploadRejected) as caught:
        await bench(corpus.photograph(1))
    assert caught.value.reason is FailureReason.DAMAGED

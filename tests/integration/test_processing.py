"""Processing of uploads in a child process: valid uploads get clean renditions, and invalid or hostile ones do no harm."""

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

from adapters.processing import parent
from adapters.processing.parent import IMAGE_LIMITS, ChildProcessor
from application.media.ports import UploadRejected
from domain.media import EXTENSIONS, FailureReason, MediaKind, ProcessingResult
from domain.shared import Unavailable
from tests.media import corpus
from tests.media.common import encoded, is_reddish
from tests.media.corpus import BAD, GOOD, PAYLOADS, Sample

SOURCE = Path(parent.__file__).resolve().parents[2]


class Bench:
    def __init__(self, folder: Path) -> None:
        self.upload, self.into = folder / "upload", folder / "renditions"
        self.into.mkdir()
        self.progress: list[int] = []

    async def __call__(self, data: bytes, processor: ChildProcessor | None = None) -> ProcessingResult:
        self.upload.write_bytes(data)
        return await (processor or ChildProcessor())(self.upload, self.into, self.progress.append)

    def files(self, result: ProcessingResult) -> Iterator[tuple[str, Path]]:
        for one in result.renditions:
            yield one.name, self.into / f"{one.name}.{EXTENSIONS[one.type]}"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("sample", GOOD, ids=lambda sample: sample.name)
async def test_a_valid_upload_gets_upright_renditions_without_metadata(bench: Bench, sample: Sample) -> None:
    result = await bench(sample.make())
    assert result.kind is sample.outcome
    assert bench.progress == sorted(bench.progress)
    assert (result.duration is not None) == (result.kind is MediaKind.VIDEO)
    assert {path.name for path in bench.into.iterdir()} == {path.name for _, path in bench.files(result)}
    for rendition, (name, path) in zip(result.renditions, bench.files(result), strict=True):
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
            if sample.red_corner:
                shown = image.convert("RGB")
                width, height = shown.size
                corners = [(3, 3), (width - 4, 3), (3, height - 4), (width - 4, height - 4)]
                found = [is_reddish(shown.getpixel(at)) for at in corners]
                assert found == [True, False, False, False], name


@pytest.mark.parametrize("sample", BAD, ids=lambda sample: sample.name)
async def test_an_invalid_upload_is_rejected_with_a_reason(bench: Bench, sample: Sample) -> None:
    with pytest.raises(UploadRejected) as caught:
        await bench(sample.make())
    assert caught.value.reason is sample.outcome


async def test_an_image_is_rendered_in_three_sizes(bench: Bench) -> None:
    result = await bench(encoded(corpus.scene(3000, 2000), "JPEG"))
    sizes = {one.name: (one.type, one.width, one.height) for one in result.renditions}
    assert sizes == {
        "large": ("image/webp", 2048, 1365),
        "large_jpeg": ("image/jpeg", 2048, 1365),
        "small": ("image/webp", 800, 533),
        "small_jpeg": ("image/jpeg", 800, 533),
        "thumbnail": ("image/webp", 400, 267),
        "thumbnail_jpeg": ("image/jpeg", 400, 267),
    }
    assert (result.width, result.height) == (2048, 1365)
    assert len(result.blurhash) == 28


async def test_an_image_with_the_largest_number_of_pixels_fits_into_the_memory_of_the_child(
    bench: Bench,
) -> None:
    result = await bench(encoded(Image.new("P", (8_000, 5_000), 3), "GIF"))
    assert (result.width, result.height) == (2048, 1280)


async def test_an_animation_keeps_its_frames_and_their_durations(bench: Bench) -> None:
    result = await bench(corpus.animated(frames=7))
    with Image.open(bench.into / "large.webp") as image:
        assert (image.n_frames, image.info["loop"]) == (7, 0)  # type: ignore[attr-defined]
        durations = []
        for frame in range(7):
            image.seek(frame)
            image.load()
            durations.append(image.info["duration"])
    assert durations == [60] * 7
    assert [one.name for one in result.renditions if one.name.endswith("_jpeg")] == [
        "large_jpeg",
        "small_jpeg",
        "thumbnail_jpeg",
    ]


@pytest.mark.parametrize(
    ("codec", "container", "sound"), [("libx264", "mp4", "aac"), ("libvpx-vp9", "webm", "libopus")]
)
async def test_a_video_keeps_its_frames_and_audio_and_nothing_else(
    bench: Bench, codec: str, container: str, sound: str
) -> None:
    result = await bench(corpus.video(codec, container, sound))
    assert (result.width, result.height) == (320, 240)
    assert result.duration == pytest.approx(2.0, abs=0.1)
    with av.open(str(bench.into / f"video.{container}")) as video:
        assert [stream.type for stream in video.streams] == ["video", "audio"]
        assert sum(1 for _ in video.decode(video=0)) == 24
        kept = {"major_brand", "minor_version", "compatible_brands", "encoder"}
        assert {*video.metadata} <= kept


async def test_a_rotated_video_has_an_upright_poster(bench: Bench) -> None:
    result = await bench(corpus.video(turn=90))
    assert (result.width, result.height) == (240, 320)
    with av.open(str(bench.into / "video.mp4")) as video:
        assert next(video.decode(video=0)).rotation == 90
    with Image.open(bench.into / "poster.jpg") as poster:
        assert poster.size == (240, 320)
        # Rotated counter-clockwise by 90°: the upper left corner becomes the lower left corner.
        assert is_reddish(poster.getpixel((3, 316)))


async def test_a_video_with_audio_is_rejected_where_audio_is_not_allowed(bench: Bench) -> None:
    silent = ChildProcessor(audio=False)
    assert (await bench(corpus.video(), silent)).kind is MediaKind.VIDEO
    with pytest.raises(UploadRejected) as caught:
        await bench(corpus.video(sound="aac"), silent)
    assert caught.value.reason is FailureReason.AUDIO_REFUSED


async def test_an_upload_that_exceeds_the_memory_limit_is_too_costly(bench: Bench) -> None:
    """ME-2."""
    small = replace(IMAGE_LIMITS, memory=160 * 1024 * 1024)
    with pytest.raises(UploadRejected) as caught:
        await bench(encoded(corpus.scene(6000, 6000), "PNG"), ChildProcessor(images=small))
    assert caught.value.reason in {FailureReason.TOO_COSTLY, FailureReason.DAMAGED}
    assert (await bench(corpus.photograph(1))).kind is MediaKind.IMAGE


async def test_an_upload_that_exceeds_the_time_limit_is_too_costly(bench: Bench) -> None:
    """ME-2."""
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
async def test_the_signal_that_ends_a_child_decides_the_reason(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    child = tmp_path / "child.py"
    child.write_text(code)
    monkeypatch.setattr(parent, "_CHILD", child)
    with pytest.raises(UploadRejected) as caught:
        await bench(corpus.photograph(1))
    assert caught.value.reason is CHILDREN[code]


async def test_a_child_that_cannot_run_does_not_reject_the_upload(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "_CHILD", tmp_path / "nothing.py")
    with pytest.raises(Unavailable):
        await bench(corpus.photograph(1))


async def test_a_cancelled_call_stops_its_child(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, number = tmp_path / "child.py", tmp_path / "number"
    child.write_text(f"import os, time; open({str(number)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    monkeypatch.setattr(parent, "_CHILD", child)
    work = asyncio.create_task(bench(corpus.photograph(1)))
    while not (number.exists() and number.read_text()):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), signal.SIG_DFL)


async def test_the_child_has_no_network_and_no_environment_and_starts_no_process(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    child.write_text(
        f"""
import json, os, sys
sys.path.insert(0, {str(SOURCE)!r})
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
    monkeypatch.setattr(parent, "_CHILD", child)
    with pytest.raises(UploadRejected) as caught:
        await bench(corpus.photograph(1))
    assert caught.value.reason is FailureReason.DAMAGED

"""Processing a video in this process, and common sample videos."""

from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from adapters.processing import videos as processing
from adapters.processing.types import type_of_file
from application.media.ports import UploadRejected
from domain.media import FailureReason, ProcessingResult
from tests.media import videos


class Bench:
    """Processes one video as the child does, without its confinement."""

    def __init__(self, folder: Path) -> None:
        self.upload, self.into = folder / "upload", folder / "renditions"
        self.into.mkdir()
        self.progress: list[int] = []

    def __call__(self, data: bytes) -> ProcessingResult:
        self.upload.write_bytes(data)
        media_type = type_of_file(self.upload)
        assert media_type is not None
        return processing.make(self.upload, self.into, media_type, self.progress.append, audio=True)

    def rejected(self, data: bytes) -> FailureReason:
        with pytest.raises(UploadRejected) as caught:
            self(data)
        return caught.value.reason

    @property
    def video(self) -> bytes:
        return next(self.into.glob("video.*")).read_bytes()

    @property
    def poster(self) -> Image.Image:
        with Image.open(next(self.into.glob("poster.*"))) as image:
            image.load()
            return image


@cache
def video(
    frames: int = 40,
    b_frames: int = 0,
    *,
    container: str = "mp4",
    codec: str = "libx264",
    sound: str | None = None,
    flags: str = "",
) -> bytes:
    """A video with a key frame every 10 frames, encoded once for all tests. `flags` are the `movflags` of an MP4."""
    options = {"movflags": flags} if flags else {"live": "1"} if container == "webm" else {}
    return videos.video(
        frames,
        container=container,
        codec=codec,
        sound=sound,
        key_every=10,
        b_frames=b_frames,
        options=options,
    )

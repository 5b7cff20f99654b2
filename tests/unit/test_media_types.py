"""The type of an upload is detected from its content. An unsupported type is rejected without starting a process."""

from pathlib import Path
from typing import NoReturn

import pytest

from adapters.processing import parent
from adapters.processing.parent import ChildProcessor
from adapters.processing.types import AUDIO, type_of
from application.media.ports import UploadRejected
from tests.media.corpus import UNSUPPORTED, Sample


@pytest.mark.parametrize("sample", UNSUPPORTED, ids=lambda sample: sample.name)
async def test_an_unsupported_type_is_rejected_without_a_process(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: Path) -> NoReturn:
        pytest.fail("a process was started")

    monkeypatch.setattr(parent, "_start", refuse)
    upload = tmp_path / "upload.jpg"
    upload.write_bytes(sample.make())
    with pytest.raises(UploadRejected) as caught:
        await ChildProcessor()(upload, tmp_path, lambda _: None)
    assert caught.value.reason is sample.outcome


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"\0\0\0\x14ftypavif", "image/avif"),
        (b"\0\0\0\x14ftypavis", "image/avif"),
        (b"\0\0\0\x14ftypisom", "video/mp4"),
        (b"\0\0\0\x14ftypqt  ", "video/mp4"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm", "video/webm"),
        (b"OggS" + bytes(24) + b"\x01vorbis", AUDIO),
        (b"OggS" + bytes(24) + b"\x80theora", None),
        (b"", None),
    ],
)
def test_the_first_bytes_decide_the_type(head: bytes, expected: str | None) -> None:
    assert type_of(head) == expected

"""The parts of the server that make pictures and sign their addresses, held by the test of kept responses."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from adapters.storage.signing import MediaAddresses
from application.media.ports import UploadRejected
from domain.media import FailureReason, ProcessingResult
from tests.unit.media_app import RESULT


class HeldProcessor:
    """A processor that makes no pictures, and ends when the test says so."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.fails = False

    async def __call__(self, _upload: Path, into: Path, _progress: Callable[[int], None]) -> ProcessingResult:
        await self.may_end.wait()
        if self.fails:
            raise UploadRejected(FailureReason.DAMAGED)
        for rendition in RESULT.renditions:
            (into / f"{rendition.name}.webp").write_bytes(b"file")
        return RESULT

    async def missing_layers(self) -> Sequence[str]:
        return ()


class AddressClock:
    """The time for signed addresses. It stands still, so that the same post has the same addresses when it is read twice."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now

    def addresses(self) -> MediaAddresses:
        return MediaAddresses(b"k" * 32, "http://127.0.0.1:8000", self)

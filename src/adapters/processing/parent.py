"""Starting a child for each upload, and listening to it."""

import asyncio
import json
import os
import re
import signal
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from adapters.processing.types import AUDIO, VIDEO_FORMATS, type_of_file
from application.media.ports import UploadRejected
from domain.media import EXTENSIONS, FailureReason, ProcessingResult
from domain.shared import Unavailable

MB = 1024 * 1024
_CHILD, _PROBE = Path(__file__).with_name("child.py"), Path(__file__).with_name("probe.py")
_PROBE_SECONDS = 30.0
_LONGEST_LINE = 64 * 1024
_NAME = re.compile(r"[a-z_]{1,20}")
_BY_WHAT_IT_READ = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE}


class _Said(msgspec.Struct):
    """A line of the child."""

    result: ProcessingResult | None = None
    rejected: FailureReason | None = None
    progress: Annotated[int, msgspec.Meta(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    memory: int
    """Bytes of address space."""
    cpu_seconds: int
    seconds: float
    file_bytes: int
    """Of the largest file it may write."""


IMAGE_LIMITS = ProcessLimits(memory=768 * MB, cpu_seconds=20, seconds=30, file_bytes=64 * MB)
VIDEO_LIMITS = ProcessLimits(memory=1024 * MB, cpu_seconds=60, seconds=120, file_bytes=2_048 * MB)


@dataclass(frozen=True, slots=True)
class ChildProcessor:
    """`application.media.ports.Processor`, whose paths must be absolute. At most half the cores work on uploads, and at nice 10."""

    audio: bool = True
    """Whether films may have sound."""
    confinement_required: bool = False
    """Whether no upload is looked at where a layer of the confinement is missing."""
    images: ProcessLimits = IMAGE_LIMITS
    video: ProcessLimits = VIDEO_LIMITS
    _free: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(max(1, (os.cpu_count() or 1) // 2)), compare=False
    )

    async def __call__(self, upload: Path, into: Path, progress: Callable[[int], None]) -> ProcessingResult:
        media_type = await asyncio.to_thread(type_of_file, upload)
        if media_type is None or media_type == AUDIO:
            raise UploadRejected(FailureReason.AUDIO_ONLY if media_type else FailureReason.TYPE_UNSUPPORTED)
        limits = self.video if media_type in VIDEO_FORMATS else self.images
        order = {
            "upload": str(upload),
            "into": str(into),
            "type": media_type,
            "memory": limits.memory,
            "cpu_seconds": limits.cpu_seconds,
            "file_bytes": limits.file_bytes,
            "audio": self.audio,
            "confinement_required": self.confinement_required,
        }
        async with self._free:
            return await self._of_child(order, limits.seconds, progress)

    async def missing_layers(self) -> list[str]:
        """The layers of the confinement that this system does not offer, by a process that confines itself now.
        Raises Unavailable if none can be started."""
        probe = await _started(_PROBE)
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                said, _ = await probe.communicate()
        except TimeoutError:
            raise Unavailable("the probe of the confinement did not end") from None
        finally:
            await _ended(probe)
        if probe.returncode != 0:
            raise Unavailable(f"the probe of the confinement ended with {probe.returncode}")
        missing: list[str] = json.loads(said)
        return missing

    async def _of_child(
        self, order: dict[str, Any], seconds: float, progress: Callable[[int], None]
    ) -> ProcessingResult:
        child = await _started(_CHILD)
        try:
            async with asyncio.timeout(seconds):
                result = await _told(child, order, progress)
        except TimeoutError:
            raise UploadRejected(FailureReason.TOO_COSTLY) from None
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise _nonsense() from error
        finally:
            await _ended(child)
        _check_files(result, Path(order["into"]))  # only now: it can change nothing any more
        return result


async def _started(program: Path) -> asyncio.subprocess.Process:
    """With no environment and no open file of ours. Raises Unavailable."""
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-X",
            "utf8",
            str(program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
    except OSError as error:
        raise Unavailable(f"no process can be started to look at uploads: {error.strerror}") from error


async def _ended(child: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        child.kill()
    await asyncio.shield(child.wait())


async def _told(
    child: asyncio.subprocess.Process, order: dict[str, Any], progress: Callable[[int], None]
) -> ProcessingResult:
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the child has no pipes")
    with suppress(ConnectionError):  # it died at once: its end tells why
        child.stdin.write(json.dumps(order).encode() + b"\n")
        await child.stdin.drain()
    child.stdin.close()
    while line := await child.stdout.readline():
        said = msgspec.json.decode(line, type=_Said)
        if said.result is not None:
            return replace(said.result, renditions=tuple(said.result.renditions))
        if said.rejected is not None:
            raise UploadRejected(said.rejected)
        progress(min(99, said.progress))
    status = await child.wait()
    if status in _BY_WHAT_IT_READ:
        raise UploadRejected(FailureReason.DAMAGED)
    if status < 0:  # a limit, or a system short of memory
        raise UploadRejected(FailureReason.TOO_COSTLY)
    raise Unavailable(f"who looks at uploads ended with {status}", retry_after=30)


def _check_files(result: ProcessingResult, folder: Path) -> None:
    """An upload may have taken the child over, so its word is no better than the upload's: what it made must be files
    in its folder. Raises Unavailable."""
    for one in result.renditions:
        try:
            file = (folder / f"{one.name}.{EXTENSIONS[one.type]}").lstat()
        except (KeyError, ValueError, OSError) as error:
            raise _nonsense() from error
        if not (_NAME.fullmatch(one.name) and stat.S_ISREG(file.st_mode) and file.st_size == one.bytes):
            raise _nonsense()


def _nonsense() -> Unavailable:
    return Unavailable("who looks at uploads says what makes no sense", retry_after=30)

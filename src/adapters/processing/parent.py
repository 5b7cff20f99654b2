"""Starting a child process for each upload, and reading its messages."""

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
from typing import Annotated, Any, NewType

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
_CAUSED_BY_UPLOAD = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE}


class _ChildMessage(msgspec.Struct):
    """A line from the child: its result, its rejection, or its progress in percent."""

    result: ProcessingResult | None = None
    rejected: FailureReason | None = None
    progress: Annotated[int, msgspec.Meta(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    memory: int
    """Address space in bytes."""
    cpu_seconds: int
    seconds: float
    file_bytes: int
    """The size of the largest file that the process may write."""


IMAGE_LIMITS = ProcessLimits(memory=768 * MB, cpu_seconds=20, seconds=30, file_bytes=64 * MB)
VIDEO_LIMITS = ProcessLimits(memory=1024 * MB, cpu_seconds=60, seconds=120, file_bytes=2_048 * MB)


ConfinementRequired = NewType("ConfinementRequired", bool)


@dataclass(frozen=True, slots=True)
class ChildProcessor:
    """Implements `application.media.ports.Processor`; its paths must be absolute. At most half of the cores process uploads
    at the same time, at nice 10."""

    audio: bool = True
    """Whether videos may have audio."""
    confinement_required: ConfinementRequired = ConfinementRequired(False)  # noqa: FBT003 - a type of its own
    """Whether the child refuses to read the upload if a layer of the confinement is missing."""
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
        request = {
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
            return await self._of_child(request, limits.seconds, progress)

    async def missing_layers(self) -> list[str]:
        """Return the layers of the confinement that this system does not support, by starting a process that confines
        itself. Raises Unavailable if the process cannot be started or fails."""
        probe = await _start(_PROBE)
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                output, _ = await probe.communicate()
        except TimeoutError:
            raise Unavailable("the confinement probe timed out") from None
        finally:
            await _stop(probe)
        if probe.returncode != 0:
            raise Unavailable(f"the confinement probe exited with {probe.returncode}")
        missing: list[str] = json.loads(output)
        return missing

    async def _of_child(
        self, request: dict[str, Any], seconds: float, progress: Callable[[int], None]
    ) -> ProcessingResult:
        child = await _start(_CHILD)
        try:
            async with asyncio.timeout(seconds):
                result = await _result_of(child, request, progress)
        except TimeoutError:
            raise UploadRejected(FailureReason.TOO_COSTLY) from None
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise _invalid_output() from error
        finally:
            await _stop(child)
        _check_files(result, Path(request["into"]))  # last: a stopped child cannot change the files any more
        return result


async def _start(program: Path) -> asyncio.subprocess.Process:
    """Start a process without environment variables and without inherited open files. Raises Unavailable."""
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
        raise Unavailable(f"no process can be started to process uploads: {error.strerror}") from error


async def _stop(child: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        child.kill()
    await asyncio.shield(child.wait())


async def _result_of(
    child: asyncio.subprocess.Process, request: dict[str, Any], progress: Callable[[int], None]
) -> ProcessingResult:
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the child has no pipes")
    with suppress(ConnectionError):  # it exited at once: its exit status says why
        child.stdin.write(json.dumps(request).encode() + b"\n")
        await child.stdin.drain()
    child.stdin.close()
    while line := await child.stdout.readline():
        message = msgspec.json.decode(line, type=_ChildMessage)
        if message.result is not None:
            return replace(message.result, renditions=tuple(message.result.renditions))
        if message.rejected is not None:
            raise UploadRejected(message.rejected)
        progress(min(99, message.progress))
    status = await child.wait()
    if status in _CAUSED_BY_UPLOAD:
        raise UploadRejected(FailureReason.DAMAGED)
    if status < 0:  # it exceeded a limit, or the system ran out of memory
        raise UploadRejected(FailureReason.TOO_COSTLY)
    raise Unavailable(f"the process for uploads exited with {status}", retry_after=30)


def _check_files(result: ProcessingResult, folder: Path) -> None:
    """Check that each rendition is a regular file in the folder. An upload may have taken over the child, so its messages are
    not trusted more than the upload. Raises Unavailable."""
    for one in result.renditions:
        try:
            file = (folder / f"{one.name}.{EXTENSIONS[one.type]}").lstat()
        except (KeyError, ValueError, OSError) as error:
            raise _invalid_output() from error
        if not (_NAME.fullmatch(one.name) and stat.S_ISREG(file.st_mode) and file.st_size == one.bytes):
            raise _invalid_output()


def _invalid_output() -> Unavailable:
    return Unavailable("the process for uploads sent invalid output", retry_after=30)

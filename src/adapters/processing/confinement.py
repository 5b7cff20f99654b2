"""The restrictions of the child process. They are set before it reads the first byte of an upload."""

import ctypes
import os
import resource
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from adapters.processing import landlock, seccomp

_NO_NEW_PRIVS = 38
_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_NICE = 10
_FILES = 64
_REFUSED = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.kill", "ctypes.dlopen",
    "urllib.", "ftplib.", "http.", "smtplib.", "pty.",
)  # fmt: skip


class Layer(StrEnum):
    """A mechanism of the kernel. Each works independently of the others; the values are shown to operators."""

    LANDLOCK = "Landlock"
    """Only the upload, the folder of its renditions and program code are accessible, and no other process: no key, no
    database, no `/proc`."""
    SECCOMP = "seccomp"
    """No sockets, programs, processes, threads or tracing."""
    NETWORK = "network namespace"
    """An empty network namespace."""
    PROCESSES = "process limit"
    """RLIMIT_NPROC: no process and no thread. Linux does not apply it to root; seccomp refuses them there."""


LAYERS = tuple(Layer)


def confine(
    *, memory: int, cpu_seconds: int, file_bytes: int, upload: Path | None = None, into: Path | None = None
) -> frozenset[Layer]:
    """Confine this process permanently, and return the layers that this system does not support. Afterwards the process can
    only read `upload` and the folders of Python modules, and write into the folder `into`."""
    os.nice(_NICE)
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # macOS does not limit the address space
            resource.setrlimit(limit, (value, value))
    missing = set(Layer)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        missing.discard(Layer.PROCESSES)
    if sys.platform == "linux":
        missing -= _confined_by_linux(upload, into)
    sys.addaudithook(_refuse)
    return frozenset(missing)


def _confined_by_linux(upload: Path | None, into: Path | None) -> set[Layer]:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    in_force = set()
    if libc.unshare(_NEWNET) == 0 or libc.unshare(_NEWUSER | _NEWNET) == 0:
        in_force.add(Layer.NETWORK)
    # Some modules are imported only when they are used.
    allowed = {Path(folder): landlock.READ_BELOW for folder in sys.path}
    if upload is not None:
        allowed[upload] = landlock.READ_FILE
    if into is not None:
        allowed[into] = landlock.WRITE_BELOW
    if landlock.restrict(libc, allowed):
        in_force.add(Layer.LANDLOCK)
    if seccomp.install(libc):  # last, because it refuses the system calls above
        in_force.add(Layer.SECCOMP)
    return in_force


def _refuse(event: str, _arguments: Any) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"{event} is not allowed in a process for uploads")

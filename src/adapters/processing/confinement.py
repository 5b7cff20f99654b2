"""What the child may not do. Set before it looks at the first byte of an upload."""

import ctypes
import os
import resource
import sys
from contextlib import suppress
from typing import Any

_NO_NEW_PRIVS = 38
_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_NICE = 10
_FILES = 64
_REFUSED = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.kill", "ctypes.dlopen",
    "urllib.", "ftplib.", "http.", "smtplib.", "pty.",
)  # fmt: skip


def confine(*, memory: int, cpu_seconds: int, file_bytes: int) -> None:
    """Little memory and time, small files, no network and no further process. Where the system lets, the process gets a
    network of its own, in which there is nothing; everywhere Python itself refuses to open sockets."""
    os.nice(_NICE)
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # macOS has no limit of addresses
            resource.setrlimit(limit, (value, value))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.unshare(_NEWNET) != 0:
            libc.unshare(_NEWUSER | _NEWNET)
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: Any) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"{event} is not for who looks at uploads")

"""seccomp: the kernel refuses every system call that decoding a file does not need.

The filter is an allow list: memory, files (which Landlock restricts) and clocks. It excludes sockets, programs, processes,
threads, tracing, io_uring, and all system calls that future kernels add. Libraries that query the number of cores
(sched_getaffinity) get an error, so they assume one core and start no threads. The binding on PyPI needs a system
libseccomp, which not every image has; the filter is only a hundred instructions.
"""

import ctypes
import errno
import os
import platform
import struct
from typing import NamedTuple


class _Machine(NamedTuple):
    audit: int
    """AUDIT_ARCH_*. System calls have other numbers in another ABI of the same machine."""
    allowed: tuple[int, ...]
    about_itself: tuple[int, ...]
    """System calls whose first argument is a process id: allowed only for the caller itself."""


_MACHINES = {
    # As in <asm/unistd_64.h>: read write readv writev pread64 pwrite64 lseek close dup fcntl fadvise64 ftruncate fsync
    # fdatasync fallocate; openat open stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat
    # getcwd getdents64; unlink unlinkat rename renameat renameat2;
    # mmap munmap mremap mprotect madvise brk mincore membarrier;
    # futex sched_yield getcpu rseq set_robust_list;
    # rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall;
    # clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time;
    # getpid gettid getppid getuid geteuid getgid getegid getrlimit getrusage uname sysinfo umask getrandom;
    # poll ppoll select pselect6; exit exit_group. About itself: kill tgkill prlimit64.
    "x86_64": _Machine(
        0xC000003E,
        (
            *(0, 1, 19, 20, 17, 18, 8, 3, 32, 72, 221, 77, 74, 75, 285),
            *(257, 2, 4, 6, 5, 262, 332, 21, 269, 439, 89, 267, 79, 217, 87, 263, 82, 264, 316),
            *(9, 11, 25, 10, 28, 12, 27, 324, 202, 24, 309, 334, 273, 13, 14, 15, 131, 219),
            *(228, 229, 230, 35, 96, 201, 39, 186, 110, 102, 107, 104, 108, 97, 98, 63, 99, 95, 318),
            *(7, 271, 23, 270, 60, 231),
        ),
        (62, 234, 302),
    ),
    # As in <asm-generic/unistd.h>, which lacks the older calls: open stat lstat access readlink unlink rename time poll
    # select.
    "aarch64": _Machine(
        0xC00000B7,
        (
            *(63, 64, 65, 66, 67, 68, 62, 57, 23, 25, 223, 46, 82, 83, 47),
            *(56, 80, 79, 291, 48, 439, 78, 17, 61, 35, 38, 276),
            *(222, 215, 216, 226, 233, 214, 232, 283, 98, 124, 168, 293, 99, 134, 135, 139, 132, 128),
            *(113, 114, 115, 101, 169, 172, 178, 173, 174, 175, 176, 177, 163, 165, 160, 179, 166, 278),
            *(73, 72, 93, 94),
        ),
        (129, 131, 261),
    ),
}
_NEWEST = 440
"""System calls from this number on fail with ENOSYS, as on an older kernel, so that a newer C library uses its fallback."""
_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(libc: ctypes.CDLL) -> bool:
    """Install the filter in this process permanently. Return whether the kernel accepted it. Needs `no_new_privs`."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    code = _program(machine, os.getpid())
    program = _Program(len(code) // 8, code)
    return bool(libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0)


def _program(machine: _Machine, process: int) -> bytes:
    refuse = _ERRNO | errno.EPERM
    about_itself = (
        _instruction(_LOAD, _FIRST_ARGUMENT),
        _instruction(_EQUAL, process, then=2),
        _instruction(_EQUAL, 0, then=1),  # prlimit(0) means the caller
        _instruction(_RETURN, refuse),
        _instruction(_RETURN, _ALLOW),
    )
    allowed = [
        step
        for number in machine.allowed
        for step in (_instruction(_EQUAL, number, other=1), _instruction(_RETURN, _ALLOW))
    ]
    return b"".join(
        (
            _instruction(_LOAD, _ARCHITECTURE),
            _instruction(_EQUAL, machine.audit, then=1),
            _instruction(_RETURN, refuse),
            _instruction(_LOAD, _NUMBER),
            *allowed,
            *(
                step
                for number in machine.about_itself
                for step in (_instruction(_EQUAL, number, other=len(about_itself)), *about_itself)
            ),
            _instruction(_AT_LEAST, _NEWEST, other=1),
            _instruction(_RETURN, _ERRNO | errno.ENOSYS),
            _instruction(_RETURN, refuse),
        )
    )


def _instruction(code: int, value: int, *, then: int = 0, other: int = 0) -> bytes:
    """`then` and `other`: the number of instructions to skip if the comparison is true or false."""
    return struct.pack("=HBBI", code, then, other, value)

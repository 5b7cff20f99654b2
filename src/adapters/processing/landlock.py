"""Landlock: the kernel refuses access to files outside the given paths, and to other processes.

The library on PyPI is an alpha release, and only three system calls are needed here.
"""

import ctypes
import os
import struct
from collections.abc import Mapping
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""These numbers are the same on every architecture."""
_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_FILE, _READ_FOLDER, _REMOVE_FILE, _MAKE_FILE, _TRUNCATE = (
    1 << 1,
    1 << 2,
    1 << 3,
    1 << 5,
    1 << 8,
    1 << 14,
)
READ_FILE = _READ_FILE
READ_BELOW = _READ_FILE | _READ_FOLDER
WRITE_BELOW = READ_BELOW | _WRITE_FILE | _REMOVE_FILE | _MAKE_FILE | _TRUNCATE
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""The number of file rights in each version of the interface. Versions from 5 on have 16."""
_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def restrict(libc: ctypes.CDLL, allowed: Mapping[Path, int]) -> bool:
    """Restrict this process permanently to the given rights below each path. Return whether the kernel accepted it. Needs
    `no_new_privs`."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    rights = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    handled = struct.pack("=Q", rights)
    if version >= 4:
        handled += struct.pack("=Q", _TCP)
    if version >= 6:
        handled += struct.pack("=Q", _ABSTRACT_SOCKETS_AND_SIGNALS)
    ruleset = libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    if ruleset < 0:
        return False
    try:
        for path, wanted in allowed.items():
            try:
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:  # a path that is not accessible now needs no rule
                continue
            try:
                rule = struct.pack("=Qi", wanted & rights, place)
                if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) != 0:
                    return False
            finally:
                os.close(place)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)

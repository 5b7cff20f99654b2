"""Processes of Waggle that are forked from one that has imported its modules.

The imports of a start take more than a second of the processor, and the tests start hundreds of processes. A forked
one runs the same `main` with the same arguments and environment. Tests of the start itself execute a new interpreter.
"""

import atexit
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

SRC = Path(__file__).resolve().parents[2] / "src"
PRELOADED = ("entrypoints.cli.main", "entrypoints.server", "entrypoints.http.app", "alembic.command")


def end_with_the_parent() -> None:
    """Whatever ends the parent, a SIGKILL too, ends this process (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@dataclass
class ForkedProcess:
    """The part of `subprocess.Popen` that the tests use."""

    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while the process runs."""
        if self.returncode is None:
            self.returncode = _parent().ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        """Raises subprocess.TimeoutExpired."""
        end = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("waggle", timeout)
            time.sleep(0.005)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:  # until it is polled the ended process keeps its id
            os.kill(self.pid, number)


def fork(arguments: list[str], environment: dict[str, str], stdout: Path, stderr: Path) -> ForkedProcess:
    """Run `waggle ARGUMENTS` and append its output to the files."""
    order = {"arguments": arguments, "environment": environment, "stdout": str(stdout), "stderr": str(stderr)}
    return ForkedProcess(_parent().ask(order))


class _Parent:
    """The process that has the modules, one for each worker of the tests."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.blackbox.forking"],
            cwd=SRC.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=end_with_the_parent,  # noqa: PLW1509 - one system call, no lock is taken
        )
        atexit.register(self._process.kill)

    def ask(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


_started: list[_Parent] = []
_starting = threading.Lock()


def _parent() -> _Parent:
    with _starting:
        if not _started:
            _started.append(_Parent())
        return _started[0]


def _serve() -> None:
    """Take orders from standard input, one JSON document a line, and answer each with one line."""
    sys.path.insert(0, str(SRC))
    for name in PRELOADED:
        import_module(name)
    for line in sys.stdin.buffer:
        order = json.loads(line)
        answer = _polled(order["poll"]) if "poll" in order else _forked(order)
        os.write(1, json.dumps(answer).encode() + b"\n")


def _polled(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _forked(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status: object = 1
    try:
        end_with_the_parent()
        for number, path in ((1, order["stdout"]), (2, order["stderr"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(SRC)
        status = import_module("entrypoints.cli.main").main(order["arguments"])
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter does: print it and end
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError, ValueError):  # the other end is closed, or the stream is
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0 if status is None else 1)


if __name__ == "__main__":
    _serve()

"""Server processes that are measured: pinned to one core, their processor time read from the kernel."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
SERVER_CORE, LOAD_CORE = (
    int(os.environ.get(f"BENCH_{name}_CORE", at)) for at, name in enumerate(("SERVER", "LOAD"))
)
"""The cores of everything that is measured, and of the load."""


def on_core(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > 1 else []


@contextmanager
def server(
    *arguments: str, port: int, path: str, env: dict[str, str], root: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that serves on `port`, of the checkout at `root`. Ends with the `with` block."""
    environment = {**os.environ, **env, "PYTHONPATH": str(root / "src"), "PORT": str(port)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: compiled once
    command = [*on_core(SERVER_CORE), sys.executable, *arguments]
    process = subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.DEVNULL)
    try:
        answers(process, f"http://127.0.0.1:{port}{path}")
        yield process
    finally:
        process.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
            process.terminate()  # a second signal ends the time that load balancers are given
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(process: subprocess.Popen[bytes], url: str, within: float = 60) -> float:
    """Seconds until the first answer from `url`."""
    started = time.perf_counter()
    while time.perf_counter() - started < within:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=1):
                return time.perf_counter() - started
        except OSError:
            time.sleep(0.01)
    raise SystemExit("the server does not answer")


def cpu_us(pids: list[int]) -> float:
    """User and system time of the threads that live, in microseconds. The scheduler counts nanoseconds; the times in `stat`
    are in steps of 10 ms."""
    total = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # it has ended
                total += int(thread.read_text().split()[0])
    return total / 1_000


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found

"""A Waggle server that runs in its own process, as an operator would start it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.log_lines import problems_of

from .forking import ForkedProcess, end_with_the_parent, fork
from .secrets_seen import SECRETS

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
"""Seconds for a process to answer after its start, or to end after its stop."""


class NotUp(Exception):
    """The server does not start or does not end. The message contains the end of its log."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Waggle:
    """One server. It can be killed and restarted, with the same port and the same data."""

    shape: str
    folder: Path
    database_url: str = ""
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    """Settings that differ from those of all tests."""
    executed: bool = False
    """Whether a new interpreter starts the server, as an operator would; else it is forked (see `forking`)."""
    _process: subprocess.Popen[bytes] | ForkedProcess | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The text that the server wrote to standard error. Servers that share a folder share it."""
        return self.folder / "server.log"

    @property
    def output(self) -> Path:
        return self.folder / "server.out"

    def start(self) -> None:
        """Start the process and wait until it reports that it is ready."""
        if self.executed:
            with self.log.open("ab") as log, self.output.open("ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "entrypoints.cli", "serve"],
                    cwd=ROOT / "src",
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=log,
                    preexec_fn=end_with_the_parent,  # noqa: PLW1509 - one system call, no lock is taken
                )
        else:
            self._process = fork(["serve"], self._environment(), self.output, self.log)
        end = time.monotonic() + PATIENCE
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise NotUp(f"the server ended with {self._process.returncode}:\n{self.tail()}")
            time.sleep(0.02)

    def migrate(self) -> None:
        done = self.command("migrate")
        if done.returncode:
            raise NotUp(f"migrate ended with {done.returncode}:\n{done.stderr}")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `waggle …` with the settings of this server, in its own process."""
        with tempfile.TemporaryDirectory() as folder:
            stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
            process = fork(list(arguments), self._environment(), stdout, stderr)
            try:
                status = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                raise
            said = stderr.read_text()
            problems = [*problems_of((line for line in said.splitlines() if line.startswith("{")), SECRETS)]
            assert not problems, f"the log of waggle {arguments}:\n" + "\n".join(problems)
            return subprocess.CompletedProcess(arguments, status, stdout.read_text(), said)

    def kill(self) -> None:
        """Send SIGKILL, so that the server cannot finish anything."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> int:
        """Send SIGTERM. Returns the exit status."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def signal(self, number: int) -> None:
        if self._process is None:
            raise NotUp("it was never started")
        self._process.send_signal(number)

    def ended(self) -> int:
        """Wait until the server has ended by itself. Returns the exit status."""
        if self._process is None:
            raise NotUp("it was never started")
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NotUp(f"the server does not end:\n{self.tail()}") from None

    def cpu_seconds(self) -> float:
        """The processor time that the server has used so far, in seconds (Linux only)."""
        fields = self._of_proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """The resident memory of the server in bytes (Linux only)."""
        return int(self._of_proc("statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _of_proc(self, name: str) -> str:
        if self._process is None:
            raise NotUp("it was never started")
        return Path(f"/proc/{self._process.pid}/{name}").read_text()

    def complaints(self) -> list[str]:
        """The problems in the log: errors, lines that do not fit the schema, and lines that contain a secret."""
        bad = ('"log.level":"error"', '"log.level":"critical"', "RuntimeWarning", "was never awaited")
        lines = self.log.read_text(errors="replace").split("\n")
        return [line for line in lines if any(word in line for word in bad)] + [*problems_of(lines, SECRETS)]

    def tail(self, characters: int = 4000) -> str:
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else "(no log)"

    def _ready(self) -> bool:
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:  # a simple client, because a larger one would slow down the server that is about to start
            asking.request("GET", "/readyz")
            return asking.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            asking.close()

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WAGGLE_")}
        return (
            inherited
            | {
                "PORT": str(self.port),
                "WAGGLE_DATA_DIR": str(self.data_dir),
                "WAGGLE_DATABASE_URL": self.database_url,
                "WAGGLE_PASSWORD_COST": "4",
                "WAGGLE_RATE_LIMITS": "off",
                "WAGGLE_TRENDING_SECONDS": "1",
                "WAGGLE_DRAIN_SECONDS": "0",
                "TMPDIR": tempfile.gettempdir(),
                "PYTHONDONTWRITEBYTECODE": "",  # otherwise each of hundreds of starts would compile all modules again
                **self.settings,
            }
        )

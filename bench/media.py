"""The cost of an upload through Waggle, beside a bare copy of the same bytes to the same storage in the same run.

    python -m bench.media [--mb 100] [--rounds 5]

The embedded shape: the storage is a folder, so the copy writes the same bytes there, in chunks of the same size and
synced to disk. In turn: the copy; the same bytes sent to a bare socket and written there in the same way; an upload by
the API; an upload by a ticket. The uploaded bytes are no picture, so nothing is decoded meanwhile. The server runs on
one core, the client on the other."""

import argparse
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from bench.processes import server

PORT = 18_480
URL = f"http://127.0.0.1:{PORT}"
MB = 1024 * 1024
PIECE = bytes(range(256)) * 1024
HEAD = b'--X\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
TAIL = b"\r\n--X--\r\n"


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // len(PIECE)):
        yield PIECE


def written(folder: Path, data: Iterator[bytes]) -> None:
    """Durable, like the storage."""
    with (folder / "copy").open("wb", buffering=0) as file:
        for piece in data:
            file.write(piece)
        os.fsync(file.fileno())
    (folder / "copy").replace(folder / "copied")


def through_a_socket(folder: Path, size: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send() -> None:
            with socket.create_connection(listener.getsockname()) as client:
                for piece in pieces(size):
                    client.sendall(piece)

        sender = threading.Thread(target=send)
        sender.start()
        connection, _ = listener.accept()
        with connection:
            written(folder, iter(lambda: connection.recv(256 * 1024), b""))
        sender.join()


class Uploads:
    def __init__(self, size: int) -> None:
        self.size = size
        self.http = httpx.Client(base_url=URL, timeout=600)
        body = {"username": "bee", "email": "bee@example.org", "password": "correct horse battery"}
        answer = self.http.post("/api/v1/auth/register", json=body).raise_for_status()
        self.headers = {"Authorization": f"Bearer {answer.json()['tokens']['access_token']}"}

    def by_the_api(self) -> None:
        headers = {
            **self.headers,
            "Content-Type": "multipart/form-data; boundary=X",
            "Content-Length": str(len(HEAD) + self.size + len(TAIL)),
        }
        self.http.post("/api/v1/media", content=self._form(), headers=headers).raise_for_status()

    def by_a_ticket(self) -> None:
        wanted = {"type": "video/mp4", "bytes": self.size}
        begun = self.http.post("/api/v1/media/uploads", json=wanted, headers=self.headers).raise_for_status()
        upload, media = begun.json()["upload"], begun.json()["media"]
        headers = {**upload["headers"], "Content-Length": str(self.size)}
        self.http.put(upload["url"], content=pieces(self.size), headers=headers).raise_for_status()
        path = f"/api/v1/media/uploads/{media['id']}/complete"
        self.http.post(path, headers=self.headers).raise_for_status()

    def _form(self) -> Iterator[bytes]:
        yield HEAD
        yield from pieces(self.size)
        yield TAIL


def measure(mb: int, rounds: int, folder: Path) -> None:
    size = mb * MB
    uploads = Uploads(size)
    ways: dict[str, Callable[[], None]] = {
        "a bare copy": lambda: written(folder, pieces(size)),
        "a bare socket": lambda: through_a_socket(folder, size),
        "by the API": uploads.by_the_api,
        "by a ticket": uploads.by_a_ticket,
    }
    took: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, upload in ways.items():
            started = time.perf_counter()
            upload()
            took[way].append(time.perf_counter() - started)
    bare = statistics.median(took["a bare copy"])
    for way, seconds in took.items():
        median = statistics.median(seconds)
        print(f"{way:14} {mb / median:7.0f} MB/s, {median / bare:5.2f} times the bare copy")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "WAGGLE_DATA_DIR": folder,
            "WAGGLE_PASSWORD_COST": "4",
            "WAGGLE_RATE_LIMITS": "off",
            "WAGGLE_PUBLIC_URL": URL,
            "WAGGLE_MEDIA_FILE_MB": str(chosen.mb),
            "WAGGLE_MEDIA_USER_MB": str(chosen.mb * (2 * chosen.rounds + 1)),
        }
        with server("-m", "entrypoints.cli", "serve", port=PORT, path="/readyz", env=env):
            measure(chosen.mb, chosen.rounds, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())

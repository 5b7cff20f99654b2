"""The disk of an embedded server is full: writes are refused with an error code, reads and starts work, and everything
recovers when there is space again. The disk is a real one: a small tmpfs, which only root may mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from .client import Api, Json, Member, done, eventually, fresh_name
from .conftest import RUNNING, SHAPES, needs_shape
from .pictures import begun, picture, puts, ready, served, settled, uploaded
from .process import Waggle

if RUNNING or "embedded" not in SHAPES:
    pytest.skip(needs_shape("embedded"), allow_module_level=True)

MB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(
            f"NOT TESTED with a full disk: it needs root and a tmpfs that can be mounted ({mounted.stderr.strip()})"
        )
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "other data"
    with filler.open("ab", buffering=0) as file:
        for piece in (MB, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(os.urandom(piece))
    assert os.statvfs(disk).f_bavail == 0
    return filler


def state(waggle: Waggle) -> tuple[int, str, str]:
    answer = httpx.get(f"{waggle.base_url}/readyz", timeout=10)
    body = answer.json()
    return answer.status_code, body["status"], body["checks"]["disk"]


def check_refused_as_full(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1


def check_reads_work(waggle: Waggle, maya: Member, post: Json, address: str) -> None:
    with closing(Api(waggle.base_url)) as api:
        assert api.nobody.sees(post)
        for path in (
            "/api/v1/feeds/public",
            f"/api/v1/users/{maya.id}",
            "/api/v1/search?type=posts&q=linden",
        ):
            done(api.nobody.get(path))
        maya.http = api.http
        done(maya.get("/api/v1/feeds/home"))
        done(maya.get("/api/v1/notifications"))
        assert served(address).status_code == 200


def check_writes_are_refused(waggle: Waggle, maya: Member, post: Json, upload: Json) -> None:
    with httpx.Client(base_url=waggle.base_url, headers=maya.headers(), timeout=30) as http:
        check_refused_as_full(http.post("/api/v1/posts", json={"text": "no room"}))
        check_refused_as_full(http.patch(f"/api/v1/posts/{post['id']}", json={"text": "no room"}))
        check_refused_as_full(http.put(f"/api/v1/posts/{post['id']}/like"))
        check_refused_as_full(http.delete(f"/api/v1/posts/{post['id']}"))
        check_refused_as_full(
            http.post("/api/v1/media", files={"file": ("x", picture(500, 500) + bytes(MB))})
        )
        check_refused_as_full(http.post("/api/v1/media/uploads", json={"type": "image/png", "bytes": 9}))
        name = fresh_name()
        account = {"username": name, "email": f"{name}@example.org", "password": "correct horse battery"}
        check_refused_as_full(http.post("/api/v1/auth/register", json=account))
    check_refused_as_full(puts(upload["upload"], picture(200, 200)))


@pytest.mark.timeout(240)
def test_a_full_disk_refuses_writes_only_and_the_server_recovers(disk: Path, tmp_path: Path) -> None:
    waggle = Waggle("embedded", tmp_path, settings={"WAGGLE_DATA_DIR": str(disk / "data")})
    waggle.start()
    try:
        with closing(Api(waggle.base_url)) as api:
            maya = api.someone()
            post = maya.publishes()
            address = ready(maya)["renditions"]["small"]["url"]
            done(maya.get("/api/v1/notifications"))
            upload = begun(maya, picture(200, 200))
        check_is_ok(waggle)
        filler = fill(disk)

        check_reads_work(waggle, maya, post, address)
        check_writes_are_refused(waggle, maya, post, upload)
        eventually(lambda: check_is_degraded(waggle))
        waggle.kill()
        waggle.start()
        eventually(lambda: check_is_degraded(waggle))
        check_reads_work(waggle, maya, post, address)
        check_writes_are_refused(waggle, maya, post, upload)

        filler.unlink()
        eventually(lambda: check_is_ok(waggle), 40)
        fill(disk)
        assert waggle.stop() == 0  # SQLite removes its temporary files
        waggle.start()
        check_reads_work(waggle, maya, post, address)
        check_writes_are_refused(waggle, maya, post, upload)
        filler.unlink()

        with closing(Api(waggle.base_url)) as api:
            maya.http = api.http
            eventually(lambda: done(maya.post("/api/v1/posts", {"text": "room again"}), 201), 40)
            assert maya.sees(post)
            assert puts(upload["upload"], picture(200, 200)).is_success
            assert settled(maya, uploaded(maya))["state"] == "ready"
            eventually(lambda: check_is_ok(waggle))
        assert waggle.stop() == 0
        assert waggle.complaints() == []
    finally:
        waggle.kill()


def check_is_ok(waggle: Waggle) -> None:
    assert state(waggle) == (200, "ok", "ok")


def check_is_degraded(waggle: Waggle) -> None:
    assert state(waggle) == (200, "degraded", "StorageFull")

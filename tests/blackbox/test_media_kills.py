"""A server that is killed while media is uploaded, processed, attached and deleted: after one sweep every file has its media,
and every media its files."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from .client import Api, Json, Member, done, eventually, fresh_key
from .conftest import LONG, a_waggle
from .pictures import begun, picture, puts, served, uploads
from .process import Waggle

KILLS = 20 if LONG else 3
BETWEEN = 0.3, 1.5
"""Seconds."""


@pytest.fixture(
    params=["embedded", *(["postgres"] if LONG else [])]
)  # the leases of killed processes last 30 s
def mortal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    with a_waggle(request, request.param, tmp_path) as waggle:
        yield waggle


class Uploader(threading.Thread):
    """Runs random operations on media until it is stopped. Errors while the server is down or starts are ignored."""

    def __init__(self, member: Member, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.member, self.chance = member, chance
        self.stop = threading.Event()
        self.media: list[str] = []
        self.all: set[str] = set()
        self.posts: list[Json] = []
        self.done = 0
        self.uploaded = 0
        """Uploads that the server has accepted."""

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self.chance.choice([self._upload, self._upload, self._direct, self._publish, self._remove])()
                self.done += 1
                time.sleep(0.15 if LONG else 0.3)  # so that processing keeps up
            except (httpx.HTTPError, AssertionError):  # killed during the request or before it, or it starts
                time.sleep(0.05)  # before it tries again

    def found(self) -> Iterator[tuple[str, Json]]:
        """Yield the media that still exist."""
        for id_ in self.all:
            response = self.member.get(f"/api/v1/media/{id_}")
            if response.status_code != 404:
                yield id_, done(response)

    def _upload(self) -> None:
        media = done(uploads(self.member, self._picture(), fresh_key()), 202)
        self._has(media)

    def _direct(self) -> None:
        data = self._picture()
        upload = begun(self.member, data)
        self._has(upload["media"])
        if self.chance.random() < 0.8:
            assert puts(upload["upload"], data).is_success
        if self.chance.random() < 0.8:
            done(self.member.post(f"/api/v1/media/uploads/{upload['media']['id']}/complete"), 202)

    def _publish(self) -> None:
        some = self.chance.sample(self.media, min(len(self.media), self.chance.randint(0, 3)))
        self.posts.append(self.member.publishes(media_ids=some))

    def _remove(self) -> None:
        if self.posts and self.chance.random() < 0.5:
            self.member.removes(self.posts.pop(self.chance.randrange(len(self.posts))))
        elif self.media:
            media = self.media.pop(self.chance.randrange(len(self.media)))
            with suppress(AssertionError):  # a post may have it
                done(self.member.delete(f"/api/v1/media/{media}"), 204)

    def _has(self, media: Json) -> None:
        self.media.append(media["id"])
        self.all.add(media["id"])
        self.uploaded += 1

    def _picture(self) -> bytes:
        return picture(self.chance.randint(20, 900), self.chance.randint(20, 700))


@pytest.mark.timeout(600)
def test_after_kills_and_one_sweep_rows_and_files_are_consistent(
    mortal: Waggle, chance: random.Random
) -> None:
    """ME-9."""
    with closing(Api(mortal.base_url)) as api:
        members = [api.someone() for _ in range(3)]
        threads = [Uploader(member, random.Random(chance.random())) for member in members]  # noqa: S311
        stays = done(uploads(members[0], picture()), 202)  # the random operations may leave no others
        members[0].publishes(media_ids=[stays["id"]])
        threads[0].all.add(stays["id"])
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(*BETWEEN))  # the moment of the kill
            mortal.kill()
            mortal.start()
        uploaded = [thread.uploaded for thread in threads]
        eventually(lambda: each_goes_on(threads, uploaded))
        for thread in threads:
            thread.stop.set()
        for thread in threads:
            thread.join()
        assert sum(thread.done for thread in threads) > 10
        assert all(thread.uploaded > before for thread, before in zip(threads, uploaded, strict=True))

        wait_for_events_and_processing(mortal)
        swept = mortal.command("media", "sweep", "--older-than", "0")
        assert swept.returncode == 0, swept
        again = mortal.command("media", "sweep", "--dry-run", "--older-than", "0")
        assert again.returncode == 0, again.stdout

        files = files_of(mortal)
        alive = {id_: media for thread in threads for id_, media in thread.found()}
        assert alive[stays["id"]]["state"] == "ready"
        for id_, media in alive.items():
            assert media["post_id"] is not None
            names = files.pop(id_, set())
            if media["state"] == "pending":  # a post has it, and its owner may still complete it
                assert names <= {"upload"}
                continue
            assert len(names) == len(media["renditions"]), media
            assert all(served(one["url"]).status_code == 200 for one in media["renditions"].values())
        assert files == {}


def each_goes_on(threads: list[Uploader], uploaded: list[int]) -> None:
    """Check that each uploader has uploaded more than that. One that has ended or is refused for ever does not."""
    now = [(thread.uploaded, thread.is_alive()) for thread in threads]
    assert all(more > before for (more, _), before in zip(now, uploaded, strict=True)), (now, uploaded)


def wait_for_events_and_processing(waggle: Waggle) -> None:
    """Wait until all events are delivered, including those that a killed process leased, and all media is processed."""

    def check() -> None:
        waiting = waggle.command("media", "sweep", "--dry-run")
        assert " 0 of them in processing" in waiting.stdout, waiting

    # The check does not see events that a killed process had leased. In these seconds their leases end.
    time.sleep(2 if waggle.shape == "embedded" else 35)
    eventually(check, 90)


def files_of(waggle: Waggle) -> dict[str, set[str]]:
    """Return the names of all files in the storage, by the id of their media."""
    files: dict[str, set[str]] = {}
    root = waggle.data_dir / "media" / "objects"
    for path in root.rglob("*"):
        if path.is_file():
            files.setdefault(path.relative_to(root).parts[0], set()).add(path.name)
    return files

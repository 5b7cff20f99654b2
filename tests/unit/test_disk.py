"""The disk of the data folder: when it counts as full, and the reserve file."""

from pathlib import Path

import pytest

from adapters.disk import MARGIN, RESERVE, Disk
from application.shared.errors import StorageFull
from domain.shared import Unavailable


class FreeSpace:
    def __init__(self, free: int) -> None:
        self.free = free
        self.asked: list[Path] = []

    def __call__(self, folder: Path) -> int:
        self.asked.append(folder)
        return self.free


def started_disk(folder: Path, space: FreeSpace) -> Disk:
    disk = Disk(folder, space)
    disk.prepare()
    disk.opened()
    return disk


def test_a_disk_with_less_free_space_than_the_margin_is_full(tmp_path: Path) -> None:
    space = FreeSpace(10 * RESERVE)
    disk = started_disk(tmp_path, space)
    assert (tmp_path / "reserve").stat().st_size == RESERVE
    space.free = MARGIN
    disk.check()
    space.free = MARGIN - 1
    with pytest.raises(StorageFull):
        disk.check()
    space.free = MARGIN
    disk.check()


def test_a_start_on_a_full_disk_deletes_the_reserve_and_creates_it_again_later(tmp_path: Path) -> None:
    started_disk(tmp_path, FreeSpace(10 * RESERVE))
    space = FreeSpace(0)
    disk = Disk(tmp_path, space)
    disk.prepare()
    assert not (tmp_path / "reserve").exists()
    space.free = RESERVE
    disk.check()  # before the start has finished its writes
    disk.opened()
    with pytest.raises(StorageFull):
        disk.check()
    space.free = RESERVE + 2 * MARGIN
    disk.check()
    assert (tmp_path / "reserve").exists()


def test_a_disk_that_was_always_full_has_no_reserve(tmp_path: Path) -> None:
    disk = started_disk(tmp_path, FreeSpace(0))
    assert not (tmp_path / "reserve").exists()
    with pytest.raises(StorageFull):
        disk.check()


def test_without_a_folder_the_disk_is_never_full() -> None:
    space = FreeSpace(0)
    disk = Disk(None, space)
    disk.prepare()
    disk.opened()
    disk.check()

    assert space.asked == []


async def test_a_failed_check_is_ignored_while_the_disk_is_full(tmp_path: Path) -> None:
    space = FreeSpace(10 * RESERVE)
    disk = started_disk(tmp_path, space)

    async def fails() -> None:
        raise Unavailable("no lease")

    with pytest.raises(Unavailable, match="no lease"):
        await disk.unless_full(fails)()
    space.free = 0
    await disk.unless_full(fails)()
    with pytest.raises(StorageFull):
        await disk.ready()

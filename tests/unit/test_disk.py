"""The disk of the data folder: when it counts as full, and the reserve file."""

from pathlib import Path

import pytest

from adapters.disk import MARGIN, RESERVE, Disk
from application.shared.errors import StorageFull
from domain.shared import Unavailable


class Room:
    def __init__(self, free: int) -> None:
        self.free = free

    def __call__(self, _folder: Path) -> int:
        return self.free


def started(folder: Path, room: Room) -> Disk:
    disk = Disk(folder, room)
    disk.prepare()
    disk.opened()
    return disk


def test_there_is_a_reserve_file_and_below_the_margin_the_disk_is_full(tmp_path: Path) -> None:
    room = Room(10 * RESERVE)
    disk = started(tmp_path, room)
    assert (tmp_path / "reserve").stat().st_size == RESERVE
    room.free = MARGIN
    disk.check()
    room.free = MARGIN - 1
    with pytest.raises(StorageFull):
        disk.check()
    room.free = MARGIN
    disk.check()


def test_a_start_on_a_full_disk_uses_the_reserve_and_later_restores_it(tmp_path: Path) -> None:
    started(tmp_path, Room(10 * RESERVE))
    room = Room(0)
    disk = Disk(tmp_path, room)
    disk.prepare()
    assert not (tmp_path / "reserve").exists()
    room.free = RESERVE
    disk.check()  # the start may write
    disk.opened()
    with pytest.raises(StorageFull):
        disk.check()
    room.free = RESERVE + 2 * MARGIN
    disk.check()
    assert (tmp_path / "reserve").exists()


def test_a_disk_that_is_full_at_the_first_start_has_no_reserve(tmp_path: Path) -> None:
    disk = started(tmp_path, Room(0))
    assert not (tmp_path / "reserve").exists()
    with pytest.raises(StorageFull):
        disk.check()


def test_without_a_folder_the_disk_is_never_full() -> None:
    disk = Disk(None)
    disk.prepare()
    disk.opened()
    disk.check()


async def test_a_tolerant_check_succeeds_while_the_disk_is_full(tmp_path: Path) -> None:
    room = Room(10 * RESERVE)
    disk = started(tmp_path, room)

    async def fails() -> None:
        raise Unavailable("no lease")

    with pytest.raises(Unavailable, match="no lease"):
        await disk.unless_full(fails)()
    room.free = 0
    await disk.unless_full(fails)()
    with pytest.raises(StorageFull):
        await disk.ready()

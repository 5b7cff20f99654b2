"""The rows and cached values that a kept response depends on."""

import pytest

from application.shared.readings import Readings, also_of, open_reading, rows_of, untracked_read

KEY = ("post", 1)


@pytest.fixture
def readings() -> Readings:
    made = Readings()
    made.is_current = lambda: True
    return made


async def nothing() -> None:
    """Refreshes nothing."""


def test_a_reading_is_kept_until_one_of_its_rows_changes(readings: Readings) -> None:
    with readings.reading() as reading, rows_of([KEY]):
        untracked_read()
    assert reading is not None
    assert readings.keep(reading)
    readings.touch(("post", 2))
    assert readings.why_outdated(reading) == ""
    readings.touch(KEY)
    assert readings.why_outdated(reading) == "rows"


def test_rows_without_keys_keep_a_reading_from_being_kept(readings: Readings) -> None:
    with readings.reading() as reading:
        untracked_read()
    assert reading is not None
    assert not readings.keep(reading)


def test_what_changes_while_it_is_read_is_not_kept(readings: Readings) -> None:
    with readings.reading() as reading:
        readings.touch(KEY)
        readings.ended()
        also_of([KEY])
    assert reading is not None
    assert not readings.keep(reading)


@pytest.mark.parametrize("ends", [False, True])
def test_a_cache_does_not_store_what_an_open_transaction_has_changed(readings: Readings, ends: bool) -> None:
    readings.touch(KEY)
    if ends:
        readings.ended()
    with readings.following() as followed:
        pass
    assert readings.unchanged(followed, KEY) is ends


@pytest.mark.parametrize("during", [False, True])
def test_what_an_open_transaction_has_changed_is_kept_until_it_ends(readings: Readings, during: bool) -> None:
    if not during:
        readings.touch(KEY)
    with readings.reading() as reading:
        also_of([KEY])
        if during:
            readings.touch(KEY)
    assert reading is not None
    assert readings.keep(reading)
    assert readings.why_outdated(reading) == ""
    readings.ended()
    assert readings.why_outdated(reading) == "rows"


def test_what_an_open_transaction_changes_again_is_outdated(readings: Readings) -> None:
    readings.touch(KEY)
    with readings.reading() as reading:
        also_of([KEY])
    assert reading is not None
    assert readings.keep(reading)
    readings.touch(KEY)
    assert readings.why_outdated(reading) == "rows"


def test_a_commit_of_another_process_outdates_everything(readings: Readings) -> None:
    with readings.reading() as reading, readings.reading() as later:
        pass
    assert reading is not None
    assert later is not None
    assert readings.keep(reading)
    readings.forget_all()
    assert readings.why_outdated(reading) == "other process"
    assert not readings.keep(later)


def test_a_watched_value_must_be_the_same(readings: Readings) -> None:
    value = 1
    with readings.reading() as reading:
        assert reading is not None
        reading.watch("number", lambda: value, 1, nothing)
    assert readings.keep(reading)
    value = 2
    assert readings.why_outdated(reading) == "number"


def test_nothing_is_kept_while_changes_may_be_unknown(readings: Readings) -> None:
    readings.is_current = lambda: False
    with readings.reading() as reading:
        assert reading is None
        assert open_reading() is None


def test_a_dropped_reading_leaves_nothing_behind(readings: Readings) -> None:
    with readings.reading() as reading:
        also_of([KEY, ("post", 2)])
    assert reading is not None
    assert readings.keep(reading)
    readings.touch(KEY)
    readings.drop(reading)
    assert not readings._kept


def test_a_cache_hears_of_its_kind_of_rows(readings: Readings) -> None:
    heard: list[object] = []
    readings.listen("card", heard.append, lambda: heard.append("all"))
    readings.touch(("card", 7))
    readings.touch(KEY)
    readings.forget_all()
    assert heard == [("card", 7), "all"]


def test_a_cache_does_not_store_what_changes_while_it_is_read(readings: Readings) -> None:
    with readings.following() as following:
        readings.touch(KEY)
        readings.ended()
    assert not readings.unchanged(following, KEY)
    assert readings.unchanged(following, ("post", 2))
    with readings.following() as following:
        readings.forget_all()
    assert not readings.unchanged(following, ("post", 2))

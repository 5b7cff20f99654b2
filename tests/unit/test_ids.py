"""Ids are unique, ascending, and contain their time, whatever the clocks do."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ids import PER_MILLISECOND, PROCESSES, IdAllocator, Lease
from domain.shared import MAX_ID, Unavailable, id_from, made_at

NOW_MS = 1_767_225_600_000  # 2026-01-01
FOREVER = MAX_ID >> 16


@dataclass
class Clock:
    """A monotonic clock that the test sets."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Process:
    """An allocator with a lease, and the clocks of both sides."""

    number: int = 0
    now_ms: int = NOW_MS
    until_ms: int = FOREVER
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.new_id = IdAllocator(self.clock)
        self.renew()

    def renew(self, number: int | None = None) -> None:
        self.number = self.number if number is None else number
        self.new_id.renewed(Lease(self.number, self.now_ms, self.until_ms), asked_at=self.clock())

    def pass_time(self, ms: int) -> None:
        self.clock.seconds += ms / 1000
        self.now_ms += ms


def test_an_id_contains_its_time_and_process_number() -> None:
    id_ = Process(number=7).new_id()

    assert made_at(id_) == datetime(2026, 1, 1, tzinfo=UTC)
    assert id_ >> 8 & 0xFF == 7


def test_ids_beyond_256_in_a_millisecond_use_the_next_millisecond() -> None:
    process = Process()

    ids = [process.new_id() for _ in range(3 * PER_MILLISECOND + 1)]

    assert ids == sorted(set(ids))
    assert made_at(ids[-1]) - made_at(ids[0]) == timedelta(milliseconds=3)


def test_after_a_burst_ids_contain_the_current_time_again() -> None:
    process = Process()
    for _ in range(3 * PER_MILLISECOND):
        process.new_id()

    process.pass_time(1000)

    assert made_at(process.new_id()) == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_without_a_lease_there_is_no_id() -> None:
    with pytest.raises(Unavailable):
        IdAllocator(Clock())()


def test_after_the_lease_has_ended_there_is_no_id() -> None:
    process = Process(until_ms=NOW_MS + 30_000)
    process.pass_time(29_500)
    last = process.new_id()

    process.pass_time(500)

    with pytest.raises(Unavailable):
        process.new_id()
    assert last >> 16 == NOW_MS + 29_500


def test_no_id_uses_a_millisecond_after_the_end_of_the_lease() -> None:
    process = Process(until_ms=NOW_MS + 2)

    ids = [process.new_id() for _ in range(2 * PER_MILLISECOND)]

    with pytest.raises(Unavailable):
        process.new_id()
    assert max(ids) >> 16 < NOW_MS + 2


def test_a_lease_that_is_lost_ends_at_once() -> None:
    process = Process()
    process.new_id.lost()

    with pytest.raises(Unavailable):
        process.new_id()


def test_ids_keep_ascending_after_the_clock_of_the_grantor_went_back() -> None:
    process = Process()
    before = process.new_id()

    process.now_ms -= 60_000
    process.renew()

    assert process.new_id() > before


def test_ids_keep_ascending_with_a_smaller_process_number_in_the_same_millisecond() -> None:
    process = Process(number=9)
    before = process.new_id()
    process.new_id.lost()

    process.renew(number=3)

    assert process.new_id() > before


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("make"), st.integers(1, 600)),
        st.tuples(st.just("pass"), st.integers(0, 50)),
        st.tuples(st.just("step"), st.integers(-5_000, 5_000)),
        st.tuples(st.just("number"), st.integers(0, PROCESSES - 1)),
    ),
    max_size=12,
)


@given(steps=STEPS)
def test_ids_ascend_whatever_the_clock_and_the_process_number_do(steps: list[tuple[str, int]]) -> None:
    process = Process()
    ids: list[int] = []
    for what, amount in steps:
        if what == "make":
            ids += [process.new_id() for _ in range(amount)]
        elif what == "pass":
            process.pass_time(amount)
        elif what == "step":
            process.now_ms += amount
            process.renew()
        else:
            process.renew(number=amount)

    assert all(earlier < later for earlier, later in pairwise(ids))


@given(
    numbers=st.lists(st.integers(0, PROCESSES - 1), min_size=2, max_size=4, unique=True),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 300), st.integers(0, 3)), max_size=12),
)
def test_processes_with_different_numbers_never_make_the_same_id(
    numbers: list[int], steps: list[tuple[int, int, int]]
) -> None:
    processes = [Process(number=number) for number in numbers]
    ids = []
    for which, amount, ms in steps:
        process = processes[which % len(processes)]
        ids += [process.new_id() for _ in range(amount)]
        process.pass_time(ms)

    assert len(set(ids)) == len(ids)


@given(
    lease_ms=st.integers(1, 50),
    steps=st.lists(st.tuples(st.integers(1, 600), st.integers(0, 20)), max_size=8),
)
def test_no_id_is_made_for_a_time_outside_the_lease(lease_ms: int, steps: list[tuple[int, int]]) -> None:
    process = Process(until_ms=NOW_MS + lease_ms)
    ids: list[int] = []
    for amount, ms in steps:
        for _ in range(amount):
            try:
                ids.append(process.new_id())
            except Unavailable:
                break
        process.pass_time(ms)

    assert all(NOW_MS <= id_ >> 16 < NOW_MS + lease_ms for id_ in ids)


@given(value=st.integers(1, MAX_ID))
def test_an_id_is_parsed_from_its_digits(value: int) -> None:
    assert id_from(str(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "007",
        "+7",
        "-7",
        " 7",
        "7 ",
        "7\n",
        "7_0",
        "7.0",
        "0x7",
        "1e3",
        "٧",
        "７",
        "²",
        "seven",
        "null",
        "\0",
        str(MAX_ID + 1),
        "9" * 19,
        "9" * 20,
        "1" * 100_000,
    ],
)
def test_other_texts_are_not_ids(text: str) -> None:
    assert id_from(text) is None

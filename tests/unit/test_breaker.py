"""The circuit breaker: when it opens and when it closes."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from adapters.breaker import Breaker


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def a_breaker() -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker(clock), clock


def opened() -> tuple[Breaker, Clock]:
    breaker, clock = a_breaker()
    for _ in range(5):
        breaker.timed_out()
    return breaker, clock


def test_re4_five_timeouts_in_a_row_open_the_breaker() -> None:
    breaker, _ = a_breaker()
    for _ in range(4):
        breaker.timed_out()
    still_closed = breaker.closed

    breaker.timed_out()

    assert (still_closed, breaker.closed) == (True, False)


def test_re4_a_success_resets_the_row_of_timeouts() -> None:
    breaker, _ = a_breaker()
    for _ in range(4):
        breaker.timed_out()
    breaker.succeeded()
    for _ in range(4):
        breaker.timed_out()

    assert breaker.closed is True


def test_re4_half_of_twenty_outcomes_open_it_and_half_of_nineteen_do_not() -> None:
    breaker, _ = a_breaker()
    breaker.succeeded(10)
    for _ in range(9):
        breaker.failed()
    of_nineteen = breaker.closed

    breaker.failed()

    assert (of_nineteen, breaker.closed) == (True, False)


def test_re4_fewer_than_half_failures_do_not_open_it() -> None:
    breaker, _ = a_breaker()
    breaker.succeeded(200)
    for _ in range(199):
        breaker.failed()

    assert breaker.closed is True


def test_re4_outcomes_older_than_five_seconds_do_not_count() -> None:
    breaker, clock = a_breaker()
    for _ in range(19):
        breaker.failed()
    clock.now += 5
    breaker.failed()

    assert breaker.closed is True


def test_re4_an_open_breaker_allows_one_probe_per_second() -> None:
    breaker, clock = opened()
    probes = []
    for _ in range(40):
        clock.now += 0.1
        probes.append(breaker.may_probe())

    assert sum(probes) in {3, 4}  # rounding errors
    assert probes[:9] == [False] * 9


def test_re4_three_successes_in_a_row_close_it() -> None:
    breaker, _ = opened()
    breaker.succeeded()
    breaker.succeeded()
    breaker.timed_out()
    breaker.succeeded()
    breaker.succeeded()
    before_the_third = breaker.closed

    breaker.succeeded()

    assert (before_the_third, breaker.closed) == (False, True)


def test_re4_a_closed_breaker_has_forgotten_earlier_outcomes() -> None:
    breaker, _ = a_breaker()
    for _ in range(20):
        breaker.failed()
    breaker.succeeded(3)
    breaker.failed()

    assert breaker.closed is True


def test_a_closed_breaker_allows_no_probe() -> None:
    breaker, clock = a_breaker()
    clock.now += 10

    assert breaker.may_probe() is False


@given(steps=st.lists(st.tuples(st.sampled_from(["good", "bad"]), st.floats(0, 2)), max_size=80))
def test_re4_it_opens_exactly_when_the_outcomes_of_the_window_require_it(
    steps: list[tuple[str, float]],
) -> None:
    breaker, clock = a_breaker()
    past: list[tuple[int, str]] = []
    for outcome, wait in steps:
        clock.now += wait / 8
        past.append((int(clock.now), outcome))
        if outcome == "good":
            breaker.succeeded()
        else:
            breaker.failed()
        lately = [told for second, told in past if second > int(clock.now) - 5]
        if not breaker.closed:
            assert outcome == "bad"
            assert len(lately) >= 20
            assert 2 * lately.count("bad") >= len(lately)
            return
        assert outcome == "good" or len(lately) < 20 or 2 * lately.count("bad") < len(lately)

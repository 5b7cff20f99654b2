"""When a dependency is not asked any more, and when it is again."""

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


def test_re4_five_timeouts_in_a_row_open_it() -> None:
    breaker, _ = a_breaker()
    for _ in range(4):
        breaker.timed_out()
    still_closed = breaker.closed

    breaker.timed_out()

    assert (still_closed, breaker.closed) == (True, False)


def test_re4_a_success_between_begins_the_row_anew() -> None:
    breaker, _ = a_breaker()
    for _ in range(4):
        breaker.timed_out()
    breaker.succeeded()
    for _ in range(4):
        breaker.timed_out()

    assert breaker.closed is True


def test_re4_half_of_twenty_open_it_and_of_nineteen_do_not() -> None:
    breaker, _ = a_breaker()
    breaker.succeeded(10)
    for _ in range(9):
        breaker.failed()
    of_nineteen = breaker.closed

    breaker.failed()

    assert (of_nineteen, breaker.closed) == (True, False)


def test_re4_fewer_than_half_do_not_open_it() -> None:
    breaker, _ = a_breaker()
    breaker.succeeded(200)
    for _ in range(199):
        breaker.failed()

    assert breaker.closed is True


def test_re4_what_is_older_than_five_seconds_does_not_count() -> None:
    breaker, clock = a_breaker()
    for _ in range(19):
        breaker.failed()
    clock.now += 5
    breaker.failed()

    assert breaker.closed is True


def test_re4_open_it_lets_in_one_probe_a_second() -> None:
    breaker, clock = opened()
    probes = []
    for _ in range(40):
        clock.now += 0.1
        probes.append(breaker.may_probe())

    assert sum(probes) in {3, 4}  # sums of floats
    assert probes[:9] == [False] * 9


def test_re4_three_successes_close_it_and_a_failure_between_begins_anew() -> None:
    breaker, _ = opened()
    breaker.succeeded()
    breaker.succeeded()
    breaker.timed_out()
    breaker.succeeded()
    breaker.succeeded()
    before_the_third = breaker.closed

    breaker.succeeded()

    assert (before_the_third, breaker.closed) == (False, True)


def test_re4_closed_again_it_has_forgotten_what_was() -> None:
    breaker, _ = a_breaker()
    for _ in range(20):
        breaker.failed()
    breaker.succeeded(3)
    breaker.failed()

    assert breaker.closed is True


def test_a_closed_one_needs_no_probe() -> None:
    breaker, clock = a_breaker()
    clock.now += 10

    assert breaker.may_probe() is False


@given(steps=st.lists(st.tuples(st.sampled_from(["good", "bad"]), st.floats(0, 2)), max_size=80))
def test_re4_it_opens_when_the_last_seconds_say_so_and_only_then(steps: list[tuple[str, float]]) -> None:
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

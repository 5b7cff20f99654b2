"""Thousands of steps by chance, each compared with a model on paper, the same in every shape.

Quick: 4 runs of 500 steps. `WAGGLE_TEST_LONG=1`: 40 runs. The seeds are always the same, so that every
shape gets the same steps; `WAGGLE_TEST_SEED` is another place to begin.
"""

import hashlib
import json
import os
from collections.abc import Sequence

import pytest

from .client import Api
from .conftest import LONG
from .model import Act, Model
from .plans import WEIGHTS, Plan, shortest
from .world import ROUTES, Differs, World

STEPS = 500
RUNS = 40 if LONG else 2
SEED = os.environ.get("WAGGLE_TEST_SEED", "bees")


def digest(verdicts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(verdicts, sort_keys=True).encode()).hexdigest()


def expected(acts: Sequence[Act]) -> list[object]:
    model = Model()
    return [verdict for act in acts if (verdict := model.expect(act)) is not None and verdict[0]]


def fails(api: Api, acts: Sequence[Act]) -> str:
    """How the acts end in a difference, in a world of their own; empty if they do not."""
    world = World(api)
    try:
        for act in acts:
            world.step(act)
    except AssertionError as difference:
        return str(difference)
    return ""


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.timeout(300)
def test_di10_the_same_steps_have_the_verdicts_of_the_model_in_every_shape(api: Api, run: int) -> None:
    acts = Plan.of(f"{SEED} {run}", STEPS)
    world = World(api)
    verdicts: list[object] = []
    for number, act in enumerate(acts):
        try:
            verdict = world.step(act)
        except Differs as difference:
            few = shortest(acts[: number + 1], lambda some: bool(fails(api, some)))
            steps = "\n".join(f"  {one}" for one in few)
            pytest.fail(
                f"WAGGLE_TEST_SEED={SEED!r}, run {run}, step {number} of {len(acts)}: {difference}\n"
                f"These {len(few)} steps are enough:\n{steps}\nand end with: {fails(api, few) or 'nothing, this time'}"
            )
        if verdict is not None:
            verdicts.append(verdict)
    assert len(verdicts) > STEPS
    assert digest(verdicts) == digest(expected(acts))


def test_a_failure_is_told_in_the_fewest_steps() -> None:
    acts = Plan.of("any", 300)
    bad = [acts[40], acts[180], acts[250]]
    assert shortest(acts, lambda some: all(act in some for act in bad)) == bad


def test_a_plan_is_the_same_each_time_and_tries_everything() -> None:
    plan = Plan.of("any", 2000)
    assert plan == Plan.of("any", 2000)
    statuses = {json.dumps(verdict[0]) for verdict in expected(plan)}  # type: ignore[index]
    assert statuses >= {"200", "201", "204", "401", "403", "404", "409", "412"}
    assert {act.kind for act in plan} == set(WEIGHTS) == set(ROUTES)

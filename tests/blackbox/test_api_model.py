"""Thousands of random actions, each compared with a reference model, in every shape.

Quick: 2 runs of 500 steps. `WAGGLE_TEST_LONG=1`: 40 runs. The seeds are fixed, so that every
shape gets the same actions; `WAGGLE_TEST_SEED` chooses others.
"""

import hashlib
import json
import os
from collections.abc import Sequence

import pytest

from .api_model import ApiModel
from .api_runner import ROUTES, ApiRunner, Mismatch
from .api_state import Action
from .client import Api
from .conftest import LONG
from .random_steps import WEIGHTS, ActionGenerator, minimise

STEPS = 500
RUNS = 40 if LONG else 2
SEED = os.environ.get("WAGGLE_TEST_SEED", "bees")


def digest(verdicts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(verdicts, sort_keys=True).encode()).hexdigest()


def expected(actions: Sequence[Action]) -> list[object]:
    model = ApiModel()
    return [verdict for action in actions if (verdict := model.expect(action)) is not None and verdict[0]]


def fails(api: Api, actions: Sequence[Action]) -> str:
    """The mismatch that the actions end with, under usernames of their own; empty if there is none."""
    world = ApiRunner(api)
    try:
        for action in actions:
            world.step(action)
    except AssertionError as difference:
        return str(difference)
    return ""


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.timeout(300)
def test_di10_random_actions_have_the_verdicts_of_the_model_in_every_shape(api: Api, run: int) -> None:
    actions = ActionGenerator.of(f"{SEED} {run}", STEPS)
    world = ApiRunner(api)
    verdicts: list[object] = []
    for number, action in enumerate(actions):
        try:
            verdict = world.step(action)
        except Mismatch as difference:
            needed = minimise(actions[: number + 1], lambda some: bool(fails(api, some)))
            steps = "\n".join(f"  {one}" for one in needed)
            pytest.fail(
                f"WAGGLE_TEST_SEED={SEED!r}, run {run}, step {number} of {len(actions)}: {difference}\n"
                f"These {len(needed)} steps are enough:\n{steps}\nand end with: {fails(api, needed) or 'nothing, this time'}"
            )
        if verdict is not None:
            verdicts.append(verdict)
    assert len(verdicts) > STEPS
    assert digest(verdicts) == digest(expected(actions))


def test_a_failure_is_reported_with_the_fewest_actions() -> None:
    actions = ActionGenerator.of("any", 300)
    bad = [actions[40], actions[180], actions[250]]
    assert minimise(actions, lambda some: all(action in some for action in bad)) == bad


def test_generated_actions_are_reproducible_and_cover_everything() -> None:
    plan = ActionGenerator.of("any", 2000)
    assert plan == ActionGenerator.of("any", 2000)
    statuses = {json.dumps(verdict[0]) for verdict in expected(plan)}  # type: ignore[index]
    assert statuses >= {"200", "201", "204", "401", "403", "404", "409", "412"}
    assert {action.kind for action in plan} == set(WEIGHTS) == set(ROUTES)

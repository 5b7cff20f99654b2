"""mypy rejects the wiring if any two arguments of a call in it are swapped.

A mutant is a copy of a function or of an assignment, in which two arguments of one call are swapped. All mutants of a file are
added to one copy of that file, so that mypy runs only once.
"""

import ast
import copy
import itertools
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]
WIRING = [
    path.relative_to(ROOT / "src")
    for pattern in (
        "entrypoints/container.py",
        "entrypoints/wiring.py",
        "entrypoints/choosing.py",
        "application/*/module.py",
        "adapters/*/*/stores.py",
    )
    for path in sorted((ROOT / "src").glob(pattern))
]
LONG = os.environ.get("WAGGLE_TEST_LONG") == "1"
SAMPLE = 25
"""Mutants of each file in a short run."""

EXEMPT = {"in_turn", "NewType"}
"""`in_turn` takes any number of handlers, whose order is their meaning. `NewType` names the variable that it is assigned to,
so its copies are rejected anyway."""

Unit = ast.FunctionDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Mutant:
    call: str
    swapped: tuple[str, str] | None
    """None for an exact copy: only what is swapped must be rejected."""
    lines: range

    def __str__(self) -> str:
        if self.swapped is None:
            return "an exact copy is rejected"
        return f"{self.call}(…): {self.swapped[0]} ↔ {self.swapped[1]}"


def units(body: list[ast.stmt]) -> Iterator[tuple[list[ast.stmt], Unit]]:
    """The members that are copied, each with the body that it stands in."""
    for statement in list(body):
        if isinstance(statement, ast.ClassDef):
            yield from units(statement.body)
        elif isinstance(statement, Unit) and any(pairs(statement)):
            yield body, statement


def arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def swap(call: ast.Call, one: int, other: int) -> None:
    values = arguments(call)
    values[one], values[other] = values[other], values[one]
    call.args = values[: len(call.args)]
    for keyword, value in zip(call.keywords, values[len(call.args) :], strict=True):
        keyword.value = value


def name_of(call: ast.Call, place: int) -> str:
    if place < len(call.args):
        return ast.unparse(call.args[place])
    return str(call.keywords[place - len(call.args)].arg)


def calls(unit: Unit) -> list[ast.Call]:
    return [node for node in ast.walk(unit) if isinstance(node, ast.Call)]


def renamed(unit: Unit, name: str) -> Unit:
    if isinstance(unit, ast.FunctionDef):
        unit.name = name
    elif isinstance(unit, ast.AnnAssign):
        unit.target = ast.Name(name, ast.Store())
    else:
        unit.targets = [ast.Name(name, ast.Store())]
    return unit


def pairs(unit: Unit) -> Iterator[tuple[int, int, int]]:
    """The call, by its number in the unit, and the two places whose values differ."""
    for number, call in enumerate(calls(unit)):
        if ast.unparse(call.func) in EXEMPT:
            continue
        values = [ast.unparse(value) for value in arguments(call)]
        for one, other in itertools.combinations(range(len(values)), 2):
            if values[one] != values[other]:
                yield number, one, other


def mutated(source: str, most: int | None) -> tuple[str, list[Mutant]]:
    """The source with its mutants, of which there are `most`, chosen at random, or all."""
    tree = ast.parse(source)
    wanted = [(body, unit, pair) for body, unit in units(tree.body) for pair in (None, *pairs(unit))]
    if most is not None and len(wanted) > most:
        wanted = random.Random(0).sample(wanted, most)  # noqa: S311 - repeatable, no secret
    described: dict[str, tuple[str, tuple[str, str] | None]] = {}
    for number, (body, unit, pair) in enumerate(wanted):
        mutant, name = copy.deepcopy(unit), f"mutant_{number}"
        described[name] = "", None
        if pair is not None:
            call = calls(mutant)[pair[0]]
            described[name] = ast.unparse(call.func), (name_of(call, pair[1]), name_of(call, pair[2]))
            swap(call, *pair[1:])
        body.append(renamed(mutant, name))
    text = ast.unparse(tree)
    found = []
    for _, unit in units(ast.parse(text).body):
        if isinstance(unit, ast.FunctionDef):
            name = unit.name
        else:
            name = ast.unparse(unit.target if isinstance(unit, ast.AnnAssign) else unit.targets[0])
        if name in described:
            call_name, swapped = described[name]
            lines = range(unit.lineno, (unit.end_lineno or unit.lineno) + 1)
            found.append(Mutant(call_name, swapped, lines))
    return text, found


@pytest.mark.timeout(600)
def test_mypy_rejects_two_swapped_arguments_in_the_wiring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    cache = ROOT / ".mypy_cache"  # what `make check` has left saves most of the time
    if cache.exists():
        shutil.copytree(cache, tmp_path / ".mypy_cache")
    mutants: dict[Path, list[Mutant]] = {}
    for path in WIRING:
        text, mutants[path] = mutated((ROOT / "src" / path).read_text(), None if LONG else SAMPLE)
        (tmp_path / "src" / path).write_text(text)
    monkeypatch.chdir(tmp_path)

    out, err, _ = api.run(["--no-error-summary", *(f"src/{path}" for path in WIRING)])

    assert not err
    rejected = {
        (Path(name).relative_to("src"), int(line))
        for name, line, kind, _ in (text.split(":", 3) for text in out.splitlines())
        if kind == " error"
    }
    wrong = [
        f"{path}: {mutant}"
        for path, of_path in mutants.items()
        for mutant in of_path
        if any((path, line) in rejected for line in mutant.lines) is (mutant.swapped is None)
    ]
    outside = [
        (str(path), line)
        for path, line in rejected
        if not any(line in mutant.lines for mutant in mutants.get(path, ()))
    ]
    assert (wrong, outside) == ([], [])

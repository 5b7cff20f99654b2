"""Rules about the files themselves: the promised rules have tests, each test asserts, and no file is too long.

Every promised rule has a test that names it: `test_az2_…`, or a docstring with `AZ-2`, proves AZ-2."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
CODE = ("src", "tests", "clients", "demo", "bench", "scripts")
MAX_LINES = 350
"""The maximum length of a Python file: what a reader can keep in mind."""
PROMISED = {
    *(f"id{number}" for number in range(1, 11)),
    "id14",
    *(f"az{number}" for number in range(1, 9) if number != 6),
    *(f"in{number}" for number in range(1, 9)),
    *(f"ap{number}" for number in range(1, 9)),
    *(f"di{number}" for number in range(1, 7)),
    "di8",
    *("re2", "re4", "re9", "re11"),
    *(f"me{number}" for number in range(1, 10) if number != 8),
}
KNOWN = PROMISED | {"op5", "op7", "op8", "az6", "az9", "di7", "di9", "di10"}
ASSERTS_ELSEWHERE: dict[str, str] = {}
"""Tests that cannot assert in their own body, such as `run_state_machine_as_test(…)`: `path: name`, and the reason."""
_IN_NAME = re.compile(r"test_((?:(?:id|az|in|ap|di|me|re|op)\d+_)+)")
_IN_DOCSTRING = re.compile(r"\b(ID|AZ|IN|AP|DI|ME|RE|OP)-(\d+)\b")


def rules_of(test: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    named = _IN_NAME.match(test.name)
    described = _IN_DOCSTRING.findall(ast.get_docstring(test) or "")
    rules = named[1].strip("_").split("_") if named else []
    return {*rules, *(f"{kind.lower()}{number}" for kind, number in described)}


def asserts(test: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the body has an `assert`, `pytest.raises`, `pytest.warns` or `pytest.RaisesGroup`."""
    return any(
        isinstance(node, ast.Assert)
        or (
            isinstance(node, ast.Attribute)
            and ast.unparse(node) in {"pytest.raises", "pytest.warns", "pytest.RaisesGroup"}
        )
        for node in ast.walk(test)
    )


@cache
def parsed_tests() -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every test function by `path: name`; a class stands before the name."""
    found: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
    for path in sorted(TESTS.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "def test_" not in text:
            continue  # parsing costs much more than searching
        tree = ast.parse(text)
        classes = [(f"{node.name}.", node.body) for node in tree.body if isinstance(node, ast.ClassDef)]
        for prefix, body in [("", tree.body), *classes]:
            for node in body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    found[f"{path.relative_to(TESTS)}: {prefix}{node.name}"] = node
    return found


@cache
def proofs_by_rule() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, test in parsed_tests().items():
        for rule in rules_of(test):
            found[rule].append(name)
    return found


def test_every_promised_rule_has_a_test() -> None:
    assert PROMISED - proofs_by_rule().keys() == set()


def test_tests_name_only_existing_rules() -> None:
    assert {rule: tests for rule, tests in proofs_by_rule().items() if rule not in KNOWN} == {}


def test_every_test_asserts_in_its_own_body() -> None:
    silent = {name for name, test in parsed_tests().items() if not asserts(test)}

    assert len(parsed_tests()) > 2_000
    assert silent == ASSERTS_ELSEWHERE.keys()


def test_no_file_is_longer_than_the_limit() -> None:
    files = [path for folder in CODE for path in (TESTS.parent / folder).rglob("*.py")]
    lengths = {str(path.relative_to(TESTS.parent)): len(path.read_bytes().splitlines()) for path in files}

    assert len(files) > 500
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}

"""Rules about the files themselves: the promised rules have tests, and no file is too long.

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
_IN_NAME = re.compile(r"test_((?:(?:id|az|in|ap|di|me|re|op)\d+_)+)")
_IN_DOCSTRING = re.compile(r"\b(ID|AZ|IN|AP|DI|ME|RE|OP)-(\d+)\b")


def rules_of(test: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    named = _IN_NAME.match(test.name)
    described = _IN_DOCSTRING.findall(ast.get_docstring(test) or "")
    rules = named[1].strip("_").split("_") if named else []
    return {*rules, *(f"{kind.lower()}{number}" for kind, number in described)}


@cache
def proofs_by_rule() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if not (_IN_NAME.search(text) or _IN_DOCSTRING.search(text)):
            continue  # parsing costs much more than searching
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for rule in rules_of(node):
                    found[rule].append(f"{path.relative_to(TESTS)}: {node.name}")
    return found


def test_every_promised_rule_has_a_test() -> None:
    assert PROMISED - proofs_by_rule().keys() == set()


def test_tests_name_only_existing_rules() -> None:
    assert {rule: tests for rule, tests in proofs_by_rule().items() if rule not in KNOWN} == {}


def test_no_file_is_longer_than_the_limit() -> None:
    files = [path for folder in CODE for path in (TESTS.parent / folder).rglob("*.py")]
    lengths = {str(path.relative_to(TESTS.parent)): len(path.read_bytes().splitlines()) for path in files}

    assert len(files) > 500
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}

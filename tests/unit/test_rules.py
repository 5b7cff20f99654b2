"""Every promised rule has a test named after it: `test_az2_…` proves AZ-2."""

import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]
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
_NAMED = re.compile(r"^ *(?:async )?def test_((?:(?:id|az|in|ap|di|me|re|op)\d+_)+)(\w+)\(", re.MULTILINE)


def named_tests() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("*.py")):
        for rules, name in _NAMED.findall(path.read_text(encoding="utf-8")):
            for rule in rules.strip("_").split("_"):
                found[rule].append(f"{path.relative_to(TESTS)}: {name}")
    return found


def test_every_rule_has_a_test_named_after_it() -> None:
    assert PROMISED - named_tests().keys() == set()


def test_every_test_named_after_a_rule_names_an_existing_rule() -> None:
    assert {rule: tests for rule, tests in named_tests().items() if rule not in KNOWN} == {}

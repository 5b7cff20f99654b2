"""The check of log lines that the tests of servers use."""

import json
import logging
from typing import Any

import pytest

from entrypoints.log_events import ConfinementActive
from entrypoints.logs import JsonFormatter
from tests.log_lines import SERVICE, problems_of


def a_line(**changed: Any) -> str:
    record = logging.makeLogRecord(
        {"name": "waggle.server", "msg": ConfinementActive(layers="seccomp"), "created": 1.0}
    )
    return json.dumps(json.loads(JsonFormatter(SERVICE).format(record)) | changed)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Traceback (most recent call last):", "is not JSON"),
        ("[]", "is no object"),
        (a_line(**{"event.action": "unheard_of"}), "has the undeclared action unheard_of"),
        (a_line(**{"waggle.bucket": "x"}), "has the undeclared fields ['waggle.bucket']"),
        (a_line(**{"process.pid": "7"}), "has process.pid that does not fit long"),
        (a_line(**{"@timestamp": "1970-01-01 00:00"}), "has @timestamp that does not fit date"),
        (a_line(message="ann@example.org"), "has something like a secret in message"),
        (a_line(**{"waggle.dropped_fields": ["password"]}), "had undeclared values"),
        (a_line(**{"log.logger": "waggle.access"}), "lacks its ids ['http.request.id']"),
        (a_line(message="token: Hc2nN7_-4Xyz, or so"), "contains a secret"),
        (a_line(message="correct horse battery"), "contains a secret"),
    ],
)
def test_the_check_of_lines_finds(line: str, problem: str) -> None:
    found = [*problems_of([a_line(), line], {"Hc2nN7_-4Xyz", "correct horse battery"})]

    assert [one for one in found if one.startswith(problem)], found
    assert [*problems_of([a_line(), "", "waggle: the port is taken"])] == []

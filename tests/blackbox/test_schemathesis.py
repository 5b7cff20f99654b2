"""Schemathesis, all checks and phases: the server is as it describes itself, and nothing brings it down.

Quick: about 3,000 cases. `WAGGLE_TEST_LONG=1`: many more.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import LONG, RUNNING, SHAPES
from .process import ROOT

EXAMPLES = 150 if LONG else 5
HERE = Path(__file__).parent
_SHAPES = ["running"] if RUNNING else SHAPES if LONG or "embedded" not in SHAPES else ["embedded"]
"""HTTP is the same on all of them; what differs below has tests of its own."""


@pytest.mark.parametrize("server", _SHAPES, indirect=True, scope="session")
@pytest.mark.timeout(1200 if LONG else 400)
def test_ap8_schemathesis_finds_nothing(base_url: str, tmp_path: Path) -> None:
    seed = os.environ.get("WAGGLE_TEST_SEED", "20261122")
    command = [
        *(
            str(Path(sys.executable).with_name("schemathesis")),
            "--config-file",
            str(HERE / "schemathesis.toml"),
        ),
        *("run", f"{base_url}/api/openapi.json", "--no-color"),
        *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--mode", "all"),
        *("--max-examples", str(EXAMPLES), "--seed", seed, "--generation-database", "none"),
    ]
    hooks = "tests.blackbox.schemathesis_hooks"
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": hooks,
        "WAGGLE_TEST_TARGET": base_url,
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=1100
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    tested = re.search(r"Selected: (\d+)/\1\s+Tested: \1\b", run.stdout)
    cases = re.search(r"(\d+) generated", run.stdout)
    assert tested, run.stdout[-2_000:]
    assert cases, run.stdout[-2_000:]
    assert int(cases[1]) >= 300, "too few cases to mean anything"
    # It knows no password of anybody's.
    alone = {
        f"POST /api/v1/auth/{name}"
        for name in ("login", "refresh", "confirm", "password", "register/confirm")
    }
    assert shut_out(run.stdout) <= alone, "it was not logged in"


def shut_out(report: str) -> set[str]:
    """The operations that answered with nothing but 401 and 403."""
    warnings = report.partition(" WARNINGS ")[2].partition(" SUMMARY ")[0]
    listed = re.split(r"^(?=\S.*: \d+ operations? )", warnings, flags=re.MULTILINE)
    refused = [warning for warning in listed if warning.startswith("Authentication failed")]
    return {name for warning in refused for name in re.findall(r"^  - (\w+ /\S+)", warning, re.MULTILINE)}

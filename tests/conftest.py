"""The rules that all tests share: no network where none belongs, how long to search, and an honest last word.

Other suites use from here `postgres_server`, and `note_server` for a server of any other kind.
"""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

from tests.integration.servers import Server, Unavailable, postgres

UNIT = Path(__file__).parent / "unit"
_SERVERS: pytest.StashKey[list[str]] = pytest.StashKey()

# A fixture per test and not per example is what we want: an example makes rows of its own.
_UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.differing_executors]
settings.register_profile("short", max_examples=25, deadline=None, suppress_health_check=_UNHURRIED)
settings.register_profile("long", max_examples=1_000, deadline=None, suppress_health_check=_UNHURRIED)
settings.load_profile("long" if os.environ.get("WAGGLE_TEST_LONG") == "1" else "short")


class NetworkUsed(BaseException):
    """Not an Exception: no code under test may take it for a server that is away."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise NetworkUsed("a unit test must not use the network")


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit tests open no socket; the pair of AF_UNIX sockets that wakes an event loop is no network."""
    if not request.path.is_relative_to(UNIT):
        return
    make = socket.socket.__init__

    def only_unix(
        self: socket.socket, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        if fileno is None and family != socket.AF_UNIX:
            _refuse()
        make(self, family, type, proto, fileno)

    monkeypatch.setattr(socket.socket, "__init__", only_unix)
    for name in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, name, _refuse)
    monkeypatch.setattr(socket, "getaddrinfo", _refuse)


@pytest.fixture(scope="session")
def note_server(pytestconfig: pytest.Config) -> Callable[[object], None]:
    """Call it with a server that tests are about to use: the summary names it."""
    used = pytestconfig.stash.setdefault(_SERVERS, [])

    def note(server: object) -> None:
        used.append(str(server))

    return note


@pytest.fixture(scope="session")
def postgres_server(note_server: Callable[[object], None]) -> Iterator[Server]:
    """One PostgreSQL for all tests of this run, or of this worker. Refused is a failure, Unavailable a loud skip."""
    try:
        server = postgres()
        with server as running:
            note_server(running)
            yield running
    except Unavailable as reason:
        pytest.skip(f"not tested on PostgreSQL: {reason}")


class _AtOnce:
    """Says what failed when it fails: a run that is given up prints no summary."""

    def __init__(self, printer: pytest.TerminalReporter) -> None:
        self._printer = printer

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = getattr(crash, "message", "")[:500]
            self._printer.write_line(f"\nFAILED {report.nodeid} ({report.when}): {why}")


def pytest_sessionstart(session: pytest.Session) -> None:
    printer = session.config.pluginmanager.get_plugin("terminalreporter")
    if printer is not None and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_AtOnce(printer))


# --- The last word: with which servers, and what was not tested ------------------------------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:  # a worker of pytest-xdist tells the process that prints
        output["servers"] = session.config.stash.get(_SERVERS, None) or []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    servers = getattr(node, "workeroutput", {}).get("servers", [])
    node.config.stash.setdefault(_SERVERS, []).extend(servers)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    used = config.stash.get(_SERVERS, None) or []
    servers = sorted(set(used))
    if servers:
        terminalreporter.section("servers")
        for server in servers:
            terminalreporter.line(server)
    missed: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        where_and_why = report.longrepr
        why = where_and_why[2] if isinstance(where_and_why, tuple) else str(where_and_why)
        missed[why] = missed.get(why, 0) + 1
    if missed:
        terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
        for why, tests in missed.items():
            terminalreporter.line(f"{tests} skipped. {why}", red=True)

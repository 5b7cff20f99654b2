"""The export of spans: its settings, its failures, and that it costs nothing without a collector."""

import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.traces import export
from adapters.traces.address import CollectorAddress
from entrypoints.configuration import Configuration
from entrypoints.settings import BadSettings, Settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("url", "posted_to"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/", "https://collector/v1/traces"),
        ("https://collector/otlp", "https://collector/otlp/v1/traces"),
        ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
    ],
)
def test_the_path_of_otlp_is_appended(url: str, posted_to: str) -> None:
    assert CollectorAddress.of(url).url == posted_to


@pytest.mark.parametrize(
    "settings",
    [
        {"WAGGLE_TRACES_URL": "collector:4318"},
        {"WAGGLE_TRACES_URL": "http://"},
        {"WAGGLE_TRACES_URL": "http://collector:hive"},
        {"WAGGLE_TRACES_URL": "http://collector:0"},
        {"WAGGLE_TRACES_URL": "http://bee:honey@collector:4318"},
        {"WAGGLE_TRACES_URL": "http://collector:4318?token=honey"},
        {"WAGGLE_TRACES_URL": "https://collector?ssl_ca_certs=/nowhere/honey.pem"},
        {"WAGGLE_TRACES_URL": "http://collector?ssl_ca_certs=/etc/hostname"},
        {"WAGGLE_TRACES_RATIO": "1.1"},
        {"WAGGLE_TRACES_RATIO": "-1"},
        {"WAGGLE_TRACES_RATIO": "nan"},
        {"WAGGLE_TRACES_RATIO": "half"},
        {"WAGGLE_TRACES_CONTINUE": "maybe"},
    ],
    ids=lambda settings: "&".join(settings.values()),
)
def test_invalid_settings_are_refused_in_one_line(settings: dict[str, str]) -> None:
    (name,) = settings

    with pytest.raises(BadSettings) as refused:
        Configuration.of(Settings.read({"WAGGLE_DATABASE_URL": "memory:", **settings}))

    assert str(refused.value).startswith(name)
    assert "\n" not in str(refused.value)
    assert "honey" not in str(refused.value)


def test_failures_of_the_library_are_one_line_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    library = logging.getLogger("opentelemetry")
    monkeypatch.setattr(library, "handlers", [])
    monkeypatch.setattr(library, "propagate", True)
    export._report_once_a_minute()

    for _ in range(3):
        logging.getLogger("opentelemetry.exporter").error("refused")
    now[0] += export.REPEAT_LOG_SECONDS
    logging.getLogger("opentelemetry.sdk").warning("Queue full")

    assert [record.getMessage() for record in caplog.records] == [
        "spans are not exported: refused",
        "spans are not exported: Queue full",
    ]


STARTED = """
import asyncio, sys
from entrypoints.container import build
from entrypoints.http.app import create_app
from entrypoints.runtime import running
from entrypoints.settings import Settings

async def start():
    settings = Settings.read({"WAGGLE_DATABASE_URL": "memory:", "WAGGLE_DATA_DIR": sys.argv[1]})
    container = build(settings)
    async with running(container, settings):
        create_app(container, settings)

asyncio.run(start())
print(*(name for name in sys.modules if name.split(".")[0] in {"opentelemetry", "google", "requests"}))
"""


def test_without_a_collector_no_module_of_the_library_is_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED, str(tmp_path)],
        cwd=ROOT / "src",
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == ""

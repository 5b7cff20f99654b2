"""Writes the files in docs/ and deploy/ that are generated from the code. With --check, lists those that are not up to date.

.venv/bin/python scripts/generate.py [--check]
"""

import json
import os
import subprocess
import sys
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path

import entrypoints.http.app  # noqa: F401 - it defines every error class, so that all of them are listed
from entrypoints.event_catalogue import event_catalogue
from entrypoints.http.notifications.stream.asyncapi import document
from entrypoints.http.openapi import catalogue
from entrypoints.log_catalogue import catalogue as log_catalogue
from entrypoints.log_catalogue import index_template
from entrypoints.metrics.document import metrics_document
from entrypoints.settings import Settings, environment_name

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTE = "<!-- Made by `make docs` from {source}. Do not edit. -->\n"


def openapi() -> str:
    """Return what `waggle openapi` prints, independent of the environment of this process."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("WAGGLE_")}
    bare.pop("PORT", None)
    command = [sys.executable, "-m", "entrypoints.cli", "openapi"]
    return subprocess.run(command, env=bare, check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours


def asyncapi() -> str:
    return json.dumps(document(json.loads(openapi())), indent=2, ensure_ascii=False) + "\n"


def settings() -> str:
    rows = [
        f"| `{environment_name(setting)}` | {_default(setting.default)} | {setting.metadata['about']} |"
        for setting in fields(Settings)
    ]
    return "\n".join(
        (
            "# Settings",
            "",
            NOTE.format(source="src/entrypoints/settings.py"),
            "Waggle reads its settings from the environment once, when it starts. `waggle settings` prints this list with",
            "the values in force. If a value is invalid, or a name that begins with `WAGGLE_` is unknown, Waggle exits with",
            "status 78 and one line that explains the problem.",
            "",
            "| name | default | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        )
    )


def _default(value: object) -> str:
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return f"`{text}`" if text else "empty"


def errors() -> str:
    rows = [
        f"| `{code}` | {status} {HTTPStatus(status).phrase} | {meaning} |"
        for code, (status, meaning) in catalogue().items()
    ]
    return "\n".join(
        (
            "# Error codes",
            "",
            NOTE.format(source="the error classes"),
            "Every error is `application/problem+json` (RFC 9457). `code` is stable; the text may change. A running",
            "server shows the same list at `/api/errors`. Problems with single members, query parameters and headers are",
            "listed in `errors`, each with a `pointer`, a `code` and a `detail`. The pointer is a JSON Pointer (RFC 6901):",
            "",
            "| pointer | names |",
            "| --- | --- |",
            "| `/focal_point/x` | a member of the body; an empty pointer names the whole body |",
            "| `/query/limit` | a query parameter |",
            "| `/header/Idempotency-Key` | a header |",
            "",
            "| code | status | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        )
    )


def events() -> str:
    return event_catalogue(NOTE.format(source="src/application/shared/events.py and the subscriptions"))


def logs() -> str:
    return log_catalogue(NOTE.format(source="the log events"))


def metrics() -> str:
    return metrics_document(NOTE.format(source="src/entrypoints/metrics/families.py"))


GENERATED = {
    "openapi.json": openapi,
    "asyncapi.json": asyncapi,
    "settings.md": settings,
    "errors.md": errors,
    "events.md": events,
    "logs.md": logs,
    "../deploy/elasticsearch/index-template.json": index_template,
    "metrics.md": metrics,
}


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    outdated = 0
    DOCS.mkdir(exist_ok=True)
    for name, make in GENERATED.items():
        path, made = (DOCS / name).resolve(), make()
        if path.exists() and path.read_text() == made:
            continue
        outdated += 1
        if check:
            sys.stderr.write(f"{path.relative_to(DOCS.parent)} is not up to date: make docs\n")
        else:
            path.write_text(made)
            sys.stdout.write(f"wrote {path.relative_to(DOCS.parent)}\n")
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())

"""The scripts that prepare Elasticsearch and Kibana, run against a server that only records what it gets."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "deploy/elasticsearch"
Asked = tuple[str, str, bytes]


class Recorder(HTTPServer):
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Asked] = []


class Handler(BaseHTTPRequestHandler):
    server: Recorder

    def _record(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.asked.append((self.command, self.path, body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"{}")

    do_PUT = do_POST = _record  # noqa: N815 - the names of the standard library

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    if not (shutil.which("bash") and shutil.which("curl")):
        pytest.skip("the scripts need bash and curl")
    with Recorder() as recorder:
        thread = threading.Thread(target=recorder.serve_forever)
        thread.start()
        yield recorder
        recorder.shutdown()
        thread.join()


def run(script: str, recorder: Recorder) -> int:
    url = f"http://127.0.0.1:{recorder.server_port}"
    environment = os.environ | {
        "ELASTICSEARCH_URL": url,
        "KIBANA_URL": url,
        "FOLDER": str(FOLDER),
        "ELASTIC_PASSWORD": "one",
        "FILEBEAT_PASSWORD": "two",
        "KIBANA_PASSWORD": "three",
    }
    return subprocess.run(
        ["bash", str(FOLDER / script)], env=environment, capture_output=True, timeout=60, check=False
    ).returncode


def test_the_setup_sends_the_files_and_creates_the_users(recorder: Recorder) -> None:
    assert run("setup.sh", recorder) == 0

    sent = {path: json.loads(body) for _, path, body in recorder.asked}
    assert [method for method, _, _ in recorder.asked] == ["PUT", "PUT", "PUT", "PUT", "POST"]
    assert sent["/_ilm/policy/waggle-logs"] == json.loads((FOLDER / "lifecycle.json").read_text())
    assert sent["/_index_template/waggle-logs"] == json.loads((FOLDER / "index-template.json").read_text())
    assert sent["/_security/user/waggle_filebeat"] == {"password": "two", "roles": ["waggle_logs_writer"]}
    assert sent["/_security/user/kibana_system/_password"] == {"password": "three"}


def test_the_setup_of_kibana_sends_the_objects(recorder: Recorder) -> None:
    assert run("setup-kibana.sh", recorder) == 0

    ((method, path, body),) = recorder.asked
    assert (method, path) == ("POST", "/api/saved_objects/_import?overwrite=true")
    assert (FOLDER / "kibana.ndjson").read_bytes() in body


@pytest.mark.parametrize("script", ["setup.sh", "setup-kibana.sh"])
def test_a_refused_request_fails_the_setup(recorder: Recorder, script: str) -> None:
    recorder.status = 400

    assert run(script, recorder) != 0
    assert len(recorder.asked) == 1

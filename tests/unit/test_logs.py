"""The log: what a line contains, and what can never get into it."""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from adapters.log_events import RedisUnavailable
from application.shared.log import LogEvent, background_task, delivered_event, log
from application.shared.log_events import DeliveryFailed, SecurityEvent
from entrypoints import logs
from entrypoints.access.context import request_id
from entrypoints.log_catalogue import declared
from entrypoints.log_events import ConfinementActive, Request, UnexpectedError
from entrypoints.log_fields import ECS_VERSION, FIELDS
from entrypoints.logs import JsonFormatter, ReadableFormatter, Undeclared, stack_of
from tests.log_lines import SERVICE, problems_of

EVENTS = declared()
SAMPLE: dict[Any, Any] = {int: 7, str: "bees", int | None: 7}


class Written(logging.Handler):
    """Collects the lines that the formatter makes of all records."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.formatter = formatter
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def last(self) -> dict[str, Any]:
        line: dict[str, Any] = json.loads(self.lines[-1])
        return line


@pytest.fixture
def written() -> Iterator[Written]:
    yield from _installed(JsonFormatter(SERVICE))


def _installed(formatter: logging.Formatter) -> Iterator[Written]:
    handler, root = Written(formatter), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def sample(event: type[LogEvent]) -> LogEvent:
    hints = get_type_hints(event)
    return event(**{name: SAMPLE[hints[name]] for name in event.field_names})


# --- Lines ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.action)
def test_the_line_of_every_event_fits_the_schema(written: Written, event: type[LogEvent]) -> None:
    token, task = request_id.set("r1"), background_task.set("relay")
    log(sample(event))
    request_id.reset(token)
    background_task.reset(task)

    assert [*problems_of(written.lines)] == []
    assert (written.last["event.action"], written.last["log.logger"]) == (event.action, event.logger.name)
    declared_keys = {FIELDS[name].key for name in event.field_names}
    assert declared_keys <= written.last.keys()


def test_a_request_is_one_line(written: Written) -> None:
    token = request_id.set("traced-1")
    log(
        Request(
            method="GET", route="/api/v1/posts/{post_id}", status=200, duration=1_500_000, outcome="success"
        )
    )
    request_id.reset(token)

    line = written.last
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("@timestamp"))
    assert line == SERVICE | {
        "log.level": "info",
        "message": "GET /api/v1/posts/{post_id} 200",
        "http.request.method": "GET",
        "waggle.route": "/api/v1/posts/{post_id}",
        "http.response.status_code": 200,
        "event.duration": 1_500_000,
        "event.outcome": "success",
        "http.request.id": "traced-1",
        "ecs.version": ECS_VERSION,
        "log.logger": "waggle.access",
        "event.action": "request",
        "event.dataset": "waggle.access",
    }


def test_an_empty_field_is_left_out(written: Written) -> None:
    log(
        SecurityEvent(
            security_action="key_rotated", outcome="success", reason="", user_id=None, session_id=None, network="",
            request_id="", count=1,
        )
    )  # fmt: skip

    assert (
        not {"event.reason", "user.id", "waggle.session.id", "source.address", "http.request.id"}
        & written.last.keys()
    )


def test_a_line_names_the_background_work_and_the_event_that_is_handled(written: Written) -> None:
    task, event = background_task.set("relay"), delivered_event.set(12)
    log(RedisUnavailable(reason="it does not answer"))
    background_task.reset(task)
    delivered_event.reset(event)

    assert (written.last["waggle.task"], written.last["waggle.event.id"]) == ("relay", "12")


def test_a_line_has_the_trace_if_there_is_one(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[logs.Trace | None] = [None, ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")]
    monkeypatch.setattr(logs, "current_trace", [lambda: found.pop(0)])

    log(ConfinementActive(layers="seccomp"))
    assert "trace.id" not in written.last
    log(ConfinementActive(layers="seccomp"))
    assert written.last["trace.id"] == "0af7651916cd43dd8448eb211c80319c"
    assert written.last["span.id"] == "b7ad6b7169203331"


def test_a_wrong_type_is_refused() -> None:
    event = Request(method="GET", route="-", status="200", duration=1, outcome="success")  # type: ignore[arg-type]
    record = logging.makeLogRecord({"name": "waggle.access", "msg": event})

    with pytest.raises(Undeclared, match="'200' is not a number"):
        JsonFormatter(SERVICE).format(record)


def test_an_undeclared_value_is_dropped_and_named(written: Written) -> None:
    logging.getLogger("waggle.identity").warning(
        "a login", extra={"password": "correct horse", "login": "ann"}
    )

    assert written.last["waggle.dropped_fields"] == ["login", "password"]
    assert "correct horse" not in written.lines[-1]
    assert [*problems_of(written.lines)] != []


def test_a_strict_formatter_refuses_a_text_of_our_own_code() -> None:
    record = logging.makeLogRecord({"name": "waggle.identity", "msg": "a login"})

    with pytest.raises(Undeclared, match=r"waggle\.identity logs a text"):
        JsonFormatter(SERVICE, strict=True).format(record)


def test_a_library_gets_the_same_envelope_without_its_extra_values(written: Written) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid HTTP %s", "request", extra={"color_message": "red"})

    assert [*problems_of(written.lines)] == []
    assert (written.last["message"], written.last["event.action"]) == ("Invalid HTTP request", "library")
    assert written.last["log.logger"] == "uvicorn.error"
    assert "red" not in written.lines[-1].replace("request", "")


def test_a_text_that_is_not_unicode_is_still_a_line(written: Written) -> None:
    # Not through a logger: pytest would put it into its report, which a worker of xdist cannot send.
    written.handle(
        logging.LogRecord("a.library", logging.WARNING, __file__, 1, "a lone surrogate: \ud800", None, None)
    )

    assert [*problems_of(written.lines)] == []


def test_a_long_text_is_cut(written: Written) -> None:
    logging.getLogger("a.library").warning("x" * 100_000)

    assert len(written.lines[-1]) < 10_000


def fail_with(password: str) -> None:
    try:
        int(password)
    except ValueError as error:
        raise LookupError(f"ann@example.org has password={password}") from error


def a_secret_error(password: str) -> Exception:
    with pytest.raises(LookupError) as caught:
        fail_with(password)
    return caught.value


def test_an_error_has_its_type_a_redacted_message_and_a_stack_without_values(written: Written) -> None:
    token = request_id.set("r1")
    log(UnexpectedError(error_type="LookupError", part="a handler"), a_secret_error("hunter2-and-more"))
    request_id.reset(token)

    line = written.last
    assert line["error.type"] == "LookupError"
    assert line["error.message"] == "[redacted] has password=[redacted]"
    assert "in fail_with" in line["error.stack_trace"]
    assert "ValueError" in line["error.stack_trace"]
    assert "hunter2" not in written.lines[-1]
    assert [*problems_of(written.lines)] == []


def test_the_stack_of_a_group_has_those_of_its_errors() -> None:
    stack = stack_of(ExceptionGroup("several", [a_secret_error("hunter2"), OSError("x")]))

    assert "ExceptionGroup" in stack
    assert "ValueError" in stack
    assert "OSError" in stack
    assert "hunter2" not in stack


# --- For people, and what nothing catches --------------------------------------------------------------


def test_a_readable_line_has_the_ids_and_the_traceback() -> None:
    for written in _installed(ReadableFormatter()):  # noqa: B007 - used below
        token = request_id.set("r1")
        log(UnexpectedError(error_type="LookupError", part="a handler"), a_secret_error("hunter2"))
        request_id.reset(token)
    first, *rest = written.lines[-1].splitlines()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d error    unexpected LookupError in a handler \[http.request.id r1\]", first
    )
    assert rest[0] == "Traceback (most recent call last):"


def test_an_error_that_nothing_catches_is_a_line(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((sys, "excepthook"), (threading, "excepthook"), (sys, "unraisablehook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    logs._log_uncaught_errors()

    error = a_secret_error("hunter2")
    sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

    assert [json.loads(line)["message"] for line in written.lines] == [
        "uncaught LookupError in the process",
        "uncaught ZeroDivisionError in a thread",
    ]
    assert [*problems_of(written.lines)] == []


def test_a_delivery_that_failed_names_the_event(written: Written) -> None:
    task = background_task.set("relay")
    log(
        DeliveryFailed(
            subscriber="feeds.add", kind="Published", event_id=12, attempts=2, reason="KeyError: 'x'"
        )
    )
    background_task.reset(task)

    assert written.last["waggle.event.id"] == "12"
    assert written.last["message"] == "Published 12 to feeds.add failed: KeyError: 'x'"

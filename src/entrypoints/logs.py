"""Logging: one JSON line per event with the field names of ECS, or readable lines for a terminal.

ECS allows nested objects and dotted names. Lines use dotted names throughout: `log.level` and `ecs.version` must have them,
and a flat line is shorter, can be searched with grep, and needs no nesting when it is written.
"""

import logging
import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

import msgspec

from application.shared.log import LogEvent, background_task, delivered_event, log
from entrypoints.access.context import request_id
from entrypoints.log_events import UncaughtError
from entrypoints.log_fields import CONTEXT, ECS_VERSION, FIELDS
from entrypoints.redaction import redacted

MAX_STACK = 20_000
"""Characters of a stack that are logged."""
MAX_CHAIN = 8
"""Errors of a chain of causes that are logged."""
LIBRARY = "library"
"""The action of lines that libraries log."""

_OURS = ("waggle", "application", "adapters", "entrypoints", "domain")
_CONTEXT_KEYS = frozenset(field.key for field in CONTEXT)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_LEVELS = {logging.WARNING: "warning", logging.INFO: "info", logging.ERROR: "error"}

Line: TypeAlias = dict[str, Any]
Trace: TypeAlias = tuple[str, str]
"""The ids of a trace and of a span, in hexadecimal digits."""

current_trace: list[Callable[[], Trace | None]] = []
"""A function that returns the ids of the current span, or None if there is none. The tracing sets it when it is on."""


class Undeclared(TypeError):
    """A value is logged that no log event declares. Only raised in tests; a server drops the value."""


class _Form(NamedTuple):
    """The way in which the lines of a kind are made."""

    level: str
    fields: tuple[tuple[str, str, Callable[[Any], Any]], ...]
    """The name of each member, its key, and the conversion of its value."""
    is_free_text: bool
    end: bytes
    """The end of the line, which is the same for all of this kind."""


def _number(value: Any) -> int:
    if type(value) is not int:
        raise Undeclared(f"{value!r} is not a number")
    return value


def _text(value: Any) -> str:
    return redacted(str(value))


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def __init__(self, service: Mapping[str, Any], *, strict: bool = False) -> None:
        """`service` is added to each line. A `strict` formatter raises Undeclared where others drop a value."""
        super().__init__()
        self._service, self._strict = service, strict
        self._forms: dict[type[LogEvent], _Form] = {}
        self._library_ends: dict[str, bytes] = {}

    def format(self, record: logging.LogRecord) -> str:
        event: object = record.msg
        line: Line = {"@timestamp": _timestamp(record.created)}
        if isinstance(event, LogEvent):
            form = self._forms.get(type(event)) or self._form(type(event))
            line["log.level"] = form.level
            line["message"] = redacted(str(event)) if form.is_free_text else str(event)
            for name, key, convert in form.fields:
                value = getattr(event, name)
                if value is not None and value != "":
                    line[key] = convert(value)
            end = form.end
        else:
            line["log.level"] = record.levelname.lower()
            line["message"] = redacted(record.getMessage())
            end = self._library_ends.get(record.name) or self._library_end(record.name)
            self._drop(record, line)
        _add_context(line)
        if record.exc_info and record.exc_info[1] is not None:
            _add_error(line, record.exc_info[1])
        return (_encoded(line)[:-1] + end).decode()

    def _form(self, kind: type[LogEvent]) -> _Form:
        declared = [(name, FIELDS[name]) for name in kind.field_names]
        converting: dict[str, Callable[[Any], Any]] = {"keyword": str, "long": _number}
        made = self._forms[kind] = _Form(
            _LEVELS[kind.level],
            tuple(
                (name, field.key, _text if field.is_free_text else converting[field.type])
                for name, field in declared
            ),
            any(field.is_free_text for _, field in declared),
            self._end(kind.action, kind.logger.name),
        )
        return made

    def _library_end(self, name: str) -> bytes:
        made = self._library_ends[name] = self._end(LIBRARY, name)
        return made

    def _end(self, action: str, logger: str) -> bytes:
        dataset = logger if logger in {"waggle.access", "waggle.security"} else "waggle.log"
        constant = {
            "ecs.version": ECS_VERSION,
            "log.logger": logger,
            "event.action": action,
            "event.dataset": dataset,
        }
        return b"," + msgspec.json.encode(constant | dict(self._service))[1:]

    def _drop(self, record: logging.LogRecord, line: Line) -> None:
        """Drop the values that are attached to a record, and name those that our own code has attached."""
        if not record.name.startswith(_OURS):
            return
        if self._strict:
            raise Undeclared(f"{record.name} logs a text instead of a log event: {record.msg}")
        if dropped := sorted(set(vars(record)) - _STANDARD):
            line["waggle.dropped_fields"] = dropped


class ReadableFormatter(logging.Formatter):
    """Writes a record as a line for a person at a terminal, and errors with their traceback."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        context: Line = {}
        _add_context(context)
        ids = "".join(f" [{key} {value}]" for key, value in context.items())
        text = f"{moment} {record.levelname.lower():<8} {record.getMessage()}{ids}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(*, readable: bool, version: str, environment: str) -> None:
    """Install one handler on stderr for all loggers, those of Waggle and of libraries, and for warnings of Python. Unless the
    log is readable, also for errors that nothing catches: else they would be lines that are not JSON."""
    service = {
        "service.name": "waggle",
        "service.version": version,
        "service.environment": environment,
        "service.node.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ReadableFormatter() if readable else JsonFormatter(service))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # No line needs them, and each record would pay for them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    if not readable:
        _log_uncaught_errors()


def _log_uncaught_errors() -> None:
    def of_process(type_: type[BaseException], error: BaseException, stack: TracebackType | None) -> None:
        if issubclass(type_, KeyboardInterrupt):
            sys.__excepthook__(type_, error, stack)
        else:
            log(UncaughtError(error_type=type_.__name__, part="the process"), error)

    def of_thread(ended: threading.ExceptHookArgs) -> None:
        log(UncaughtError(error_type=ended.exc_type.__name__, part="a thread"), ended.exc_value)

    def of_object(ended: "sys.UnraisableHookArgs") -> None:
        log(
            UncaughtError(error_type=ended.exc_type.__name__, part="the removal of an object"),
            ended.exc_value,
        )

    sys.excepthook, threading.excepthook, sys.unraisablehook = of_process, of_thread, of_object


def _timestamp(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _add_context(line: Line) -> None:
    """Add the ids of what this code is doing, unless the event has named them itself."""
    if (request := request_id.get()) != "-":
        line.setdefault("http.request.id", request)
    if task := background_task.get():
        line.setdefault("waggle.task", task)
    if event := delivered_event.get():
        line.setdefault("waggle.event.id", str(event))
    for find in current_trace:
        if (found := find()) is not None:
            line["trace.id"], line["span.id"] = found


def _add_error(line: Line, error: BaseException) -> None:
    line["error.type"] = type(error).__name__
    if text := str(error):
        line["error.message"] = redacted(text)
    line["error.stack_trace"] = stack_of(error)


def stack_of(error: BaseException) -> str:
    """The places where the error and its causes were raised. Without their messages and values, which may be secrets: a
    line of source code is none."""
    parts: list[str] = []
    following: list[BaseException] = [error]
    while following and len(parts) < MAX_CHAIN:
        one = following.pop(0)
        parts.append("".join(traceback.format_tb(one.__traceback__)) + type(one).__qualname__)
        if isinstance(one, BaseExceptionGroup):
            following += one.exceptions
        cause = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        if cause is not None:
            following.append(cause)
    return "\nwhich was caused by, or contains:\n".join(parts)[:MAX_STACK]


def _encoded(line: Line) -> bytes:
    try:
        return msgspec.json.encode(line)
    except UnicodeEncodeError:  # a lone surrogate, in a text of a library
        return msgspec.json.encode(
            {
                key: value.encode(errors="replace").decode() if isinstance(value, str) else value
                for key, value in line.items()
            }
        )

"""The rules for each line that a server logs."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from application.shared.log import LogEvent
from entrypoints.log_catalogue import declared
from entrypoints.log_fields import CONTEXT, ENVELOPE, FIELDS, types
from entrypoints.logs import LIBRARY
from entrypoints.redaction import redacted

TYPES = types()
ALWAYS = {field.key for field in ENVELOPE}
SOMETIMES = {field.key for field in CONTEXT}
EVENTS: dict[str, type[LogEvent]] = {event.action: event for event in declared()}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOT_JSON = ("waggle: ",)
"""Beginnings of the lines that a command writes for the operator, beside the log."""
REQUEST, TASK, OUTBOX_EVENT = "http.request.id", "waggle.task", "waggle.event.id"
IDS = {
    "waggle.access": {REQUEST},
    "waggle.http": {REQUEST},
    "waggle.relay": {TASK},
    "waggle.background": {TASK},
}
"""The ids that lines of these loggers must have."""
NO_TEXT = {"error.stack_trace"}
"""Source code, which may contain words such as `password=`."""
LONGS = range(-(2**63), 2**63)


def problems_of(lines: Iterable[str], secrets: Iterable[str] = ()) -> Iterator[str]:
    """The problems of the lines, one sentence each. `secrets` are words that must not be in them."""
    words, phrases = _words_and_phrases(secrets)
    for line in lines:
        if not line.strip() or line.startswith(NOT_JSON):
            continue
        try:
            made = json.loads(line)
        except ValueError:
            yield f"is not JSON: {line}"
            continue
        for problem in _problems(made):
            yield f"{problem}: {line}"
        if not words.isdisjoint(_WORD.findall(line)) or any(phrase in line for phrase in phrases):
            yield f"contains a secret: {line}"


_WORD = re.compile(r"[\w.@+-]+", re.ASCII)


def _words_and_phrases(secrets: Iterable[str]) -> tuple[set[str], list[str]]:
    """Words are looked up, since there are thousands of them; only phrases have to be searched for."""
    known = tuple(secrets)  # at once: other threads of the tests may add to it
    words = {secret for secret in known if _WORD.fullmatch(secret)}
    return words, [secret for secret in known if secret not in words]


def _problems(made: Any) -> Iterator[str]:
    if not isinstance(made, dict):
        yield "is no object"
        return
    action = made.get("event.action")
    event = EVENTS.get(str(action))
    if event is None and action != LIBRARY:
        yield f"has the undeclared action {action}"
    if missing := ALWAYS - made.keys():
        yield f"lacks {sorted(missing)}"
    allowed = ALWAYS | SOMETIMES | ({FIELDS[name].key for name in event.field_names} if event else set())
    if more := made.keys() - allowed:
        yield f"has the undeclared fields {sorted(more)}"
    if [*made][:3] != ["@timestamp", "log.level", "message"]:
        yield "does not begin with the time, the level and the message"
    for key, value in made.items():
        if not _fits(value, TYPES.get(key, "keyword")):
            yield f"has {key} that does not fit {TYPES.get(key)}"
        if isinstance(value, str) and key not in NO_TEXT and redacted(value) != value:
            yield f"has something like a secret in {key}"
    if "waggle.dropped_fields" in made:
        yield "had undeclared values"
    if lacking := IDS.get(str(made.get("log.logger")), set()) - made.keys():
        yield f"lacks its ids {sorted(lacking)}"


def _fits(value: Any, type_: str) -> bool:
    if type_ == "long":
        return type(value) is int and value in LONGS
    if type_ == "date":
        return isinstance(value, str) and TIME.fullmatch(value) is not None
    if isinstance(value, list):
        return type_ == "keyword" and all(isinstance(one, str) for one in value)
    return isinstance(value, str)


SERVICE = {
    "service.name": "waggle",
    "service.version": "1",
    "service.environment": "production",
    "service.node.name": "hive",
    "process.pid": 7,
}
"""The members about its process in every line of a test."""

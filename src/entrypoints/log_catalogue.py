"""docs/logs.md and the index template of Elasticsearch, made from the log events and the table of fields."""

import inspect
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import adapters.log_events
import application.shared.log_events
import entrypoints.log_events
from application.shared.log import LogEvent
from entrypoints.log_fields import CONTEXT, ECS_VERSION, ENVELOPE, FIELDS, LogField, types

DECLARED_IN = (entrypoints.log_events, application.shared.log_events, adapters.log_events)

ABOUT = f"""Waggle writes one line per event to standard error. On a terminal, in development, the lines are made for people;
everywhere else each line is a JSON object with the field names of the Elastic Common Schema (ECS {ECS_VERSION}). Commands write
their own messages besides the lines. They begin with `waggle: `, or with `usage: ` where a command line is wrong.

- **Names are dotted and flat** (`"log.level": "info"`), as the specification of ECS logging requires for `log.level` and
  `ecs.version` and allows for all others. Elasticsearch reads them as objects; Filebeat needs `expand_keys: true`.
- **Fields are an allow-list.** Each kind of line has the fields that are listed here, and no others. A value that is attached
  in another way is dropped, and `waggle.dropped_fields` has its name.
- **Free text is searched for secrets**: the message of a library, a reason or an error that comes from elsewhere. Tokens,
  passwords, e-mail addresses, signed addresses and `Authorization` headers become `[redacted]`. After a name such as
  `password=`, that is the rest of the line. A secret without a name or a known form is not recognized. A stack names files, lines
  and source code, never values.
- **No addresses of clients or of pages.** `source.address` is the network of a client. `waggle.route` is the template of an
  address, `/api/v1/posts/{{post_id}}`: ECS has no name for it.
- **Ids.** Every line that belongs to a request has its `http.request.id`. Lines of background work have `waggle.task`, and
  `waggle.event.id` while an event of the outbox is handled. With tracing, lines have `trace.id` and `span.id`.
- **Lines of libraries** have the action `library` and the name of the library's logger. Warnings of Python are among them.

The names of actions and fields are stable; messages are not. Keep logs for at most 30 days: they contain ids of accounts.
[operating.md](operating.md#logs) says how to send them to Elasticsearch or Loki."""


def catalogue(note: str) -> str:
    parts = [line for event in declared() for line in _section(event)]
    return "\n".join(
        (
            "# Logs",
            "",
            note,
            ABOUT,
            "",
            "## Fields of every line",
            "",
            *_table(ENVELOPE),
            "",
            "## Fields of lines to which they apply",
            "",
            *_table(CONTEXT),
            "",
            *parts,
        )
    )


def declared() -> list[type[LogEvent]]:
    """All log events, in the order of their definition: the server, use cases, adapters."""
    return [
        member
        for module in DECLARED_IN
        for member in vars(module).values()
        if isinstance(member, type) and issubclass(member, LogEvent) and member is not LogEvent
    ]


def _section(event: type[LogEvent]) -> Iterator[str]:
    when, _, advice = " ".join(inspect.cleandoc(event.__doc__ or "").split()).partition(" Do: ")
    level = logging.getLevelName(event.level).lower()
    yield from (f"## `{event.action}`", "", f"*{event.logger.name}, {level}.* {when}", "")
    yield from (f"**Do:** {advice[0].upper()}{advice[1:]}", "")
    yield from (f"    {event.message}", "")
    if event.field_names:
        yield from (*_table(FIELDS[name] for name in event.field_names), "")


def _table(some: Iterable[LogField]) -> Iterator[str]:
    yield from ("| field | type | meaning |", "| --- | --- | --- |")
    for field in some:
        yield f"| `{field.key}` | {field.type} | {field.meaning} |"


def index_template() -> str:
    """The index template of Elasticsearch for the data stream `logs-waggle-*`. Its mapping is the allow-list too: what it does
    not know is kept in the line, but not indexed."""
    properties: dict[str, Any] = {}
    for key, type_ in types().items():
        *parents, name = key.split(".")
        place = properties
        for parent in parents:
            place = place.setdefault(parent, {"properties": {}})["properties"]
        place[name] = {"type": type_, "ignore_above": 1024} if type_ == "keyword" else {"type": type_}
    template = {
        "index_patterns": ["logs-waggle-*"],
        "data_stream": {},
        "priority": 500,
        "template": {
            "settings": {
                "index.lifecycle.name": "waggle-logs",
                "index.codec": "best_compression",
                "index.mapping.total_fields.limit": 200,
            },
            "mappings": {"dynamic": False, "date_detection": False, "properties": properties},
        },
        "_meta": {
            "description": f"Waggle's log lines, in ECS {ECS_VERSION}. Made by `make docs`. Do not edit."
        },
    }
    return json.dumps(template, indent=2) + "\n"

"""The fields of log lines: their names in the Elastic Common Schema (ECS), their types, and their meanings.

Fields that ECS has no name for begin with `waggle.`. `docs/logs.md` and the index template of Elasticsearch are made from
this table; a test compares the types with the published schema.
"""

from typing import NamedTuple

ECS_VERSION = "9.4.0"


class LogField(NamedTuple):
    key: str
    """The name in the line."""
    type: str
    """The type in Elasticsearch."""
    meaning: str
    is_free_text: bool = False
    """Whether the value is not chosen by Waggle's code, so that secrets must be removed from it."""


ENVELOPE = (
    LogField("@timestamp", "date", "when it happened, in UTC"),
    LogField("log.level", "keyword", "`info`, `warning`, `error` or `critical`"),
    LogField("message", "match_only_text", "a sentence for people; it may change", is_free_text=True),
    LogField("ecs.version", "keyword", "the version of the schema of these names"),
    LogField("log.logger", "keyword", "the part that logs: `waggle.relay`, or the name of a library"),
    LogField("event.action", "keyword", "the kind of the line, as listed below; `library` for a line of a library"),
    LogField("event.dataset", "keyword", "`waggle.access`, `waggle.security`, or `waggle.log` for all others"),
    LogField("service.name", "keyword", "`waggle`"),
    LogField("service.version", "keyword", "the version of Waggle"),
    LogField("service.environment", "keyword", "WAGGLE_ENV"),
    LogField("service.node.name", "keyword", "the name of the host"),
    LogField("process.pid", "long", "the process"),
)  # fmt: skip
"""In every line, in this order."""

CONTEXT = (
    LogField("http.request.id", "keyword", "the request that the line belongs to, as in `X-Request-Id`"),
    LogField("trace.id", "keyword", "the trace, if tracing is on"),
    LogField("span.id", "keyword", "the span within it"),
    LogField("waggle.task", "keyword", "the background work that the line belongs to"),
    LogField("waggle.event.id", "keyword", "the id of the outbox event that is being handled"),
    LogField("error.type", "keyword", "the class of an error"),
    LogField("error.message", "match_only_text", "its message", is_free_text=True),
    LogField("error.stack_trace", "wildcard", "where it was raised, without messages and values"),
    LogField("waggle.dropped_fields", "keyword", "names of values that were not logged, because nothing declares them"),
)  # fmt: skip
"""In the lines to which they apply."""

FIELDS = {
    "method": LogField("http.request.method", "keyword", "the method of the request"),
    "status": LogField("http.response.status_code", "long", "the status of the response; 0 if there was none"),
    "request_id": LogField("http.request.id", "keyword", "the request, as in `X-Request-Id`"),
    "route": LogField("waggle.route", "keyword", "the template of the address, never the address; `-` if no route matched"),
    "duration": LogField("event.duration", "long", "in nanoseconds"),
    "outcome": LogField("event.outcome", "keyword", "`success` or `failure`"),
    "reason": LogField("event.reason", "keyword", "why", is_free_text=True),
    "user_id": LogField("user.id", "keyword", "the account"),
    "session_id": LogField("waggle.session.id", "keyword", "the session"),
    "network": LogField("source.address", "keyword", "the IPv4 /24 or IPv6 /48 of the client, never its address"),
    "security_action": LogField("waggle.security.action", "keyword", "what was done"),
    "count": LogField("waggle.count", "long", "how many"),
    "total": LogField("waggle.total", "long", "of how many"),
    "error_type": LogField("error.type", "keyword", "the class of the error"),
    "part": LogField("waggle.part", "keyword", "the part of the program"),
    "limit": LogField("waggle.limit", "keyword", "the limit that is reached"),
    "listener": LogField("waggle.listener", "keyword", "`public` or `metrics`"),
    "defect": LogField("waggle.defect", "keyword", "what is wrong with a request: `malformed`, `too_large`, `upgrade`"),
    "shape": LogField("waggle.shape", "keyword", "the shape of the server"),
    "port": LogField("server.port", "long", "the port that it listens on"),
    "seconds": LogField("waggle.seconds", "long", "for so many seconds"),
    "revision": LogField("waggle.schema.revision", "keyword", "the revision of the database schema"),
    "layers": LogField("waggle.media.layers", "keyword", "the layers of confinement"),
    "processes": LogField("waggle.database.processes", "long", "the processes that share the database"),
    "connections": LogField("waggle.database.connections", "long", "the connections of each"),
    "needed": LogField("waggle.database.connections_needed", "long", "the connections of all"),
    "allowed": LogField("waggle.database.connections_allowed", "long", "the connections that the server allows"),
    "task": LogField("waggle.task", "keyword", "the background work"),
    "subscriber": LogField("waggle.event.subscriber", "keyword", "the subscriber of the outbox event"),
    "kind": LogField("waggle.event.type", "keyword", "the type of the outbox event"),
    "event_id": LogField("waggle.event.id", "keyword", "the id of the outbox event"),
    "attempts": LogField("waggle.event.attempts", "long", "the attempts so far"),
    "key": LogField("waggle.cache.key", "keyword", "the cached value"),
    "registration_id": LogField("waggle.registration.id", "keyword", "the registration that waits for its confirmation"),
    "media_id": LogField("waggle.media.id", "keyword", "the media"),
    "bucket": LogField("waggle.storage.bucket", "keyword", "the bucket"),
}  # fmt: skip
"""The fields of log events, by the name of the member."""


def types() -> dict[str, str]:
    """The type of each key that a line may have."""
    return {field.key: field.type for field in (*ENVELOPE, *CONTEXT, *FIELDS.values())}

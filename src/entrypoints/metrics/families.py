"""The metric families of Waggle. Each is listed here once; `docs/metrics.md` is generated from this list."""

from collections.abc import Sequence

from entrypoints.metrics.family import Family
from entrypoints.metrics.read_model_families import READ_MODEL

SUBSCRIBER = "the name of a subscriber, see [events.md](events.md)"
POOL = "`read` (single reads, on PostgreSQL only), `write` (transactions)"
STORED = (
    "Read from the database at most every ten seconds; every process has the same value, so take the maximum."
)

HTTP = (
    Family(
        "waggle_http_request_duration_seconds",
        "histogram",
        "The time from the end of a request's headers to the end of its response; to the beginning of the response for streams, "
        "downloads and uploads, which go on at the client's pace.",
        {
            "method": "`GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`, `other`",
            "route": "the template of the address, such as `/api/v1/posts/{post_id}`; `unmatched` if there is no such route, or "
            "none for this method",
            "status": "`1xx` to `5xx`",
        },
        'more than 1 % of responses with `status="5xx"` for five minutes, or a 99th percentile above a second',
    ),
    Family(
        "waggle_http_requests_in_flight",
        "gauge",
        "Requests in progress, without streams, downloads and large uploads. Above 1000 they are refused with 503.",
        alert="above 500 for a minute",
    ),
    Family("waggle_http_request_body_bytes", "counter", "Bytes of request bodies that were received."),
    Family(
        "waggle_http_response_body_bytes",
        "counter",
        "Bytes of responses, without headers, compressed as they were sent.",
    ),
    Family(
        "waggle_http_connections", "gauge", "Open connections to the public listener, including WebSockets."
    ),
    Family(
        "waggle_http_connections_refused",
        "counter",
        "Connections that were closed at once.",
        {
            "limit": "`process` (connections of this process), `network` (connections of one network), `metrics` (connections to "
            "the metrics listener)"
        },
        'any with `limit="process"`',
    ),
    Family(
        "waggle_http_invalid_requests",
        "counter",
        "Requests that are not valid HTTP. They have no route and are not among the requests above. `malformed`: cannot be "
        "parsed; `too_large`: endless headers; `upgrade`: an invalid upgrade to a WebSocket.",
        {
            "listener": "`public`, `metrics`",
            "defect": "`malformed`, `too_large`, `upgrade`",
        },
        "more than a tenth of all requests for ten minutes, if a reverse proxy is in front: it should let none through",
    ),
)
OUTBOX = (
    Family(
        "waggle_outbox_pending_events",
        "gauge",
        f"Events that were not brought to their subscribers yet, up to 100,000. {STORED}",
    ),
    Family(
        "waggle_outbox_oldest_event_age_seconds",
        "gauge",
        f"The age of the oldest of them; 0 if there is none. {STORED}",
        alert="above 30 seconds: no relay works, or it cannot keep up",
    ),
    Family(
        "waggle_outbox_pending_deliveries",
        "gauge",
        "Deliveries that one subscriber has not finished: they continue in parts, or wait behind an earlier event. "
        f"{STORED}",
        {"subscriber": SUBSCRIBER},
    ),
    Family(
        "waggle_outbox_retrying_deliveries",
        "gauge",
        f"Deliveries that failed and are retried. {STORED}",
        {"subscriber": SUBSCRIBER},
        "above 0 for ten minutes",
    ),
    Family(
        "waggle_outbox_oldest_delivery_age_seconds",
        "gauge",
        f"The age of the oldest event that a subscriber has not finished, since it happened. {STORED}",
        {"subscriber": SUBSCRIBER},
        "above 300 seconds",
    ),
    Family(
        "waggle_outbox_dead_letters",
        "gauge",
        f"Events that a subscriber could not process after all attempts (`waggle events dead`). {STORED}",
        {"subscriber": f"{SUBSCRIBER}; `(all)` for an event that could not be read"},
        "above 0",
    ),
    Family(
        "waggle_outbox_handler_duration_seconds",
        "histogram",
        "The time of a call of an event handler in this process.",
        {
            "subscriber": SUBSCRIBER,
            "outcome": "`handled`, `continued` (a part of its work is done), `failed`, `unavailable` (it needs something that "
            "is unavailable)",
        },
        'any with `outcome="failed"`',
    ),
    Family(
        "waggle_outbox_delivery_delay_seconds",
        "histogram",
        "The time from an event to the end of a call that handled it in this process.",
        alert="a median above 5 seconds",
    ),
)
POOLS = (
    Family(
        "waggle_pool_connections_max",
        "gauge",
        "The size of a pool of database connections.",
        {"pool": POOL},
    ),
    Family(
        "waggle_pool_connections_in_use",
        "gauge",
        "Connections that are in use.",
        {"pool": POOL},
    ),
    Family(
        "waggle_pool_waiting",
        "gauge",
        "Reads or transactions that wait for a connection.",
        {"pool": POOL},
        "above 0 for a minute: the pool is too small, or the database too slow",
    ),
)
DEPENDENCIES = (
    Family(
        "waggle_breaker_open",
        "gauge",
        "1 while a circuit breaker is open, so that a failing service is not called; otherwise 0.",
        {"breaker": "`redis`, `storage`"},
        "1 for a minute",
        "with Redis or S3",
    ),
    Family(
        "waggle_breaker_opened",
        "counter",
        "How many times a circuit breaker has opened.",
        {"breaker": "`redis`, `storage`"},
        present="with Redis or S3",
    ),
    Family(
        "waggle_redis_up",
        "gauge",
        "1 while commands are sent to Redis; otherwise 0.",
        alert="0 for a minute",
        present="with Redis",
    ),
    Family(
        "waggle_redis_command_duration_seconds",
        "summary",
        "The time from sending a command to its reply.",
        present="with Redis",
    ),
    Family(
        "waggle_redis_command_errors",
        "counter",
        "Commands to Redis that failed.",
        {
            "reason": "`refused` (an error reply), `timeout` (no reply within 0.25 s), `lost` (the connection ended)"
        },
        "more than 1 a second for five minutes",
        "with Redis",
    ),
    Family("waggle_redis_pending_commands", "gauge", "Commands whose replies are due.", present="with Redis"),
    Family(
        "waggle_storage_call_duration_seconds",
        "histogram",
        "The time of a call of the media storage; of a read, until its first bytes can be read.",
        {
            "operation": "`put`, `fetch` (for processing), `read` (for a client), `stat`, `delete`, `list`, `check`",
            "outcome": "`ok`, `missing` (no such object), `error`, `cancelled`",
        },
        'more than 5 % with `outcome="error"`',
    ),
)
STREAM = (
    Family(
        "waggle_stream_connections",
        "gauge",
        "Open streams.",
        {"transport": "`websocket`, `sse`"},
    ),
    Family(
        "waggle_stream_frames",
        "counter",
        "Frames that were sent.",
        {
            "frame": "`ready`, `event`, `live`, `hint`, `ping`, `pong`, `reauth`, `bye`, see [stream.md](stream.md)"
        },
    ),
    Family(
        "waggle_stream_delay_seconds",
        "histogram",
        "The time from when an entry of a stream was stored to when its frame was written, of streams that have received all "
        "earlier entries. For the time before that see `waggle_outbox_delivery_delay_seconds`.",
        alert="a 99th percentile above 5 seconds",
    ),
    Family(
        "waggle_stream_closed",
        "counter",
        "Open streams that Waggle closed.",
        {
            "code": "the close code: `4008` is a client that is too slow, `4010` one that does not answer pings; others in "
            "[stream.md](stream.md)"
        },
        'many with `code="4008"` or `code="4014"`',
    ),
)
LIMITS_AND_CACHES = (
    Family(
        "waggle_limiter_requests",
        "counter",
        "What was taken from the budgets of clients. A request may take from several.",
        {
            "budget": "`read`, `write`, `expensive`, `auth`, `anonymous`, `media`, `probe`, and those against password guesses: "
            "`login`, `login-known`, `login-account`, `login-familiar`, `login-network`, `login-all`, `confirm`, `register`, "
            "`register-site`",
            "decision": "`admitted`, `refused`",
        },
        "refusals of `login-all`: passwords are being guessed",
        "while rate limits are on",
    ),
    Family(
        "waggle_cache_requests",
        "counter",
        "Reads of a cache.",
        {
            "cache": "`fragments` (encoded posts), `rankings` (trending; in Redis if there is one)",
            "result": "`hit`, `miss`",
        },
    ),
    Family(
        "waggle_cache_entries",
        "gauge",
        "Entries in the memory of this process.",
        {
            "cache": "`fragments`, `rankings` (with Redis only used while it is unavailable), `contents` (texts of posts), `cards` "
            "(names of accounts)"
        },
    ),
    Family(
        "waggle_cache_bytes",
        "gauge",
        "The memory that is counted for these entries. Each cache is limited to 32 MB.",
        {"cache": "`fragments`, `rankings`, `contents`"},
    ),
)
PROCESS = (
    Family(
        "waggle_event_loop_lag_seconds",
        "histogram",
        "How late the event loop runs a timer that is due four times a second: the time for which something else kept it busy.",
        alert="a 99th percentile above 0.1 seconds: the process needs more processor time",
    ),
    Family(
        "waggle_media_queued_jobs",
        "gauge",
        f"Uploads that are not processed yet. {STORED}",
        alert="growing for half an hour",
    ),
    Family(
        "waggle_media_job_duration_seconds",
        "histogram",
        "The time of an attempt to process an upload in this process.",
        {
            "outcome": "`ready`, `rejected` (the upload cannot be processed), `failed` (it is tried again), `cancelled`"
        },
        'any with `outcome="failed"`',
    ),
    Family(
        "waggle_mail_queued",
        "gauge",
        f"Mails about notifications that are due or will be, up to 100,000. {STORED}",
    ),
    Family(
        "waggle_mail_messages",
        "counter",
        "Attempts to send a mail.",
        {"outcome": "`sent`, `refused` (never sent again), `failed` (tried again)"},
        "more `failed` than `sent` for half an hour",
        "with a mail server",
    ),
    Family(
        "waggle_security_events",
        "counter",
        "Security events that were stored, such as logins: after about a second, and after up to a minute if they are repeated.",
        {
            "kind": "`login` and others, see [security-events.md](security-events.md)",
            "outcome": "`ok`, `refused`",
        },
        "an unusual number of refused logins",
    ),
    Family(
        "waggle_scrape_errors",
        "counter",
        "Values that could not be read for a scrape, which are left out then.",
        {"source": "`outbox`, `media`, `mail`: queues in the database"},
        "any for five minutes: the database does not respond in time",
    ),
    Family(
        "waggle_build_info",
        "gauge",
        "Always 1.",
        {
            "version": "the version of Waggle",
            "shape": "`memory`, `embedded`, `postgres`, `scaled`",
        },
    ),
)
FAMILIES: Sequence[Family] = (
    *HTTP,
    *OUTBOX,
    *POOLS,
    *DEPENDENCIES,
    *STREAM,
    *LIMITS_AND_CACHES,
    *READ_MODEL,
    *PROCESS,
)
"""The families that Waggle measures itself."""

"""The lines that the server itself logs. See `LogEvent` for their form."""

from application.shared.log import ERROR, INFO, WARNING, LogEvent

# --- Requests ------------------------------------------------------------------------------------------


class Request(LogEvent, logger="access", level=INFO):
    """A request was answered. WAGGLE_ACCESS_LOG says which: all, or those that failed with 500 and above or were slow.

    Do: for a status of 500 and above, search for the other lines with the same request id."""

    message = "{method} {route} {status}"
    method: str
    route: str
    status: int
    duration: int
    outcome: str


class UnexpectedError(LogEvent, logger="http", level=ERROR):
    """A request or a stream failed because of a bug. The client was given the request id.

    Do: report it with the stack."""

    message = "unexpected {error_type} in {part}"
    error_type: str
    part: str


class TooManyConnections(LogEvent, logger="connections", level=WARNING):
    """A connection was refused, because the process or one network has too many. At most one line a second.

    Do: if the limit is `process`, add processes or allow more open files. If it is `network`, check WAGGLE_TRUSTED_PROXIES:
    without it, all clients behind a proxy are one network."""

    message = "too many connections: the limit of the {limit} is reached"
    limit: str
    network: str


class TooManyMetricsConnections(LogEvent, logger="connections", level=WARNING):
    """A connection to the listener of WAGGLE_METRICS_ADDRESS was refused: all of them are in the middle of a scrape. Users are not
    affected. At most one line a second.

    Do: find out who scrapes so often; one or two Prometheus servers are enough."""

    message = "too many connections to the metrics listener: {count} scrapes are in progress"
    count: int


class InvalidHttp(LogEvent, logger="connections", level=WARNING):
    """A request was not valid HTTP, so it has no line in the access log: `malformed`, with headers that are `too_large`, or with an
    invalid `upgrade` to a WebSocket. At most one line a minute and listener; the count includes those since the line before.

    Do: nothing if it is the internet: scanners send this. If the network is that of your reverse proxy, let it speak HTTP/1.1
    without TLS to Waggle."""

    message = "{count} requests to the {listener} listener were not valid HTTP; the last one was {defect}"
    count: int
    listener: str
    defect: str
    network: str
    request_id: str


class MetricsHostRefused(LogEvent, logger="connections", level=WARNING):
    """A scrape was answered with 421: its `Host` has a name that the metrics listener does not know. At most one line a minute.

    Do: if it is your Prometheus, add the name that it uses to WAGGLE_METRICS_HOSTS. Otherwise a web page has tried to read the
    metrics through a browser."""

    message = "a scrape was refused: its Host is no address, no plain name, and not in WAGGLE_METRICS_HOSTS"
    network: str


# --- Start and stop --------------------------------------------------------------------------------------


class ServerStarted(LogEvent, logger="server", level=INFO):
    """The server has opened everything and accepts requests.

    Do: nothing."""

    message = "serving in the shape {shape} on port {port}"
    shape: str
    port: int


class ServerDraining(LogEvent, logger="server", level=INFO):
    """The server was told to stop. Until it does, it serves everything, and `/readyz` responds with 503 for load balancers.

    Do: nothing."""

    message = "stopping in {seconds} seconds; until then /readyz responds with 503 for load balancers"
    seconds: int


class ServerStopped(LogEvent, logger="server", level=INFO):
    """The server has finished its requests and closed everything. If this line is missing, the process was killed.

    Do: nothing."""

    message = "the server has stopped"


class MetricsServed(LogEvent, logger="server", level=INFO):
    """Metrics are served on the port of WAGGLE_METRICS_ADDRESS.

    Do: nothing."""

    message = "metrics are served at /metrics on port {port}"
    port: int


class MetricsExposed(LogEvent, logger="server", level=WARNING):
    """Other machines can reach the metrics. They contain no secrets and no names, but show how many users there are and what
    they do.

    Do: let a firewall admit only Prometheus, or use a loopback address in WAGGLE_METRICS_ADDRESS."""

    message = "metrics on port {port} can be reached from other machines"
    port: int


class QueueNotCounted(LogEvent, logger="metrics", level=WARNING):
    """A queue could not be counted for the metrics, which then lack it. At most one line per queue in ten seconds.

    Do: check whether the database responds."""

    message = "the queue of the part {part} could not be counted: {error_type}"
    part: str
    error_type: str


class ProxiesNotTrusted(LogEvent, logger="server", level=WARNING):
    """No proxy may name the address of its clients, in production.

    Do: set WAGGLE_TRUSTED_PROXIES, unless clients reach this process directly."""

    message = "WAGGLE_TRUSTED_PROXIES is empty: all clients behind a reverse proxy count as one client for the rate limits"


class SchemaMigrated(LogEvent, logger="server", level=INFO):
    """A start in the embedded shape has migrated the database.

    Do: nothing."""

    message = "the database is now at schema {revision}"
    revision: str


class ConfinementActive(LogEvent, logger="server", level=INFO):
    """The layers that confine the process that decodes uploads.

    Do: nothing."""

    message = "uploads are decoded under: {layers}"
    layers: str


class ConfinementIncomplete(LogEvent, logger="server", level=WARNING):
    """The system does not offer every layer that confines the process that decodes uploads.

    Do: use a newer kernel, or allow the system calls in the container. WAGGLE_MEDIA_CONFINEMENT=required refuses to start."""

    message = (
        "uploads are decoded without: {layers}. This system does not offer it; WAGGLE_MEDIA_CONFINEMENT=required refuses "
        "to start without it"
    )
    layers: str


class ConfinementUnknown(LogEvent, logger="server", level=WARNING):
    """No process could be started to find out which layers confine the decoding of uploads.

    Do: look at the limits of processes and memory."""

    message = "it is unknown which layers confine the decoding of uploads: {reason}"
    reason: str


class TooFewDatabaseConnections(LogEvent, logger="server", level=WARNING):
    """All processes together may open more connections than the database server allows.

    Do: decrease WAGGLE_DATABASE_CONNECTIONS, or raise `max_connections`."""

    message = (
        "{processes} processes with WAGGLE_DATABASE_CONNECTIONS={connections} may open {needed} connections, but the "
        "database server allows {allowed}: requests will fail under load"
    )
    processes: int
    connections: int
    needed: int
    allowed: int


# --- Background work -------------------------------------------------------------------------------------


class ProcessNumberNotRenewed(LogEvent, logger="server", level=WARNING):
    """The process number, which ids are made with, was not renewed. Writes are refused when its lease ends.

    Do: restore the database."""

    message = "the process number was not renewed: {reason}"
    reason: str


class BackgroundWaits(LogEvent, logger="background", level=WARNING):
    """Background work cannot go on, because something is unavailable. It is tried again every second, and logged once a minute.

    Do: restore what the reason names."""

    message = "{task} is waiting: {reason}"
    task: str
    reason: str


class BackgroundFailed(LogEvent, logger="background", level=ERROR):
    """Background work ended with a bug and is started again.

    Do: report it with the stack."""

    message = "{task} failed and is restarted"
    task: str


class MaintenanceUnfinished(LogEvent, logger="background", level=WARNING):
    """The hourly maintenance was not finished, because something is unavailable.

    Do: restore what the reason names. Maintenance runs again in an hour."""

    message = "maintenance was not finished and runs again in an hour: {reason}"
    reason: str


class MaintenanceFailed(LogEvent, logger="background", level=ERROR):
    """The hourly maintenance ended with a bug.

    Do: report it with the stack."""

    message = "maintenance failed and runs again in an hour"


class UncaughtError(LogEvent, logger="process", level=ERROR):
    """An error that nothing caught: it ended a thread or the process, or happened while an object was removed.

    Do: report it with the stack."""

    message = "uncaught {error_type} in {part}"
    error_type: str
    part: str

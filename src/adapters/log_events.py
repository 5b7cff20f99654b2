"""The lines that adapters log. See `LogEvent` for their form."""

from application.shared.log import INFO, WARNING, LogEvent

# --- Redis -------------------------------------------------------------------------------------------


class RedisAvailable(LogEvent, logger="redis", level=INFO):
    """The connection to Redis works, for the first time or again.

    Do: nothing."""

    message = "Redis is available"


class RedisUnavailable(LogEvent, logger="redis", level=WARNING):
    """Redis cannot be used. Logged once. The process continues with its own caches and limits.

    Do: restore Redis. `/readyz` says `degraded` until then."""

    message = "Redis is unavailable: {reason}; continuing without it"
    reason: str


# --- Traces ------------------------------------------------------------------------------------------


class SpansNotExported(LogEvent, logger="traces", level=WARNING):
    """The collector does not accept spans, or the queue of spans is full. Logged at most once a minute. No request waits for
    it.

    Do: restore the collector, or record fewer requests (WAGGLE_TRACES_RATIO)."""

    message = "spans are not exported: {reason}"
    reason: str


class LastSpansLost(LogEvent, logger="traces", level=WARNING):
    """The collector did not accept the last spans of a process that stops within two seconds.

    Do: nothing, or restore the collector."""

    message = "the last spans were not exported: the collector does not answer"


# --- The media storage ---------------------------------------------------------------------------------


class StorageAvailable(LogEvent, logger="storage", level=INFO):
    """The S3 server answers, for the first time or again.

    Do: nothing."""

    message = "the media storage is available"


class StorageUnavailable(LogEvent, logger="storage", level=WARNING):
    """The S3 server cannot be used. Logged once. Uploads and pictures fail, everything else works.

    Do: restore it. `/readyz` says `degraded` until then."""

    message = "the media storage is unavailable: {reason}; continuing without it"
    reason: str


class BucketCreated(LogEvent, logger="storage", level=WARNING):
    """The bucket was missing and was created.

    Do: nothing at the first start. Later it means that the files are gone: check WAGGLE_MEDIA_URL."""

    message = "created the missing bucket {bucket}"
    bucket: str


class BucketPublic(LogEvent, logger="storage", level=WARNING):
    """Anyone can read the bucket or list its objects.

    Do: remove the policy that allows it."""

    message = (
        "the bucket {bucket} is publicly readable: anyone who learns a URL can read media of private accounts. Remove the "
        "policy that allows anonymous access"
    )
    bucket: str


# --- The disk of the data folder -----------------------------------------------------------------------


class DiskFullAtStart(LogEvent, logger="disk", level=WARNING):
    """The server starts while the disk of its data folder is full. Reads work.

    Do: free some space."""

    message = "the disk of the data folder is full: starting read-only until there is space"


class DiskFull(LogEvent, logger="disk", level=WARNING):
    """The disk of the data folder became full. Writes are answered with 507. Logged once.

    Do: free some space."""

    message = "the disk of the data folder is full: reads continue, writes are refused"


class DiskFree(LogEvent, logger="disk", level=INFO):
    """The disk of the data folder has space again.

    Do: nothing."""

    message = "the disk of the data folder has space again"


class ReserveNotCreated(LogEvent, logger="disk", level=WARNING):
    """The file that reserves space for a start on a full disk could not be created. It is tried again with the next write.

    Do: free some space."""

    message = "cannot create the reserve file in the data folder: {reason}"
    reason: str

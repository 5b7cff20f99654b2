"""The lines that use cases and the relay log. See `LogEvent` for their form."""

from application.shared.log import ERROR, INFO, WARNING, LogEvent

# --- The relay ---------------------------------------------------------------------------------------


class DeliveryWaits(LogEvent, logger="relay", level=INFO):
    """A subscriber needs something that is unavailable. It is called again every two seconds, which is not counted.

    Do: restore what the reason names."""

    message = "{subscriber} waits with {kind} {event_id}: {reason}"
    subscriber: str
    kind: str
    event_id: int
    reason: str


class DeliveryFailed(LogEvent, logger="relay", level=WARNING):
    """A subscriber could not process an event. It is called again after a growing pause.

    Do: nothing at first. If it repeats, report the reason as a bug."""

    message = "{kind} {event_id} to {subscriber} failed: {reason}"
    subscriber: str
    kind: str
    event_id: int
    attempts: int
    reason: str


class DeliveryDead(LogEvent, logger="relay", level=ERROR):
    """A subscriber could not process an event after all attempts. The event is now one of its dead letters.

    Do: read `waggle events dead`, correct the cause, then run `waggle events replay`."""

    message = "{kind} {event_id} to {subscriber} goes to the dead letters: {reason}"
    subscriber: str
    kind: str
    event_id: int
    attempts: int
    reason: str


class RepeatedDeliveryFailed(LogEvent, logger="relay", level=WARNING):
    """The deletion of an account was delivered once more, for late writes, and a subscriber failed.

    Do: nothing. Maintenance delivers it again in an hour."""

    message = "{kind} to {subscriber} failed once more: {reason}"
    subscriber: str
    kind: str
    reason: str


class LeaseNotRenewed(LogEvent, logger="relay", level=WARNING):
    """The lease of deliveries that are in progress could not be renewed. Another process may make them a second time.

    Do: look at the database. Handlers tolerate repeated deliveries."""

    message = "the lease of {count} deliveries is not renewed: {reason}"
    count: int
    reason: str


# --- Caches ------------------------------------------------------------------------------------------


class CacheNotComputed(LogEvent, logger="cache", level=WARNING):
    """A cached value could not be computed again. The old value is served while there is one.

    Do: look at the database if the reason names it. An error with a stack is a bug."""

    message = "{key} could not be computed: {reason}"
    key: str
    reason: str


# --- Accounts ----------------------------------------------------------------------------------------


class SecurityEvent(LogEvent, logger="security", level=INFO):
    """Something happened that concerns the security of an account: see [security-events.md](security-events.md).

    Do: nothing. Many refusals from one network, or `refresh_token_reused`, may be an attack."""

    message = "security event: {security_action} {outcome}"
    security_action: str
    outcome: str
    reason: str
    user_id: int | None
    session_id: int | None
    network: str
    request_id: str
    count: int


class SecurityEventsNotStored(LogEvent, logger="security", level=WARNING):
    """Security events cannot be stored. Up to 1,000 wait; all of them are in the log.

    Do: restore the database."""

    message = "security events cannot be stored now and will be retried: {reason}"
    reason: str


class RegistrationMailDropped(LogEvent, logger="mail", level=WARNING):
    """The mail server refused the address of a registration for good.

    Do: nothing."""

    message = "the mail about registration {registration_id} is dropped: {reason}"
    registration_id: int
    reason: str


class RegistrationMailRetried(LogEvent, logger="mail", level=WARNING):
    """The mail about a registration could not be sent, and is sent again after a growing pause.

    Do: look at the mail server if it repeats."""

    message = "the mail about registration {registration_id} will be retried: {reason}"
    registration_id: int
    reason: str


class RegistrationMailFailed(LogEvent, logger="mail", level=ERROR):
    """The mail about a registration could not be sent after all attempts.

    Do: restore the mail server. The user can register again."""

    message = "the mail about registration {registration_id} is dropped: {reason}"
    registration_id: int
    reason: str


# --- Notifications -----------------------------------------------------------------------------------


class MailDropped(LogEvent, logger="mail", level=WARNING):
    """The mail server refused the address of a user for good. The address gets no mail for a day.

    Do: nothing."""

    message = "dropped the mail to user {user_id}: {reason}"
    user_id: int
    reason: str


class MailRetried(LogEvent, logger="mail", level=WARNING):
    """A mail about notifications could not be sent, and is sent again after a growing pause.

    Do: look at the mail server if it repeats."""

    message = "will retry the mail to user {user_id}: {reason}"
    user_id: int
    reason: str


class MailFailed(LogEvent, logger="mail", level=ERROR):
    """A mail about notifications could not be sent after all attempts. The next one covers the same notifications.

    Do: restore the mail server."""

    message = "dropped the mail to user {user_id}: {reason}"
    user_id: int
    reason: str


class StreamHeadsUnknown(LogEvent, logger="stream", level=WARNING):
    """It cannot be checked whether open streams are behind. They still get hints; after some seconds they are closed.

    Do: restore the database."""

    message = "cannot check the heads of open streams: {reason}"
    reason: str


# --- Media -------------------------------------------------------------------------------------------


class MediaWaits(LogEvent, logger="media", level=WARNING):
    """Processing of an upload cannot go on, and is tried again after a growing pause.

    Do: restore the storage if the reason names it. If the storage is new, connect the one that has the uploads."""

    message = "media {media_id} waits: {reason}"
    media_id: int
    reason: str


class MediaPurgeDeferred(LogEvent, logger="media", level=WARNING):
    """Files of deleted media could not be deleted. Maintenance deletes them later. They are no longer served.

    Do: restore the storage."""

    message = "deleted media stays in the storage until the next purge: {reason}"
    reason: str


class OrphansKept(LogEvent, logger="media", level=WARNING):
    """So many files belong to no media that the storage probably belongs to another database. Nothing is deleted.

    Do: check WAGGLE_MEDIA_URL. If it is right, run `waggle media sweep`, which deletes the files."""

    message = (
        "{count} of {total} objects from {media_id} on belong to no media of this database, and are kept: to remove them, "
        "run `waggle media sweep`"
    )
    count: int
    total: int
    media_id: str


class MediaObjectMissing(LogEvent, logger="media", level=WARNING):
    """`waggle media sweep` found media whose file is missing. Unless it is a dry run, the media is marked as failed.

    Do: restore the file from a backup before the sweep runs without `--dry-run`."""

    message = "an object of media {media_id} of user {user_id} is missing"
    media_id: int
    user_id: int

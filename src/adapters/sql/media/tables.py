"""The table of media, which is also the processing queue, and the table of upload records."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, Text, text

from adapters.sql.metadata import Id, metadata

media = Table(
    "media",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("owner_id", Id, nullable=False),
    Column("secret", String(22), nullable=False),
    Column("state", String(10), nullable=False),
    Column("bytes", Id, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("reason", String(20)),
    Column("made", Text),  # the ProcessingResult as JSON, once the media is ready
    Column("alt_text", Text, nullable=False),
    Column("focal_x", Float, nullable=False),
    Column("focal_y", Float, nullable=False),
    Column("post_id", Id),
    Column("open", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False),
    # Milliseconds since 1970, by the clock of the database.
    Column("due_at", Id, nullable=False),
    Column("leased_until", Id, nullable=False),
    Column("attempts", Integer, nullable=False),
)
Index("ix_media_owner_id_id", media.c.owner_id, media.c.id)
Index(
    "ix_media_post_id",
    media.c.post_id,
    sqlite_where=media.c.post_id.is_not(None),
    postgresql_where=media.c.post_id.is_not(None),
)
uploads = Table(
    "media_uploads",
    metadata,
    Column("media_id", Id, primary_key=True, autoincrement=False),
    Column("owner_id", Id, nullable=False),
    Column("secret", String(22), nullable=False),
    Column("bytes", Id, nullable=False),
    Column("session_id", Id),  # of the last ticket
    # Milliseconds since 1970, by the clock of the processes, like the expiry of tickets.
    Column("ticket_until", Id),
    Column("look_at", Id),
    sqlite_with_rowid=False,
)
"""The uploads of the last 24 hours, and those whose objects must be checked; also after their media was deleted."""
Index("ix_media_uploads_owner_id_media_id", uploads.c.owner_id, uploads.c.media_id)
Index(
    "ix_media_uploads_look_at",
    uploads.c.look_at,
    sqlite_where=uploads.c.look_at.is_not(None),
    postgresql_where=uploads.c.look_at.is_not(None),
)
JOB = text("state = 'processing' AND NOT deleted")
STALE = text("deleted OR post_id IS NULL")
Index("ix_media_jobs", media.c.due_at, sqlite_where=JOB, postgresql_where=JOB)
Index("ix_media_stale", media.c.id, sqlite_where=STALE, postgresql_where=STALE)
"""The media that may have to be removed: usually few."""

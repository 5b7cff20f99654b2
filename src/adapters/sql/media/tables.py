"""The table of media, each of which is a job while it is processed."""

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
    Column("made", Text),  # JSON, once it is ready
    Column("alt_text", Text, nullable=False),
    Column("focal_x", Float, nullable=False),
    Column("focal_y", Float, nullable=False),
    Column("post_id", Id),
    Column("open", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False),
    # By the database's clock, in milliseconds since 1970.
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
    # Milliseconds since 1970, by the clock of the processes, as tickets.
    Column("ticket_until", Id),
    Column("look_at", Id),
    sqlite_with_rowid=False,
)
"""Of each upload of a day, and of each whose objects are to be looked at again, also when its media is gone."""
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
"""What may have to be swept: seldom much."""

"""The tables of identity, and the port that encrypts some of their columns."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    text,
)

from adapters.sql.metadata import Id, Instant, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("username", String(30), nullable=False, unique=True),
    Column("email_index", LargeBinary(32), nullable=False, unique=True),  # a keyed hash
    Column("email_sealed", LargeBinary, nullable=False),
    Column("password_hash", String(128), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("bio", Text, nullable=False),
    Column("private", Boolean, nullable=False, server_default=false()),
    Column("posts", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)

resting_names = Table(
    "resting_names",
    metadata,
    Column("name_index", LargeBinary(32), primary_key=True),  # a keyed hash, so that the name cannot be read
    Column("until", Instant, nullable=False),
)

pending_registrations = Table(
    "pending_registrations",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("username", String(30), nullable=False, unique=True),
    Column("email_index", LargeBinary(32), nullable=False, index=True),  # a keyed hash
    Column("email_sealed", LargeBinary, nullable=False),
    Column("password_hash", String(128), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("seed", LargeBinary(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),  # SHA-256 of the token
    Column("expires_at", Instant, nullable=False, index=True),
    # The following columns are about its mail. Times are milliseconds since 1970 by the database's clock.
    Column("due_at", Id, index=True),  # NULL once the mail was sent or dropped
    Column("attempts", Integer, nullable=False),
    Column("leased_until", Id, nullable=False),
    Column("sent_at", Id),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("user_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("seed", LargeBinary(16), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("exchanged", Text),  # JSON: the recent token exchanges, [generation, milliseconds]
    Column("refreshed_at", Instant, nullable=False),
    Column("authenticated_at", Instant, nullable=False, server_default="0"),
    Column("device_sealed", LargeBinary),  # NULL if the client sent no User-Agent
    Column("network", String(64)),  # NULL if it is unknown
    Column("ended_at", Instant),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(32), primary_key=True),
    Column("private_sealed", LargeBinary, nullable=False),
    Column("public", LargeBinary(32), nullable=False),
    Column("state", String(10), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("retired_at", Instant),
    CheckConstraint("state IN ('next', 'active', 'retiring')", name="state"),
    # At most one key is active, so that processes that start together agree on it.
    Index(
        "uq_signing_keys_active",
        "state",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
)

"""The refresh tokens that were exchanged lately, and the owners of credentials in stored outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("sessions", sa.Column("exchanged", sa.Text()))
    op.add_column("idempotency_keys", sa.Column("session_id", ID))
    some = sa.text("session_id IS NOT NULL")
    op.create_index(
        "ix_idempotency_keys_session_id",
        "idempotency_keys",
        ["session_id"],
        sqlite_where=some,
        postgresql_where=some,
    )
    # Only registrations and logins are asked for by nobody known, and their outcomes name the session.
    session = {
        "postgresql": "CAST(CAST(outcome AS json) ->> 'session' AS bigint)",
        "sqlite": "json_extract(outcome, '$.session')",
    }[op.get_bind().dialect.name]
    op.execute(f"UPDATE idempotency_keys SET session_id = {session} WHERE scope LIKE 'anyone:%'")  # noqa: S608

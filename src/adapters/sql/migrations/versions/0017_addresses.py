"""E-mail addresses are indexed by the IDNA form of their domain and the lower case of the rest."""

from alembic import context, op

from adapters.sql.identity.indexing import index_addresses

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    index_addresses(op.get_bind(), context.config.attributes["sealer"])

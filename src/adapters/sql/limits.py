"""What limits the use of a database. Without any driver, so that a process loads only the one that it uses."""

from typing import NamedTuple

ACQUIRE_TIMEOUT = 1.0
CONNECT_TIMEOUT = 2.0
COMMAND_TIMEOUT = 2.0
"""Seconds for one statement, enforced by this side in case an answer never arrives. The server has limits of its own."""
SERVER_SETTINGS = {
    "application_name": "waggle",
    "statement_timeout": "2s",
    "lock_timeout": "500ms",
    "idle_in_transaction_session_timeout": "10s",
    "jit": "off",  # the statements are small: compiling them would cost more than it saves
}
"""Of each connection to PostgreSQL."""
POOLER_NEEDED = (
    "a pooler in front of the database server refuses or drops the settings of connections: add pooler=transaction to "
    "the URL"
)


class PoolState(NamedTuple):
    name: str
    """`read` (single reads) or `write` (transactions)."""
    size: int
    """The maximum number of connections."""
    in_use: int
    waiting: int
    """Reads or transactions that wait for a connection."""

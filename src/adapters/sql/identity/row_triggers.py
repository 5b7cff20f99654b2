"""The changes of rows on which results that were read from identity depend."""

from collections.abc import Sequence

from adapters.sql.row_changes import RowTrigger
from application.identity.author_cards import CARD

ROW_TRIGGERS: Sequence[RowTrigger] = (
    RowTrigger("accounts", "UPDATE OF username, display_name", CARD, ("id",)),
    RowTrigger("accounts", "DELETE", CARD, ("id",)),
)

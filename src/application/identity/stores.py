"""The ports of identity that a store implements."""

from application.identity.ports import ConfirmationQueue, IdentityReader, IdentityTx, KeyStore, PostCountsTx
from application.identity.searching import PeopleSearch
from application.identity.security import SecurityRecords
from application.shared.ports import OpenTx, PurgeExpired
from domain.dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityStores:
    """The stores of identity. Each technology that can store accounts offers one."""

    open_tx: OpenTx[IdentityTx]
    open_post_counts: OpenTx[PostCountsTx]
    """A power cut may undo what it committed last. The event then comes again."""
    reader: IdentityReader
    keys: KeyStore
    security_records: SecurityRecords
    people_search: PeopleSearch
    confirmations: ConfirmationQueue
    purge_expired: PurgeExpired

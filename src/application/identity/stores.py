"""The driven ports of identity that a store answers."""

from dataclasses import dataclass

from application.identity.ports import ConfirmationQueue, IdentityReader, IdentityTx, KeyStore
from application.identity.searching import PeopleSearch
from application.identity.security import SecurityEvents
from application.shared.ports import OpenTx


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityStores:
    """Each technology that can hold accounts offers one of these."""

    open_tx: OpenTx[IdentityTx]
    reader: IdentityReader
    keys: KeyStore
    security_events: SecurityEvents
    people_search: PeopleSearch
    confirmations: ConfirmationQueue

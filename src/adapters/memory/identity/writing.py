"""The transactions of identity, in memory."""

from adapters.memory.identity.accounts import MemoryAccounts
from adapters.memory.identity.pending import MemoryPendingRegistrations
from adapters.memory.identity.sessions import MemorySessions
from adapters.memory.outbox import MemoryIdempotency, MemoryInbox, MemoryOutbox
from adapters.memory.store import Draft, Store
from application.identity.ports import IdentityTx, PostCountsTx
from application.shared.ports import NewId, OpenTx


def transactions(store: Store, new_id: NewId) -> OpenTx[IdentityTx]:
    def ports(rows: Draft) -> IdentityTx:
        return IdentityTx(
            MemoryAccounts(rows),
            MemorySessions(rows),
            MemoryPendingRegistrations(rows, MemoryAccounts(rows)),
            MemoryOutbox(rows, new_id),
            MemoryInbox(rows),
            MemoryIdempotency(rows),
        )

    return store.transactions(ports)


def post_counts(store: Store) -> OpenTx[PostCountsTx]:
    return store.transactions(lambda rows: PostCountsTx(MemoryAccounts(rows), MemoryInbox(rows)))

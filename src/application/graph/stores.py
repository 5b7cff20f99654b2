"""The ports of graph that a store implements."""

from application.graph.ports import GraphCounters, GraphReader, GraphTx
from application.shared.ports import OpenTx, PurgeExpired
from domain.dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphStores:
    """The stores of graph. Each technology that can store relationships offers one."""

    open_tx: OpenTx[GraphTx]
    reader: GraphReader
    counters: GraphCounters
    purge_expired: PurgeExpired

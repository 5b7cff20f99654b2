"""The driven ports of graph that a store answers."""

from dataclasses import dataclass

from application.graph.ports import GraphCounters, GraphReader, GraphTx
from application.shared.ports import OpenTx


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphStores:
    """Each technology that can hold follows, requests, blocks and mutes offers one of these."""

    open_tx: OpenTx[GraphTx]
    reader: GraphReader
    counters: GraphCounters

"""The ports of feeds that a store implements."""

from application.feeds.signals import SignalsReader, SignalsTx
from application.shared.ports import OpenTx, PurgeExpired
from domain.dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsStores:
    """The stores of feeds. Each technology that can store engagement signals offers one. Timelines are not included:
    they may be lost, and are kept in this process, in Redis, or not at all."""

    open_tx: OpenTx[SignalsTx]
    signals: SignalsReader
    purge_expired: PurgeExpired

"""The driven ports of feeds that a store answers."""

from dataclasses import dataclass

from application.feeds.signals import SignalsReader, SignalsTx
from application.shared.ports import OpenTx


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsStores:
    """Each technology that can hold the votes for what trends offers one of these. Timelines are apart: they may be lost,
    and are kept in this process, in Redis or not at all."""

    open_tx: OpenTx[SignalsTx]
    signals: SignalsReader

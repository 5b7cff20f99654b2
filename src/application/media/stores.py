"""The driven ports of media that a store answers."""

from dataclasses import dataclass

from application.media.ports import MediaReader, MediaTx, ProcessingQueue
from application.shared.ports import OpenTx


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStores:
    """Each technology that can hold the rows of media offers one of these. Their bytes are in a `Storage`."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    jobs: ProcessingQueue

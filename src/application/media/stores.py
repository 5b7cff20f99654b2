"""The ports of media that a store implements."""

from application.media.ports import MediaReader, MediaTx, ProcessingQueue
from application.shared.ports import OpenTx
from domain.dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStores:
    """The stores of media. Each technology that can store their rows offers one. Their bytes are in a `Storage`."""

    open_tx: OpenTx[MediaTx]
    reader: MediaReader
    jobs: ProcessingQueue

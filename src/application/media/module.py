"""The module media: uploads, and the renditions that are made and served of them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Self

from application.media.attachable import AttachableMedia
from application.media.details import ReadMedia, UpdateMedia
from application.media.event_handlers import (
    AttachMedia,
    DeleteDetachedMedia,
    DeleteOwnerMedia,
    DeletePostMedia,
)
from application.media.ports import OpenFolder, Processor, Storage
from application.media.processing import ProcessMedia
from application.media.removing import (
    DeleteMedia,
    PurgeExpiredMedia,
    PurgeMedia,
    PurgeOrphanedObjects,
    ReconcileMedia,
)
from application.media.serving import FindRendition, OpenRendition, OwnerVisibility
from application.media.stores import MediaStores
from application.media.tickets import CheckExpiredTickets, ReceiveUpload
from application.media.uploading import BeginUpload, CompleteUpload, RegisterUpload, UploadFile, UploadLimits
from application.shared.events import AccountDeleted, MediaAttached, MediaDetached, PostDeleted
from application.shared.ports import ActiveSessions, Clock, NewId
from application.shared.subscriptions import Subscription, on
from domain.dataclasses import dataclass
from domain.shared import CountGraphemes


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaNeeds:
    """The dependencies of media: other modules, services and settings."""

    owners: OwnerVisibility
    sessions: ActiveSessions
    storage: Storage
    processor: Processor
    folder: OpenFolder
    limits: UploadLimits
    new_secret: Callable[[], str]
    """For addresses that nobody can guess."""
    graphemes: CountGraphemes
    now: Clock
    new_id: NewId


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaModule:
    """The use cases of media, and what it offers to other modules."""

    # Uploads
    upload_file: UploadFile
    begin_upload: BeginUpload
    receive_upload: ReceiveUpload
    complete_upload: CompleteUpload
    update_media: UpdateMedia
    read_media: ReadMedia
    delete_media: DeleteMedia

    # Renditions
    find_rendition: FindRendition
    open_rendition: OpenRendition

    # Background work, for operators
    process_media: ProcessMedia
    check_expired_tickets: CheckExpiredTickets
    purge_orphaned_objects: PurgeOrphanedObjects
    purge_expired_media: PurgeExpiredMedia
    reconcile_media: ReconcileMedia

    # For other modules
    attachable: AttachableMedia

    # Handlers of events
    attach_media: AttachMedia
    delete_detached_media: DeleteDetachedMedia
    delete_post_media: DeletePostMedia
    delete_owner_media: DeleteOwnerMedia

    @classmethod
    def build(cls, *, stores: MediaStores, needs: MediaNeeds) -> Self:
        open_tx, reader = stores.open_tx, stores.reader
        storage, now = needs.storage, needs.now
        wake = asyncio.Event()  # it takes the event loop that it is first used in
        register = RegisterUpload(
            open_tx=open_tx, new_id=needs.new_id, secret=needs.new_secret, limits=needs.limits
        )
        purge = PurgeMedia(open_tx=open_tx, storage=storage)
        return cls(
            upload_file=UploadFile(
                register=register,
                open_tx=open_tx,
                storage=storage,
                graphemes=needs.graphemes,
                wake=wake.set,
            ),
            begin_upload=BeginUpload(register=register, storage=storage, graphemes=needs.graphemes, now=now),
            receive_upload=ReceiveUpload(
                open_tx=open_tx, reader=reader, storage=storage, sessions=needs.sessions
            ),
            complete_upload=CompleteUpload(open_tx=open_tx, storage=storage, wake=wake.set),
            update_media=UpdateMedia(open_tx=open_tx, graphemes=needs.graphemes),
            read_media=ReadMedia(reader),
            delete_media=DeleteMedia(open_tx=open_tx, purge=purge),
            find_rendition=FindRendition(reader=reader, owners=needs.owners),
            open_rendition=OpenRendition(storage),
            process_media=ProcessMedia(
                open_tx=open_tx,
                jobs=stores.jobs,
                storage=storage,
                processor=needs.processor,
                folder=needs.folder,
                now=now,
                wake=wake,
            ),
            check_expired_tickets=CheckExpiredTickets(
                open_tx=open_tx,
                reader=reader,
                storage=storage,
                sessions=needs.sessions,
                purge=purge,
                now=now,
            ),
            purge_orphaned_objects=PurgeOrphanedObjects(reader=reader, storage=storage, now=now),
            purge_expired_media=PurgeExpiredMedia(open_tx=open_tx, reader=reader, purge=purge, now=now),
            reconcile_media=ReconcileMedia(open_tx=open_tx, reader=reader, storage=storage, now=now),
            attachable=AttachableMedia(reader=reader, clock=now),
            attach_media=AttachMedia(open_tx),
            delete_detached_media=DeleteDetachedMedia(open_tx=open_tx, purge=purge),
            delete_post_media=DeletePostMedia(open_tx=open_tx, purge=purge),
            delete_owner_media=DeleteOwnerMedia(open_tx=open_tx, purge=purge),
        )

    def subscriptions(self) -> Sequence[Subscription]:
        return [
            on(MediaAttached, "media.track_attachments", self.attach_media),
            on(MediaDetached, "media.track_attachments", self.delete_detached_media),
            on(PostDeleted, "media.track_attachments", self.delete_post_media),
            on(AccountDeleted, "media.erase_owner", self.delete_owner_media),
        ]

"""/api/v1/media: uploads, and the operations of their owners."""

from typing import Any

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from application.media.details import ReadMedia, UpdateMedia
from application.media.ports import OpenFolder
from application.media.removing import DeleteMedia
from application.media.uploading import BeginUpload, CompleteUpload, MediaDetails, Uploader, UploadFile
from application.shared.attachments import RenditionAddresses
from application.shared.errors import StorageFull
from domain.media import (
    MediaInUse,
    MediaNotFound,
    MediaNotUploaded,
    QuotaReached,
)
from domain.shared import Unavailable
from entrypoints.http.auth import AuthenticatedRequest
from entrypoints.http.media import forms
from entrypoints.http.media.receiving import TooManyUploads, Uploads
from entrypoints.http.media.shapes import (
    BeginUploadIn,
    BegunUploadOut,
    DescribeMediaIn,
    OwnMediaOut,
    UploadTicketOut,
    a_media,
)
from entrypoints.http.openapi import policy
from entrypoints.http.resources import IdempotencyKey, IdempotentRequests, created

FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": False,
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",  # for client generators; OpenAPI 3.1 specifies contentMediaType
                        "contentMediaType": "application/octet-stream",
                        "minLength": 1,
                        "description": "The image, animation or video.",
                    },
                    "alt_text": {"type": "string", "maxLength": 1500},
                    "focal_x": {"type": "number", "minimum": -1, "maximum": 1},
                    "focal_y": {"type": "number", "minimum": -1, "maximum": 1},
                },
                "dependentRequired": {"focal_x": ["focal_y"], "focal_y": ["focal_x"]},
            },
        }
    },
}


class MediaController(Controller):
    upload_file: UploadFile
    begin_upload: BeginUpload
    complete_upload: CompleteUpload
    describe_media: UpdateMedia
    read_media: ReadMedia
    remove_media: DeleteMedia
    addresses: RenditionAddresses
    idempotent_request: IdempotentRequests
    folder: OpenFolder
    uploads: Uploads
    max_file: int

    path = "/media"
    tags = ("media",)

    @post(
        operation_id="uploadMedia",
        summary="Upload an image or a video",
        status_code=202,
        opt=policy("token", QuotaReached, TooManyUploads, MediaNotFound, limit="expensive") | {"body": FORM},
    )
    async def upload(
        self, request: AuthenticatedRequest, idempotency_key: IdempotencyKey = None
    ) -> Response[OwnMediaOut]:
        """The type is detected from the content, not from the file name. The renditions are made later: read the media again,
        or wait for the event in the stream. The media can be attached to a post immediately. A repeated request with the
        same Idempotency-Key and the same file returns the same media, and continues an interrupted attempt."""
        owner = request.user.user_id
        self.idempotent_request.of(
            request, idempotency_key, b""
        )  # refuse an invalid key before reading the body
        with self.uploads.one(str(owner)):
            async with self.folder() as folder:
                file = folder / "upload"
                form = await forms.receive(request, file, self.max_file)
                described = MediaDetails(form.alt_text, form.focal_point)
                idempotent = self.idempotent_request.of(request, idempotency_key, form.fingerprint)
                try:
                    uploaded = await self.upload_file(owner, file, form.size, described, idempotent)
                except StorageFull:
                    raise
                except Unavailable as error:
                    advice = "nothing is lost: send the same request again, with the same Idempotency-Key"
                    raise Unavailable(f"{error}; {advice}", retry_after=max(5, error.retry_after)) from error
        return self._accepted(OwnMediaOut.of(uploaded.media, self.addresses), replayed=uploaded.replayed)

    @post(
        "/uploads",
        operation_id="beginUpload",
        summary="Begin a direct upload",
        opt=policy("token", QuotaReached, MediaNotFound, limit="expensive"),
    )
    async def begin(
        self,
        request: AuthenticatedRequest,
        data: JSONBody[BeginUploadIn],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[BegunUploadOut]:
        """Send the bytes with the method, URL and headers of `upload` before it expires, and then complete the upload. The
        ticket ends with the session that got it, and when the upload is completed or deleted. An upload that is not
        completed within an hour is removed. A repeated request with the same key returns another ticket for the same
        media."""
        started = await self.begin_upload(
            Uploader(request.user.user_id, request.user.session_id),
            data.bytes,
            data.type,
            data.described,
            await self.idempotent_request(request, idempotency_key),
        )
        out = BegunUploadOut(
            OwnMediaOut.of(started.media, self.addresses),
            started.ticket and UploadTicketOut.of(started.ticket),
        )
        return created(out, f"/api/v1/media/{started.media.id}", replayed=started.replayed)

    @post(
        "/uploads/{media_id:str}/complete",
        operation_id="completeUpload",
        summary="Complete a direct upload",
        status_code=202,
        opt=policy("token", MediaNotFound, MediaNotUploaded),
    )
    async def complete(self, request: AuthenticatedRequest, media_id: FromPath[str]) -> OwnMediaOut:
        """The upload is checked and queued for processing. This operation can be repeated without effect."""
        media = await self.complete_upload(request.user.user_id, a_media(media_id))
        return OwnMediaOut.of(media, self.addresses)

    @get(
        "/{media_id:str}",
        operation_id="getMedia",
        summary="Read your media",
        opt=policy("token", MediaNotFound),
    )
    async def read(self, request: AuthenticatedRequest, media_id: FromPath[str]) -> OwnMediaOut:
        """The URLs of the renditions are valid for some minutes."""
        return OwnMediaOut.of(await self.read_media(request.user.user_id, a_media(media_id)), self.addresses)

    @patch(
        "/{media_id:str}",
        operation_id="updateMedia",
        summary="Update your media",
        opt=policy("token", MediaNotFound),
    )
    async def describe(
        self, request: AuthenticatedRequest, media_id: FromPath[str], data: JSONBody[DescribeMediaIn]
    ) -> OwnMediaOut:
        """The alt text and the focal point can be changed at any time, also when a post has the media."""
        media = await self.describe_media(
            request.user.user_id, a_media(media_id), data.new_text, data.new_point
        )
        return OwnMediaOut.of(media, self.addresses)

    @delete(
        "/{media_id:str}",
        operation_id="deleteMedia",
        summary="Delete your media",
        opt=policy("token", MediaNotFound, MediaInUse),
    )
    async def remove(self, request: AuthenticatedRequest, media_id: FromPath[str]) -> None:
        """Media that a post has cannot be deleted: it is deleted with the post, or by an edit of the post that removes it."""
        await self.remove_media(request.user.user_id, a_media(media_id))

    def _accepted(self, out: OwnMediaOut, *, replayed: bool) -> Response[OwnMediaOut]:
        response = created(out, f"/api/v1/media/{out.id}", replayed=replayed)
        response.status_code = 202
        return response

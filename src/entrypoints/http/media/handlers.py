"""/api/v1/media: uploads, and what their owners do with them."""

from typing import Any

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from application.media.details import ReadMedia, UpdateMedia
from application.media.ports import OpenFolder
from application.media.removing import DeleteMedia
from application.media.uploading import BeginUpload, CompleteUpload, MediaDetails, Uploader, UploadFile
from application.shared.attachments import Addresses
from application.shared.errors import StorageFull
from domain.media import (
    MediaAttached,
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
                        "format": "binary",  # what generators know; contentMediaType is what OpenAPI 3.1 says
                        "contentMediaType": "application/octet-stream",
                        "minLength": 1,
                        "description": "The picture, the animation or the film.",
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
    addresses: Addresses
    idempotent_request: IdempotentRequests
    folder: OpenFolder
    uploads: Uploads
    max_file: int

    path = "/media"
    tags = ("media",)

    @post(
        operation_id="uploadMedia",
        summary="Upload a picture or a film",
        status_code=202,
        opt=policy("token", QuotaReached, TooManyUploads, MediaNotFound, limit="expensive") | {"body": FORM},
    )
    async def upload(
        self, request: AuthenticatedRequest, idempotency_key: IdempotencyKey = None
    ) -> Response[OwnMediaOut]:
        """It is taken by what it contains, whatever it is called. What comes of it is made later: ask for it by its
        address, or wait for the stream to tell. It can be attached to a post at once. With an Idempotency-Key the
        same file sent again is the same media, and goes on where an earlier attempt was cut short."""
        owner = request.user.user_id
        self.idempotent_request.of(
            request, idempotency_key, b""
        )  # a bad key is refused before anything is read
        with self.uploads.one(str(owner)):
            async with self.folder() as folder:
                file = folder / "upload"
                form = await forms.receive(request, file, self.max_file)
                described = MediaDetails(form.alt_text, form.focal_point)
                idempotent = self.idempotent_request.of(request, idempotency_key, form.said)
                try:
                    uploaded = await self.upload_file(owner, file, form.size, described, idempotent)
                except StorageFull:
                    raise
                except Unavailable as error:
                    again = "nothing is lost: send the same again, with the same Idempotency-Key"
                    raise Unavailable(f"{error}; {again}", retry_after=max(5, error.retry_after)) from error
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
        """Send the bytes with the method, to the address and with the headers of `upload` before it expires, and then
        complete the upload. The ticket ends with the session that got it, and when the upload is completed or deleted.
        What is not completed within an hour is removed. Sent again with the same key it gives another ticket for the
        same media."""
        begun = await self.begin_upload(
            Uploader(request.user.user_id, request.user.session_id),
            data.bytes,
            data.type,
            data.described,
            await self.idempotent_request(request, idempotency_key),
        )
        out = BegunUploadOut(
            OwnMediaOut.of(begun.media, self.addresses), begun.ticket and UploadTicketOut.of(begun.ticket)
        )
        return created(out, f"/api/v1/media/{begun.media.id}", replayed=begun.replayed)

    @post(
        "/uploads/{media_id:str}/complete",
        operation_id="completeUpload",
        summary="Complete a direct upload",
        status_code=202,
        opt=policy("token", MediaNotFound, MediaNotUploaded),
    )
    async def complete(self, request: AuthenticatedRequest, media_id: FromPath[str]) -> OwnMediaOut:
        """Harmless to repeat."""
        media = await self.complete_upload(request.user.user_id, a_media(media_id))
        return OwnMediaOut.of(media, self.addresses)

    @get("/{media_id:str}", operation_id="getMedia", summary="Your media", opt=policy("token", MediaNotFound))
    async def read(self, request: AuthenticatedRequest, media_id: FromPath[str]) -> OwnMediaOut:
        """The addresses of its renditions are good for some minutes."""
        return OwnMediaOut.of(await self.read_media(request.user.user_id, a_media(media_id)), self.addresses)

    @patch(
        "/{media_id:str}",
        operation_id="updateMedia",
        summary="Describe your media",
        opt=policy("token", MediaNotFound),
    )
    async def describe(
        self, request: AuthenticatedRequest, media_id: FromPath[str], data: JSONBody[DescribeMediaIn]
    ) -> OwnMediaOut:
        """At any time, also when a post has it."""
        media = await self.describe_media(
            request.user.user_id, a_media(media_id), data.new_text, data.new_point
        )
        return OwnMediaOut.of(media, self.addresses)

    @delete(
        "/{media_id:str}",
        operation_id="deleteMedia",
        summary="Delete your media",
        opt=policy("token", MediaNotFound, MediaAttached),
    )
    async def remove(self, request: AuthenticatedRequest, media_id: FromPath[str]) -> None:
        """What a post has is deleted with the post, or by an edit of the post that leaves it out."""
        await self.remove_media(request.user.user_id, a_media(media_id))

    def _accepted(self, out: OwnMediaOut, *, replayed: bool) -> Response[OwnMediaOut]:
        answer = created(out, f"/api/v1/media/{out.id}", replayed=replayed)
        answer.status_code = 202
        return answer

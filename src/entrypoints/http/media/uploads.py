"""/media/uploads/…: uploads with a ticket, where Waggle serves the storage itself."""

from pathlib import Path
from typing import Any

from litestar import Controller, put
from litestar.exceptions import HTTPException

from application.media.ports import OpenFolder, TicketRefused, TicketVerifier
from application.media.tickets import ReceiveUpload
from entrypoints.http.auth import AnyRequest
from entrypoints.http.media.receiving import Spool, TooManyUploads, Uploads, pieces
from entrypoints.http.network import network_of
from entrypoints.http.openapi import policy

_AT = len("/media/uploads/")
SIGNED = ("until", "size", "type", "sig")
"""The query parameters of the URL of a ticket."""


class DirectUploadsController(Controller):
    direct_uploads: TicketVerifier
    take_upload: ReceiveUpload
    folder: OpenFolder
    uploads: Uploads

    path = "/media/uploads"
    include_in_schema = False

    @put(
        "/{key:path}",
        status_code=204,
        opt=policy("public", TicketRefused, TooManyUploads, limit="expensive") | {"query": SIGNED},
    )
    async def take(self, request: AnyRequest) -> None:
        """Take exactly the upload that the ticket allows, completely or not at all."""
        scope: Any = request.scope
        granted = self.direct_uploads.check(scope["path"][_AT:], dict(request.query_params))
        if request.headers.get("content-type", "") != granted.content_type:
            raise TicketRefused(f"the ticket is for {granted.content_type}")
        announced = request.headers.get("content-length")
        if announced is not None and announced != str(granted.size):
            raise TicketRefused(f"the ticket is for {granted.size:,} bytes")
        await self.take_upload.check(granted.key)  # before anything is read
        with self.uploads.one(f"network {network_of(scope)}"):
            async with self.folder() as folder:
                await self._store(request, granted.key, granted.size, granted.content_type, folder / "upload")

    async def _store(self, request: AnyRequest, key: str, size: int, content_type: str, file: Path) -> None:
        spool = Spool(file)
        try:
            async for piece in pieces(request, size):
                await spool.write(piece)
            await spool.close()
        except HTTPException as error:
            if error.status_code == 413:
                raise TicketRefused(f"the ticket is for {size:,} bytes") from None
            raise
        finally:
            spool.drop()
        if spool.size != size:
            raise TicketRefused(f"the ticket is for {size:,} bytes")
        await self.take_upload(key, file, content_type)

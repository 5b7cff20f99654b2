"""Conversion between rows and media."""

import json
from collections.abc import Sequence
from typing import Any

from adapters.sql.media.tables import media
from domain.media import FailureReason, FocalPoint, Media, MediaKind, MediaState, ProcessingResult, Rendition
from domain.shared import MediaId, PostId, UserId

MEDIA = (
    media.c.id,
    media.c.owner_id,
    media.c.secret,
    media.c.state,
    media.c.bytes,
    media.c.progress,
    media.c.reason,
    media.c.made,
    media.c.alt_text,
    media.c.focal_x,
    media.c.focal_y,
    media.c.post_id,
    media.c.open,
    media.c.version,
    media.c.deleted,
)


def media_of(row: Sequence[Any]) -> Media:
    """Convert a row with the columns MEDIA."""
    id_, owner, secret, state, size, progress, reason, result, alt, x, y, post, open_, version, deleted = row
    return Media(
        id=MediaId(id_),
        owner=UserId(owner),
        secret=secret,
        state=MediaState(state),
        bytes=size,
        progress=progress,
        reason=None if reason is None else FailureReason(reason),
        result=None if result is None else _result_of(json.loads(result)),
        alt_text=alt,
        focal_point=FocalPoint(x, y),
        post=None if post is None else PostId(post),
        open=bool(open_),
        version=version,
        deleted=bool(deleted),
    )


def row_of(one: Media) -> dict[str, Any]:
    """Return the columns of media; the columns of the queue are left out, so that an update keeps them."""
    return {
        "owner_id": one.owner,
        "secret": one.secret,
        "state": one.state.value,
        "bytes": one.bytes,
        "progress": one.progress,
        "reason": None if one.reason is None else one.reason.value,
        "made": None if one.result is None else _json(one.result),
        "alt_text": one.alt_text,
        "focal_x": one.focal_point.x,
        "focal_y": one.focal_point.y,
        "post_id": one.post,
        "open": one.open,
        "version": one.version,
        "deleted": one.deleted,
    }


def _result_of(found: dict[str, Any]) -> ProcessingResult:
    renditions = tuple(Rendition(**one) for one in found.pop("renditions"))
    return ProcessingResult(kind=MediaKind(found.pop("kind")), renditions=renditions, **found)


def _json(result: ProcessingResult) -> str:
    renditions = [
        {"name": one.name, "type": one.type, "width": one.width, "height": one.height, "bytes": one.bytes}
        for one in result.renditions
    ]
    return json.dumps(
        {
            "kind": result.kind.value,
            "width": result.width,
            "height": result.height,
            "blurhash": result.blurhash,
            "duration": result.duration,
            "renditions": renditions,
        }
    )

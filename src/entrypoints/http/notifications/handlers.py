"""/api/v1/notifications: what one was told, and what one has read of it."""

from functools import partial
from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter

from application.notifications.commands import Dismiss, MarkRead, NoSuchNotification
from application.notifications.find_stream import FindStream
from application.notifications.queries import ListNotifications, ReadNews
from application.notifications.read_stream import CursorAhead
from domain.notifications import Kind
from domain.shared import FieldError, id_from
from entrypoints.http.answers import Answer, as_json
from entrypoints.http.auth import AuthenticatedRequest
from entrypoints.http.bodies import In
from entrypoints.http.errors import QueryInvalid
from entrypoints.http.fragments import Fragments
from entrypoints.http.notifications.shapes import (
    MAX_SEQ,
    Notification,
    NotificationGroup,
    NotificationGroups,
    NotificationNews,
    Notifications,
    NotificationsOrNews,
    StreamState,
)
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, Pager

_KIND = f"({'|'.join(Kind)})"
Kinds = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=200,
        pattern=f"^{_KIND}(,{_KIND}){{0,{len(Kind) - 1}}}$",
        description=f"Some of {', '.join(Kind)}, with commas between them. Only these are listed.",
    ),
]
Grouped = Annotated[
    bool,
    QueryParameter(description="Likes and reposts of one post are listed as one, by the newest of them."),
]
After = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=MAX_SEQ,
        description="A sequence number: what stands in the stream after it, the lowest first. Takes `epoch` and `limit` "
        "beside it, and nothing else.",
    ),
]
Epoch = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=32,
        pattern=r"^[0-9a-f]{1,32}$",
        description="The epoch that came with the number, in hexadecimal digits.",
    ),
]


class MarkReadIn(In):
    seq: Annotated[
        int, msgspec.Meta(ge=0, le=MAX_SEQ, description="Beyond the end of the stream it means the end.")
    ]


class NotificationsController(Controller):
    find_stream: FindStream
    list_notifications: ListNotifications
    read_news: ReadNews
    mark_read: MarkRead
    dismiss: Dismiss
    pager: Pager
    fragments: Fragments

    path = "/notifications"
    tags = ("notifications",)

    @get(operation_id="listNotifications", summary="What you were told", opt=policy("token", CursorAhead))
    async def listed(
        self,
        request: AuthenticatedRequest,
        *,
        limit: Limit = 20,
        cursor: Cursor = None,
        kinds: Kinds = None,
        grouped: Grouped = False,
        after: After = None,
        epoch: Epoch = None,
    ) -> Response[NotificationsOrNews]:
        """Newest first, for 30 days and at most 5,000 entries. With `after` what is new since that number instead, as the
        stream would have told it, for clients that ask from time to time. What one may not see any more is left out,
        and does not count as unread."""
        user = request.user.user_id
        if after is not None:
            _refuse_together(cursor=cursor, kinds=kinds, grouped=grouped or None)
            news = await self.read_news(user, after, epoch, limit)
            return Answer(as_json(NotificationNews.of(news, self.fragments), []))
        if epoch is not None:
            raise QueryInvalid(FieldError("?epoch", "needs_after", "epoch says of what stream `after` is"))
        # The path is the same for everybody, and cursors are good for one list only.
        of = f"{user}\0{kinds}\0{grouped}"
        wanted = tuple(Kind) if kinds is None else [Kind(kind) for kind in set(kinds.split(","))]
        window = self.pager.window(request, limit, cursor, of)
        stream, page = await self.list_notifications(user, window, wanted, in_groups=grouped)
        items = [
            NotificationGroup.of(group, stream, self.fragments)
            if grouped
            else Notification.of(group.newest[0], stream, self.fragments)
            for group in page.items
        ]
        listing = NotificationGroups if grouped else Notifications
        return self.pager.answer(request, page, items, of, partial(listing.of, stream))

    @get(
        "/unread", operation_id="countUnreadNotifications", summary="How much is unread", opt=policy("token")
    )
    async def unread(self, request: AuthenticatedRequest) -> StreamState:
        """The counters are exact."""
        return StreamState.of(await self.find_stream(request.user.user_id))

    @put("/read", operation_id="markNotificationsRead", summary="Mark as read", opt=policy("token"))
    async def put_read(self, request: AuthenticatedRequest, data: JSONBody[MarkReadIn]) -> StreamState:
        """Everything up to a number, which never goes back. Other devices are told by the stream."""
        return StreamState.of(await self.mark_read(request.user.user_id, data.seq))

    @delete(
        "/{seq:str}",
        operation_id="dismissNotification",
        summary="Dismiss a notification",
        opt=policy("token", NoSuchNotification),
    )
    async def delete_one(self, request: AuthenticatedRequest, seq: FromPath[str]) -> None:
        """For good, on all devices."""
        number = id_from(seq)
        if number is None:
            raise NoSuchNotification("no such notification")
        await self.dismiss(request.user.user_id, number)

    @delete(operation_id="dismissAllNotifications", summary="Dismiss all notifications", opt=policy("token"))
    async def delete_all(self, request: AuthenticatedRequest) -> None:
        """Those that there are as this begins."""
        await self.dismiss.all(request.user.user_id)


def _refuse_together(**others: object) -> None:
    field_errors = [
        FieldError(f"?{name}", "either_or", f"{name} is of the list, `after` asks for what is new")
        for name, value in others.items()
        if value is not None
    ]
    if field_errors:
        raise QueryInvalid(*field_errors)

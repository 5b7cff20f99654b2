"""Posts as JSON, most of which is made once.

What is the same for all who read a version of a post, and for as long as its people are called so, is kept as bytes:
it is most of the post and nearly all of the work. What differs is joined to it. The shape is that of `PostOut`, which
makes what is kept; a property test holds the two together. Whether somebody may see the post is not asked here:
whoever shows it has been told by the database.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import msgspec

from application.shared.attachments import Addresses, MediaCard
from application.shared.people import AuthorCard
from entrypoints.http.shapes import Author, PostCounts, PostOut, Shown, Viewer

MAX_BYTES = 32 * 1024 * 1024
_OVERHEAD = 700
"""What an entry costs beside its bytes."""
_COUNTS = b',"counts":'
_ENCODER = msgspec.json.Encoder()
_BOOLS = (False, True)
_PINNED = {yes: b',"pinned":' + _ENCODER.encode(yes) for yes in _BOOLS}
_VIEWER = {marks: b',"viewer":' + _ENCODER.encode(Viewer(*marks)) for marks in product(_BOOLS, repeat=3)}


@lru_cache(4096)
def _counts(comments: int, likes: int, reposts: int) -> bytes:
    """Of most posts the same few."""
    return _COUNTS + _ENCODER.encode(PostCounts(comments, likes, reposts))


class _Kept(NamedTuple):
    version: int
    names: int
    """Entities: they get fewer without a version when somebody's account is gone."""
    author: AuthorCard
    mentions: Sequence[AuthorCard]
    media: Sequence[MediaCard]
    json: bytes


class Fragments:
    """The posts that were made last, bounded by their size."""

    def __init__(self, addresses: Addresses, max_bytes: int = MAX_BYTES) -> None:
        self.addresses = addresses
        self._max_bytes, self.bytes = max_bytes, 0
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def __call__(self, seen: Shown) -> msgspec.Raw:
        """The bytes of `PostOut.of(seen)`."""
        return msgspec.Raw(self._whole(seen))

    def all(self, seen: Iterable[Shown]) -> Any:
        """The bytes of a list of them."""
        return msgspec.Raw(b"[%b]" % b",".join(map(self._whole, seen)))

    def _whole(self, seen: Shown) -> bytes:
        # Taken out all at once: a member of a named tuple by its name costs as much as ten of them so.
        row, author, mentions, viewer, reposted_by = seen
        id_, _, version, _, comments, likes, reposts, _, _, pinned, liked, reposted, bookmarked, _, body = row
        kept = self._kept.get(id_)
        if kept is not None:
            of_version, names, by, naming, media, fixed = kept
        if (
            kept is None
            or of_version != version
            or names != len(body.entities)
            or (by is not author and by != author)
            or (naming is not mentions and [*naming] != [*mentions])
            or (media is not body.media and media != body.media)
            or (media and not row.open)
        ):
            fixed = self._made(seen)
        parts = [fixed, _counts(comments, likes, reposts), _PINNED[pinned]]
        if viewer is not None:
            parts.append(_VIEWER[liked, reposted, bookmarked])
        if reposted_by is not None:
            parts.append(b',"reposted_by":%b' % _ENCODER.encode(Author.of(reposted_by)))
        parts.append(b"}")
        return b"".join(parts)

    def _made(self, seen: Shown) -> bytes:
        row, whole = seen.row, _ENCODER.encode(PostOut.of(seen, self.addresses))
        fixed = whole[: whole.rindex(_COUNTS)]
        body = row.body
        if row.open or not body.media:  # else its addresses end soon
            kept = _Kept(row.version, len(body.entities), seen.author, seen.mentions, body.media, fixed)
            self._keep(row.id, kept)
        return fixed

    def _keep(self, post_id: int, new: _Kept) -> None:
        if (old := self._kept.pop(post_id, None)) is not None:
            self.bytes -= len(old.json) + _OVERHEAD
        self._kept[post_id] = new
        self.bytes += len(new.json) + _OVERHEAD
        while self.bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self.bytes -= len(dropped.json) + _OVERHEAD

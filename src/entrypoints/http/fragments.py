"""Posts as JSON, most of which is encoded once.

The part of a post that is the same for all readers of a version, and stays the same until a user in it changes their
name, is cached as bytes: it is most of the post and nearly all of the work. The rest is appended to it. `PostOut`
makes the cached part and so defines the schema; a property test holds the two together. Nothing here checks whether a
viewer may see a post: the database has decided that for everything that is passed in.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import msgspec

from application.shared.attachments import RenditionAddresses
from application.shared.people import AuthorCard
from entrypoints.http.shapes import Author, HydratedPost, PostCounts, PostOut, Viewer

MAX_BYTES = 32 * 1024 * 1024
_OVERHEAD = 700
"""The memory that an entry takes beside its bytes."""
_COUNTS = b',"counts":'
_ENCODER = msgspec.json.Encoder()
_BOOLS = (False, True)
_PINNED = {yes: b',"pinned":' + _ENCODER.encode(yes) for yes in _BOOLS}
_VIEWER = {flags: b',"viewer":' + _ENCODER.encode(Viewer(*flags)) for flags in product(_BOOLS, repeat=3)}


@lru_cache(4096)
def _counts(comments: int, likes: int, reposts: int) -> bytes:
    """Most posts have the same few counts."""
    return _COUNTS + _ENCODER.encode(PostCounts(comments, likes, reposts))


class _Fragment(NamedTuple):
    version: int
    content_revision: int
    author: AuthorCard
    mentions: Sequence[AuthorCard]
    json: bytes
    """The post up to its counts."""


class Fragments:
    """The fragments that were encoded last, bounded by their size."""

    def __init__(self, addresses: RenditionAddresses, max_bytes: int = MAX_BYTES) -> None:
        self.addresses = addresses
        self._max_bytes, self.bytes = max_bytes, 0
        self.hits = self.misses = 0
        self._fragments: OrderedDict[int, _Fragment] = OrderedDict()

    def __len__(self) -> int:
        return len(self._fragments)

    def __call__(self, hydrated: HydratedPost) -> msgspec.Raw:
        """The bytes of `PostOut.of(hydrated)`."""
        return msgspec.Raw(self._json(hydrated))

    def all(self, hydrated: Iterable[HydratedPost]) -> Any:
        """The bytes of a list of them."""
        return msgspec.Raw(b"[%b]" % b",".join(map(self._json, hydrated)))

    def _json(self, hydrated: HydratedPost) -> bytes:
        (state, content), author, mentions, viewer, reposted_by = hydrated
        cached = self._fragments.get(state.id)
        if (
            cached is None
            or cached.version != state.version
            or cached.content_revision != state.content_revision
            or (cached.author is not author and cached.author != author)
            or (cached.mentions is not mentions and [*cached.mentions] != [*mentions])
            or (content.media and not state.open)
        ):
            self.misses += 1
            fixed = self._encode(hydrated)
        else:
            self.hits += 1
            fixed = cached.json
        parts = [fixed, _counts(state.comments, state.likes, state.reposts), _PINNED[state.pinned]]
        if viewer is not None:
            parts.append(_VIEWER[state.liked, state.reposted, state.bookmarked])
        if reposted_by is not None:
            parts.append(b',"reposted_by":%b' % _ENCODER.encode(Author.of(reposted_by)))
        parts.append(b"}")
        return b"".join(parts)

    def _encode(self, hydrated: HydratedPost) -> bytes:
        encoded = _ENCODER.encode(PostOut.of(hydrated, self.addresses))
        fixed = encoded[: encoded.rindex(_COUNTS)]
        state, content = hydrated.post
        # The addresses of media that not everybody may see expire soon: they are not cached.
        if state.open or not content.media:
            fragment = _Fragment(
                state.version, state.content_revision, hydrated.author, hydrated.mentions, fixed
            )
            self._put(state.id, fragment)
        return fixed

    def _put(self, post_id: int, new: _Fragment) -> None:
        if (old := self._fragments.pop(post_id, None)) is not None:
            self.bytes -= len(old.json) + _OVERHEAD
        self._fragments[post_id] = new
        self.bytes += len(new.json) + _OVERHEAD
        while self.bytes > self._max_bytes:
            _, evicted = self._fragments.popitem(last=False)
            self.bytes -= len(evicted.json) + _OVERHEAD

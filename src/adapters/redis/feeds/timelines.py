"""Timelines that all processes share.

A timeline is one string: a header, then entries of 24 bytes ordered by id, oldest first. A new entry is nearly always
the newest and is appended, which costs Redis a microsecond. Ids keep all their 63 bits; as scores of a sorted set they
would lose some.

The header says when the timeline is valid: for one run of the Redis server, since a restarted one may have the data of
a minute ago; for one epoch, which ends when a push is lost; and for one version of the reader's viewer context."""

import asyncio
import hashlib
import secrets
from bisect import bisect_left
from collections.abc import Collection
from operator import lt
from struct import Struct
from typing import Any

from adapters.redis.client import Client, Script
from adapters.redis.connection import RedisAway
from application.feeds.ports import MAX_TIMELINE_ENTRIES, TimelinePage, TimelineSegment
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from application.shared.readings import untracked_read
from application.shared.records import maker
from domain.shared import MAX_ID, UserId

_PREFIX = "waggle:1:timeline:"
"""The number is the version of the binary format."""
_EPOCH = "waggle:1:epoch"
TTL = 7 * 24 * 3600
"""Seconds after the last read."""
READERS_PER_COMMAND = 250
"""Readers per command."""
_RETRY_SECONDS = 0.2
"""Seconds between attempts to start a new epoch."""

_HEADER = Struct(">8s8sqq")
"""The run of the server, the epoch, the version of the viewer context, the lower bound."""
_ENTRY = Struct(">qqq")
_INTEGER = Struct(">q")
_SIZES = {"HEADER": _HEADER.size, "LOWER": 24, "ENTRY": _ENTRY.size, "MOST": MAX_TIMELINE_ENTRIES}


_make_entry = maker(FeedEntry)


def _script(source: str) -> Script:
    for name, size in _SIZES.items():
        source = source.replace(name, str(size))
    return Script(source)


_SAME_HEADER = """
-- KEYS: the timeline, the epoch. ARGV: the run of the server, the version.
local function head()
  local epoch = redis.pcall('GET', KEYS[2])
  if type(epoch) ~= 'string' or #epoch ~= 8 then epoch = string.rep('0', 8) end
  return ARGV[1] .. epoch .. ARGV[2]
end
local function same()
  return redis.pcall('GETRANGE', KEYS[1], 0, LOWER - 1) == head()
end
"""

_ORDER = """
-- Whether one id is less than another. Lua numbers would lose bits, and Lua compares strings by the locale.
local function before(one, other)
  local one_high, one_low = struct.unpack('>I4I4', one)
  local other_high, other_low = struct.unpack('>I4I4', other)
  return one_high < other_high or (one_high == other_high and one_low < other_low)
end
"""

_BEGIN = _script(
    _SAME_HEADER
    + """
-- ARGV: ..., the highest id as lower bound, seconds to live
if same() then
  redis.call('EXPIRE', KEYS[1], ARGV[4])
else
  redis.call('SET', KEYS[1], head() .. ARGV[3], 'EX', ARGV[4])
end
return 1
"""
)

_READ = _script(
    _SAME_HEADER
    + """
-- ARGV: ..., how many of the newest, seconds to live. Returns the lower bound and the entries, or nothing.
if not same() then return false end
redis.call('EXPIRE', KEYS[1], ARGV[4])
local lower = redis.call('GETRANGE', KEYS[1], LOWER, HEADER - 1)
local size = redis.call('STRLEN', KEYS[1])
local oldest = ''
if size > HEADER + MOST * ENTRY then
  oldest = redis.call('GETRANGE', KEYS[1], size - MOST * ENTRY, size - MOST * ENTRY + 7)
end
local from = math.max(HEADER, size - ARGV[3] * ENTRY)
return {lower, oldest, (size - HEADER) % ENTRY, redis.call('GETRANGE', KEYS[1], from, -1)}
"""
)

_PUSH = _script(
    _ORDER
    + """
-- KEYS: timelines. ARGV: an entry.
local entry = ARGV[1]
for _, key in ipairs(KEYS) do
  local size = redis.pcall('STRLEN', key)
  if type(size) == 'number' and size >= HEADER then
    if size == HEADER or before(redis.call('GETRANGE', key, size - ENTRY, size - ENTRY + 7), entry) then
      redis.call('APPEND', key, entry)
      if size >= HEADER + 2 * MOST * ENTRY then
        local kept = redis.call('GETRANGE', key, size - (MOST - 1) * ENTRY, -1)
        local lower = redis.call('GETRANGE', key, LOWER, HEADER - 1)
        if before(lower, kept) then lower = string.sub(kept, 1, 8) end
        redis.call('SET', key, redis.call('GETRANGE', key, 0, LOWER - 1) .. lower .. kept, 'KEEPTTL')
      end
    else
      local all = redis.call('GET', key)
      local at = size - ENTRY
      while at > HEADER and before(entry, string.sub(all, at - ENTRY + 1, at - ENTRY + 8)) do at = at - ENTRY end
      if string.sub(all, at + 1, at + 8) ~= string.sub(entry, 1, 8)
        and (at == HEADER or string.sub(all, at - ENTRY + 1, at - ENTRY + 8) ~= string.sub(entry, 1, 8)) then
        redis.call('SET', key, string.sub(all, 1, at) .. entry .. string.sub(all, at + 1), 'KEEPTTL')
      end
    end
  end
end
return 1
"""
)

_FILL = _script(
    _SAME_HEADER
    + _ORDER
    + """
-- ARGV: ..., lower bound, upper bound, entries.
if not same() then return 0 end
local all = redis.call('GET', KEYS[1])
local lower = string.sub(all, LOWER + 1, HEADER)
if before(ARGV[4], lower) then return 0 end
if before(ARGV[3], lower) then lower = ARGV[3] end
local old, new = string.sub(all, HEADER + 1), ARGV[5]
local merged = {}
local i, j = 1, 1
while i <= #old and j <= #new do
  local one, other = string.sub(old, i, i + ENTRY - 1), string.sub(new, j, j + ENTRY - 1)
  if before(one, other) then
    merged[#merged + 1] = one
    i = i + ENTRY
  else
    merged[#merged + 1] = other
    j = j + ENTRY
    if not before(other, one) then i = i + ENTRY end
  end
end
local body = table.concat(merged) .. string.sub(old, i) .. string.sub(new, j)
if #body > MOST * ENTRY then
  body = string.sub(body, -MOST * ENTRY)
  if before(lower, body) then lower = string.sub(body, 1, 8) end
end
redis.call('SET', KEYS[1], string.sub(all, 1, LOWER) .. lower .. body, 'KEEPTTL')
return 1
"""
)


class RedisTimelines:
    """Ends the epoch, and with it all timelines, when a push may be lost; otherwise they would lack an entry forever.
    Until the new epoch has begun, this process uses no timelines. Run `renew_epochs` in the background."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lost_pushes = 0
        self._push_lost = asyncio.Event()

    @property
    def is_watched(self) -> bool:
        return False  # other processes push to them

    async def begin(self, reader: UserId, version: int) -> bool:
        lower_bound = _INTEGER.pack(MAX_ID)
        return await self._ask(_BEGIN, reader, version, lower_bound, TTL) is not None

    async def fill(self, reader: UserId, version: int, segment: TimelineSegment) -> None:
        entries = b"".join(_ENTRY.pack(*entry) for entry in reversed(segment.entries))
        await self._ask(
            _FILL,
            reader,
            version,
            _INTEGER.pack(segment.lower_bound),
            _INTEGER.pack(segment.upper_bound),
            entries,
        )

    async def read(self, reader: UserId, version: int, window: Window) -> TimelinePage | None:
        untracked_read()
        newest = window.edge is None and not window.back
        wanted = min(window.limit, MAX_TIMELINE_ENTRIES) if newest else MAX_TIMELINE_ENTRIES
        found = await self._ask(_READ, reader, version, wanted, TTL)
        kept = _unpacked(found)
        if kept is None or kept[1] == MAX_ID:
            return None
        return _page(*kept, window)

    async def push(self, readers: Collection[UserId], entry: FeedEntry) -> None:
        keys = [_PREFIX + str(reader) for reader in readers]
        try:
            for start in range(0, len(keys), READERS_PER_COMMAND):
                await self._client.run_script(
                    _PUSH, keys[start : start + READERS_PER_COMMAND], _ENTRY.pack(*entry)
                )
        except RedisAway:
            self._note_lost_push()

    async def drop(self, readers: Collection[UserId]) -> None:
        if not readers:
            return
        try:
            await self._client.call("UNLINK", *(_PREFIX + str(reader) for reader in readers))
        except RedisAway:
            self._note_lost_push()

    async def renew_epochs(self) -> None:
        """Start a new epoch whenever a push may be lost, as soon as Redis is available. Runs until cancelled."""
        while True:
            await self._push_lost.wait()
            lost_pushes = self._lost_pushes
            try:
                await self._client.call("SET", _EPOCH, secrets.token_bytes(8))
            except RedisAway:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                if lost_pushes == self._lost_pushes:
                    self._push_lost.clear()

    def _note_lost_push(self) -> None:
        self._lost_pushes += 1
        self._push_lost.set()

    async def _ask(self, script: Script, reader: UserId, version: int, *arguments: Any) -> Any:
        """Returns None if Redis is unavailable, or has no such timeline."""
        if self._push_lost.is_set():
            return None
        run = hashlib.blake2b(self._client.run_id.encode(), digest_size=8).digest()
        keys = _PREFIX + str(reader), _EPOCH
        try:
            return await self._client.run_script(script, keys, run, _INTEGER.pack(version), *arguments)
        except RedisAway:
            return None


def _unpacked(found: Any) -> tuple[list[FeedEntry], int] | None:
    """The entries, oldest first, and the lower bound; None if the data cannot be valid."""
    match found:
        case [bytes(lower_bound), bytes(oldest), 0, bytes(body)] if (
            len(lower_bound) == 8 and len(body) % _ENTRY.size == 0
        ):
            entries = [*map(_make_entry, _ENTRY.iter_unpack(body))]
            ids = [entry[0] for entry in entries]
            lowest = _INTEGER.unpack(lower_bound)[0]
            if oldest:
                lowest = max(lowest, _INTEGER.unpack(oldest)[0])
            if lowest < 0 or not all(map(lt, ids, ids[1:])):
                return None
            return entries, lowest
        case _:
            return None


def _page(entries: list[FeedEntry], lower_bound: int, window: Window) -> TimelinePage | None:
    edge, limit = window.edge, window.limit

    def place(id_: int) -> int:
        return bisect_left(entries, id_, key=lambda entry: entry.id)

    if window.back:
        lowest = (edge or 0) + 1
        start = place(lowest)
        return (
            None if lowest < lower_bound else TimelinePage(entries[start : start + limit][::-1], lower_bound)
        )
    stop = len(entries) if edge is None else place(edge)
    start = max(min(place(lower_bound), stop), stop - limit)
    return TimelinePage(entries[start:stop][::-1], lower_bound)

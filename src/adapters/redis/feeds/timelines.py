"""Timelines that all processes share.

A timeline is one string: a head, and entries of 24 bytes in the order of their ids, the oldest first. An entry that
is newest, as nearly all are, is appended, which costs Redis a microsecond; ids keep all their 63 bits, which a
sorted set's scores would not.

The head says for what the timeline is good: for one run of the server, since one that restarts may come back with
what it had a minute ago; for one epoch, which ends when a push is lost; and for one version of a standing.
"""

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
from application.shared.records import maker
from domain.shared import MAX_ID, UserId

_PREFIX = "waggle:1:timeline:"
"""With a number for what the bytes mean."""
_EPOCH = "waggle:1:epoch"
TTL = 7 * 24 * 3600
"""Seconds after the last read."""
MANY = 250
"""Readers in one command."""
_AGAIN = 0.2
"""Seconds between attempts to begin another epoch."""

_HEAD = Struct(">8s8sqq")
"""The run of the server, the epoch, the version of the standing, the floor."""
_ENTRY = Struct(">qqq")
_FLOOR = Struct(">q")
_SIZES = {"HEAD": _HEAD.size, "FLOOR": 24, "ENTRY": _ENTRY.size, "MOST": MAX_TIMELINE_ENTRIES}


_make_entry = maker(FeedEntry)


def _script(source: str) -> Script:
    for name, size in _SIZES.items():
        source = source.replace(name, str(size))
    return Script(source)


_SAME = """
-- KEYS: the timeline, the epoch. ARGV: the run, the version.
local function head()
  local epoch = redis.pcall('GET', KEYS[2])
  if type(epoch) ~= 'string' or #epoch ~= 8 then epoch = string.rep('0', 8) end
  return ARGV[1] .. epoch .. ARGV[2]
end
local function same()
  return redis.pcall('GETRANGE', KEYS[1], 0, FLOOR - 1) == head()
end
"""

_ORDER = """
-- Whether one id comes before another. Lua's numbers would lose bits, and its strings follow a locale.
local function before(one, other)
  local one_high, one_low = struct.unpack('>I4I4', one)
  local other_high, other_low = struct.unpack('>I4I4', other)
  return one_high < other_high or (one_high == other_high and one_low < other_low)
end
"""

_BEGIN = _script(
    _SAME
    + """
-- ARGV: ..., the highest id as floor, seconds to live
if same() then
  redis.call('EXPIRE', KEYS[1], ARGV[4])
else
  redis.call('SET', KEYS[1], head() .. ARGV[3], 'EX', ARGV[4])
end
return 1
"""
)

_READ = _script(
    _SAME
    + """
-- ARGV: ..., how many of the newest, seconds to live. Returns the floor and the entries, or nothing.
if not same() then return false end
redis.call('EXPIRE', KEYS[1], ARGV[4])
local floor = redis.call('GETRANGE', KEYS[1], FLOOR, HEAD - 1)
local size = redis.call('STRLEN', KEYS[1])
local oldest = ''
if size > HEAD + MOST * ENTRY then
  oldest = redis.call('GETRANGE', KEYS[1], size - MOST * ENTRY, size - MOST * ENTRY + 7)
end
local from = math.max(HEAD, size - ARGV[3] * ENTRY)
return {floor, oldest, (size - HEAD) % ENTRY, redis.call('GETRANGE', KEYS[1], from, -1)}
"""
)

_PUSH = _script(
    _ORDER
    + """
-- KEYS: timelines. ARGV: an entry.
local entry = ARGV[1]
for _, key in ipairs(KEYS) do
  local size = redis.pcall('STRLEN', key)
  if type(size) == 'number' and size >= HEAD then
    if size == HEAD or before(redis.call('GETRANGE', key, size - ENTRY, size - ENTRY + 7), entry) then
      redis.call('APPEND', key, entry)
      if size >= HEAD + 2 * MOST * ENTRY then
        local kept = redis.call('GETRANGE', key, size - (MOST - 1) * ENTRY, -1)
        local floor = redis.call('GETRANGE', key, FLOOR, HEAD - 1)
        if before(floor, kept) then floor = string.sub(kept, 1, 8) end
        redis.call('SET', key, redis.call('GETRANGE', key, 0, FLOOR - 1) .. floor .. kept, 'KEEPTTL')
      end
    else
      local all = redis.call('GET', key)
      local at = size - ENTRY
      while at > HEAD and before(entry, string.sub(all, at - ENTRY + 1, at - ENTRY + 8)) do at = at - ENTRY end
      if string.sub(all, at + 1, at + 8) ~= string.sub(entry, 1, 8)
        and (at == HEAD or string.sub(all, at - ENTRY + 1, at - ENTRY + 8) ~= string.sub(entry, 1, 8)) then
        redis.call('SET', key, string.sub(all, 1, at) .. entry .. string.sub(all, at + 1), 'KEEPTTL')
      end
    end
  end
end
return 1
"""
)

_FILL = _script(
    _SAME
    + _ORDER
    + """
-- ARGV: ..., floor, ceiling, entries.
if not same() then return 0 end
local all = redis.call('GET', KEYS[1])
local floor = string.sub(all, FLOOR + 1, HEAD)
if before(ARGV[4], floor) then return 0 end
if before(ARGV[3], floor) then floor = ARGV[3] end
local old, new = string.sub(all, HEAD + 1), ARGV[5]
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
  if before(floor, body) then floor = string.sub(body, 1, 8) end
end
redis.call('SET', KEYS[1], string.sub(all, 1, FLOOR) .. floor .. body, 'KEEPTTL')
return 1
"""
)


class RedisTimelines:
    """A push that may be lost ends the epoch, and with it all timelines: else they would lack an entry for good.
    Until that is done this process has none. `keep_whole` is to run in the background."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._losses = 0
        self._lost = asyncio.Event()

    async def begin(self, reader: UserId, version: int) -> bool:
        lower_bound = _FLOOR.pack(MAX_ID)
        return await self._ask(_BEGIN, reader, version, lower_bound, TTL) is not None

    async def fill(self, reader: UserId, version: int, segment: TimelineSegment) -> None:
        entries = b"".join(_ENTRY.pack(*entry) for entry in reversed(segment.entries))
        await self._ask(
            _FILL,
            reader,
            version,
            _FLOOR.pack(segment.lower_bound),
            _FLOOR.pack(segment.upper_bound),
            entries,
        )

    async def read(self, reader: UserId, version: int, window: Window) -> TimelinePage | None:
        newest = window.edge is None and not window.back
        wanted = min(window.limit, MAX_TIMELINE_ENTRIES) if newest else MAX_TIMELINE_ENTRIES
        found = await self._ask(_READ, reader, version, wanted, TTL)
        kept = _unpacked(found)
        if kept is None or kept[1] == MAX_ID:
            return None
        return _slice(*kept, window)

    async def push(self, readers: Collection[UserId], entry: FeedEntry) -> None:
        keys = [_PREFIX + str(reader) for reader in readers]
        try:
            for start in range(0, len(keys), MANY):
                await self._client.run_script(_PUSH, keys[start : start + MANY], _ENTRY.pack(*entry))
        except RedisAway:
            self._lose()

    async def drop(self, readers: Collection[UserId]) -> None:
        if not readers:
            return
        try:
            await self._client.call("UNLINK", *(_PREFIX + str(reader) for reader in readers))
        except RedisAway:
            self._lose()

    async def keep_whole(self) -> None:
        """Whenever a push may be lost, begin another epoch as soon as Redis is there."""
        while True:
            await self._lost.wait()
            losses = self._losses
            try:
                await self._client.call("SET", _EPOCH, secrets.token_bytes(8))
            except RedisAway:
                await asyncio.sleep(_AGAIN)
            else:
                if losses == self._losses:
                    self._lost.clear()

    def _lose(self) -> None:
        self._losses += 1
        self._lost.set()

    async def _ask(self, script: Script, reader: UserId, version: int, *arguments: Any) -> Any:
        """None if Redis is away, or has no such timeline."""
        if self._lost.is_set():
            return None
        run = hashlib.blake2b(self._client.run_id.encode(), digest_size=8).digest()
        keys = _PREFIX + str(reader), _EPOCH
        try:
            return await self._client.run_script(script, keys, run, _FLOOR.pack(version), *arguments)
        except RedisAway:
            return None


def _unpacked(found: Any) -> tuple[list[FeedEntry], int] | None:
    """The entries, the oldest first, and the floor; None for what cannot have been written here."""
    match found:
        case [bytes(lower_bound), bytes(oldest), 0, bytes(body)] if (
            len(lower_bound) == 8 and len(body) % _ENTRY.size == 0
        ):
            entries = [*map(_make_entry, _ENTRY.iter_unpack(body))]
            ids = [entry[0] for entry in entries]
            lowest = _FLOOR.unpack(lower_bound)[0]
            if oldest:
                lowest = max(lowest, _FLOOR.unpack(oldest)[0])
            if lowest < 0 or not all(map(lt, ids, ids[1:])):
                return None
            return entries, lowest
        case _:
            return None


def _slice(entries: list[FeedEntry], lower_bound: int, window: Window) -> TimelinePage | None:
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

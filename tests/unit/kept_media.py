"""Posts with media in the random walk: pending and published, open and restricted, changed and deleted."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from adapters.storage.signing import LIFE
from application.media.uploading import MediaDetails
from domain.shared import UserId
from tests.unit.kept_walk import READERS, Walk
from tests.unit.media_app import DATA

OPEN, RESTRICTED = ("public", "unlisted"), ("followers", "direct")


async def upload(walk: Walk, reader: int, alt_text: str = "") -> int:
    file = walk.folder / "upload"
    file.write_bytes(DATA)
    result = await walk.container.media().upload_file(
        UserId(walk.users[reader]), file, len(DATA), MediaDetails(alt_text), None
    )
    return result.media.id


async def publish(walk: Walk, chosen: random.Random, visibility: str = "", reader: int | None = None) -> int:
    """A post with one or two media, which are ready unless the processor is held."""
    reader = chosen.randrange(READERS) if reader is None else reader
    media = [await upload(walk, reader, f"picture {number}") for number in range(chosen.randint(1, 2))]
    if walk.processor.may_end.is_set():
        await until(lambda: _is_settled(walk, reader, media))
    text = f"look @bee{(reader + 1) % READERS}"
    post = await walk.publish(reader, text, visibility or chosen.choice(OPEN), media=media)
    if not post:  # direct, to a reader who blocks the author
        post = await walk.publish(reader, text, "followers", media=media)
    walk.media[post] = reader, media
    return post


async def publish_pending(walk: Walk, chosen: random.Random) -> None:
    """A post that its author sees first, and others when its media are ready."""
    reader = chosen.randrange(READERS)
    walk.processor.may_end.clear()
    post = await publish(walk, chosen, reader=reader)
    await compare_post(walk, post)
    await walk.compare_all(chosen)
    walk.processor.may_end.set()
    await until(lambda: _is_settled(walk, reader, walk.media[post][1]))
    await compare_post(walk, post)
    await until(lambda: _is_published(walk, reader, post))
    await compare_post(walk, post)


async def publish_failing(walk: Walk, chosen: random.Random) -> None:
    """A post that stays pending until its author removes the media that failed."""
    reader = chosen.randrange(READERS)
    walk.processor.may_end.clear()
    post = await publish(walk, chosen, "public", reader)
    await compare_post(walk, post)
    walk.processor.fails = True
    walk.processor.may_end.set()
    await until(lambda: _is_settled(walk, reader, walk.media[post][1]))
    walk.processor.fails = False
    await until(walk.has_no_events)
    await compare_post(walk, post)
    await walk.do(reader, "PATCH", f"/posts/{post}", {"text": "no picture", "media_ids": []})
    walk.media[post] = reader, []
    await compare_post(walk, post)


def on_media(
    change: Callable[[Walk, int, int, list[int], random.Random], Awaitable[object]],
) -> Callable[[Walk, random.Random], Awaitable[None]]:
    """A change of a post with media, which every reader has just read, and reads again."""

    async def write(walk: Walk, chosen: random.Random) -> None:
        if not walk.media:
            await publish(walk, chosen)
        post = chosen.choice([*walk.media])
        reader, media = walk.media[post]
        await compare_post(walk, post)
        await change(walk, post, reader, media, chosen)
        await compare_post(walk, post)
        await until(walk.has_no_events)
        await compare_post(walk, post)

    return write


async def _describe(walk: Walk, _post: int, reader: int, media: list[int], chosen: random.Random) -> None:
    if media:
        text = {"alt_text": f"picture {chosen.random()}"}
        await walk.do(reader, "PATCH", f"/media/{chosen.choice(media)}", text)


async def _remove(walk: Walk, post: int, reader: int, media: list[int], _chosen: random.Random) -> None:
    if media:
        media.pop()
        await walk.do(
            reader, "PATCH", f"/posts/{post}", {"text": "fewer", "media_ids": [str(one) for one in media]}
        )


async def _delete(walk: Walk, post: int, reader: int, _media: list[int], _chosen: random.Random) -> None:
    del walk.media[post]
    await walk.do(reader, "DELETE", f"/posts/{post}")


async def compare_post(walk: Walk, post: int) -> None:
    """As every reader has it, twice, so that it is kept in between."""
    for reader in range(READERS):
        for _ in range(2):
            await walk.compare(reader, f"/api/v1/posts/{post}")


async def _is_settled(walk: Walk, reader: int, media: list[int]) -> bool:
    found = [await walk.do(reader, "GET", f"/media/{one}") for one in media]
    return all(made["state"] in {"ready", "failed"} for _, made in found)


async def _is_published(walk: Walk, reader: int, post: int) -> bool:
    _, made = await walk.do(reader, "GET", f"/posts/{post}")
    return all(media["state"] == "ready" for media in made["media"])


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - the store sets no event
            await asyncio.sleep(0.005)


async def publish_ready(walk: Walk, chosen: random.Random) -> None:
    await compare_post(walk, await publish(walk, chosen))


async def publish_restricted(walk: Walk, chosen: random.Random) -> None:
    """A post that keeps pages from being kept as long as it is there. Then the addresses of its media expire."""
    reader = chosen.randrange(READERS)
    post = await publish(walk, chosen, chosen.choice(RESTRICTED), reader)
    await walk.compare_all(chosen)
    await compare_post(walk, post)
    walk.address_clock.now += 2 * LIFE
    await compare_post(walk, post)
    await walk.compare_all(chosen)
    await _delete(walk, post, reader, [], chosen)


MEDIA_WRITES: dict[str, Callable[[Walk, random.Random], Awaitable[None]]] = {
    "media: publish": publish_ready,
    "media: restricted": publish_restricted,
    "media: pending": publish_pending,
    "media: failed": publish_failing,
    "media: describe": on_media(_describe),
    "media: remove": on_media(_remove),
    "media: delete": on_media(_delete),
}

"""The processing queue, in the columns of the table of media."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Integer, and_, bindparam, func, literal, select, update

from adapters.sql.database import Database
from adapters.sql.media.rows import MEDIA, media_of
from adapters.sql.media.tables import JOB, media
from adapters.sql.metadata import Id, now_ms
from adapters.sql.statements import Prepared
from application.media.ports import ProcessingJob

_due = and_(JOB, media.c.due_at <= now_ms(), media.c.leased_until <= now_ms())
_is_due = Prepared(select(literal(1)).select_from(media).where(_due).limit(literal(1)))
_claim = (
    select(*MEDIA, media.c.attempts)
    .where(_due)
    .order_by(media.c.due_at, media.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_which = bindparam("which", type_=Id)
_until = now_ms() + bindparam("span_ms", type_=Id)
_take = update(media).where(media.c.id == _which).values(leased_until=_until, attempts=media.c.attempts + 1)
# The number of attempts identifies a lease, because each claim increments it. Only the holder can decrement it, and only by
# releasing the lease; so a lost lease never has the number of a later one.
_mine = and_(
    media.c.id == _which,
    media.c.attempts == bindparam("attempt", type_=Integer),
    media.c.leased_until != 0,
    JOB,
)
_progress = (
    update(media).where(_mine).values(progress=bindparam("percent", type_=Integer), leased_until=_until)
)
_retry = (
    update(media)
    .where(_mine)
    .values(leased_until=0, due_at=_until, attempts=media.c.attempts - bindparam("taken_off", type_=Integer))
)

_waiting = Prepared(select(func.count()).select_from(media).where(JOB))
_free = update(media).where(media.c.leased_until != 0, JOB).values(leased_until=0)


@dataclass(frozen=True, slots=True)
class SqlProcessingQueue:
    database: Database

    async def claim(self, lease: timedelta) -> ProcessingJob | None:
        if not await self.database.fetch(_is_due):  # a read costs less than a transaction
            return None
        async with self.database.begin() as transaction:
            row = (await transaction.execute(_claim)).one_or_none()
            if row is None:
                return None
            await transaction.execute(_take, {"which": row.id, "span_ms": _ms(lease)})
        return ProcessingJob(media_of(row[: len(MEDIA)]), row.attempts + 1)

    async def progress(self, job: ProcessingJob, percent: int, lease: timedelta) -> bool:
        async with self.database.begin() as transaction:
            done = await transaction.execute(
                _progress, {**_of(job), "percent": percent, "span_ms": _ms(lease)}
            )
        return bool(done.rowcount)

    async def retry(self, job: ProcessingJob, after: timedelta, *, counted: bool = True) -> None:
        async with self.database.begin() as transaction:
            await transaction.execute(
                _retry, {**_of(job), "span_ms": _ms(after), "taken_off": int(not counted)}
            )

    async def waiting(self) -> int:
        return int((await self.database.fetch_slow(_waiting))[0][0])

    async def free_all(self) -> None:
        """End every lease. Only for a process that knows that no other one is running."""
        async with self.database.begin() as transaction:
            await transaction.execute(_free)


def _of(job: ProcessingJob) -> dict[str, int]:
    return {"which": job.media.id, "attempt": job.attempt}


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)

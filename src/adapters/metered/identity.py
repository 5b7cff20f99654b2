"""Measured ports of identity: the stored security records."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.metered.meters import Meters
from application.identity.security import SecurityRecord, SecurityRecords
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class MeteredSecurityRecords:
    """Counts what was stored: about a second after it happened, and up to a minute for what is repeated."""

    records: SecurityRecords
    meters: Meters

    async def add(self, records: Sequence[SecurityRecord]) -> None:
        await self.records.add(records)
        for record in records:
            self.meters.security[record.kind, record.outcome] += record.count

    async def of_user(self, user_id: UserId, limit: int) -> Sequence[SecurityRecord]:
        return await self.records.of_user(user_id, limit)

    async def anonymize(self, user_id: UserId) -> None:
        await self.records.anonymize(user_id)

    async def purge(self, before: datetime) -> int:
        return await self.records.purge(before)

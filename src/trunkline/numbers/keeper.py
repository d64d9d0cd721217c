"""The copies of decisions in ServiceTitan: written in the background, read back by a fresh installation.

A merge of the same keys changes nothing, so a copy whose reply was lost is simply written again: there is no intent to
resolve, and no workflow is needed.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import structlog

from trunkline.domain.decisions import Owner
from trunkline.numbers import wire
from trunkline.servicetitan.client import ServiceTitan
from trunkline.servicetitan.errors import GivenUp, NeedsFixing, ServiceTitanError
from trunkline.servicetitan.external_data import find, merge
from trunkline.store import decisions as rows
from trunkline.store.database import Database
from trunkline.store.decisions import DecisionRow, Restored

log = structlog.get_logger(__name__)

BATCH = 100
LOOK_EVERY_S = 10.0
LONGEST_WAIT_S = 300.0


class Keeper:
    """The copies of one tenant under the app's GUID. One process at a time."""

    def __init__(self, database: Database, client: ServiceTitan, guid: UUID) -> None:
        self._database = database
        self._client = client
        self._guid = guid

    async def run(self, changed: asyncio.Event) -> None:
        """Restore once, then copy what is due, until cancelled; `changed` says that something is."""
        while True:
            changed.clear()
            try:
                await self.restore_once()
            except ServiceTitanError as error:
                log.warning("decisions about numbers are not read back yet", reason=error.message)
            await self.copy_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await changed.wait()

    async def copy_due(self) -> int:
        """Write what is due, until something stands in the way; returns how many decisions now stand there as here."""
        done = 0
        while True:
            async with self._database.connection() as connection:
                due = await rows.take_due(connection, self._client.tenant_id, limit=BATCH)
            by_keeper: dict[Owner, list[DecisionRow]] = {}
            for row in due:
                if row.keeper is not None:
                    by_keeper.setdefault(row.keeper, []).append(row)
            for keeper, decisions in by_keeper.items():
                error = await self._copy(keeper, decisions)
                if error is None:
                    done += len(decisions)
                elif not isinstance(error, GivenUp):
                    return done  # the rest would fare no better; it stays due
            if len(due) < BATCH:
                return done

    async def _copy(self, keeper: Owner, decisions: Sequence[DecisionRow]) -> ServiceTitanError | None:
        try:
            await merge(self._client, self._guid, wire.RECORDS[keeper.kind], keeper.id, wire.values(decisions))
        except ServiceTitanError as error:
            wait_s = _wait_after(error, max(row.attempts for row in decisions))
            async with self._database.transaction() as connection:
                await rows.not_copied(connection, self._client.tenant_id, decisions, error.message, wait_s=wait_s)
            return error
        async with self._database.transaction() as connection:
            await rows.copied(connection, self._client.tenant_id, decisions)
        return None

    async def restore_once(self) -> int:
        """Restore, unless that was done under this GUID; raises as :meth:`restore`."""
        async with self._database.connection() as connection:
            if await rows.is_restored(connection, self._client.tenant_id, self._guid):
                return 0
        return await self.restore()

    async def restore(self) -> int:
        """Take over all decisions that stand in ServiceTitan; those made here win. Returns how many are new.

        Raises:
            ServiceTitanError: nothing was taken over.
            DatabaseUnavailable: as before.
        """
        found: list[Restored] = []
        odd = 0
        for kind, record in wire.RECORDS.items():
            async for page in find(self._client, self._guid, record, wire.MARK, [wire.MARKED]):
                for record_id, held in page.items():
                    decisions, unread = wire.read(Owner(kind, record_id), held)
                    found += decisions
                    odd += unread
        if odd:
            log.warning("decisions in ServiceTitan that cannot be understood were passed over", count=odd)
        found.sort(key=lambda one: one.decided_at, reverse=True)  # of several copies the latest counts
        async with self._database.transaction() as connection:
            new = await rows.restore(connection, self._client.tenant_id, self._guid, found)
        if new:
            log.info("decisions about numbers were read back from ServiceTitan", count=new)
        return new


def _wait_after(error: ServiceTitanError, attempts: int) -> float | None:
    """Seconds to the next try; never, where it would be refused again."""
    if isinstance(error, GivenUp):
        return None
    if isinstance(error, NeedsFixing):
        return LONGEST_WAIT_S
    return min(LONGEST_WAIT_S, 2.0 ** min(attempts, 10))

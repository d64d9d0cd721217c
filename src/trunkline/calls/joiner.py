"""Joins what several phone systems tell of one physical call, where they were declared to be one behind the other."""

from collections.abc import Mapping, Sequence

import structlog
from psycopg import AsyncConnection

from trunkline.calls.account import PhoneAccount
from trunkline.calls.tracker import Tracker
from trunkline.domain.joining import pairs
from trunkline.store import calls as rows
from trunkline.store import joins
from trunkline.store.database import Database

log = structlog.get_logger(__name__)

LATELY_MIN = 30


class Joiner:
    """`accounts` are those that are followed now; `in_front` names, for each phone system, those behind it."""

    def __init__(
        self,
        database: Database,
        tracker: Tracker,
        accounts: Mapping[tuple[int, str], PhoneAccount],
        in_front: Mapping[str, Sequence[str]],
    ) -> None:
        self._database = database
        self._tracker = tracker
        self._accounts = accounts
        self._in_front = in_front

    async def look(self, account: PhoneAccount) -> int:
        """Join what belongs together among the latest calls of this phone system and its relations; how many.

        Raises:
            DatabaseUnavailable: try again.
        """
        relations = [
            (front, behind)
            for front, behinds in self._in_front.items()
            for behind in behinds
            if account.name in (front, behind)
        ]
        return sum([await self._relate(account, front, behind) for front, behind in relations])

    async def _relate(self, account: PhoneAccount, front: str, behind: str) -> int:
        async with self._database.connection() as connection:
            lately = await joins.lately(connection, account.tenant_ids, (front, behind), minutes=LATELY_MIN)
            never = await joins.parted(connection, [call_id for _, call_id, _, _ in lately])
        count = 0
        for tenant_id in {tenant_id for tenant_id, *_ in lately}:
            sides = [
                [(call_id, call) for tenant, call_id, name, call in lately if (tenant, name) == (tenant_id, side)]
                for side in (front, behind)
            ]
            for first, second in pairs(*sides, region=account.region):
                if (min(first, second), max(first, second)) not in never:
                    count += await self._join(first, second)
        return count

    async def _join(self, first: int, second: int) -> bool:
        async with self._database.transaction() as connection:
            accounts = await self._lock(connection, (first, second))
            if len(accounts) != 2 or not await joins.are_apart(connection, first, second):
                return False
            older = await rows.older_of(connection, (first, second))
            younger = first if older == second else second
            await rows.merge(connection, older, younger)
            await joins.note_join(connection, older, younger)
            await self._tracker.fold_within(connection, accounts[0], [older])
        log.info("calls of two phone systems are one", older=older, younger=younger)
        return True

    async def part(self, tenant_id: int, call_id: int) -> bool:
        """Show what was joined to a call apart again, for good; false where there is nothing joined to it.

        Raises:
            DatabaseUnavailable: nothing was done.
        """
        async with self._database.transaction() as connection:
            known = (await rows.load(connection, [call_id])).calls.get(call_id)
            if known is None or known.tenant_id != tenant_id:
                return False
            parted = [younger for younger, _ in await joins.part(connection, call_id)]
            accounts = await self._lock(connection, (call_id, *parted))
            for younger in parted:
                await rows.unmerge(connection, younger)
            if parted and accounts:
                await self._tracker.fold_within(connection, accounts[0], [call_id, *parted])
        return bool(parted)

    async def _lock(self, connection: AsyncConnection, call_ids: Sequence[int]) -> list[PhoneAccount]:
        """Lock the phone systems of these calls, in an order that all who lock several keep."""
        names = {one.call.account for one in (await rows.load(connection, call_ids)).calls.values()}
        found = sorted(
            (one for one in self._accounts.values() if one.name in names), key=lambda one: (one.tenant_id, one.name)
        )
        for account in found:
            await rows.lock_account(connection, account.tenant_id, account.name)
        return found

"""Decisions about numbers: made, undone, listed. What they do to a match is the domain's business."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog

from trunkline.domain.caller import CallerCard, CustomerFacts
from trunkline.domain.decisions import THE_NUMBER, DecisionKind, Owner, OwnerKind
from trunkline.domain.rank import owner_of
from trunkline.numbers.views import Entry
from trunkline.store import decisions as rows
from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.decisions import DecisionRow

log = structlog.get_logger(__name__)

LookUp = Callable[[int, str], Awaitable[CallerCard]]
OnDecided = Callable[[int, str], Awaitable[None]]


async def _tell_nobody(tenant_id: int, number: str) -> None:
    """A command has no calls in progress."""


class DecisionRefused(ValueError):
    """It makes no sense, as the message says in one sentence."""


class NumberBook:
    """The decisions of all tenants. `look_up` gives the card of a tenant's number as it is now.

    `is_remembering` says whether a tenant's decisions are copied to ServiceTitan, as things stand; `on_decided` is
    told of each number about which something was decided or undone.
    """

    def __init__(
        self,
        database: Database,
        look_up: LookUp,
        is_remembering: Callable[[int], bool] = lambda _tenant_id: False,
        on_decided: OnDecided = _tell_nobody,
    ) -> None:
        self._database = database
        self._look_up = look_up
        self._on_decided = on_decided
        self._is_remembering = is_remembering
        self._changed: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    def is_remembering(self, tenant_id: int) -> bool:
        """Whether this tenant's decisions are copied to ServiceTitan."""
        return self._is_remembering(tenant_id)

    def changed(self, tenant_id: int) -> asyncio.Event:
        """Is set whenever something of this tenant is to be copied."""
        return self._changed[tenant_id]

    async def about(self, tenant_id: int, number: str) -> list[Entry]:
        """What holds about one number (E.164), the oldest first."""
        async with self._database.connection() as connection:
            return [_entry(row) for row in await rows.about(connection, tenant_id, number)]

    async def latest(self, tenant_id: int, *, limit: int, before: datetime | None = None) -> list[Entry]:
        """What holds about any number, the newest first; go on with the time of the last one seen."""
        async with self._database.connection() as connection:
            return [_entry(row) for row in await rows.latest(connection, tenant_id, limit=limit, before=before)]

    async def mark(self, tenant_id: int, number: str, kind: DecisionKind, owner: Owner | None, *, by: str) -> Entry:
        """Decide about `number` (E.164); later calls follow at once.

        A direct line or a number that moved away needs its `owner`; what is about the number itself needs none.

        Raises:
            DecisionRefused: the owner is missing, or does not have the number.
            DatabaseUnavailable: nothing was decided.
        """
        match = (await self._look_up(tenant_id, number)).match
        holders = [candidate.customer for candidate in match.candidates] + list(match.former)
        keeper = owner_of(holders[0]) if holders else None
        if not kind.is_about_owner:
            owner = THE_NUMBER
        elif owner is None:
            raise DecisionRefused("Say whose number it is, or was: a customer or a location.")
        else:
            owner = keeper = _holder(holders, owner)
        async with self._database.connection() as connection:
            row = await rows.put(connection, tenant_id, number, owner, kind=kind, by=by, keeper=keeper)
        log.info("a decision about a number was made", tenant_id=tenant_id, kind=kind.value, owner=owner.kind.value)
        await self._tell(tenant_id, number)
        return _entry(row)

    async def forget(self, tenant_id: int, number: str, owner: Owner | None = None) -> bool:
        """Undo what was decided about `owner`, or about the number itself; false where nothing was.

        Raises:
            DatabaseUnavailable: nothing was undone.
        """
        owner = owner or THE_NUMBER
        async with self._database.transaction() as connection:
            undone = await rows.withdraw(connection, tenant_id, number, owner)
        if undone:
            log.info("a decision about a number was undone", tenant_id=tenant_id, owner=owner.kind.value)
            await self._tell(tenant_id, number)
        return undone

    async def _tell(self, tenant_id: int, number: str) -> None:
        self._changed[tenant_id].set()
        try:
            await self._on_decided(tenant_id, number)
        except DatabaseUnavailable:
            log.warning("calls in progress do not show what was decided", tenant_id=tenant_id)


def _holder(holders: Sequence[CustomerFacts], owner: Owner) -> Owner:
    """`owner`, if the number is theirs; a customer stands for the location of theirs that has it."""
    for customer in holders:
        if owner in {owner_of(customer), Owner(OwnerKind.CUSTOMER, customer.id)}:
            return owner_of(customer)
    raise DecisionRefused(
        f"The {owner.kind.value} {owner.id} does not have this number in ServiceTitan: add it to a contact there first."
    )


def _entry(row: DecisionRow) -> Entry:
    return Entry(row.number, row.kind, row.owner, row.decided_by, row.decided_at, row.copy.value, row.problem)

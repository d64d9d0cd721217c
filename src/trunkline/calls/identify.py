"""Who is calling: the caller card in one round trip, several lookups sharing it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain

import msgspec
import structlog

from trunkline.domain.caller import CallerCard, NumberFacts
from trunkline.domain.rank import card
from trunkline.store.caller import LANES, NumberLookup
from trunkline.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

LONG_QUEUE = 8
LARGEST_BATCH = 64
RING_DEADLINE_S = 1.0

_encode = msgspec.json.Encoder().encode

_Waiters = list[asyncio.Future[NumberFacts]]


class Identification:
    """Looks numbers up. `timezones` gives each tenant's IANA zone, which says when today is.

    Lookups that arrive while others are under way wait for no timer: they share the next statement.
    """

    def __init__(self, database: Database, timezones: Mapping[int, str]) -> None:
        self._lookup = NumberLookup(database)
        self._timezones = timezones
        self._waiting: dict[int, dict[str, _Waiters]] = {}
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Be ready for the first ring; raises as :meth:`card`."""
        await self._lookup.open()

    async def card(self, tenant_id: int, number: str | None) -> CallerCard:
        """The card of an E.164 number, or of a withheld one.

        Raises:
            DatabaseUnavailable: it cannot be told now.
        """
        now = datetime.now(UTC)
        return card(number, None if number is None else await self._facts(tenant_id, number), now=now)

    async def card_json(self, tenant_id: int, number: str) -> bytes:
        """The card of an E.164 number as JSON; raises as :meth:`card`."""
        facts = await self._facts(tenant_id, number)
        return _encode(card(number, facts, now=datetime.now(UTC)))

    async def card_at_ring(self, tenant_id: int, number: str | None) -> CallerCard | None:
        """The card, or `None` where it cannot be had in time: a ring never waits for it, and never fails over it."""
        try:
            async with asyncio.timeout(RING_DEADLINE_S):
                return await self.card(tenant_id, number)
        except Exception as error:  # noqa: BLE001 - whatever it is, the phone rings
            log.warning("a caller could not be identified in time", error=type(error).__name__)
            return None

    async def card_at_end(self, tenant_id: int, number: str | None) -> CallerCard | None:
        """The card for the logbook, which waits rather than not know whose call it was.

        Raises:
            DatabaseUnavailable: it cannot be told now.
        """
        try:
            return await self.card(tenant_id, number)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("a caller could not be identified")
            return None

    def _facts(self, tenant_id: int, number: str) -> asyncio.Future[NumberFacts]:
        future: asyncio.Future[NumberFacts] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant_id, {}).setdefault(number, []).append(future)
        if self._is_worth_a_statement():
            self._running += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    def _is_worth_a_statement(self) -> bool:
        """Whether to ask now. One statement for many numbers costs little more than one for a single number, so a
        second one at a time takes a long queue.
        """
        return self._running == 0 or (self._running < LANES and self._is_queue_long())

    def _is_queue_long(self) -> bool:
        return sum(map(len, self._waiting.values())) >= LONG_QUEUE

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._look_up(*self._next_batch())
                if self._running > 1 and not self._is_queue_long():
                    return  # the other statement is under way and will take what waits
        finally:
            self._running -= 1

    def _next_batch(self) -> tuple[int, dict[str, _Waiters]]:
        tenant_id, queued = self._waiting.popitem()
        numbers = list(queued)
        if rest := numbers[LARGEST_BATCH:]:
            self._waiting[tenant_id] = {number: queued[number] for number in rest}
        return tenant_id, {number: queued[number] for number in numbers[:LARGEST_BATCH]}

    async def _look_up(self, tenant_id: int, waiters: dict[str, _Waiters]) -> None:
        """Answer those who wait; one that gave up meanwhile is passed over."""
        zone = self._timezones.get(tenant_id, "UTC")
        try:
            found = await self._lookup.facts(tenant_id, list(waiters), timezone=zone)
        except Exception as error:  # noqa: BLE001 - raised where the answer is awaited
            for future in filter(_still_waits, chain.from_iterable(waiters.values())):
                future.set_exception(error)
            return
        for number, futures in waiters.items():
            for future in filter(_still_waits, futures):
                future.set_result(found[number])


def _still_waits(future: asyncio.Future[NumberFacts]) -> bool:
    return not future.done()

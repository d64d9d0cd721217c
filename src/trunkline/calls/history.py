"""Comparing with a phone system's own history: what is missing here is taken in through the same door as all else.

Nothing that a vendor's history tells of can be missing for long: it is read when the service starts, after every
reconnect, and on a schedule; what it tells of is written down, so that the ledger can be balanced at any time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import msgspec
import structlog

from trunkline.calls.account import PhoneAccount
from trunkline.calls.alarms import Alarms
from trunkline.calls.desk import CallDesk
from trunkline.calls.reading import understand
from trunkline.domain.events import CallEvent, EventKind
from trunkline.phone_systems.base import HistoryAdapter, RawMessage
from trunkline.phone_systems.errors import NotSetUp, PhoneSystemError
from trunkline.store import watch as rows
from trunkline.store.database import Database

log = structlog.get_logger(__name__)

EVERY_S = 15 * 60.0
NOT_READY_S = 1.0
FIRST_LOOK_BACK = timedelta(days=7)
# A call that was still going on stands in no history yet; whoever began before midnight may talk long after.
LONGEST_CALL = timedelta(hours=4)
# A ring of now must not wait behind a thousand calls of yesterday.
CHUNK = 50


class Checked(msgspec.Struct, frozen=True):
    """What one look into a history came to: calls it told of, records taken in, calls missing all the same."""

    told: int
    taken: int
    missing: int


class HistoryCheck:
    """Looks into the history of one phone system. `look_soon` asks for a look out of turn.

    `is_ready` says whether callers can be told by now: on the first day the customers have to be copied first.
    """

    def __init__(
        self,
        database: Database,
        desk: CallDesk,
        alarms: Alarms,
        account: PhoneAccount,
        http: httpx.AsyncClient,
        *,
        timezone: str,
        is_ready: Callable[[], Awaitable[bool]],
    ) -> None:
        self._database = database
        self._desk = desk
        self._alarms = alarms
        self._account = account
        self._http = http
        self._zone = ZoneInfo(timezone)
        self._is_ready = is_ready
        self._wake = asyncio.Event()

    def look_soon(self) -> None:
        """Something may have been missed just now."""
        self._wake.set()

    async def run(self, every_s: float = EVERY_S) -> None:
        """Look at once and then again and again, until cancelled; ends where no history is set up."""
        while True:
            if not await self._is_ready():
                await asyncio.sleep(NOT_READY_S)
                continue
            self._wake.clear()
            try:
                found = await self.look()
            except NotSetUp:
                return
            except PhoneSystemError as error:
                await self._alarms.begin(self._account, "history", f"The history cannot be read: {error}")
            else:
                await self._alarms.end(self._account, "history")
                await self._alarms.set(self._account, "missing", _missing(found))
            try:
                async with asyncio.timeout(every_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def look(self) -> Checked:
        """Read on from where the last look ended, from the begin of that day on.

        Raises:
            PhoneSystemError: the history could not be read to its end.
            DatabaseUnavailable: try again.
        """
        adapter = self._account.adapter
        if not isinstance(adapter, HistoryAdapter):
            raise TypeError(f"{self._account.name} has no history")
        until = datetime.now(UTC) - timedelta(seconds=adapter.settles_s)
        async with self._database.connection() as connection:
            checked = await rows.checked_until(connection, *self._whose)
        since = self._midnight_before(checked - LONGEST_CALL if checked else until - FIRST_LOOK_BACK)
        told: set[str] = set()
        taken = 0
        async for page in adapter.history(self._http, since, until):
            records = [(message, self._told_by(message)) for message in page]
            told.update(one.key for _, found in records for one in found)
            taken += await self._take(records)
        async with self._database.connection() as connection:
            await rows.set_checked(connection, *self._whose, until)
            missing = await rows.missing(connection, *self._whose)
        log.info("history read", account=self._account.name, told=len(told), taken=taken, missing=missing)
        return Checked(len(told), taken, missing)

    @property
    def _whose(self) -> tuple[int, str]:
        return self._account.tenant_id, self._account.name

    def _midnight_before(self, moment: datetime) -> datetime:
        local = moment.astimezone(self._zone)
        return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)

    def _told_by(self, message: RawMessage) -> list[rows.Told]:
        events, _ = understand(self._account.adapter, 0, message)
        records = [one for one in events if isinstance(one, CallEvent) and one.kind is EventKind.RECORD]
        return [
            rows.Told(one.call_key, one.occurred_at, one.occurred_at.astimezone(self._zone).date()) for one in records
        ]

    async def _take(self, records: Sequence[tuple[RawMessage, list[rows.Told]]]) -> int:
        """Write down what is told, and take in what is not known to its end; returns how many messages that were."""
        told = [one for _, found in records for one in found]
        async with self._database.connection() as connection:
            await rows.tell(connection, *self._whose, told)
            wanted = await rows.unfinished(connection, *self._whose, [one.key for one in told])
        # What cannot be read is taken in, too: it is listed there, with what is wrong with it.
        messages = [message for message, found in records if not found or any(one.key in wanted for one in found)]
        for chunk in _chunks(messages):
            await self._desk.receive(self._account, chunk)
            await self._desk.understood(self._account.name)
        return len(messages)


def _chunks(messages: Sequence[RawMessage]) -> Iterable[Sequence[RawMessage]]:
    return (messages[place : place + CHUNK] for place in range(0, len(messages), CHUNK))


def _missing(found: Checked) -> str | None:
    if not found.missing:
        return None
    calls = "1 call" if found.missing == 1 else f"{found.missing:,} calls"
    return (
        f"The phone system knows of {calls} that could not be taken in; look at its messages that were not understood."
    )

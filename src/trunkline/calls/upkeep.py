"""What each phone system needs while it is followed: its history compared, its orders renewed, its silence noticed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import structlog

from trunkline.calls.account import PhoneAccount
from trunkline.calls.alarms import Alarms
from trunkline.calls.history import EVERY_S, HistoryCheck
from trunkline.domain.hours import BusinessHours
from trunkline.phone_systems.base import LinkState, SubscribedAdapter
from trunkline.phone_systems.errors import PhoneSystemError
from trunkline.store import watch as rows
from trunkline.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

LOOK_S = 20.0
AGAIN_S = 5.0


@dataclass(frozen=True)
class Quiet:
    """After `minutes` without a message within `hours` something is taken to be wrong."""

    hours: BusinessHours
    minutes: int
    timezone: str


class Upkeep:
    """One phone system's; `address` is where its vendor reaches us, where that is known."""

    def __init__(
        self,
        database: Database,
        alarms: Alarms,
        account: PhoneAccount,
        http: httpx.AsyncClient,
        *,
        address: str | None,
        quiet: Quiet | None,
        history: HistoryCheck | None,
        history_every_s: float = EVERY_S,
    ) -> None:
        self._database = database
        self._alarms = alarms
        self._account = account
        self._http = http
        self._address = address
        self._quiet = quiet
        self._history = history
        self._history_every_s = history_every_s

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do: a phone system that only calls us may need nothing."""
        return (
            self._history is not None or self._quiet is not None or isinstance(self._account.adapter, SubscribedAdapter)
        )

    async def run(self) -> None:
        """Do all of it, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.Event().wait())  # a history that is not set up is no reason to begin anew
            if self._history is not None:
                tasks.create_task(_until_done(self._look_into_history))
            if isinstance(self._account.adapter, SubscribedAdapter):
                tasks.create_task(_until_done(self._supervise))
            if self._quiet is not None:
                tasks.create_task(_until_done(self._listen_for_silence))

    async def heard(self, link: LinkState) -> None:
        """A stream's connection changed: what was missed meanwhile is looked up.

        Raises:
            DatabaseUnavailable: try again with the next change.
        """
        if link.state == "disconnected":
            await self._alarms.begin(self._account, "connection", link.detail or "The connection was lost.")
        if link.state == "connected":
            await self._alarms.end(self._account, "connection")
            if self._history is not None:
                self._history.look_soon()

    async def _look_into_history(self) -> None:
        if self._history is not None:
            await self._history.run(self._history_every_s)

    async def _supervise(self) -> None:
        adapter = self._account.adapter
        if not isinstance(adapter, SubscribedAdapter):
            raise TypeError(f"{self._account.name} orders no deliveries")
        while True:
            await self._alarms.set(self._account, "subscription", await self._order(adapter))
            await asyncio.sleep(adapter.check_every_s)

    async def _order(self, adapter: SubscribedAdapter) -> str | None:
        """See to the order of deliveries; one sentence where that fails."""
        if self._address is None:
            return "Set public_url in trunkline.toml to the address at which this phone system reaches this service."
        try:
            link = await adapter.supervise(self._http, self._address)
        except PhoneSystemError as error:
            return f"Deliveries cannot be ordered: {error}"
        return None if link.state == "connected" else link.detail or "Deliveries are not ordered."

    async def _listen_for_silence(self) -> None:
        while True:
            await self._alarms.set(self._account, "silence", await self._silence(datetime.now(UTC)))
            await asyncio.sleep(LOOK_S)

    async def _silence(self, now: datetime) -> str | None:
        quiet = self._quiet
        opened_at = quiet.hours.opened_at(now, ZoneInfo(quiet.timezone)) if quiet else None
        if quiet is None or opened_at is None:
            return None  # at night nobody calls; a silence of the day is over then, too
        async with self._database.connection() as connection:
            heard_at = await rows.last_heard(connection, self._account.tenant_id, self._account.name)
        if now - max(opened_at, heard_at or opened_at) < timedelta(minutes=quiet.minutes):
            return None
        return f"Nothing was heard for {quiet.minutes} minutes of business; check that the phone system still reports."


async def _until_done(work: Callable[[], Awaitable[None]]) -> None:
    """A database that is away, or a mistake of one kind of upkeep, must not stop the others."""
    while True:
        try:
            return await work()
        except DatabaseUnavailable:
            pass
        except Exception:
            log.exception("upkeep failed and is started anew", work=work.__name__)
        await asyncio.sleep(AGAIN_S)

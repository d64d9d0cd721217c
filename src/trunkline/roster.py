"""Who is served and what runs for them: the present state, for all who need to know."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from trunkline.calls.account import PhoneAccount
from trunkline.domain.logging_plan import plan
from trunkline.logbook.notes import PausedNotes, ServiceTitanNotes
from trunkline.logbook.writer import Notes, Planner
from trunkline.mirror.sync import MirrorSync
from trunkline.servicetitan.client import ServiceTitan
from trunkline.store.database import DatabaseUnavailable
from trunkline.store.locks import AdvisoryLock, LockLost
from trunkline.tenants.tenant import Tenant
from trunkline.web.ports import Asking, Hook, NetworkInfo, TenantInfo

log = structlog.get_logger(__name__)

RESTART_S = 1.0

Work = Callable[[], Awaitable[None]]


class Background:
    """Tasks that run as long as the service, or until dropped; one that fails is logged and started anew."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> "Background":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop(*self._tasks)

    def keep(self, name: str, work: Work) -> None:
        """Run `work` until the service stops, or the task is dropped by its `name`."""
        self._tasks[name] = asyncio.create_task(self._again_and_again(name, work), name=name)

    async def drop(self, *names: str) -> None:
        """Stop these tasks, and return once they have stopped."""
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @staticmethod
    async def _again_and_again(name: str, work: Work) -> None:
        while True:
            try:
                await work()
            except (LockLost, DatabaseUnavailable) as error:
                log.warning("started anew", task=name, reason=str(error))
            except Exception:
                log.exception("failed and is started anew", task=name)
            await asyncio.sleep(RESTART_S)


@dataclass(frozen=True)
class Roster:
    """Who is served, for all who need to know. Its parts are changed in place: whoever holds one sees the present.

    Tenants that are paused are in it, but have no client, sync or phone system.
    """

    tenants: dict[int, Tenant] = field(default_factory=dict)
    infos: dict[int, TenantInfo] = field(default_factory=dict)
    networks: dict[str, NetworkInfo] = field(default_factory=dict)
    timezones: dict[int, str] = field(default_factory=dict)
    regions: dict[int, str] = field(default_factory=dict)
    clients: dict[int, ServiceTitan] = field(default_factory=dict)
    syncs: dict[int, MirrorSync] = field(default_factory=dict)
    accounts: dict[tuple[int, str], PhoneAccount] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)
    hooks: dict[str, Hook] = field(default_factory=dict)
    asking: dict[str, Asking] = field(default_factory=dict)

    def notes(self, tenant_id: int) -> Notes:
        """Where the logbook writes for a tenant."""
        client = self.clients.get(tenant_id)
        return ServiceTitanNotes(client) if client else PausedNotes()

    def planner(self, tenant_id: int) -> Planner:
        """What the logbook writes for a tenant."""
        known = self.tenants[tenant_id].settings
        return partial(plan, timezone=known.timezone, booking_provider=known.servicetitan.booking_provider)

    def is_remembering(self, tenant_id: int) -> bool:
        """Whether what is decided about a tenant's numbers is copied to its ServiceTitan."""
        tenant = self.tenants.get(tenant_id)
        return tenant is not None and tenant.settings.servicetitan.application_guid is not None


async def alone(lock: AdvisoryLock, work: Work) -> None:
    """Do `work` in one process of all."""
    async with lock.held():
        await work()

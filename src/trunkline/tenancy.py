"""What runs for each tenant - client, sync, phone systems - started and stopped as tenants come and go."""

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial

import httpx
import structlog

from trunkline.features import look_at_scopes
from trunkline.following import Following
from trunkline.mirror.sync import MirrorSync
from trunkline.numbers.book import NumberBook
from trunkline.numbers.keeper import Keeper
from trunkline.resources import behind, client_for
from trunkline.roster import Background, Roster, alone
from trunkline.servicetitan.client import ServiceTitan
from trunkline.servicetitan.errors import ServiceTitanError
from trunkline.settings import Settings
from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.locks import AdvisoryLock
from trunkline.tenants.registry import TenantRegistry, mirror_lock
from trunkline.tenants.tenant import Tenant
from trunkline.web.ports import NetworkInfo, TenantInfo

log = structlog.get_logger(__name__)


class Tenancy:
    """Keeps `roster` as the registry says, and the tasks of the tenants in `background`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        http: httpx.AsyncClient,
        roster: Roster,
        *,
        registry: TenantRegistry,
        background: Background,
        following: Following,
    ) -> None:
        self._settings = settings
        self._database = database
        self._http = http
        self._roster = roster
        self._registry = registry
        self._background = background
        self._following = following
        self._numbers: NumberBook | None = None

    def open(self, tenants: Mapping[int, Tenant]) -> None:
        """Fill the roster for the first time; nothing runs yet.

        Raises:
            Refusal: a phone system cannot be set up.
        """
        self._list(tenants)
        for tenant in tenants.values():
            self._connect(tenant)
        self._following.open()

    def start(self, numbers: NumberBook) -> None:
        """Start what runs for each tenant."""
        self._numbers = numbers
        for tenant_id in self._roster.syncs:
            self._start_work(tenant_id)
        self._following.start()

    async def run(self) -> None:
        """Follow the registry, until cancelled."""
        await self._registry.follow(self.change)

    async def change(self, tenants: Mapping[int, Tenant]) -> None:
        """Bring what runs in line with `tenants`."""
        before = dict(self._roster.tenants)
        gone = [tenant_id for tenant_id in before if tenant_id not in tenants]
        changed = [tenant for tenant in tenants.values() if before.get(tenant.id) != tenant]
        if not gone and not changed:
            return
        for tenant_id in (*gone, *(tenant.id for tenant in changed)):
            await self._stop(tenant_id)
        self._list(tenants)
        for tenant in changed:
            self._connect(tenant)
            if tenant.runs:
                self._start_work(tenant.id)
        await self._following.renew()
        log.info("the tenants changed", now=sorted(tenants), paused=[t.id for t in tenants.values() if not t.runs])
        for tenant_id in gone:
            await self._registry.erase_rest(tenant_id)

    def _list(self, tenants: Mapping[int, Tenant]) -> None:
        roster = self._roster
        for part in (roster.tenants, roster.infos, roster.timezones, roster.regions, roster.networks):
            part.clear()
        roster.tenants.update(tenants)
        for tenant_id, tenant in tenants.items():
            known = tenant.settings
            standstill = tenant.trouble or ("This company is paused." if tenant.paused else None)
            roster.infos[tenant_id] = TenantInfo(
                tenant_id, known.name, known.timezone, known.links_base, known.region, standstill
            )  # fmt: skip
            roster.timezones[tenant_id] = known.timezone
            roster.regions[tenant_id] = known.region
        for one in self._settings.networks:
            if members := [roster.infos[key] for key in one.tenants if key in tenants and tenants[key].runs]:
                accounts = tuple(system.account for system in one.phone_systems)
                roster.networks[one.name] = NetworkInfo(one.name, tuple(members), accounts)

    def _connect(self, tenant: Tenant) -> None:
        if tenant.runs:
            client = client_for(tenant.settings, self._database, self._http)
            self._roster.clients[tenant.id] = client
            self._roster.syncs[tenant.id] = MirrorSync(
                self._database, behind(client, tenant.settings, self._database), region=tenant.settings.region
            )

    async def _stop(self, tenant_id: int) -> None:
        await self._background.drop(f"mirror {tenant_id}", f"scopes {tenant_id}", f"numbers {tenant_id}")
        self._roster.clients.pop(tenant_id, None)
        self._roster.syncs.pop(tenant_id, None)

    def _start_work(self, tenant_id: int) -> None:
        self._start_sync(tenant_id)
        self._start_keeper(tenant_id)

    def _start_sync(self, tenant_id: int) -> None:
        held = mirror_lock(self._database, tenant_id)
        sync = partial(self._roster.syncs[tenant_id].run, self._settings.mirror_interval_s)
        self._background.keep(f"mirror {tenant_id}", partial(alone, held, sync))
        watch = partial(
            _watch_scopes, self._roster.clients[tenant_id], self._database, self._settings.mirror_interval_s
        )
        self._background.keep(f"scopes {tenant_id}", watch)

    def _start_keeper(self, tenant_id: int) -> None:
        tenant = self._roster.tenants[tenant_id].settings
        guid, numbers = tenant.servicetitan.application_guid, self._numbers
        if guid is None or numbers is None:
            return
        keeper = Keeper(self._database, behind(self._roster.clients[tenant_id], tenant, self._database), guid)
        held = AdvisoryLock(self._database.url, f"numbers {tenant_id}")
        work = partial(keeper.run, numbers.changed(tenant_id))
        self._background.keep(f"numbers {tenant_id}", partial(alone, held, work))


async def _watch_scopes(client: ServiceTitan, database: Database, pause_s: float) -> None:
    """A new version of the app shows in the next token."""
    while True:
        with contextlib.suppress(ServiceTitanError, DatabaseUnavailable):  # the mirror says what is wrong
            await look_at_scopes(client, database)
        await asyncio.sleep(pause_s)

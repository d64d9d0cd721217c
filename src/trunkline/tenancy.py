"""What runs for each tenant - client, sync, phone systems - started and stopped as tenants come and go."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import httpx
import structlog

from trunkline.calls.account import Network, PhoneAccount
from trunkline.calls.desk import CallDesk
from trunkline.calls.intake import Refusals
from trunkline.calls.sweeper import Sweeper
from trunkline.domain import phone
from trunkline.features import look_at_scopes
from trunkline.logbook.notes import PausedNotes, ServiceTitanNotes
from trunkline.logbook.writer import Notes
from trunkline.mirror.sync import MirrorSync
from trunkline.numbers.book import NumberBook
from trunkline.numbers.keeper import Keeper
from trunkline.phone_systems.base import Adapter, LinkState, StreamAdapter, WebhookAdapter
from trunkline.phone_systems.registry import adapter
from trunkline.resources import Refusal, behind, client_for
from trunkline.servicetitan.client import ServiceTitan
from trunkline.servicetitan.errors import ServiceTitanError
from trunkline.settings import NetworkSettings, Settings
from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.locks import AdvisoryLock, LockLost
from trunkline.tenants.registry import TenantRegistry, mirror_lock
from trunkline.tenants.tenant import Tenant
from trunkline.web.ports import Hook, NetworkInfo, TenantInfo

log = structlog.get_logger(__name__)

RESTART_S = 1.0
NETWORKS_TENANT = 0  # under which a network's phone systems stand in the inbox

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

    def notes(self, tenant_id: int) -> Notes:
        """Where the logbook writes for a tenant."""
        client = self.clients.get(tenant_id)
        return ServiceTitanNotes(client) if client else PausedNotes()

    def is_remembering(self, tenant_id: int) -> bool:
        """Whether what is decided about a tenant's numbers is copied to its ServiceTitan."""
        tenant = self.tenants.get(tenant_id)
        return tenant is not None and tenant.settings.servicetitan.application_guid is not None


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
        refusals: Refusals,
    ) -> None:
        self._settings = settings
        self._database = database
        self._http = http
        self._roster = roster
        self._registry = registry
        self._background = background
        self._refusals = refusals
        self._adapters: dict[str, Adapter] = {}
        self._desk: CallDesk | None = None
        self._sweeper: Sweeper | None = None
        self._numbers: NumberBook | None = None

    def open(self, tenants: Mapping[int, Tenant]) -> None:
        """Fill the roster for the first time; nothing runs yet.

        Raises:
            Refusal: a phone system cannot be set up.
        """
        self._list(tenants)
        for tenant in tenants.values():
            self._connect(tenant)
        try:
            for one in self._settings.phone_systems:
                self._adapters[one.account] = adapter(one.system, one.account, one.options())
        except ValueError as error:
            raise Refusal(str(error)) from None
        self._roster.accounts.update({(one.tenant_id, one.name): one for one in self._accounts()})
        self._roster.followed.update(name for _, name in self._roster.accounts)

    def start(self, desk: CallDesk, sweeper: Sweeper, numbers: NumberBook) -> None:
        """Start what runs for each tenant."""
        self._desk, self._sweeper, self._numbers = desk, sweeper, numbers
        for tenant_id in self._roster.syncs:
            self._start_work(tenant_id)
        for account in self._roster.accounts.values():
            self._start_account(account)
        self._set_aside()

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
        await self._renew_accounts()
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

    # Phone systems --------------------------------------------------------------------------------------------------

    def _accounts(self) -> list[PhoneAccount]:
        """The phone systems that are to be followed now."""
        owned = [
            PhoneAccount(tenant.id, one.account, tenant.settings.region, self._adapters[one.account])
            for tenant in self._roster.tenants.values()
            for one in tenant.settings.phone_systems
            if tenant.runs
        ]
        shared = [
            PhoneAccount(
                NETWORKS_TENANT,
                one.account,
                self._roster.regions[members[0]],
                self._adapters[one.account],
                network=self._network(network, members),
            )
            for network in self._settings.networks
            if (members := self._running(network))
            for one in network.phone_systems
        ]
        return owned + shared

    def _running(self, network: NetworkSettings) -> list[int]:
        known = self._roster.tenants
        return [tenant_id for tenant_id in network.tenants if tenant_id in known and known[tenant_id].runs]

    def _network(self, network: NetworkSettings, members: list[int]) -> Network:
        region = self._roster.regions[members[0]]
        return Network(
            network.name,
            {tenant_id: self._roster.infos[tenant_id].name for tenant_id in members},
            {phone.parse(did, region) or did: tenant_id for did, tenant_id in network.dids.items()},
        )

    async def _renew_accounts(self) -> None:
        """A phone system that serves others than before is followed anew; all else goes on untouched."""
        wanted = {(one.tenant_id, one.name): one for one in self._accounts()}
        present = self._roster.accounts
        for key in [key for key, one in present.items() if key not in wanted or not one.serves_as(wanted[key])]:
            await self._background.drop(f"phone system {key[1]}")
            del present[key]
            self._roster.followed.discard(key[1])
        for key in [key for key in wanted if key not in present]:
            present[key] = wanted[key]
            self._roster.followed.add(key[1])
            self._start_account(wanted[key])
        self._set_aside()

    def _set_aside(self) -> None:
        """Whoever delivers for a company that is paused is asked to try again, not turned away."""
        for name, one in self._adapters.items():
            if isinstance(one, WebhookAdapter) and name not in self._roster.followed:
                self._roster.hooks[name] = Hook(one, _nobody, _uncounted, "This company is paused; try again later.")

    def _start_account(self, account: PhoneAccount) -> None:
        desk, sweeper = self._desk, self._sweeper
        if desk is None or sweeper is None:
            raise RuntimeError("phone systems are followed once there is a desk")
        if isinstance(account.adapter, StreamAdapter):
            held = AdvisoryLock(self._database.url, f"phone system {account.tenant_id} {account.name}")
            follow = partial(_follow, account, account.adapter, desk, sweeper)
            self._background.keep(f"phone system {account.name}", partial(alone, held, follow))
        if isinstance(account.adapter, WebhookAdapter):
            self._roster.hooks[account.name] = Hook(
                account.adapter, partial(desk.receive, account, patient=False), partial(self._refusals.add, account)
            )


async def _watch_scopes(client: ServiceTitan, database: Database, pause_s: float) -> None:
    """A new version of the app shows in the next token."""
    while True:
        with contextlib.suppress(ServiceTitanError, DatabaseUnavailable):  # the mirror says what is wrong
            await look_at_scopes(client, database)
        await asyncio.sleep(pause_s)


async def _follow(account: PhoneAccount, stream: StreamAdapter, desk: CallDesk, sweeper: Sweeper) -> None:
    # What is left from before is older than the list of live calls that the phone system gives first.
    await sweeper.sweep_messages(older_than_s=0)

    async def report(link: LinkState) -> None:
        with contextlib.suppress(DatabaseUnavailable):  # the next change is told again
            await desk.set_connection(account, link)

    await stream.run(partial(desk.receive, account), report)


async def _nobody(_messages: object) -> None:
    raise RuntimeError("nobody takes the messages of a company that is paused")


def _uncounted() -> None:
    """What is refused anyway is not counted."""


async def alone(lock: AdvisoryLock, work: Work) -> None:
    """Do `work` in one process of all."""
    async with lock.held():
        await work()

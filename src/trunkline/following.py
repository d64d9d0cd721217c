"""Which phone systems are followed, for whom, and what each of them needs meanwhile."""

import contextlib
from collections.abc import Sequence
from functools import partial

import httpx

from trunkline.calls.account import Network, PhoneAccount
from trunkline.calls.alarms import Alarms
from trunkline.calls.desk import CallDesk
from trunkline.calls.history import HistoryCheck
from trunkline.calls.intake import Refusals
from trunkline.calls.sweeper import Sweeper
from trunkline.calls.upkeep import Quiet, Upkeep
from trunkline.domain import phone
from trunkline.domain.hours import BusinessHours
from trunkline.mirror.catalog import TYPED
from trunkline.phone_systems.base import (
    Adapter,
    CallerIdAdapter,
    HistoryAdapter,
    LinkState,
    StreamAdapter,
    WebhookAdapter,
)
from trunkline.phone_systems.registry import adapter
from trunkline.resources import Refusal
from trunkline.roster import Background, Roster, alone
from trunkline.settings import NetworkSettings, PhoneSystemSettings, Settings
from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.locks import AdvisoryLock
from trunkline.store.mirror import feed_states
from trunkline.web.ports import Asking, Hook

NETWORKS_TENANT = 0  # under which a network's phone systems stand in the inbox


class Following:
    """Keeps the phone systems in `roster` followed, by tasks in `background`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        http: httpx.AsyncClient,
        roster: Roster,
        background: Background,
        *,
        desk: CallDesk,
        sweeper: Sweeper,
        refusals: Refusals,
    ) -> None:
        self._settings = settings
        self._database = database
        self._http = http
        self._roster = roster
        self._background = background
        self._desk = desk
        self._sweeper = sweeper
        self._refusals = refusals
        self._alarms = Alarms(database)
        self._adapters: dict[str, Adapter] = {}

    def open(self) -> None:
        """Set up every phone system; nothing is followed yet.

        Raises:
            Refusal: one cannot be set up.
        """
        try:
            for one in self._settings.phone_systems:
                self._adapters[one.account] = adapter(one.system, one.account, one.options())
        except ValueError as error:
            raise Refusal(str(error)) from None
        self._roster.accounts.update({(one.tenant_id, one.name): one for one in self._accounts()})
        self._roster.followed.update(name for _, name in self._roster.accounts)

    def start(self) -> None:
        """Follow them."""
        for account in self._roster.accounts.values():
            self._start_account(account)
        self._set_aside()

    def _accounts(self) -> list[PhoneAccount]:
        """The phone systems that are to be followed now."""
        owned = [
            PhoneAccount(tenant.id, one.account, tenant.settings.region, self._adapters[one.account], learn=one.learn)
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
                learn=one.learn,
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

    async def renew(self) -> None:
        """A phone system that serves others than before is followed anew; all else goes on untouched."""
        wanted = {(one.tenant_id, one.name): one for one in self._accounts()}
        present = self._roster.accounts
        for key in [key for key, one in present.items() if key not in wanted or not one.serves_as(wanted[key])]:
            await self._background.drop(f"phone system {key[1]}", f"upkeep {key[1]}")
            del present[key]
            self._roster.followed.discard(key[1])
            self._roster.asking.pop(key[1], None)
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
        desk = self._desk
        upkeep = self._upkeep(account)
        if isinstance(account.adapter, StreamAdapter):
            held = AdvisoryLock(self._database.url, f"phone system {account.tenant_id} {account.name}")
            follow = partial(self._follow, account, account.adapter, upkeep)
            self._background.keep(f"phone system {account.name}", partial(alone, held, follow))
        if isinstance(account.adapter, WebhookAdapter):
            self._roster.hooks[account.name] = Hook(
                account.adapter, partial(desk.receive, account, patient=False), partial(self._refusals.add, account)
            )
        if isinstance(account.adapter, CallerIdAdapter):
            first = self._roster.infos[account.tenant_ids[0]]
            self._roster.asking[account.name] = Asking(
                account.adapter,
                account.network.tenants if account.network else {first.tenant_id: first.name},
                account.region,
                first.links_base,
                partial(desk.receive, account, patient=False),
                partial(self._refusals.add, account),
            )
        if upkeep.is_needed:  # the lock is a connection of its own
            held = AdvisoryLock(self._database.url, f"upkeep {account.tenant_id} {account.name}")
            self._background.keep(f"upkeep {account.name}", partial(alone, held, upkeep.run))

    def _upkeep(self, account: PhoneAccount) -> Upkeep:
        settings = self._settings_of(account.name)
        timezone = self._roster.timezones[account.tenant_ids[0]]
        has_history = isinstance(account.adapter, HistoryAdapter) and not account.learn
        minutes = settings.quiet_alarm_min
        return Upkeep(
            self._database,
            self._alarms,
            account,
            self._http,
            address=f"{self._settings.public_url}/hooks/{account.name}" if self._settings.public_url else None,
            quiet=Quiet(BusinessHours.parse(settings.hours), minutes, timezone) if minutes else None,
            history=self._history(account, timezone) if has_history else None,
            history_every_s=self._settings.history_every_s,
        )

    def _history(self, account: PhoneAccount, timezone: str) -> HistoryCheck:
        return HistoryCheck(
            self._database,
            self._desk,
            self._alarms,
            account,
            self._http,
            timezone=timezone,
            is_ready=partial(self._are_copied, account.tenant_ids),
        )

    async def _are_copied(self, tenant_ids: Sequence[int]) -> bool:
        """Whether callers can be told: everything that a ringing phone needs has been copied once."""
        async with self._database.connection() as connection:
            for tenant_id in tenant_ids:
                states = await feed_states(connection, tenant_id)
                if not all(one.name in states and states[one.name].complete for one in TYPED):
                    return False
        return True

    def _settings_of(self, name: str) -> PhoneSystemSettings:
        return next(one for one in self._settings.phone_systems if one.account == name)

    async def _follow(self, account: PhoneAccount, stream: StreamAdapter, upkeep: Upkeep) -> None:
        # What is left from before is older than the list of live calls that the phone system gives first.
        await self._sweeper.sweep_messages(older_than_s=0)

        async def report(link: LinkState) -> None:
            with contextlib.suppress(DatabaseUnavailable):  # the next change is told again
                await self._desk.set_connection(account, link)
                await upkeep.heard(link)

        await stream.run(partial(self._desk.receive, account), report)


async def _nobody(_messages: object) -> None:
    raise RuntimeError("nobody takes the messages of a company that is paused")


def _uncounted(_reason: str) -> None:
    """What is refused anyway is not counted."""

"""What the web room is handed by the composition root."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from trunkline.calls.feed import Resync
from trunkline.calls.inspector import Inspector
from trunkline.calls.joiner import Joiner
from trunkline.calls.lines import PhoneLines
from trunkline.calls.views import CallDetail, CallView, ConnectionView, NetworkCard
from trunkline.domain.caller import CallerCard
from trunkline.domain.decisions import DecisionKind, Owner
from trunkline.mirror.health import ResourceHealth
from trunkline.numbers.views import Entry
from trunkline.phone_systems.base import CallerIdAdapter, RawMessage, WebhookAdapter
from trunkline.servicetitan.scopes import ScopeReport
from trunkline.store.scopes import GrantedScopes
from trunkline.tenants.probe import Outcome
from trunkline.tenants.registry import TenantRegistry
from trunkline.tenants.tenant import Tenant


@dataclass(frozen=True)
class TenantInfo:
    """One company: `timezone` is an IANA name, `region` how local numbers are read, `links_base` where its
    ServiceTitan pages live. `standstill` is one sentence about why nothing of it runs."""

    tenant_id: int
    name: str
    timezone: str = "America/New_York"
    links_base: str = "https://go.servicetitan.com"
    region: str = "US"
    standstill: str | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which people read times."""
        return ZoneInfo(self.timezone)


@dataclass(frozen=True)
class NetworkInfo:
    """Companies that share the phone systems named in `accounts`; `members` are those that are not paused."""

    name: str
    members: tuple[TenantInfo, ...]
    accounts: tuple[str, ...] = ()

    @property
    def names(self) -> dict[int, str]:
        """The companies' names by tenant id."""
        return {member.tenant_id: member.name for member in self.members}


@dataclass(frozen=True)
class SettingsDesk:
    """What the settings pages work with; `test` tries a tenant's connection to ServiceTitan."""

    registry: TenantRegistry
    test: Callable[[Tenant], Awaitable[Outcome]]


class Desk(Protocol):
    """The views people read; every method may raise `DatabaseUnavailable`."""

    @property
    def trouble(self) -> str | None:
        """One sentence while messages of the phone systems cannot be stored."""

    async def board(self, tenant_id: int) -> Sequence[CallView]:
        """Calls in progress and those that just ended, the newest first."""

    async def recent(self, tenant_id: int, *, limit: int, before_id: int | None = None) -> Sequence[CallView]:
        """All calls, the newest first; go on with the id of the last one seen."""

    async def detail(self, tenant_id: int, call_id: int) -> CallDetail | None:
        """One call with its events and what was written; `None` where the tenant has no such call."""

    async def lookup(self, tenant_id: int, text: str, *, region: str = "US") -> CallerCard:
        """Who has this number. Raises `ValueError` with one sentence where it is no phone number."""

    def lookup_json(self, tenant_id: int, text: str, *, region: str = "US") -> Awaitable[bytes]:
        """As :meth:`lookup`, as JSON."""

    async def lookup_network(self, tenants: Mapping[int, str], text: str, *, region: str = "US") -> NetworkCard:
        """Who has this number at any of these tenants, given with their names; raises as :meth:`lookup`."""

    async def connections(self, tenant_id: int, shared: Sequence[str] = ()) -> Sequence[ConnectionView]:
        """How each phone system's connection stands."""


class Numbers(Protocol):
    """What people decided about numbers (E.164); every method that waits may raise `DatabaseUnavailable`."""

    def is_remembering(self, tenant_id: int) -> bool:
        """Whether this company's decisions are copied to ServiceTitan."""

    async def about(self, tenant_id: int, number: str) -> Sequence[Entry]:
        """What holds about one number, the oldest first."""

    async def latest(self, tenant_id: int, *, limit: int, before: datetime | None = None) -> Sequence[Entry]:
        """What holds about any number, the newest first; go on with the time of the last one seen."""

    async def mark(self, tenant_id: int, number: str, kind: DecisionKind, owner: Owner | None, *, by: str) -> Entry:
        """Decide. Raises `ValueError` with one sentence where that makes no sense."""

    async def forget(self, tenant_id: int, number: str, owner: Owner | None = None) -> bool:
        """Undo; false where nothing of the kind was decided."""


class Feed(Protocol):
    """Changed calls, as they change."""

    def subscribe(self, tenant_id: int) -> AbstractAsyncContextManager[asyncio.Queue[CallView | Resync]]:
        """A queue of one tenant's changed calls; `Resync` says that the whole board is to be read again."""


class FeedProgress(Protocol):
    """How far one of ServiceTitan's feeds has been copied; `expected_rows` where it is known."""

    @property
    def feed(self) -> str: ...
    @property
    def complete(self) -> bool: ...
    @property
    def rows_seen(self) -> int: ...
    @property
    def expected_rows(self) -> int | None: ...
    @property
    def error(self) -> str | None: ...


Progress = Callable[[int], Awaitable[Sequence[FeedProgress]]]
Health = Callable[[int], Awaitable[Sequence[ResourceHealth]]]
Scopes = Callable[[int], Awaitable[tuple[ScopeReport, GrantedScopes | None]]]


@dataclass(frozen=True)
class Hook:
    """A phone system that calls us, and what takes its verified messages: durable once `receive` returns.

    `refused` counts what was not from it. `standstill` is one sentence while nothing can be taken.
    """

    adapter: WebhookAdapter
    receive: Callable[[Sequence[RawMessage]], Awaitable[object]]
    refused: Callable[[str], None]
    standstill: str | None = None


@dataclass(frozen=True)
class Asking:
    """A phone system that asks who calls, for whom (with names), and what takes the rings that it tells of."""

    adapter: CallerIdAdapter
    tenants: Mapping[int, str]
    region: str
    links_base: str
    receive: Callable[[Sequence[RawMessage]], Awaitable[object]]
    refused: Callable[[str], None]


@dataclass(frozen=True)
class PhoneDesk:
    """Phone systems as people look at them, part what was joined, and call through them; `asking` ask who calls.

    `public_url` is where vendors reach this installation, where that was set.
    """

    inspector: Inspector
    joiner: Joiner
    lines: PhoneLines
    asking: Mapping[str, Asking]
    public_url: str | None = None

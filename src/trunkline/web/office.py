"""What every page and endpoint is handed: the desk, the feed, and the companies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, ValidationException

from trunkline.web.board import BoardStream
from trunkline.web.ports import (
    Desk,
    Health,
    Hook,
    NetworkInfo,
    Numbers,
    PhoneDesk,
    Progress,
    Scopes,
    SettingsDesk,
    TenantInfo,
)
from trunkline.web.tokens import Keeper


@dataclass(frozen=True)
class Office:
    """The web room's surroundings; made once by :func:`trunkline.web.create_web`.

    Companies, networks and hooks come and go while it lives.
    """

    desk: Desk
    numbers: Numbers
    tenants: Mapping[int, TenantInfo]
    networks: Mapping[str, NetworkInfo]
    make_board: Callable[[TenantInfo], BoardStream]
    progress: Progress
    health: Health
    scopes: Scopes
    hooks: Mapping[str, Hook]
    settings: SettingsDesk | None
    keeper: Keeper | None
    phones: PhoneDesk | None = None
    _boards: dict[TenantInfo, BoardStream] = field(default_factory=dict)

    def tenant(self, tenant_id: int | None, *, guess: bool = True) -> TenantInfo:
        """The company asked for, or the first one.

        Raises:
            NotFoundException, ValidationException: there is no such company, or none was named where it must be.
        """
        if not self.tenants:
            raise NotFoundException("No company is set up yet: add one on the settings page.")
        if tenant_id is None:
            if not guess and len(self.tenants) > 1:
                raise ValidationException("Say which company with tenant=ID.")
            return next(iter(self.tenants.values()))
        if tenant_id not in self.tenants:
            raise NotFoundException(f"No company with the tenant id {tenant_id} is set up here.")
        return self.tenants[tenant_id]

    def network(self, name: str) -> NetworkInfo:
        """The network of this name.

        Raises:
            NotFoundException: there is none, or all its companies are paused.
        """
        if name not in self.networks:
            raise NotFoundException(f"No network {name[:80]!r} with a company that is not paused is set up here.")
        return self.networks[name]

    def board(self, tenant: TenantInfo) -> BoardStream:
        """The live board of a company; one for all who watch it."""
        if tenant not in self._boards:
            self._boards[tenant] = self.make_board(tenant)
        return self._boards[tenant]

    def shared_accounts(self, tenant_id: int) -> list[str]:
        """The phone systems that the company shares with others."""
        return [name for one in self.networks.values() if tenant_id in one.names for name in one.accounts]


# How handlers ask for it.
TheOffice = NamedDependency[Office]

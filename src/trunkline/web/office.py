"""What every page and endpoint is handed: the desk, the feed, and the companies."""

from collections.abc import Mapping
from dataclasses import dataclass

from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, ValidationException

from trunkline.web.board import BoardStream
from trunkline.web.guard import Keeper
from trunkline.web.ports import Desk, Hook, Numbers, Progress, TenantInfo


@dataclass(frozen=True)
class Office:
    """The web room's surroundings; made once by :func:`trunkline.web.create_web`."""

    desk: Desk
    numbers: Numbers
    tenants: Mapping[int, TenantInfo]
    boards: Mapping[int, BoardStream]
    progress: Progress
    hooks: Mapping[str, Hook]
    keeper: Keeper | None

    def tenant(self, tenant_id: int | None, *, guess: bool = True) -> TenantInfo:
        """The company asked for, or the first one.

        Raises:
            NotFoundException, ValidationException: there is no such company, or none was named where it must be.
        """
        if not self.tenants:
            raise NotFoundException("No company is set up yet: describe one in trunkline.toml (see docs/settings.md).")
        if tenant_id is None:
            if not guess and len(self.tenants) > 1:
                raise ValidationException("Say which company with tenant=ID.")
            return next(iter(self.tenants.values()))
        if tenant_id not in self.tenants:
            raise NotFoundException(f"No company with the tenant id {tenant_id} is set up here.")
        return self.tenants[tenant_id]


# How handlers ask for it.
TheOffice = NamedDependency[Office]

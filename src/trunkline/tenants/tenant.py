"""A tenant, wherever it was set up."""

from dataclasses import dataclass

from trunkline.settings import TenantSettings


@dataclass(frozen=True)
class Tenant:
    """One company: `in_file` says that it stands in trunkline.toml, and is changed there.

    `trouble` is one sentence about secrets that cannot be read; they are then empty.
    """

    settings: TenantSettings
    in_file: bool = False
    paused: bool = False
    trouble: str | None = None

    @property
    def id(self) -> int:
        """ServiceTitan's tenant id."""
        return self.settings.id

    @property
    def runs(self) -> bool:
        """Whether its phones are followed, its data copied and its calls logged."""
        return not self.paused and self.trouble is None

"""A phone system of one tenant, or of a network of tenants."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.phone_systems.base import Adapter


@dataclass(frozen=True)
class Network:
    """Tenants that share phone systems, by id with their names, and those of their numbers that tell whose call it is.

    Numbers are E.164 where they are whole ones. The first tenant has the calls that nothing tells about.
    """

    name: str
    tenants: Mapping[int, str]
    dids: Mapping[str, int]


@dataclass(frozen=True)
class Account:
    """Whose calls they are: `name` is unique within the installation; `region` is how outside numbers are read.

    What a network's phone system says stands under tenant 0; its calls stand under whom they are for.
    """

    tenant_id: int
    name: str
    region: str
    network: Network | None = field(default=None, kw_only=True)

    @property
    def tenant_ids(self) -> tuple[int, ...]:
        """Whose calls come in here; the first has those that nothing tells about."""
        return tuple(self.network.tenants) if self.network else (self.tenant_id,)


@dataclass(frozen=True)
class PhoneAccount(Account):
    """One that is configured, and can be listened to.

    With `learn` its messages are stored and understood, but make no calls.
    """

    adapter: Adapter
    learn: bool = False

    def serves_as(self, other: "PhoneAccount") -> bool:
        """Whether it serves the same tenants in the same way as `other`."""
        return (self.region, self.network) == (other.region, other.network)

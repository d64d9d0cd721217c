"""A phone system of one tenant."""

from dataclasses import dataclass

from trunkline.phone_systems.base import Adapter


@dataclass(frozen=True)
class Account:
    """Whose calls they are: `name` is unique within the installation; `region` is how outside numbers are read."""

    tenant_id: int
    name: str
    region: str


@dataclass(frozen=True)
class PhoneAccount(Account):
    """One that is configured, and can be listened to."""

    adapter: Adapter

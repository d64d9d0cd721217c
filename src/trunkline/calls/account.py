"""One configured phone system of one tenant."""

from dataclasses import dataclass

from trunkline.phone_systems.base import Adapter


@dataclass(frozen=True)
class PhoneAccount:
    """`name` is unique within the installation; `region` is how outside numbers are read."""

    tenant_id: int
    name: str
    adapter: Adapter
    region: str = "US"

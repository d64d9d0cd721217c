"""ServiceTitan's API, whole; knows no phone system.

``from trunkline.servicetitan import ServiceTitan`` is what others need. What it leans on is loaded when it is asked
for: the command line lists operations without waiting for an HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trunkline.servicetitan.client import Environment, ServiceTitan
    from trunkline.servicetitan.errors import ServiceTitanError
    from trunkline.servicetitan.sign_in import Credentials

__all__ = ["Credentials", "Environment", "ServiceTitan", "ServiceTitanError"]

_HOMES = {"Credentials": "sign_in", "Environment": "client", "ServiceTitan": "client", "ServiceTitanError": "errors"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

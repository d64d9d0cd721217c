"""Adapters by name, through the entry-point group `trunkline.phone_systems`: others can ship their own."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from trunkline.phone_systems.base import Adapter, Configurable

GROUP = "trunkline.phone_systems"


def names() -> list[str]:
    """The systems there are adapters for, sorted."""
    return sorted(_found())


def adapter_class(system: str) -> type[Configurable]:
    """The class of the adapter for `system`.

    Raises:
        ValueError: with one sentence: there is no such adapter.
    """
    found = _found()
    if system not in found:
        raise ValueError(f"There is no adapter for {system!r}; there are: {', '.join(sorted(found))}.")
    made: type[Configurable] = found[system].load()
    return made


def adapter(system: str, account: str, options: Mapping[str, object]) -> Adapter:
    """The adapter for `system`, configured for `account`.

    Raises:
        ValueError: with one sentence: there is no such adapter, or an option is wrong.
    """
    return adapter_class(system).configure(account, options)


def _found() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}

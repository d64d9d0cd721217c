"""Adapters by name, through the entry-point group `trunkline.phone_systems`: others can ship their own."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from trunkline.phone_systems.base import Adapter

GROUP = "trunkline.phone_systems"


def adapter(system: str, account: str, options: Mapping[str, object]) -> Adapter:
    """The adapter for `system`, configured for `account`.

    Raises:
        ValueError: with one sentence: there is no such adapter, or an option is wrong.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if system not in found:
        raise ValueError(f"There is no adapter for {system!r}; there are: {', '.join(sorted(found))}.")
    made: Adapter = found[system].load().configure(account, options)
    return made

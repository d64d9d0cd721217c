"""Which calls this process has heard of lately: a hint that saves a new one from waiting for the database."""

from collections.abc import Iterable

from trunkline.calls.account import Account

LONGEST_MEMORY = 20_000


class Lately:
    """Keys of calls, the latest :data:`LONGEST_MEMORY` of them. What is not here may still be known to the database."""

    def __init__(self) -> None:
        self._keys: dict[tuple[int, str, str], None] = {}

    def knows_any(self, account: Account, keys: Iterable[str]) -> bool:
        """Whether one of `keys` was heard of."""
        return any((account.tenant_id, account.name, key) in self._keys for key in keys)

    def heard(self, account: Account, keys: Iterable[str]) -> None:
        """Remember `keys`; the oldest are forgotten."""
        self._keys.update({(account.tenant_id, account.name, key): None for key in keys})
        while len(self._keys) > LONGEST_MEMORY:
            del self._keys[next(iter(self._keys))]

"""What a crash left between inbox and logbook is taken up here, and calls whose end nobody told."""

from collections.abc import Mapping
from itertools import groupby

import structlog

from trunkline.calls.account import Account, PhoneAccount
from trunkline.calls.intake import StoredMessage
from trunkline.calls.tracker import OnEnded, Tracker
from trunkline.phone_systems.base import RawMessage
from trunkline.store import calls as rows
from trunkline.store import inbox as inbox_rows
from trunkline.store.database import Database

log = structlog.get_logger(__name__)

BATCH = 200
# A phone does not ring, and a caller does not wait, for an hour; nobody talks for half a day.
LONGEST_WAIT_S, LONGEST_TALK_S = 3600.0, 12 * 3600.0


class Sweeper:
    """Takes up messages nobody understood yet and ended calls nobody logs yet, once they are `older_than_s` old.

    `regions` are those of the tenants: a phone system that is no longer configured may leave calls behind, too.
    """

    def __init__(
        self,
        database: Database,
        tracker: Tracker,
        accounts: Mapping[tuple[int, str], PhoneAccount],
        regions: Mapping[int, str],
        on_ended: OnEnded,
    ) -> None:
        self._database = database
        self._tracker = tracker
        self._accounts = accounts
        self._regions = regions
        self._on_ended = on_ended
        self._settled_below = 0  # so that a sweep does not read through all calls there ever were

    async def sweep(self, *, older_than_s: float = 10.0) -> int:
        """Take up what is left; returns how many messages and calls that were."""
        messages = await self.sweep_messages(older_than_s=older_than_s)
        return messages + await self._silent_calls() + await self._calls(older_than_s)

    async def sweep_messages(self, *, older_than_s: float) -> int:
        """Take up messages only; returns how many."""
        taken = 0
        while True:
            async with self._database.connection() as connection:
                left = await inbox_rows.unprocessed(connection, self._accounts, older_than_s=older_than_s, limit=BATCH)
            by_account: dict[tuple[int, str], list[StoredMessage]] = {}
            for row in left:
                message = StoredMessage(row.id, RawMessage(row.body, row.received_at, kind=row.kind))
                by_account.setdefault((row.tenant_id, row.account), []).append(message)
            for key, messages in by_account.items():
                await self._tracker.take(self._accounts[key], messages)
                taken += len(messages)
            if len(left) < BATCH:
                return taken

    async def _silent_calls(self) -> int:
        async with self._database.connection() as connection:
            silent = await rows.silent_calls(
                connection, self._regions, unanswered_s=LONGEST_WAIT_S, answered_s=LONGEST_TALK_S, limit=BATCH
            )
        silent.sort(key=lambda one: (one.tenant_id, one.account))
        for (tenant_id, name), calls in groupby(silent, key=lambda one: (one.tenant_id, one.account)):
            account = self._accounts.get((tenant_id, name)) or Account(
                tenant_id, name, self._regions.get(tenant_id, "US")
            )
            await self._tracker.end_unheard(account, list(calls))
        return len(silent)

    async def _calls(self, older_than_s: float) -> int:
        async with self._database.connection() as connection:
            self._settled_below = await rows.first_unsettled(connection, self._settled_below)
            left = await rows.ended_without_entry(
                connection, self._settled_below, older_than_s=older_than_s, limit=BATCH
            )
        for tenant_id, call_id in left:
            await self._on_ended(tenant_id, call_id)
        return len(left)

"""What a crash left between inbox and logbook is taken up here."""

from collections.abc import Mapping

import structlog

from trunkline.calls.account import PhoneAccount
from trunkline.calls.intake import StoredMessage
from trunkline.calls.tracker import OnEnded, Tracker
from trunkline.phone_systems.base import RawMessage
from trunkline.store import calls as rows
from trunkline.store import inbox as inbox_rows
from trunkline.store.database import Database

log = structlog.get_logger(__name__)

BATCH = 200


class Sweeper:
    """Takes up messages nobody understood yet and ended calls nobody logs yet, once they are `older_than_s` old."""

    def __init__(
        self,
        database: Database,
        tracker: Tracker,
        accounts: Mapping[tuple[int, str], PhoneAccount],
        on_ended: OnEnded,
    ) -> None:
        self._database = database
        self._tracker = tracker
        self._accounts = accounts
        self._on_ended = on_ended
        self._settled_below = 0  # so that a sweep does not read through all calls there ever were

    async def sweep(self, *, older_than_s: float = 10.0) -> int:
        """Take up what is left; returns how many messages and calls that were."""
        return await self.sweep_messages(older_than_s=older_than_s) + await self._calls(older_than_s)

    async def sweep_messages(self, *, older_than_s: float) -> int:
        """Take up messages only; returns how many."""
        taken = 0
        while True:
            async with self._database.connection() as connection:
                left = await inbox_rows.unprocessed(connection, self._accounts, older_than_s=older_than_s, limit=BATCH)
            by_account: dict[tuple[int, str], list[StoredMessage]] = {}
            for row in left:
                message = StoredMessage(row.id, RawMessage(row.body, row.received_at))
                by_account.setdefault((row.tenant_id, row.account), []).append(message)
            for key, messages in by_account.items():
                await self._tracker.take(self._accounts[key], messages)
                taken += len(messages)
            if len(left) < BATCH:
                return taken

    async def _calls(self, older_than_s: float) -> int:
        async with self._database.connection() as connection:
            self._settled_below = await rows.first_unsettled(connection, self._settled_below)
            left = await rows.ended_without_entry(
                connection, self._settled_below, older_than_s=older_than_s, limit=BATCH
            )
        for tenant_id, call_id in left:
            await self._on_ended(tenant_id, call_id)
        return len(left)

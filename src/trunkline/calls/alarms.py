"""What is wrong with a phone system: told once when it begins, and once when it is over."""

import structlog

from trunkline.calls.account import Account
from trunkline.store import watch as rows
from trunkline.store.database import Database

log = structlog.get_logger(__name__)


class Alarms:
    """Kept in the database, so that neither a restart nor a second process tells the same twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(self, account: Account, kind: str, detail: str | None) -> None:
        """Begin the alarm where there is something to tell, end it where there is not.

        Raises:
            DatabaseUnavailable: try again.
        """
        if detail is None:
            await self.end(account, kind)
        else:
            await self.begin(account, kind, detail)

    async def begin(self, account: Account, kind: str, detail: str) -> None:
        """Something is wrong: `detail` is one sentence. Raises as :meth:`set`."""
        async with self._database.connection() as connection:
            is_new = await rows.begin_alarm(connection, account.tenant_id, account.name, kind, detail)
        if is_new:
            log.warning("a phone system needs attention", account=account.name, kind=kind, detail=detail)

    async def end(self, account: Account, kind: str) -> None:
        """It is well. Raises as :meth:`set`."""
        async with self._database.connection() as connection:
            was_wrong = await rows.end_alarm(connection, account.tenant_id, account.name, kind)
        if was_wrong:
            log.info("a phone system is well again", account=account.name, kind=kind)

"""The inbox: what a phone system said is committed before anyone acknowledges or understands it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import structlog

from trunkline.calls.account import Account, PhoneAccount
from trunkline.faultpoints import fault_point
from trunkline.phone_systems.base import RawMessage
from trunkline.store import inbox as rows
from trunkline.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0

_RefusedOn = tuple[int, str, date]  # tenant, account, UTC day


@dataclass(frozen=True)
class StoredMessage:
    """A raw message and its place in the inbox."""

    id: int
    message: RawMessage


def _stored(message: RawMessage) -> tuple[str | None, datetime, bytes, str]:
    """A message as the inbox stores it."""
    return message.delivery_id, message.received_at, message.body, message.kind


@dataclass
class _Waiting:
    account: PhoneAccount
    messages: Sequence[RawMessage]
    stored: asyncio.Future[list[StoredMessage]] = field(default_factory=asyncio.Future)


class Inbox:
    """Group commit without a timer: whatever was handed in during one commit shares the next.

    `trouble` is one sentence for people while messages cannot be stored.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self.trouble: str | None = None

    async def append(
        self, account: PhoneAccount, messages: Sequence[RawMessage], *, patient: bool = True
    ) -> list[StoredMessage]:
        """Store `messages`; durable on return. Replays of a delivery are left out.

        A patient caller - one that holds the only copy - waits until the database is back.

        Raises:
            DatabaseUnavailable: the caller is not patient; the sender should try again.
        """
        pause = FIRST_PAUSE_S
        while True:
            try:
                stored = await self._append_once(account, messages)
            except DatabaseUnavailable:
                self._say("The database does not take messages; they are taken up once it does. Check disk and server.")
                if not patient:
                    raise
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE_S, pause * 2)
            else:
                self._say(None)
                return stored

    async def _append_once(self, account: PhoneAccount, messages: Sequence[RawMessage]) -> list[StoredMessage]:
        waiting = _Waiting(account, messages)
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await waiting.stored

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._commit(batch)
            except Exception as error:  # noqa: BLE001 - raised where the commit is awaited
                for waiting in batch:
                    if not waiting.stored.done():
                        waiting.stored.set_exception(error)

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        flat = [
            (waiting.account.tenant_id, waiting.account.name, *_stored(message))
            for waiting in batch
            for message in waiting.messages
        ]
        await fault_point("inbox.before_commit")
        async with self._database.connection() as connection:
            ids = iter(await rows.append(connection, flat) if flat else [])
        await fault_point("inbox.after_commit")
        for waiting in batch:
            placed = [(next(ids), message) for message in waiting.messages]
            if not waiting.stored.done():
                waiting.stored.set_result([StoredMessage(i, message) for i, message in placed if i is not None])

    def _say(self, sentence: str | None) -> None:
        if sentence != self.trouble:
            log.warning("inbox in trouble", detail=sentence) if sentence else log.info("inbox is back")
            self.trouble = sentence


class Refusals:
    """Counts what was refused in memory, so that a flood of forgeries costs no database; written down now and then."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: Counter[_RefusedOn] = Counter()
        self._reasons: dict[_RefusedOn, str] = {}
        self._told: set[tuple[_RefusedOn, str]] = set()

    def add(self, account: Account, reason: str) -> None:
        """One more delivery was not from this phone system, or could not be proved to be; `reason` is one sentence."""
        on = (account.tenant_id, account.name, datetime.now(UTC).date())
        self._counted[on] += 1
        self._reasons[on] = reason
        if (on, reason) not in self._told:
            self._told = {told for told in self._told if told[0][2] == on[2]} | {(on, reason)}
            log.warning("a delivery was refused; others of that day are counted", account=account.name, reason=reason)

    async def write_down(self) -> None:
        """Add what was counted to the database.

        Raises:
            DatabaseUnavailable: it is kept for the next time.
        """
        counted, self._counted = self._counted, Counter()
        if not counted:
            return
        try:
            async with self._database.connection() as connection:
                await rows.add_refusals(
                    connection, [(*on, count, self._reasons.get(on, "")) for on, count in counted.items()]
                )
        except DatabaseUnavailable:
            self._counted += counted
            raise
        self._reasons = {on: reason for on, reason in self._reasons.items() if on in self._counted}

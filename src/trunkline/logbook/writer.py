"""One attempt at logging one call: from intent to outcome, with a verdict on what to do next."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from psycopg import AsyncConnection

from trunkline.domain.call import Call, CallState
from trunkline.domain.caller import CallerCard
from trunkline.domain.logging_plan import LogAction, LogKind, ReviewReason
from trunkline.faultpoints import fault_point
from trunkline.servicetitan.errors import GivenUp, NeedsFixing, OutcomeUnknown, RetryLater
from trunkline.servicetitan.notes import Note
from trunkline.store import logbook as rows
from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.logbook import IntentState

# ServiceTitan answers within 100 s or not at all; what it has not finished by then it will not finish.
# Source: ServiceTitan partner portal, "Timeouts and pagination".
SERVER_TIMEOUT_S = 100.0
CLOCK_SKEW = timedelta(minutes=10)


class Notes(Protocol):
    """The part of ServiceTitan that the logbook writes to, for one tenant."""

    async def add(self, kind: LogKind, target_id: int, text: str) -> int | None:
        """Write a note, or make a booking, and return its id, where ServiceTitan gives one."""

    async def find(self, kind: LogKind, target_id: int, ref: str, *, since: datetime) -> Note | None:
        """What stands there of the call `ref`; a note only if it was written at or after `since` (UTC)."""


class Planner(Protocol):
    """Decides what is to be written (:func:`trunkline.domain.logging_plan.plan`, bound to the tenant's policy)."""

    def __call__(self, call: Call, card: CallerCard | None, *, ref: str) -> list[LogAction]:
        """The actions for an ended call."""


@dataclass(frozen=True)
class Verdict:
    """What the workflow does next: nothing more (`retry_in_s` is None), or another attempt after that many seconds.

    `outage` marks waits that grow from attempt to attempt.
    """

    retry_in_s: float | None = None
    outage: bool = False


DONE = Verdict()
_BUSY_ELSEWHERE = Verdict(retry_in_s=5.0)
_NOT_ENDED = Verdict(retry_in_s=5.0)
_LOOK_AGAIN = Verdict(retry_in_s=1.0)
_OUTAGE = Verdict(retry_in_s=1.0, outage=True)
_NEEDS_FIXING = Verdict(retry_in_s=60.0)

_UNCERTAIN = {IntentState.TRYING, IntentState.DOUBTFUL}
# A plain 500 means that ServiceTitan has finished with the request, committed or not; gateway errors do not.
_SERVER_ERROR = 500
_ANSWERED_SETTLE_S = 5.0
_LOOK_EVERY_S = 15.0


class Writer:
    """Makes attempts at logging calls.

    `followed` are the configured phone systems: what others said and nobody understood is not waited for. `settle_s` is
    how long after a lost reply a write may still land.
    """

    def __init__(
        self,
        database: Database,
        notes: Callable[[int], Notes],
        planner: Callable[[int], Planner],
        *,
        followed: Container[str],
        settle_s: float = SERVER_TIMEOUT_S + 5,
    ) -> None:
        self._database = database
        self._notes = notes
        self._planner = planner
        self._followed = followed
        self._settle_s = settle_s

    async def attempt(self, tenant_id: int, call_id: int) -> Verdict:
        """Bring the call's entry as far as it will go now; never raises for trouble outside this process."""
        try:
            async with self._database.connection() as connection:
                standing = await rows.take(connection, tenant_id, call_id)
                if standing is None:
                    return _BUSY_ELSEWHERE
                try:
                    return await self._attempt(connection, tenant_id, call_id, standing)
                finally:
                    if not connection.broken:
                        await rows.give_back(connection, call_id)
        except DatabaseUnavailable:
            return _OUTAGE

    async def _attempt(
        self, connection: AsyncConnection, tenant_id: int, call_id: int, standing: rows.Standing
    ) -> Verdict:
        if standing.entry not in {None, "open"}:
            return DONE
        intents = standing.intents
        if not intents:
            found = standing.call
            if found is None:
                return DONE
            if found.overtaken and found.call.account in self._followed:
                return _NOT_ENDED
            if found.call.state is not CallState.ENDED and found.merged_into is None:
                return _NOT_ENDED
            actions = await self._decide(connection, tenant_id, call_id, found)
            if not actions:
                return DONE
            await fault_point("logbook.before_intent")
            intents = await rows.open_entry(connection, tenant_id, call_id, actions)
            await fault_point("logbook.after_intent")
        return await self._write_all(connection, tenant_id, call_id, intents)

    async def _decide(
        self, connection: AsyncConnection, tenant_id: int, call_id: int, found: rows.CallToLog
    ) -> list[LogAction]:
        """The writes to make; where there are none, the entry is closed here."""
        if found.merged_into is not None:
            await rows.close_entry(connection, tenant_id, call_id, "nothing", detail="Part of another call.")
            return []
        actions = self._planner(tenant_id)(found.call, found.card, ref=found.ref)
        review = next((action.review for action in actions if action.kind is LogKind.REVIEW), None)
        if review is not None:
            await rows.close_entry(connection, tenant_id, call_id, "review", review=review)
            return []
        if not actions:
            await rows.close_entry(connection, tenant_id, call_id, "nothing")
        return actions

    async def _write_all(
        self, connection: AsyncConnection, tenant_id: int, call_id: int, intents: list[rows.Intent]
    ) -> Verdict:
        notes = self._notes(tenant_id)
        try:
            for intent in intents:
                if intent.state in _UNCERTAIN and (wait_s := await self._resolve(connection, notes, call_id, intent)):
                    return Verdict(retry_in_s=wait_s)
            for intent in await rows.intents(connection, call_id) if _any_uncertain(intents) else intents:
                if intent.state is IntentState.INTENDED:
                    await self._write(connection, notes, call_id, intent)
        except OutcomeUnknown as error:
            await rows.keep_open(connection, tenant_id, call_id, error.message)
            return _LOOK_AGAIN
        except GivenUp as error:
            await rows.close_entry(
                connection, tenant_id, call_id, "review", review=ReviewReason.REFUSED, detail=error.message
            )
            return DONE
        except (RetryLater, NeedsFixing) as error:
            await rows.keep_open(connection, tenant_id, call_id, error.message)
            return _NEEDS_FIXING if isinstance(error, NeedsFixing) else _OUTAGE
        await rows.close_entry(connection, tenant_id, call_id, "logged")
        await fault_point("logbook.after_outcome")
        return DONE

    async def _resolve(self, connection: AsyncConnection, notes: Notes, call_id: int, intent: rows.Intent) -> float:
        """Find out whether an earlier try landed; returns how many seconds to wait before that can be told (or 0)."""
        found = await self._find(connection, notes, call_id, intent)
        if found is not None:
            await rows.set_intent(connection, call_id, intent, IntentState.WRITTEN, found.id)
            return 0.0
        settle_s = self._settle_s if intent.state is IntentState.TRYING else min(_ANSWERED_SETTLE_S, self._settle_s)
        if intent.age_s < settle_s:
            return min(_LOOK_EVERY_S, settle_s - intent.age_s)
        await rows.set_intent(connection, call_id, intent, IntentState.INTENDED)
        return 0.0

    async def _find(self, connection: AsyncConnection, notes: Notes, call_id: int, intent: rows.Intent) -> Note | None:
        reference = await rows.reference(connection, call_id)
        since = intent.intended_at - CLOCK_SKEW
        return await notes.find(intent.action, intent.target_id, reference, since=since)

    async def _write(self, connection: AsyncConnection, notes: Notes, call_id: int, intent: rows.Intent) -> None:
        await rows.begin_try(connection, call_id, intent)
        try:
            remote_id = await notes.add(intent.action, intent.target_id, intent.text)
        except OutcomeUnknown as error:
            if error.status == _SERVER_ERROR:
                await rows.set_intent(connection, call_id, intent, IntentState.DOUBTFUL)
            raise
        except GivenUp:
            await rows.set_intent(connection, call_id, intent, IntentState.REFUSED)
            raise
        except (RetryLater, NeedsFixing):
            await rows.set_intent(connection, call_id, intent, IntentState.INTENDED)
            raise
        await fault_point("logbook.after_write")
        await rows.set_intent(connection, call_id, intent, IntentState.WRITTEN, remote_id)


def _any_uncertain(intents: list[rows.Intent]) -> bool:
    return any(intent.state in _UNCERTAIN for intent in intents)

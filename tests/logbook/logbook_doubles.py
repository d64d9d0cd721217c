"""What the logbook's tests share: notes kept in memory at the network boundary, and calls to log."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.caller import CallerCard, Candidate, CustomerFacts, Match, MatchKind
from trunkline.domain.events import Direction
from trunkline.domain.logging_plan import LogAction, LogKind, ReviewReason, marker
from trunkline.servicetitan.notes import Note
from trunkline.store.database import Database

TENANT = 1000001
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ENDED = Call(
    system="webhook",
    account="main",
    call_key="k1",
    direction=Direction.INBOUND,
    state=CallState.ENDED,
    outcome=Outcome.ANSWERED,
    external_number="+14375550142",
    started_at=NOW,
    ended_at=NOW,
)
JANE = CallerCard(
    number="+14375550142",
    match=Match(kind=MatchKind.SINGLE, candidates=(Candidate(CustomerFacts(id=7, name="Jane Example"), 10),)),
)


class MemoryNotes:
    """Notes in memory; `script` says what happens at the next writes: an exception to raise before or after storing."""

    def __init__(self) -> None:
        self.stored: list[tuple[LogKind, int, Note]] = []
        self.before: list[Exception | None] = []
        self.after: list[Exception | None] = []
        self.on_read: list[Exception | None] = []
        self.reads = 0

    async def add(self, kind: LogKind, target_id: int, text: str) -> int | None:
        self._raise_next(self.before)
        note_id = len(self.stored) + 1
        self.stored.append((kind, target_id, Note(text=text, created_on=datetime.now(UTC), id=note_id)))
        self._raise_next(self.after)
        return note_id

    async def find(self, kind: LogKind, target_id: int, ref: str, *, since: datetime) -> Note | None:
        self.reads += 1
        self._raise_next(self.on_read)
        notes = [note for k, t, note in self.stored if (k, t) == (kind, target_id) and note.created_on >= since]
        return next((note for note in notes if marker(ref) in note.text), None)

    @staticmethod
    def _raise_next(script: list[Exception | None]) -> None:
        if script and (error := script.pop(0)) is not None:
            raise error


def planner(*actions: LogKind) -> Callable[..., list[LogAction]]:
    """A planner that always asks for `actions`."""

    def decide(_call: Call, _card: CallerCard | None, *, ref: str) -> list[LogAction]:
        return [
            LogAction(kind, review=ReviewReason.AMBIGUOUS)
            if kind is LogKind.REVIEW
            else LogAction(kind, target_id=7, text=f"A call. {marker(ref)}")
            for kind in actions
        ]

    return decide


async def add_call(
    database: Database, ref: str = "REF0000001", call: Call = ENDED, card: CallerCard | None = JANE
) -> int:
    """Put a call into the database as the tracker would, and return its id."""
    async with database.connection() as connection:
        cursor = await connection.execute(
            "insert into calls.calls (tenant_id, account, system, call_key, ref, state, call, card)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s) returning id",
            (
                TENANT,
                call.account,
                call.system,
                call.call_key,
                ref,
                call.state.value,
                msgspec.json.encode(call).decode(),
                msgspec.json.encode(card).decode() if card else None,
            ),
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

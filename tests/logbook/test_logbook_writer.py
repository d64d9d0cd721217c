"""One attempt after another at logging one call: never twice, never lost."""

import msgspec
import pytest
from logbook_doubles import ENDED, TENANT, MemoryNotes, add_call, planner

from trunkline.domain.call import CallState
from trunkline.domain.logging_plan import LogKind
from trunkline.logbook.writer import DONE, Verdict, Writer
from trunkline.servicetitan.errors import BadCredentials, InvalidRequest, OutcomeUnknown, ServerTrouble, Unreachable
from trunkline.store.database import Database

BOTH = (LogKind.CUSTOMER_NOTE, LogKind.JOB_NOTE)


def writer(database: Database, notes: MemoryNotes, *actions: LogKind, settle_s: float = 0.0) -> Writer:
    return Writer(database, lambda _: notes, lambda _: planner(*actions), followed={"main"}, settle_s=settle_s)


async def entry(database: Database, call_id: int) -> tuple[object, ...] | None:
    async with database.connection() as connection:
        cursor = await connection.execute(
            "select state, review_reason, detail from logbook.entries where call_id = %s", (call_id,)
        )
        return await cursor.fetchone()


async def until_done(subject: Writer, call_id: int, *, at_most: int = 10) -> int:
    for attempts in range(1, at_most + 1):
        if await subject.attempt(TENANT, call_id) == DONE:
            return attempts
    raise AssertionError(f"not done after {at_most} attempts")


async def test_a_call_is_written_to_customer_and_job_once(database: Database) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    subject = writer(database, notes, *BOTH)
    assert await subject.attempt(TENANT, call_id) == DONE
    assert await subject.attempt(TENANT, call_id) == DONE
    assert [(kind, target) for kind, target, _ in notes.stored] == [(LogKind.CUSTOMER_NOTE, 7), (LogKind.JOB_NOTE, 7)]
    assert await entry(database, call_id) == ("logged", None, None)


async def test_a_call_that_needs_nothing_is_closed_without_a_write(database: Database) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    assert await writer(database, notes).attempt(TENANT, call_id) == DONE
    assert (notes.stored, await entry(database, call_id)) == ([], ("nothing", None, None))


async def test_an_ambiguous_caller_is_left_to_a_person(database: Database) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    assert await writer(database, notes, LogKind.REVIEW).attempt(TENANT, call_id) == DONE
    assert (notes.stored, await entry(database, call_id)) == ([], ("review", "ambiguous", None))


async def test_a_call_that_is_not_over_is_waited_for(database: Database) -> None:
    call = msgspec.structs.replace(ENDED, state=CallState.RINGING)
    notes, call_id = MemoryNotes(), await add_call(database, call=call)
    verdict = await writer(database, notes, *BOTH).attempt(TENANT, call_id)
    assert verdict.retry_in_s
    assert notes.stored == []


@pytest.mark.parametrize(("account", "is_waited_for"), [("main", True), ("no longer configured", False)])
async def test_what_was_said_before_and_is_not_understood_yet_is_waited_for_while_its_phone_system_is_configured(
    database: Database, account: str, *, is_waited_for: bool
) -> None:
    notes, call_id = MemoryNotes(), await add_call(database, call=msgspec.structs.replace(ENDED, account=account))
    async with database.connection() as connection:
        await connection.execute(
            "insert into calls.inbox (tenant_id, account, received_at, body)"
            " values (%s, %s, now() - interval '1 s', '')",
            (TENANT, account),
        )
    verdict = await writer(database, notes, LogKind.CUSTOMER_NOTE).attempt(TENANT, call_id)
    assert (verdict != DONE, len(notes.stored)) == (is_waited_for, 0 if is_waited_for else 1)


async def test_a_call_that_became_part_of_another_is_not_written(database: Database) -> None:
    notes, older, younger = MemoryNotes(), await add_call(database, "REF1"), await add_call(database, "REF2")
    async with database.connection() as connection:
        await connection.execute("update calls.calls set merged_into = %s where id = %s", (older, younger))
    assert await writer(database, notes, *BOTH).attempt(TENANT, younger) == DONE
    assert (notes.stored, await entry(database, younger)) == ([], ("nothing", None, "Part of another call."))


async def test_a_lost_reply_is_read_back_and_not_written_again(database: Database) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    notes.after = [OutcomeUnknown("The reply was lost.")]
    subject = writer(database, notes, LogKind.CUSTOMER_NOTE)
    assert await until_done(subject, call_id) == 2
    assert (len(notes.stored), notes.reads) == (1, 1)
    assert await entry(database, call_id) == ("logged", None, None)


async def test_a_request_that_was_lost_on_its_way_is_written_again_after_it_cannot_land_any_more(
    database: Database,
) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    notes.before = [OutcomeUnknown("The reply was lost.")]
    waiting = writer(database, notes, LogKind.CUSTOMER_NOTE, settle_s=3600)
    assert (await waiting.attempt(TENANT, call_id)).retry_in_s == 1.0
    assert (await waiting.attempt(TENANT, call_id)).retry_in_s == 15.0
    assert notes.stored == []
    assert await until_done(writer(database, notes, LogKind.CUSTOMER_NOTE), call_id) == 1
    assert len(notes.stored) == 1


async def test_a_first_note_that_landed_is_not_repeated_when_the_second_fails(database: Database) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    notes.before = [None, Unreachable("ServiceTitan cannot be reached.")]
    assert await until_done(writer(database, notes, *BOTH), call_id) == 2
    assert [kind for kind, _, _ in notes.stored] == list(BOTH)
    assert notes.reads == 0


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Unreachable("ServiceTitan cannot be reached."), Verdict(1.0, outage=True)),
        (BadCredentials("ServiceTitan refused the client id or secret."), Verdict(60.0)),
    ],
)
async def test_people_see_why_a_call_waits_and_it_is_written_when_the_cause_is_gone(
    database: Database, error: Exception, verdict: Verdict
) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    notes.before = [error]
    subject = writer(database, notes, LogKind.CUSTOMER_NOTE)
    assert await subject.attempt(TENANT, call_id) == verdict
    assert await entry(database, call_id) == ("open", None, str(error))
    assert await until_done(subject, call_id) == 1
    assert await entry(database, call_id) == ("logged", None, None)


async def test_a_write_that_is_refused_for_good_goes_to_a_person(database: Database) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    notes.before = [InvalidRequest("The note is too long.")]
    assert await writer(database, notes, LogKind.CUSTOMER_NOTE).attempt(TENANT, call_id) == DONE
    assert await entry(database, call_id) == ("review", "refused", "The note is too long.")


async def test_after_a_500_the_note_is_read_back_first(database: Database) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    notes.after = [OutcomeUnknown("ServiceTitan failed.", status=500)]
    notes.on_read = [ServerTrouble("ServiceTitan failed."), None]
    subject = writer(database, notes, LogKind.CUSTOMER_NOTE)
    assert await until_done(subject, call_id) == 3
    assert len(notes.stored) == 1


async def test_two_processes_do_not_work_on_one_call_at_a_time(database: Database) -> None:
    notes, call_id = MemoryNotes(), await add_call(database)
    async with database.connection() as other:
        await other.execute("select pg_advisory_lock(%s, %s)", (0x6C6F67, call_id))
        verdict = await writer(database, notes, LogKind.CUSTOMER_NOTE).attempt(TENANT, call_id)
        await other.execute("select pg_advisory_unlock_all()")
    assert (verdict.retry_in_s, notes.stored) == (5.0, [])

"""Files of call detail records: what each kind of file says, which rows are read, and what is broken."""

import os
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, Outcome
from trunkline.domain.events import Direction, EndReason
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.cdr_file import CdrFileAdapter
from trunkline.phone_systems.cdr_file.adapter import PAGE
from trunkline.phone_systems.cdr_file.parse import ANSWERED, DIRECTIONS, UNANSWERED, VOICEMAIL
from trunkline.phone_systems.cdr_file.times import moment, seconds
from trunkline.phone_systems.errors import NeedsFixing
from trunkline.sandbox.phones.cdr_file import SPEAKER
from trunkline.sandbox.phones.speaker import Dialled

SINCE = datetime(2024, 6, 10, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=1)
AT = datetime(2024, 6, 10, 15, 20, 2, tzinfo=UTC)
MASTER = (
    '"","+14375550142","{dst}","from-trunk","""JANE EXAMPLE"" <+14375550142>","PJSIP/trunk-00000001","{to}","{app}",'
    '"x","2024-06-10 10:20:02",{answer},"2024-06-10 10:21:15",73,66,"{disposition}","DOCUMENTATION"'
)
ANSWERED_ROW = MASTER.format(
    dst="14375550100", to="PJSIP/101-00000002", app="Dial", answer='"2024-06-10 10:20:09"', disposition="ANSWERED"
)


def adapter(path: Path, **options: object) -> CdrFileAdapter:
    """An adapter for a file in Chicago."""
    return CdrFileAdapter.configure("main", {"path": str(path), "time_zone": "America/Chicago", **options})


async def read(made: CdrFileAdapter, since: datetime = SINCE, until: datetime = UNTIL) -> list[RawMessage]:
    """All messages of a window."""
    async with httpx.AsyncClient() as http:
        return [message async for page in made.history(http, since, until) for message in page]


async def calls(made: CdrFileAdapter) -> list[Call]:
    """The calls of the day."""
    return in_memory(made, list(enumerate(await read(made))))


def written(folder: Path, *lines: str, name: str = "Master.csv") -> Path:
    """A file of these lines."""
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def told(call: Call) -> tuple[object, ...]:
    """What people look at first."""
    extension = call.answered_by.extension if call.answered_by else None
    return (call.outcome, call.direction, call.external_number, extension, call.wait_s, call.talk_s)


HEARD = (Outcome.ANSWERED, Direction.INBOUND, "+14375550142", "101", 7, 66)


# Asterisk -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    ["", ',"1718032802.1"', ',"1718032802.1","note"', ',"","1718032802.1",7', ',"1718032802.1","","1718032802.1",7',
     ',"1718032802.1","note","","1718032802.1",7'],
)  # fmt: skip
async def test_asterisk_columns_depend_on_its_settings(tmp_path: Path, more: str) -> None:
    (call,) = await calls(adapter(written(tmp_path, ANSWERED_ROW + more), preset="asterisk"))
    assert told(call) == HEARD
    assert (call.external_name, call.did, call.started_at) == ("JANE EXAMPLE", "14375550100", AT)
    assert ("1718032802.1" in more) == (call.call_key == "1718032802.1")


@pytest.mark.parametrize(
    ("disposition", "outcome"),
    [
        ("ANSWERED", Outcome.ANSWERED),
        ("NO ANSWER", Outcome.MISSED),
        ("BUSY", Outcome.BUSY),
        ("FAILED", Outcome.FAILED),
        ("CONGESTION", Outcome.FAILED),
        ("CANCEL", Outcome.MISSED),
        ("LEVITATED", Outcome.MISSED),
    ],
)
async def test_asterisk_dispositions(tmp_path: Path, disposition: str, outcome: Outcome) -> None:
    answer = '"2024-06-10 10:20:09"' if disposition == "ANSWERED" else ""
    row = MASTER.format(dst="101", to="PJSIP/101-00000002", app="Dial", answer=answer, disposition=disposition)
    (call,) = await calls(adapter(written(tmp_path, row), preset="asterisk"))
    assert (call.outcome, call.ended_at) == (outcome, AT + timedelta(seconds=73))


@pytest.mark.parametrize(
    ("target", "outcome", "queues"),
    [
        (("vmu101", "PJSIP/101-00000002", "VoiceMail"), Outcome.VOICEMAIL, ()),
        (("101", "", "VoiceMail"), Outcome.VOICEMAIL, ()),
        (("s", "", "BackGround"), Outcome.ABANDONED, ("BackGround",)),
        (("700", "", "Queue"), Outcome.ABANDONED, ("700",)),
        (("700", "PJSIP/101-00000002", "Queue"), Outcome.ANSWERED, ("700",)),
    ],
)
async def test_asterisk_counts_as_answered_what_no_person_answered(
    tmp_path: Path, target: tuple[str, str, str], outcome: Outcome, queues: tuple[str, ...]
) -> None:
    dst, to, app = target
    row = MASTER.format(dst=dst, to=to, app=app, answer='"2024-06-10 10:20:09"', disposition="ANSWERED")
    (call,) = await calls(adapter(written(tmp_path, row), preset="asterisk"))
    assert (call.outcome, call.queues) == (outcome, queues)


@pytest.mark.parametrize(
    ("path", "direction", "agent"),
    [
        (("PJSIP/provider-00000001", "PJSIP/101-00000002", "101"), Direction.INBOUND, "101"),
        (("PJSIP/101-00000001", "PJSIP/provider-00000002", "914375550142"), Direction.OUTBOUND, "101"),
        (("PJSIP/101-00000001", "PJSIP/102-00000002", "102"), Direction.INTERNAL, "102"),
        (("Local/101@from-queue-00000001;1", "PJSIP/102-00000002", "102"), None, "102"),
        (("PJSIP/provider-00000001", "PJSIP/provider-00000002", "4375550177"), Direction.INBOUND, None),
    ],
)
async def test_asterisk_direction_is_where_the_trunk_is(
    tmp_path: Path, path: tuple[str, str, str], direction: Direction | None, agent: str | None
) -> None:
    source, target, dst = path
    row = ANSWERED_ROW.replace("from-trunk", "other").replace("PJSIP/trunk-00000001", source)
    row = row.replace("PJSIP/101-00000002", target).replace('"14375550100"', f'"{dst}"')
    (call,) = await calls(adapter(written(tmp_path, row), preset="asterisk", outside_prefix="9"))
    assert call.direction is direction
    assert (call.answered_by.extension if call.answered_by else None) == agent
    assert (call.external_number == "+14375550142") == (direction in (Direction.INBOUND, Direction.OUTBOUND))


async def test_phones_of_a_group_that_did_not_answer_are_no_calls_of_their_own(tmp_path: Path) -> None:
    loser = MASTER.format(dst="300", to="PJSIP/102-00000003", app="Dial", answer="", disposition="NO ANSWER")
    path = written(tmp_path, f'{loser},"1718032802.1"', f'{ANSWERED_ROW},"1718032802.1"')
    (call,) = await calls(adapter(path, preset="asterisk"))
    assert told(call) == HEARD


async def test_busy_phones_of_an_answered_group_leave_it_answered(tmp_path: Path) -> None:
    busy = MASTER.format(dst="300", to="PJSIP/102-00000003", app="Dial", answer="", disposition="BUSY")
    path = written(tmp_path, f'{busy},"1718032802.1"', f'{ANSWERED_ROW},"1718032802.1"')
    (call,) = await calls(adapter(path, preset="asterisk"))
    assert call.outcome is Outcome.ANSWERED


# FreePBX --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_an_exported_file_is_read_as_the_speaker_says_it(tmp_path: Path, scenario: str, delimiter: str) -> None:
    call = Dialled(AT)
    rows = [row for _, row in SPEAKER.rows(scenario, call)]
    path = tmp_path / "cdr.csv"
    path.write_text(SPEAKER.file(rows, delimiter=delimiter), encoding="utf-8-sig")
    messages = await read(adapter(path, preset="freepbx"))
    assert [message.body for message in messages] == [said.body for said in SPEAKER.history(scenario, call)]
    assert {message.kind for message in messages} == {"history"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
async def test_names_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    rows = [row | {"cnam": "ZOË EXAMPLE"} for _, row in SPEAKER.rows("answered", Dialled(AT))]
    path = tmp_path / "cdr.csv"
    path.write_text(SPEAKER.file(rows).replace("\n", "\r\n"), encoding=encoding, newline="")
    (call,) = await calls(adapter(path, preset="freepbx"))
    assert call.external_name == "ZOË EXAMPLE"


async def test_a_header_in_another_order_with_a_title_above_it(tmp_path: Path) -> None:
    lines = (
        "Call report,June",
        "",
        "DST, Src ,CallDate,billsec,duration,disposition,channel,dstchannel,uniqueid",
        "101,4375550142,2024-06-10 10:20:02,66,73,ANSWERED,PJSIP/trunk-00000001,PJSIP/101-00000002,1.1",
    )
    (call,) = await calls(adapter(written(tmp_path, *lines), preset="freepbx"))
    assert told(call) == HEARD


async def test_a_file_without_the_header_it_should_have_is_told(tmp_path: Path) -> None:
    with pytest.raises(NeedsFixing, match=r"has no header with the columns calldate, dst, src\.$"):
        await read(adapter(written(tmp_path, "a,b,c", "1,2,3"), preset="freepbx"))


# FreeSWITCH -----------------------------------------------------------------------------------------------------------


def freeswitch(caller: str, called: str, context: str, cause: str, *, talk_s: int = 66) -> str:
    """A row of the template `example`."""
    answer = "2024-06-10 10:20:09" if talk_s else ""
    return (
        f'"JANE EXAMPLE","{caller}","{called}","{context}","2024-06-10 10:20:02","{answer}","2024-06-10 10:21:15",'
        f'"73","{talk_s}","{cause}","uuid-0001","uuid-0002",""'
    )


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (freeswitch("4375550142", "101", "public", "NORMAL_CLEARING"), HEARD),
        (
            freeswitch("101", "4375550142", "default", "NORMAL_CLEARING"),
            (Outcome.ANSWERED, Direction.OUTBOUND, "+14375550142", "101", 7, 66),
        ),
        (
            freeswitch("101", "102", "default", "NORMAL_CLEARING"),
            (Outcome.ANSWERED, Direction.INTERNAL, None, "102", 7, 66),
        ),
        (
            freeswitch("4375550142", "101", "public", "ORIGINATOR_CANCEL", talk_s=0),
            (Outcome.MISSED, Direction.INBOUND, "+14375550142", None, 73, None),
        ),
        (
            freeswitch("101", "4375550142", "default", "USER_BUSY", talk_s=0),
            (Outcome.BUSY, Direction.OUTBOUND, "+14375550142", None, 73, None),
        ),
    ],
)
async def test_freeswitch_rows(tmp_path: Path, row: str, expected: tuple[object, ...]) -> None:
    made = adapter(written(tmp_path, row), preset="freeswitch")
    (call,) = await calls(made)
    assert told(call) == expected
    assert (call.call_key, call.aliases) == ("uuid-0001", ("uuid-0002",))


# 3CX and any other file -----------------------------------------------------------------------------------------------


async def test_3cx_with_the_order_of_its_fields(tmp_path: Path) -> None:
    fields = ["historyid", "callid", "duration", "time-start", "time-answered", "time-end", "from-no", "to-no",
              "final-number", "from-dispname", "final-dispname"]  # fmt: skip
    rows = (
        "Call 501,00-01,00:01:13,2024/06/10 10:20:02,2024/06/10 10:20:09,2024/06/10 10:21:15,"  # noqa: ISC004 - one row
        "+14375550142,+14375550100,Ext.101,JANE EXAMPLE,Dana Desk",
        "Call 502,00-02,00:00:20,2024/06/10 10:40:02,,2024/06/10 10:40:22,+14375550177,+14375550100,Ext.101,,",
        "Call 503,00-03,00:00:20,2024/06/10 10:50:02,2024/06/10 10:50:04,2024/06/10 10:50:22,Ext.101,4375550142,,,",
    )
    made = adapter(written(tmp_path, *rows), preset="3cx", fields=fields)
    answered, missed, outbound = await calls(made)
    assert told(answered) == HEARD
    assert (answered.call_key, answered.did, answered.external_name) == ("501", "+14375550100", "JANE EXAMPLE")
    assert told(missed)[:4] == (Outcome.MISSED, Direction.INBOUND, "+14375550177", None)
    assert told(outbound) == (Outcome.ANSWERED, Direction.OUTBOUND, "+14375550142", "101", 2, 18)


COLUMNS = {
    "date": "Date", "time": "Time", "from": "From", "to": "To", "direction": "Type", "status": "Action Result",
    "duration": "Duration", "agent_name": "Extension", "name": "Name",
}  # fmt: skip
HEADER = "Type,From,To,Name,Date,Time,Action Result,Duration,Extension"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            "Incoming,(437) 555-0142,101,Jane Example,06/10/2024,10:20 AM,Accepted,0:01:06,Dana Desk",
            (Outcome.ANSWERED, Direction.INBOUND, "+14375550142", "101", 0, 66),
        ),
        (
            "Incoming,(437) 555-0142,(437) 555-0100,,06/10/2024,10:20 AM,Missed,0:00:20,",
            (Outcome.MISSED, Direction.INBOUND, "+14375550142", None, 20, None),
        ),
        (
            "Incoming,(437) 555-0142,(437) 555-0100,,06/10/2024,10:20 AM,Voicemail,0:00:20,",
            (Outcome.VOICEMAIL, Direction.INBOUND, "+14375550142", None, 20, None),
        ),
        (
            "Outgoing,(437) 555-0100,(437) 555-0142,,06/10/2024,10:20 AM,Call connected,66,Dana Desk",
            (Outcome.ANSWERED, Direction.OUTBOUND, "+14375550142", "(437) 555-0100", 0, 66),
        ),
    ],
)
async def test_a_file_of_any_make_with_its_columns_named(
    tmp_path: Path, row: str, expected: tuple[object, ...]
) -> None:
    (call,) = await calls(adapter(written(tmp_path, HEADER, row), columns=COLUMNS))
    assert told(call) == expected
    assert call.started_at == AT.replace(second=0)


async def test_the_same_row_in_another_export_is_the_same_message(tmp_path: Path) -> None:
    row = "Incoming,4375550142,101,,06/10/2024,10:20 AM,Accepted,66,"
    other = "Incoming,4375550142,101,,06/10/2024,10:25 AM,Accepted,66,"
    first = await read(adapter(written(tmp_path, HEADER, row, name="one.csv"), columns=COLUMNS))
    again = await read(adapter(written(tmp_path, HEADER, other, "", row, name="two.csv"), columns=COLUMNS))
    assert first[0].delivery_id in {message.delivery_id for message in again}
    assert len({message.delivery_id for message in again}) == 2


async def test_a_row_that_was_corrected_is_another_message_of_the_same_call(tmp_path: Path) -> None:
    columns = {"id": "Id", "start": "Start", "from": "From", "to": "To", "duration": "Seconds"}
    header = "Id,Start,From,To,Seconds"
    first = await read(adapter(written(tmp_path, header, "7,2024-06-10T15:20:02Z,4375550142,101,20"), columns=columns))
    made = adapter(written(tmp_path, header, "7,2024-06-10T15:20:02Z,4375550142,101,66"), columns=columns)
    second = await read(made)
    assert first[0].delivery_id != second[0].delivery_id
    (call,) = in_memory(made, list(enumerate([*first, *second])))
    assert (call.started_at, call.ended_at) == (AT, AT + timedelta(seconds=66))


# Words ----------------------------------------------------------------------------------------------------------------


async def _plain(folder: Path, direction: str, status: str) -> Call:
    row = f"{direction},4375550142,101,,06/10/2024,10:20 AM,{status},66,"
    (call,) = await calls(adapter(written(folder, HEADER, row), columns=COLUMNS))
    return call


@pytest.mark.parametrize("word", sorted(ANSWERED))
async def test_words_for_answered(tmp_path: Path, word: str) -> None:
    assert (await _plain(tmp_path, "in", word.title())).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("word", sorted(VOICEMAIL))
async def test_words_for_voicemail(tmp_path: Path, word: str) -> None:
    assert (await _plain(tmp_path, "in", word.title())).outcome is Outcome.VOICEMAIL


@pytest.mark.parametrize(("word", "reason"), sorted(UNANSWERED.items(), key=str))
async def test_words_for_unanswered(tmp_path: Path, word: str, reason: EndReason | None) -> None:
    outcomes = {
        EndReason.BUSY: Outcome.BUSY, EndReason.REJECTED: Outcome.REJECTED, EndReason.FAILED: Outcome.FAILED
    }  # fmt: skip
    expected = outcomes.get(reason, Outcome.MISSED) if reason else Outcome.MISSED
    assert (await _plain(tmp_path, "in", word)).outcome is expected


@pytest.mark.parametrize(("word", "direction"), sorted(DIRECTIONS.items()))
async def test_words_for_directions(tmp_path: Path, word: str, direction: Direction) -> None:
    assert (await _plain(tmp_path, word, "answered")).direction is direction


async def test_a_word_nobody_knows_is_no_answer_and_no_error(tmp_path: Path) -> None:
    call = await _plain(tmp_path, "sideways", "levitated")
    assert (call.outcome, call.direction) == (Outcome.MISSED, Direction.INBOUND)


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2024-06-10 10:20:02", "mdy", AT),
        ("2024-06-10T10:20:02-05:00", "mdy", AT),
        ("2024-06-10T15:20:02Z", "mdy", AT),
        ("2024/06/10 10:20:02", "mdy", AT),
        ("06/10/2024 10:20:02 AM", "mdy", AT),
        ("10.06.2024 10:20:02", "dmy", AT),
        ("10/6/24, 10:20:02 a.m.", "dmy", AT),
        ("1718032802", "mdy", AT),
        ("1718032802000", "mdy", AT),
        ("2024-11-03 01:30:00", "mdy", datetime(2024, 11, 3, 6, 30, tzinfo=UTC)),  # comes twice: the first
    ],
)
def test_moments(text: str, order: str, expected: datetime) -> None:
    assert moment(text, ZoneInfo("America/Chicago"), order) == expected


@pytest.mark.parametrize("text", ["", "soon", "2024-13-10 10:20:02", "13/13/2024 10:20", "0001-01-01 00:00:00"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|year"):
        moment(text, UTC)


@pytest.mark.parametrize(
    ("text", "expected"), [("66", 66), ("66.4", 66.4), ("1:06", 66), ("0:01:06", 66), ("01:00:00.5", 3600), ("", None)]
)
def test_lengths(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


# The window -----------------------------------------------------------------------------------------------------------


def master_row(number: int, started: datetime) -> str:
    """A row of a call of a minute."""
    local = started - timedelta(hours=5)
    end = local + timedelta(seconds=60)
    return (
        f'"","4375550142","101","from-trunk","","PJSIP/trunk-00000001","PJSIP/101-00000002","Dial","x","{local:%F %T}",'
        f'"{local:%F %T}","{end:%F %T}",60,60,"ANSWERED","DOCUMENTATION","{number}.1"'
    )


async def test_only_calls_that_began_in_the_window_are_told(tmp_path: Path) -> None:
    starts = [SINCE - timedelta(seconds=1), SINCE, UNTIL - timedelta(seconds=1), UNTIL]
    path = written(tmp_path, *(master_row(number, start) for number, start in enumerate(starts)))
    assert [call.call_key for call in await calls(adapter(path, preset="asterisk"))] == ["1.1", "2.1"]


async def test_an_export_may_have_the_last_call_first(tmp_path: Path) -> None:
    rows = [
        row
        for day in (3, 1, 0, -1)
        for _, row in SPEAKER.rows("answered", Dialled(AT + timedelta(days=day), serial=day + 5))
    ]
    path = written(tmp_path, SPEAKER.file(rows).rstrip("\n"), name="cdr.csv")
    assert len(await read(adapter(path, preset="freepbx"))) == 1


async def test_a_page_is_of_a_size_that_fits_and_none_is_lost(tmp_path: Path) -> None:
    rows = [master_row(number, SINCE + timedelta(seconds=number)) for number in range(2 * PAGE + 1)]
    made = adapter(written(tmp_path, *rows), preset="asterisk")
    async with httpx.AsyncClient() as http:
        sizes = [len(page) async for page in made.history(http, SINCE, UNTIL)]
    assert sizes == [PAGE, PAGE, 1]


BEGAN = datetime(2023, 1, 1, tzinfo=UTC)
MANY = 1_000_000


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A million rows over a year and a half, one broken near the end."""
    path = tmp_path_factory.mktemp("long") / "Master.csv"
    sample = master_row(0, BEGAN)
    before, _, after = sample.partition('"2022-12-31 19:00:00"')
    rest = after.rpartition('"0.1"')[0].partition("60,60")[2]
    with path.open("w") as file:
        for block in range(MANY // 1000):
            lines = []
            for number in range(block * 1000, block * 1000 + 1000):
                stamp = f'"{BEGAN + timedelta(seconds=45 * number):%F %T}"'
                lines.append(f'{before}{stamp},{stamp},{stamp},60,60{rest}"{number}.1"\n')
            if block == MANY // 1000 - 1:
                lines[10] = "half a row\n"
            file.write("".join(lines))
    yield path
    path.unlink()


@pytest.mark.slow
async def test_a_million_rows_take_no_memory_and_the_window_is_found_without_reading_them(long_file: Path) -> None:
    made = adapter(long_file, preset="asterisk", time_zone="UTC")
    since = BEGAN + timedelta(seconds=45 * (MANY - 1000))
    tracemalloc.start()
    try:
        messages = await read(made, since, since + timedelta(days=3))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(messages) == 1000
    assert peak < 24 * 1024 * 1024
    with pytest.raises(Unreadable, match=rf"^Line {MANY - 1000 + 11} of the file cannot be read: .*\.$"):
        made.parse(messages[10])


async def test_a_row_that_is_being_written_is_left_for_the_next_time(tmp_path: Path) -> None:
    path = written(tmp_path, master_row(1, AT))
    with path.open("a") as file:
        file.write(master_row(2, AT)[:80])
    made = adapter(path, preset="asterisk")
    assert len(await read(made)) == 1
    with path.open("a") as file:
        file.write(master_row(2, AT)[80:] + "\n")
    assert len(await read(made)) == 2


async def test_rows_that_were_rotated_away_are_still_read(tmp_path: Path) -> None:
    written(tmp_path, master_row(1, AT), name="Master.csv.1")
    written(tmp_path, master_row(2, AT), name="Master.csv-20240610")
    (tmp_path / "Master.csv.2.gz").write_bytes(b"\x1f\x8b no CSV")
    old = written(tmp_path, master_row(3, AT), name="Master.csv.9")
    os.utime(old, (SINCE.timestamp() - 5, SINCE.timestamp() - 5))
    path = written(tmp_path, master_row(4, AT))
    made = adapter(path, preset="asterisk")
    assert {call.call_key for call in await calls(made)} == {"1.1", "2.1", "4.1"}
    path.unlink()  # until the next call ends there is none
    assert {call.call_key for call in await calls(made)} == {"1.1", "2.1"}


# What is wrong --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("half a row", "it has 1 columns"),
        (master_row(2, AT).replace("2024-06-10 10:20:02", "yesterday"), "the time 'yesterday' cannot be read"),
        (master_row(2, AT).replace("60,60", "60,a while"), "the duration 'a while' cannot be read"),
        (master_row(2, AT).replace('"Dial"', '"a quote that never ends'), ""),
    ],
)
async def test_a_broken_line_is_told_by_its_number_and_the_rest_goes_on(tmp_path: Path, line: str, why: str) -> None:
    path = written(tmp_path, master_row(1, AT), line, master_row(3, AT))
    made = adapter(path, preset="asterisk")
    good, broken, rest = await read(made)
    assert made.parse(good)
    assert made.parse(rest)
    with pytest.raises(Unreadable, match=rf"^Line 2 of the file cannot be read: {why}.*\.$"):
        made.parse(broken)


async def test_a_field_may_go_over_several_lines(tmp_path: Path) -> None:
    columns = {"start": "Start", "from": "From", "to": "To", "duration": "Seconds", "name": "Name"}
    path = written(
        tmp_path,
        "Start,From,To,Seconds,Name",
        '2024-06-10 10:20:02,4375550142,101,66,"JANE\nEXAMPLE"',
        '2024-06-10 10:20:02,4375550177,101,66,"SAM"',
    )
    found = await calls(adapter(path, columns=columns))
    assert {call.external_number for call in found} == {"+14375550142", "+14375550177"}


async def test_a_broken_line_far_from_the_window_is_not_told(tmp_path: Path) -> None:
    early = [master_row(number, SINCE - timedelta(days=9)) for number in range(3)]
    path = written(tmp_path, *early, "half a row", master_row(7, AT))
    assert len(await read(adapter(path, preset="asterisk"))) == 1


async def test_a_broken_line_is_one_message_however_often_it_is_read(tmp_path: Path) -> None:
    made = adapter(written(tmp_path, "half a row", master_row(1, AT)), preset="asterisk")
    first, again = await read(made), await read(made)
    assert [message.delivery_id for message in first] == [message.delivery_id for message in again]
    assert len({message.delivery_id for message in first}) == 2


async def test_a_file_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NeedsFixing, match=r"^There is no file .*Master\.csv on this machine\.$"):
        await read(adapter(tmp_path / "Master.csv", preset="asterisk"))
    with pytest.raises(NeedsFixing, match=r"^The file .* cannot be read: .*\.$"):
        await read(adapter(tmp_path, preset="asterisk"))


async def test_an_empty_file_has_no_calls(tmp_path: Path) -> None:
    for preset in ("asterisk", "freepbx", "freeswitch"):
        assert await read(adapter(written(tmp_path), preset=preset)) == []


def test_a_row_that_names_nobody_is_no_call(tmp_path: Path) -> None:
    made = adapter(tmp_path, preset="asterisk")
    assert made.parse(RawMessage(b'{"line": 1, "row": {"start": "never"}}', AT, kind="history")) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"path": "x", "time_zone": "Mars/Base", "preset": "asterisk"}, "time_zone 'Mars/Base' is no IANA time zone"),
        ({"path": "x", "time_zone": "UTC"}, "columns does not say which column is 'start'"),
        ({"path": "x", "time_zone": "UTC", "columns": {"start": "a", "from": "b"}}, "which column is 'to'"),
        ({"path": "x", "time_zone": "UTC", "columns": {"mood": "a"}}, "columns says what 'mood' is"),
        ({"path": "x", "time_zone": "UTC", "preset": "3cx", "fields": ["callid"]}, "does not have the column"),
        ({"path": "x", "time_zone": "UTC", "preset": "asterisk", "extensions": "("}, "extensions is no regular"),
        ({"path": "x", "preset": "asterisk"}, "time_zone"),
        ({"time_zone": "UTC", "preset": "asterisk"}, "path"),
    ],
)
def test_an_option_that_is_wrong_is_told_by_its_name(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=rf"^Phone system main: .*{sentence}.*\.$"):
        CdrFileAdapter.configure("main", options)

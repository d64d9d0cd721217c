"""Lines of older phone systems: what each maker prints, what is kept, and what counts as the same line again."""

from datetime import UTC, datetime, timedelta

import pytest
from smdr_kit import NOW, adapter, calls, receiver

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, Outcome
from trunkline.domain.events import Direction
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.smdr import SmdrAdapter
from trunkline.phone_systems.smdr.lines import LONGEST_LINE
from trunkline.phone_systems.smdr.notes import MOST_THREADS, Note, Notebook

MISSED = "2024/06/10 10:20:02,00:00:00,19,14375550142,I,200,14375550100,,0,1000142,0,E200,Main Desk,T9001,LINE 1.1,0,0"
FIRST = "2024/06/10 10:31:10,00:00:13,7,14375550142,I,200,14375550100,,0,1000143,1,E201,Front Desk,T9002,LINE 1.2,11,0"
SECOND = "2024/06/10 10:31:10,00:02:21,0,14375550142,I,200,14375550100,,0,1000143,0,E205,Dispatch,T9002,LINE 1.2,0,0"
PANASONIC_ANSWERED = "06/10/24 10:22AM   105 01 <I>14375550142            0'12 00:01'33               "
PANASONIC_MISSED = "06/10/24 10:40AM   200 02 <D>5550100<I>4375550177         00:00'00            NA "
MITEL_WIDE = (
    " 06/10 10:20:02  0000:01:33 T1      0007 1105                      A 1105       ",
    " 06/10 10:40:11  0000:00:00 T3      **** 1105                                   ",
    "%06/10 11:05:40  0000:12:48 1105    0003 14375550142               A T1         ",
)
NEC = (
    "PIN  10:20 06/10 001  00:01:33 105        14375550142                          ",
    "PIN  10:40 06/10 002                      14375550177          NO ANSWER       ",
    "POT  11:05 06/10 001  00:00:48 105        14375550142          08754           ",
)


def only(found: list[Call]) -> Call:
    """The one call."""
    (call,) = found
    return call


def told(call: Call) -> tuple[object, ...]:
    """What people look at first."""
    extension = call.answered_by.extension if call.answered_by else None
    return (call.outcome, call.direction, call.external_number, extension, call.wait_s, call.talk_s)


# Avaya ----------------------------------------------------------------------------------------------------------------


def test_avaya_missed_call() -> None:
    call = only(calls(adapter("avaya"), [MISSED]))
    assert told(call) == (Outcome.MISSED, Direction.INBOUND, "+14375550142", None, 19, None)
    assert (call.started_at, call.did) == (datetime(2024, 6, 10, 15, 20, 2, tzinfo=UTC), "14375550100")


def test_avaya_parts_of_a_call_are_added_up() -> None:
    call = only(calls(adapter("avaya"), [FIRST, SECOND]))
    assert told(call) == (Outcome.ANSWERED, Direction.INBOUND, "+14375550142", "201", 7, 13 + 11 + 141)
    assert call.last_agent is not None
    assert (call.last_agent.extension, len(call.transfers)) == ("205", 1)
    assert call.transfers[0].at == call.started_at + timedelta(seconds=31)


def test_avaya_call_is_over_with_the_line_that_says_that_none_follows() -> None:
    assert only(calls(adapter("avaya"), [FIRST])).outcome is None


def test_avaya_lines_of_two_calls_may_be_mixed() -> None:
    found = calls(adapter("avaya"), [FIRST, MISSED, SECOND])
    assert [call.outcome for call in found] == [Outcome.MISSED, Outcome.ANSWERED]


def test_avaya_call_id_is_used_again_after_a_restart_of_the_pbx() -> None:
    another = MISSED.replace("10:20:02", "14:20:02")
    assert len(calls(adapter("avaya"), [MISSED, another])) == 2


def test_avaya_record_time_stands_in_for_a_part_that_was_not_heard() -> None:
    with_time = SECOND + "," * 18 + "2024/06/10 10:34:02"
    call = only(calls(adapter("avaya"), [with_time]))
    assert call.ended_at == datetime(2024, 6, 10, 15, 34, 2, tzinfo=UTC)


def test_avaya_voicemail_is_no_answer() -> None:
    line = MISSED.replace("00:00:00", "00:00:30").replace("E200,Main Desk", "V9501,VM Channel 1")
    call = only(calls(adapter("avaya"), [line]))
    assert told(call)[:4] == (Outcome.VOICEMAIL, Direction.INBOUND, "+14375550142", None)


def test_avaya_caller_who_hung_up_in_the_greeting_is_missed() -> None:
    line = MISSED.replace("E200,Main Desk", "V9501,VM Channel 1")
    assert only(calls(adapter("avaya"), [line])).outcome is Outcome.MISSED


def test_avaya_colleague_who_hears_her_voicemail_is_no_customer() -> None:
    line = "2024/06/10 10:20:02,00:00:30,2,201,O,555,555,,1,1000150,0,E201,Dana Desk,V9501,VM Channel 1,0,0"
    assert only(calls(adapter("avaya"), [line])).direction is Direction.INTERNAL


@pytest.mark.parametrize("columns", [15, 17, 18, 37, 45])
def test_avaya_takes_lines_of_any_release(columns: int) -> None:
    fields = SECOND.replace(",1000143,0,", ",1000144,0,").split(",")
    line = ",".join((fields + [""] * 40)[:columns])
    assert only(calls(adapter("avaya"), [line])).talk_s == 141


def test_avaya_names_may_hold_commas() -> None:
    line = SECOND.replace("Dispatch", "Desk, Dana, Jr").replace("LINE 1.2", "LINE, 1.2")
    call = only(calls(adapter("avaya"), [line]))
    assert call.answered_by is not None
    assert (call.answered_by.extension, call.answered_by.name) == ("205", "Desk, Dana, Jr")


def test_avaya_call_that_was_sent_outside_was_answered_by_somebody() -> None:
    line = SECOND.replace("E205,Dispatch", "T9003,LINE 1.3")
    call = only(calls(adapter("avaya"), [line]))
    assert (call.outcome, call.answered_by) == (Outcome.ANSWERED, None)


def test_avaya_outbound_without_an_answer_and_with_a_prefix() -> None:
    line = "2024/06/10 10:20:02,00:00:00,25,201,O,914375550142,914375550142,,0,1000150,0,E201,Dana Desk,T9001,LINE,0,0"
    call = only(calls(adapter("avaya", outside_prefix="9"), [line]))
    assert told(call) == (Outcome.MISSED, Direction.OUTBOUND, "+14375550142", None, 25, None)


@pytest.mark.parametrize(
    "line",
    [
        "2024/06/10 10:20:02,00:00:00,19",
        MISSED.replace("2024/06/10", "2024/13/10"),
        MISSED.replace("2024/06/10", "0001/01/01"),
        MISSED.replace("2024/06/10 10:20:02", "10.6.2024 10:20"),
        MISSED.replace("00:00:00", "a while"),
        MISSED.replace("1000142", ""),
        "550142,I,200,14375550100,,0,1000142,0,E200,Main Desk,T9001,LINE 1.1,0,0",
    ],
)
def test_avaya_line_that_cannot_be_read_is_kept_with_a_sentence(line: str) -> None:
    made = adapter("avaya")
    (message,) = receiver(made).feed(line.encode() + b"\r\n", NOW)
    assert message.body == line.encode()
    with pytest.raises(Unreadable, match=r"\.$"):
        made.parse(message)


# Panasonic ------------------------------------------------------------------------------------------------------------


def test_panasonic_answered_call_is_stamped_with_its_end() -> None:
    call = only(calls(adapter("panasonic"), [PANASONIC_ANSWERED]))
    assert told(call) == (Outcome.ANSWERED, Direction.INBOUND, "+14375550142", "105", 12, 93)
    assert call.ended_at == datetime(2024, 6, 10, 15, 22, tzinfo=UTC)


def test_panasonic_small_models_stamp_the_begin() -> None:
    call = only(calls(adapter("panasonic", stamp="start"), [PANASONIC_ANSWERED]))
    assert call.started_at == datetime(2024, 6, 10, 15, 22, tzinfo=UTC)


def test_panasonic_missed_call_with_the_number_that_was_dialled() -> None:
    call = only(calls(adapter("panasonic", main_did="+14375550100"), [PANASONIC_MISSED]))
    assert told(call)[:4] == (Outcome.MISSED, Direction.INBOUND, "+14375550177", None)
    assert call.did == "+14375550100"


@pytest.mark.parametrize(
    ("dialled", "number", "name", "direction"),
    [
        ("<I>JANE EXAMPLE", None, "JANE EXAMPLE", Direction.INBOUND),
        ("<I>", None, None, Direction.INBOUND),
        ("<D>0100<I>4375550142", "+14375550142", None, Direction.INBOUND),
        ("4375550142", "+14375550142", None, Direction.OUTBOUND),
        ("P437F555-0142X", "+14375550142", None, Direction.OUTBOUND),
        ("......", None, None, Direction.OUTBOUND),
        ("EXT202", None, None, Direction.INTERNAL),
        ("", None, None, None),
    ],
)
def test_panasonic_dial_number(dialled: str, number: str | None, name: str | None, direction: Direction | None) -> None:
    line = f"06/10/24 10:22AM   105 01 {dialled:25} 0'12 00:01'33               "
    call = only(calls(adapter("panasonic"), [line]))
    assert (call.external_number, call.external_name, call.direction) == (number, name, direction)


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ("B", f"06/10/24 10:22AM   105 01 {'<I>4375550142':20} 00:01'33     00.00EU            TR "),
        ("C", f"06/10/24 10:22AM   105 0001 {'<I>4375550142':50} 0'00 00:01'33 00000.00EUR            TR "),
        (
            "DDDDDDDDDD TTTTT EEE CC NNNNNNNNNNNNNNN dddddddd",
            "06/10/2024 10:22 105 01 <I>4375550142   00:01'33",
        ),
    ],
)
def test_panasonic_columns_are_a_setting(columns: str, line: str) -> None:
    call = only(calls(adapter("panasonic", columns=columns), [line]))
    assert told(call) == (Outcome.ANSWERED, Direction.INBOUND, "+14375550142", "105", 0, 93)


@pytest.mark.parametrize(("order", "text"), [("mdy", "06/10/24"), ("dmy", "10/06/24"), ("ymd", "24/06/10")])
def test_the_order_of_a_date_is_a_setting(order: str, text: str) -> None:
    line = PANASONIC_ANSWERED.replace("06/10/24", text)
    call = only(calls(adapter("panasonic", date_order=order), [line]))
    assert call.ended_at == datetime(2024, 6, 10, 15, 22, tzinfo=UTC)


def test_panasonic_noon_and_midnight() -> None:
    for clock, hour in (("12:05AM", 5), ("12:05PM", 17), ("11:05PM", 28), (" 23:05 ", 28)):
        call = only(calls(adapter("panasonic"), [PANASONIC_ANSWERED.replace("10:22AM", clock)]))
        assert call.ended_at == datetime(2024, 6, 10, 0, 5, tzinfo=UTC) + timedelta(hours=hour)


def test_panasonic_prints_stars_where_its_clock_was_set_meanwhile() -> None:
    line = PANASONIC_ANSWERED.replace("06/10/24", "**/**/**").replace("10:22AM", "**:**  ")
    assert only(calls(adapter("panasonic"), [line])).ended_at == NOW


def test_panasonic_notice_of_a_ringing_phone_makes_no_call_of_its_own() -> None:
    ringing = PANASONIC_MISSED.replace("NA ", "RC ")
    assert calls(adapter("panasonic"), [ringing]) == []
    picked_up = PANASONIC_ANSWERED.rstrip().ljust(77) + "AN "
    assert only(calls(adapter("panasonic"), [picked_up])).talk_s == 93


def test_panasonic_voicemail_ports_are_a_setting() -> None:
    line = PANASONIC_ANSWERED.replace("  105", "  500")
    assert only(calls(adapter("panasonic"), [line])).outcome is Outcome.ANSWERED
    assert only(calls(adapter("panasonic", voicemail="50[0-9]"), [line])).outcome is Outcome.VOICEMAIL


def _panasonic(end: str, station: str, number: str, condition: str = "", length: str = "00:01'00") -> str:
    return f"06/10/24 {end} {station:>5} 01 {'<I>' + number:25} 0'00 {length} {'':10} {condition:3}"


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ((("10:22AM", "105", "4375550142", "TR"), ("10:23AM", "106", "4375550142")), 1),
        ((("10:22AM", "105", "4375550142"), ("10:23AM", "106", "4375550142", "TR")), 1),
        ((("10:22AM", "105", "4375550142", "TR"), ("10:23AM", "106", "")), 1),
        ((("10:22AM", "105", "4375550142", "TR"), ("10:23AM", "106", "4375550142", "TR"),
          ("10:24AM", "107", "4375550142")), 1),
        ((("10:22AM", "105", "4375550142", "TR"), ("10:40AM", "106", "4375550142")), 2),
        ((("10:22AM", "105", "4375550142", "TR"), ("10:23AM", "106", "4375550177")), 2),
        ((("10:22AM", "105", "4375550142"), ("10:23AM", "106", "4375550142")), 2),
    ],
)  # fmt: skip
def test_parts_of_a_transferred_call_are_joined_by_trunk_number_and_time(
    lines: tuple[tuple[str, ...], ...], count: int
) -> None:
    found = calls(adapter("panasonic"), [_panasonic(*line) for line in lines])
    assert len(found) == count
    if count == 1:
        assert found[0].transfers
        assert found[0].external_number == "+14375550142"


@pytest.mark.parametrize(
    "line",
    [
        PANASONIC_ANSWERED.replace("06/10/24", "13/32/24"),
        PANASONIC_ANSWERED.replace("10:22AM", "25:22  "),
        PANASONIC_ANSWERED.replace("00:01'33", "0?:01'33"),
        "  " + PANASONIC_ANSWERED,
    ],
)
def test_panasonic_line_that_cannot_be_read_is_kept_with_a_sentence(line: str) -> None:
    made = adapter("panasonic")
    (message,) = receiver(made).feed(line.encode() + b"\r\n", NOW)
    with pytest.raises(Unreadable, match=r"\.$"):
        made.parse(message)


# Mitel ----------------------------------------------------------------------------------------------------------------


def test_mitel_as_it_was_seen() -> None:
    answered, missed, outbound = calls(adapter("mitel"), MITEL_WIDE)
    assert told(answered) == (Outcome.ANSWERED, Direction.INBOUND, None, "1105", 7, 93)
    assert told(missed)[:2] == (Outcome.MISSED, Direction.INBOUND)
    assert told(outbound) == (Outcome.ANSWERED, Direction.OUTBOUND, "+14375550142", "1105", 3, 768)
    assert answered.started_at == datetime(2024, 6, 10, 15, 20, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("received_at", "year"),
    [
        (datetime(2024, 6, 10, 18, tzinfo=UTC), 2024),
        (datetime(2025, 1, 3, 18, tzinfo=UTC), 2024),
        (datetime(2024, 6, 10, 3, tzinfo=UTC), 2024),  # our clock is a little behind: still the ninth there
        (datetime(2025, 6, 1, 18, tzinfo=UTC), 2024),
    ],
)
def test_a_date_without_a_year_is_the_last_such_day(received_at: datetime, year: int) -> None:
    found = calls(adapter("mitel"), MITEL_WIDE[:1], received_at)
    assert only(found).started_at == datetime(year, 6, 10, 15, 20, 2, tzinfo=UTC)


def test_a_leap_day_without_a_year_is_years_back() -> None:
    line = MITEL_WIDE[0].replace("06/10", "02/29")
    started = only(calls(adapter("mitel"), [line], datetime(2027, 3, 1, tzinfo=UTC))).started_at
    assert started is not None
    assert started.year == 2024


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (" 06/10 10:20:0200:01:33 T1   007 1105                       A1105", (Outcome.ANSWERED, 7, 93)),
        (" 06/10  10:20P 00:01:33 T1   007 1105                       A1105", (Outcome.ANSWERED, 7, 93)),
        (" 06/10 10:20:020000:01:33 T1      0007 1105                    A 1105   ", (Outcome.ANSWERED, 7, 93)),
        (" 06/10 10:20:0200:00:00 1105 *** 4375550142                 BT1  ", (Outcome.BUSY, 0, None)),
        (" 06/10 10:20:0200:00:31 T1   *?* 1105                        1105", (Outcome.MISSED, 31, None)),
    ],
)
def test_mitel_layout_is_told_from_where_the_duration_stands(line: str, expected: tuple[object, ...]) -> None:
    call = only(calls(adapter("mitel"), [line]))
    assert (call.outcome, call.wait_s, call.talk_s) == expected


def test_mitel_layout_can_be_set() -> None:
    with pytest.raises(ValueError, match=r"^Phone system main: columns names a layout of Mitel's: "):
        adapter("mitel", columns="A")
    assert calls(adapter("mitel", columns="wide"), MITEL_WIDE[:1])[0].talk_s == 93


def test_mitel_two_numbers_are_what_was_dialled_and_what_was_reached() -> None:
    line = MITEL_WIDE[1].replace("****", "0004").replace("1105     ", "4207 2301").replace("0000:00:00", "0000:00:09")
    call = only(calls(adapter("mitel"), [line]))
    assert call.answered_by is not None
    assert call.answered_by.extension == "2301"


def test_mitel_notices_are_no_calls_and_the_rest_is_kept() -> None:
    made = adapter("mitel")
    messages = receiver(made).feed(b"CLOCK MALFUNCTION 10:20\r\n    account 8754\r\n 06/10 10:20:02 nothing\r\n", NOW)
    assert [message.body for message in messages] == [b"    account 8754", b" 06/10 10:20:02 nothing"]
    for message in messages:
        with pytest.raises(Unreadable, match=r"\.$"):
            made.parse(message)


# NEC ------------------------------------------------------------------------------------------------------------------


def test_nec_lines() -> None:
    answered, missed, outbound = calls(adapter("nec", main_did="+14375550100"), NEC)
    assert told(answered) == (Outcome.ANSWERED, Direction.INBOUND, "+14375550142", "105", 0, 93)
    assert told(missed)[:4] == (Outcome.MISSED, Direction.INBOUND, "+14375550177", None)
    assert told(outbound) == (Outcome.ANSWERED, Direction.OUTBOUND, "+14375550142", "105", 0, 48)
    assert answered.did == "+14375550100"


@pytest.mark.parametrize(
    ("word", "direction"),
    [
        ("PIN", Direction.INBOUND),
        ("IVIN", Direction.INBOUND),
        ("IDIN", Direction.INBOUND),
        ("POT", Direction.OUTBOUND),
        ("POTA", Direction.OUTBOUND),
        ("POTW", Direction.OUTBOUND),
        ("POTP", Direction.OUTBOUND),
        ("IVOT", Direction.OUTBOUND),
        ("IDOT", Direction.OUTBOUND),
        ("ICM", Direction.INTERNAL),
        ("PTRS", None),
        ("QQQ", None),
    ],
)
def test_nec_classes(word: str, direction: Direction | None) -> None:
    assert only(calls(adapter("nec"), [NEC[0].replace("PIN ", f"{word:4}")])).direction is direction


@pytest.mark.parametrize("word", ["ALB", "BRD", "BFL", "NEXT"])
def test_nec_notices_are_no_calls(word: str) -> None:
    assert calls(adapter("nec"), [f"{word:4} 10:20 06/10 001", "06/10/2024     PAGE 001"]) == []


def test_nec_without_dates_goes_by_the_day_of_receipt() -> None:
    lines = [line[:11] + line[17:] for line in NEC]
    answered, _, _ = calls(adapter("nec"), lines)
    assert told(answered) == (Outcome.ANSWERED, Direction.INBOUND, "+14375550142", "105", 0, 93)
    assert answered.started_at == datetime(2024, 6, 10, 15, 20, tzinfo=UTC)
    late = only(calls(adapter("nec"), [lines[0].replace("10:20", "23:58")], datetime(2024, 6, 11, 5, 1, tzinfo=UTC)))
    assert late.started_at == datetime(2024, 6, 11, 4, 58, tzinfo=UTC)


@pytest.mark.parametrize("line", ["PIN  10h20 06/10 001", "8754 and so on", NEC[0].replace("00:01:33", "00:0x:33")])
def test_nec_line_that_cannot_be_read_is_kept_with_a_sentence(line: str) -> None:
    made = adapter("nec")
    (message,) = receiver(made).feed(line.encode() + b"\r\n", NOW)
    with pytest.raises(Unreadable, match=r"\.$"):
        made.parse(message)


# Time -----------------------------------------------------------------------------------------------------------------


def test_the_hour_that_comes_twice_is_taken_for_the_first() -> None:
    line = MISSED.replace("2024/06/10 10:20:02", "2024/11/03 01:30:00")
    assert only(calls(adapter("avaya"), [line])).started_at == datetime(2024, 11, 3, 6, 30, tzinfo=UTC)


# Lines as they come ---------------------------------------------------------------------------------------------------


def test_a_line_in_pieces_is_one_line_and_noise_is_dropped() -> None:
    made = adapter("panasonic")
    opened = receiver(made)
    page = "\x0c\r\n  Date     Time    Ext CO        Dial Number        Ring Duration  Acc code  CD\r\n" + "-" * 80
    data = f"{page}\r\n\x00\x00{PANASONIC_ANSWERED}\r\n\r\n{PANASONIC_MISSED}\n".encode()
    messages = [message for place in range(len(data)) for message in opened.feed(data[place : place + 1], NOW)]
    assert [message.body.decode() for message in messages] == [PANASONIC_ANSWERED, PANASONIC_MISSED]
    assert opened.close(NOW) == []


def test_half_a_line_at_the_end_is_kept_and_says_so() -> None:
    made = adapter("avaya")
    opened = receiver(made)
    whole = opened.feed(f"{MISSED}\r\n{SECOND[:-4]}".encode(), NOW)
    (half,) = opened.close(NOW)
    assert (len(whole), half.body) == (1, SECOND[:-4].encode())
    with pytest.raises(Unreadable, match=r"^The line has no end: .*\.$"):
        made.parse(half)


def test_a_line_without_end_is_kept_in_pieces() -> None:
    made = adapter("avaya")
    opened = receiver(made)
    pieces = opened.feed(b"7" * (2 * LONGEST_LINE + 5), NOW)
    assert [len(piece.body) for piece in pieces] == [LONGEST_LINE] * 2
    assert [message.body for message in opened.feed(b"\r\n" + MISSED.encode() + b"\r\n", NOW)][-1] == MISSED.encode()
    with pytest.raises(Unreadable, match="no end"):
        made.parse(pieces[0])


def test_letters_of_any_encoding_are_read() -> None:
    made = adapter("avaya")
    for body in (SECOND.replace("Dispatch", "Zoë").encode(), SECOND.replace("Dispatch", "Zoë").encode("latin-1")):
        (call,) = in_memory(made, [(1, RawMessage(body, NOW))])
        assert call.answered_by is not None
        assert call.answered_by.name == "Zoë"


# The same line again --------------------------------------------------------------------------------------------------


def _ids(made: SmdrAdapter, *lines: str, at: datetime = NOW, notebook: Notebook | None = None) -> list[str | None]:
    data = "".join(f"{line}\r\n" for line in lines).encode()
    return [message.delivery_id for message in receiver(made, notebook).feed(data, at)]


def test_what_is_sent_again_on_a_new_connection_is_known() -> None:
    made = adapter("panasonic")
    first = _ids(made, PANASONIC_MISSED, PANASONIC_ANSWERED)
    again = _ids(adapter("panasonic"), PANASONIC_MISSED, PANASONIC_ANSWERED, at=NOW + timedelta(days=2))
    assert first == again
    assert len(set(first)) == 2


def test_two_equal_lines_of_two_calls_are_two_calls_even_when_both_are_sent_again() -> None:
    made = adapter("panasonic")
    first = _ids(made, PANASONIC_MISSED, PANASONIC_MISSED)
    assert len(set(first)) == 2
    assert _ids(made, PANASONIC_MISSED, PANASONIC_MISSED) == first
    assert len(calls(made, [PANASONIC_MISSED, PANASONIC_MISSED])) == 2


def test_a_line_without_a_year_is_another_line_a_year_later() -> None:
    made = adapter("mitel")
    assert _ids(made, MITEL_WIDE[0]) != _ids(made, MITEL_WIDE[0], at=NOW + timedelta(days=366))


def test_parts_that_are_sent_again_get_the_note_they_had() -> None:
    made, notebook = adapter("avaya"), Notebook()
    data = f"{FIRST}\r\n{SECOND}\r\n"
    first = receiver(made, notebook).feed(data.encode(), NOW)
    again = receiver(made, notebook).feed(data.encode(), NOW)
    assert [message.kind for message in first] == ["", "after_s=31&talked=1"]
    assert again == first


def test_the_notebook_does_not_grow_for_ever() -> None:
    notebook, made = Notebook(), adapter("avaya")
    for number in range(MOST_THREADS + 5):
        receiver(made, notebook).feed(FIRST.replace("1000143", str(number)).encode() + b"\r\n", NOW)
    assert len(notebook._threads) == MOST_THREADS


def test_a_note_is_read_as_it_was_written_and_anything_else_says_nothing() -> None:
    note = Note(after_s=31.5, talked=True, of="a key/with&signs", again=2, cut=True)
    assert Note.read(note.written()) == note
    assert Note().written() == ""
    assert Note.read("history") == Note.read("again=often") == Note()


# Options --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"format": "nec", "host": "pbx", "time_zone": "Mars/Base"}, "time_zone 'Mars/Base' is no IANA time zone"),
        ({"format": "avaya", "time_zone": "UTC", "host": "pbx"}, "port says where to listen or connect"),
        ({"format": "nec", "time_zone": "UTC"}, "host is the PBX's address"),
        ({"format": "avaya", "time_zone": "UTC", "mode": "listen"}, "port says where"),
        ({"format": "avaya", "time_zone": "UTC", "mode": "listen", "port": 1150, "allow": ["pbx"]}, "allow is a list"),
        ({"format": "nec", "time_zone": "UTC", "host": "pbx", "trunks": "T("}, "trunks is no regular expression"),
        ({"format": "nec", "time_zone": "UTC", "host": "pbx", "columns": "A"}, "columns means nothing for nec"),
        ({"format": "panasonic", "time_zone": "UTC", "host": "pbx", "columns": "DDD"}, "has no column 'T'"),
        ({"format": "panasonic", "time_zone": "UTC", "host": "pbx", "columns": "DQ"}, "has the letter 'Q'"),
        ({"format": "panasonic", "time_zone": "UTC", "host": "pbx", "columns": "D D"}, "has two columns 'D'"),
        ({"format": "mitel", "mode": "listen", "port": 1, "password": "x", "time_zone": "UTC"}, "password is for mode"),
        ({"format": "telex", "time_zone": "UTC"}, "telex"),
        ({"format": "avaya"}, "time_zone"),
    ],
)
def test_an_option_that_is_wrong_is_told_by_its_name(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=rf"^Phone system main: .*{sentence}.*\.$"):
        SmdrAdapter.configure("main", options)


def test_the_password_is_in_no_text() -> None:
    made = adapter("panasonic", password="not-a-real-secret")
    assert "not-a-real-secret" not in repr(made._options)

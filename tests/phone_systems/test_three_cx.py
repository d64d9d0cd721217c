"""What 3CX's CRM template sends, word by word, and which of it is one call."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.caller import CallerCard, Candidate, CustomerFacts, Match, MatchKind
from trunkline.domain.events import CallEvent, Direction, EventKind, Party, PartyKind
from trunkline.phone_systems.base import Caller, RawMessage, Unreadable
from trunkline.phone_systems.delivery import Delivery, Refused
from trunkline.phone_systems.three_cx import ThreeCxAdapter
from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.three_cx import SPEAKER

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
KEY = "not-a-real-secret-0000001"
JANE, JOHN = "+14375550142", "+14375550143"
BEARER = ("authorization", f"Bearer {KEY}")


def adapter() -> ThreeCxAdapter:
    return ThreeCxAdapter.configure("main", {"secrets": [KEY]})


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def journal(begin_s: float = 0, end_s: float = 66, **fields: object) -> dict[str, object]:
    """An answered call, unless `fields` say otherwise."""
    told: dict[str, object] = {
        "callType": "Inbound",
        "number": "4375550142",
        "agent": "201",
        "duration": "00:01:00",
        "startUtc": after(begin_s).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "endUtc": after(end_s).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {**told, **fields}


def missed(begin_s: float, end_s: float, **fields: object) -> dict[str, object]:
    return journal(begin_s, end_s, **{"callType": "Missed", "duration": "00:00:00", **fields})


class Shop:
    """One adapter, and the inbox behind it."""

    def __init__(self) -> None:
        self.adapter = adapter()
        self.inbox: list[RawMessage] = []

    def rings(self, at_s: float, number: str = "4375550142") -> None:
        asked = Delivery(b"", after(at_s), (BEARER,), f"number={number}", method="GET")
        message = self.adapter.question(asked).message
        self.inbox += [message] if message else []

    def posts(self, at_s: float, kind: str, fields: dict[str, object]) -> RawMessage:
        sent = Delivery(json.dumps(fields).encode(), after(at_s), (BEARER,), kind=kind)
        self.inbox.append(self.adapter.verify(sent))
        return self.inbox[-1]

    def forgets(self) -> None:
        """The process was started anew."""
        self.adapter = adapter()

    def calls(self) -> list[Call]:
        return in_memory(self.adapter, list(enumerate(self.inbox)))


def read(body: bytes | dict[str, object], kind: str = "call") -> list[CallEvent]:
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    events = adapter().parse(RawMessage(body, after(100), kind=kind))
    assert all(isinstance(event, CallEvent) for event in events)
    return [event for event in events if isinstance(event, CallEvent)]


# The journal, field by field --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "direction", "talked"),
    [
        ("Inbound", Direction.INBOUND, True),
        ("Missed", Direction.INBOUND, False),
        ("Outbound", Direction.OUTBOUND, True),
        ("Notanswered", Direction.OUTBOUND, False),
        ("NotAnswered", Direction.OUTBOUND, False),
        ("Levitated", None, True),
    ],
)
def test_each_call_type(word: str, direction: Direction | None, talked: bool) -> None:
    (record,) = read(journal(callType=word))
    assert (record.kind, record.direction, record.vendor_kind) == (EventKind.RECORD, direction, word)
    assert (record.ring_s, record.talk_s) == ((6, 60) if talked else (66, None))


def test_the_direction_beside_an_unknown_call_type_counts() -> None:
    (record,) = read(journal(callType="Levitated", direction="Outbound"))
    assert record.direction is Direction.OUTBOUND


@pytest.mark.parametrize(
    ("text", "talk_s"),
    [("00:01:05", 65), ("1.02:03:04", 93_784), ("00:00:07.5000000", 7.5), ("01:05", 65), ("65", 65), ("", None),
     ("[Duration]", None), ("soon", None), ("00:00:00", None)],
)  # fmt: skip
def test_durations_in_all_their_forms(text: str, talk_s: float | None) -> None:
    (record,) = read(journal(duration=text))
    assert record.talk_s == talk_s


@pytest.mark.parametrize(
    "text",
    ["2026-03-02T15:00:00Z", "2026-03-02T15:00:00", "2026-03-02T10:00:00-05:00", "2026-03-02T15.00.00Z",
     "2026-03-02T15:00:00.0000000Z"],
)  # fmt: skip
def test_times_in_all_their_forms(text: str) -> None:
    (record,) = read(journal(startUtc=text))
    assert record.occurred_at == AT


@pytest.mark.parametrize(
    "text", ["", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "3/2/2026 3:00 PM",
             '[[CallStartTimeUTC].ToString("yyyy-MM-ddTHH:mm:ssZ")]'],
)  # fmt: skip
def test_a_call_without_a_begin_began_so_long_before_its_end(text: str) -> None:
    (record,) = read(journal(startUtc=text))
    assert (record.occurred_at, record.talk_s, record.total_s) == (after(6), 60, 60)
    (record,) = read(journal(startUtc=text, endUtc=text))
    assert record.occurred_at == after(40)  # received after 100 seconds, talked for 60


def test_an_end_before_the_begin_is_not_believed() -> None:
    (record,) = read(journal(66, 0))
    assert (record.total_s, record.ring_s) == (60, 0)


def test_who_and_what_for() -> None:
    told = journal(agentFirst="Dana", agentLast="Desk", agentEmail="dana@example.com", queue="800", name="JANE EXAMPLE")
    (record,) = read(told)
    assert record.party == Party(PartyKind.AGENT, "201", "Dana Desk", email="dana@example.com")
    assert (record.queue, record.external_name, record.external_number) == ("800", "JANE EXAMPLE", "4375550142")


@pytest.mark.parametrize("agent", ["", "[Agent]", "800"])
def test_nobody_took_a_call_that_only_its_queue_had(agent: str) -> None:
    (record,) = read(missed(0, 20, agent=agent, queue="800"))
    assert (record.party, record.queue) == (None, "800")


@pytest.mark.parametrize("name", ["", "[Name]", "4375550142", "(437) 555-0142", "Anonymous"])
def test_a_name_that_is_none(name: str) -> None:
    (record,) = read(journal(name=name))
    assert record.external_name is None


@pytest.mark.parametrize("number", ["4375550142", "14375550142", "+14375550142", " 14375550142", "0014375550142"])
def test_the_number_in_all_its_forms_is_one_call(number: str) -> None:
    shop = Shop()
    shop.rings(1, "+14375550142")
    shop.posts(67, "call", journal(number=number))
    assert [call.external_number for call in shop.calls()] == [JANE]


def test_texts_and_recording_of_version_20() -> None:
    url = "https://pbx.example.com/recordings/1.wav"
    events = read(
        journal(summary="Wants a new boiler.", transcription="[Dana] Hello.\n[Jane] Hello]", recordingUrl=url)
    )
    told = [(event.kind, event.text or event.media_url) for event in events[1:]]
    assert told == [
        (EventKind.CONTENT, "Wants a new boiler."),
        (EventKind.CONTENT, "[Dana] Hello.\n[Jane] Hello]"),
        (EventKind.RECORDING, url),
    ]
    assert len(read(journal(summary="[Summary]", transcription="", recordingUrl="C:\\1.wav"))) == 1


def test_a_form_says_the_same_as_json() -> None:
    told = journal(name="JANE EXAMPLE", queue="[QueueExtension]")
    assert read(urlencode({key: str(value) for key, value in told.items()}).encode()) == read(told)
    assert read(journal(agent=201, number=4375550142)) == read(journal())


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"callType":""}', b'{"number":"[Number]"}', b"\xff", b"levitation", b'{"number":',
     b"{" * 9000, b"number=1&number=2&callType=Missed"],
)  # fmt: skip
def test_what_is_no_call_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"\.$"):
        read(body)


# Which messages are one call --------------------------------------------------------------------------------------


def outcomes(calls: Sequence[Call]) -> list[tuple[CallState, Outcome | None]]:
    return [(call.state, call.outcome) for call in calls]


def test_it_rings_until_the_journal_comes() -> None:
    shop = Shop()
    shop.rings(1)
    (ringing,) = shop.calls()
    assert (ringing.state, ringing.direction, ringing.external_number) == (CallState.RINGING, None, JANE)
    shop.posts(67, "call", journal())
    assert outcomes(shop.calls()) == [(CallState.ENDED, Outcome.ANSWERED)]


def test_a_queue_that_looks_up_at_every_attempt_shows_one_ring() -> None:
    shop = Shop()
    for at_s in (1, 1.2, 20, 55, 90, 125, 160):
        shop.rings(at_s)
    assert len(shop.calls()) == 1
    shop.posts(181, "call", missed(0, 180, queue="800"))
    assert outcomes(shop.calls()) == [(CallState.ENDED, Outcome.MISSED)]


def test_a_restart_shows_a_ring_twice_until_the_journal_comes() -> None:
    shop = Shop()
    shop.rings(1)
    shop.forgets()
    shop.rings(40)
    assert len(shop.calls()) == 2
    shop.posts(61, "call", missed(0, 60))
    assert outcomes(shop.calls()) == [(CallState.ENDED, Outcome.MISSED)]


@pytest.mark.parametrize("gap_s", [12, 30, 60, 600])
def test_who_calls_again_calls_anew(gap_s: float) -> None:
    shop = Shop()
    shop.rings(1)
    shop.posts(20.5, "call", missed(0, 20))
    shop.rings(20 + gap_s + 1)
    assert [call.state for call in shop.calls()] == [CallState.ENDED, CallState.RINGING]
    shop.posts(20 + gap_s + 67, "call", journal(20 + gap_s, 20 + gap_s + 66))
    assert outcomes(shop.calls()) == [(CallState.ENDED, Outcome.MISSED), (CallState.ENDED, Outcome.ANSWERED)]


def test_who_calls_again_before_the_journal_came_calls_anew() -> None:
    shop = Shop()
    shop.rings(1)
    shop.rings(50)
    shop.posts(51, "call", missed(0, 20))
    shop.posts(116, "call", journal(49, 115))
    assert outcomes(shop.calls()) == [(CallState.ENDED, Outcome.MISSED), (CallState.ENDED, Outcome.ANSWERED)]


def test_who_calls_back_after_talking_calls_anew_at_once() -> None:
    shop = Shop()
    shop.posts(67, "call", journal(0, 66))
    shop.rings(70)
    shop.posts(136, "call", journal(69, 135))
    assert len(shop.calls()) == 2


def test_two_callers_are_two_calls() -> None:
    shop = Shop()
    shop.rings(1)
    shop.rings(1, "4375550143")
    shop.posts(67, "call", journal())
    shop.posts(67, "call", missed(0, 66, number="4375550143"))
    assert sorted(call.external_number or "" for call in shop.calls()) == [JANE, JOHN]


def test_a_ring_of_more_than_two_minutes_before_is_another_call() -> None:
    shop = Shop()
    shop.rings(-130)
    shop.posts(67, "call", journal())
    assert [call.state for call in shop.calls()] == [CallState.RINGING, CallState.ENDED]


def test_an_entry_for_each_agent_is_one_call() -> None:
    """Whether the second entry begins with the call or with the handover is documented nowhere."""
    for begin_s in (0, 30, 31):
        shop = Shop()
        shop.posts(31, "call", journal(0, 30, duration="00:00:24"))
        shop.posts(91, "call", journal(begin_s, 90, agent="202", duration="00:00:55"))
        (call,) = shop.calls()
        assert (call.answered_by, call.last_agent) == (Party(PartyKind.AGENT, "201"), Party(PartyKind.AGENT, "202"))


def test_callers_who_withhold_their_number_are_kept_apart() -> None:
    shop = Shop()
    shop.rings(1, "anonymous")
    shop.posts(67, "call", journal(number="anonymous"))
    shop.posts(67, "call", journal(number="", agent="202"))
    assert [call.external_number for call in shop.calls()] == [None, None]


# Contacts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said", "name"),
    [
        ({"first": "Jane", "last": "Example"}, "Jane Example", "Jane Example"),
        ({"first": "[FirstName]", "last": "", "company": "Example Plumbing"}, "Example Plumbing", "Example Plumbing"),
        ({"last": "437-555-0142"}, "437-555-0142", None),
        ({}, "4375550142", None),
    ],
)
@pytest.mark.parametrize("at_s", [5, 300])
def test_a_contact_is_a_remark_on_its_call_and_names_the_caller(
    fields: dict[str, object], said: str, name: str | None, at_s: float
) -> None:
    shop = Shop()
    shop.rings(1)
    shop.posts(67, "call", journal())
    shop.posts(at_s, "contact", {"number": "4375550142", **fields})
    (call,) = shop.calls()
    assert (call.notes, call.contact_name) == ((f"3CX contact created: {said}",), name)


def test_a_contact_without_a_call_is_nothing() -> None:
    shop = Shop()
    shop.rings(1, "4375550143")
    shop.posts(5, "contact", {"number": "4375550142", "first": "Jane"})
    shop.posts(5, "contact", {"first": "Jane"})
    assert [call.notes for call in shop.calls()] == [()]


# Who asks, and what is answered -----------------------------------------------------------------------------------


def test_the_inbox_keeps_a_question_as_the_speaker_plays_it() -> None:
    (said, *_) = SPEAKER.play("answered", Dialled(AT))
    asked = Delivery(b"", after(said.after_s), (BEARER,), "number=%2B14375550142", method="GET")
    message = adapter().question(asked).message
    assert message is not None
    assert (message.body, message.kind) == (said.body, said.kind)


@pytest.mark.parametrize("query", ["number=", "number=anonymous", "number=[Number]"])
def test_a_question_about_no_number_tells_of_no_ring(query: str) -> None:
    assert adapter().question(Delivery(b"", AT, (BEARER,), query)).message is None


def test_a_question_needs_the_key_and_a_number() -> None:
    for delivery in (
        Delivery(b"", AT, (), "number=4375550142"),
        Delivery(b"", AT, (("authorization", f"Bearer {KEY}0"),), "number=4375550142"),
        Delivery(b"", AT, (BEARER,), ""),
    ):
        with pytest.raises(Refused):
            adapter().question(delivery)


JANE_FACTS = CustomerFacts(id=7, name="Jane van Example", has_membership=True)


@pytest.mark.parametrize(
    ("match", "label", "contact"),
    [
        (
            Match(MatchKind.SINGLE, (Candidate(JANE_FACTS, 20),), 1),
            "Jane van Example - MEMBER",
            {"id": "7", "first": "Jane", "last": "van Example", "company": "MEMBER"},
        ),
        (
            Match(MatchKind.AMBIGUOUS, (Candidate(JANE_FACTS, 20),), 2),
            "2 customers: Jane, John",
            {"id": "number-4375550142", "first": "", "last": "2 customers: Jane, John", "company": ""},
        ),
        (Match(MatchKind.SPAM), "SPAM", {"id": "number-4375550142", "first": "", "last": "SPAM", "company": ""}),
        (Match(MatchKind.UNKNOWN), "", None),
    ],
)
def test_who_calls_is_a_contact(match: Match, label: str, contact: dict[str, str] | None) -> None:
    made = adapter()
    question = made.question(Delivery(b"", AT, (BEARER,), "number=4375550142"))
    url = "https://bridge.example.com/calls/1"
    answer = made.tell(question, Caller(CallerCard(JANE, match), label, url))
    assert (answer.status, answer.media_type) == (200, "application/json")
    assert json.loads(answer.body) == {"contacts": [{**contact, "url": url}] if contact else []}
    assert made.tell(question, None).body == b'{"contacts":[]}'


def test_the_same_body_is_the_same_delivery_unless_it_has_no_time() -> None:
    shop = Shop()
    first, again = shop.posts(67, "call", journal()), shop.posts(600, "call", journal())
    assert first.delivery_id == again.delivery_id
    untimed = missed(0, 20, startUtc="", endUtc="")
    assert shop.posts(20, "call", untimed).delivery_id == shop.posts(21, "call", untimed).delivery_id
    assert shop.posts(20, "call", untimed).delivery_id != shop.posts(80, "call", untimed).delivery_id


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"secrets": []}, "Phone system main: give at least one of secrets."),
        ({"secrets": [KEY, "short"]}, "Phone system main: each of secrets needs at least 24 signs."),
    ],
)
def test_a_key_that_could_be_guessed_is_no_key(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=rf"^{sentence}$"):
        ThreeCxAdapter.configure("main", options)


def test_secrets_are_not_shown() -> None:
    made = ThreeCxAdapter.configure("main", {"secrets": [KEY], "client_secret": KEY})
    assert KEY not in repr(made._options)

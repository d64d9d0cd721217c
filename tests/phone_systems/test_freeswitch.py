"""What is special to FreeSWITCH: its words, its ways to write a record, its settings."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, LiveCalls, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.delivery import Delivery, Refused
from trunkline.phone_systems.freeswitch import FreeSwitchAdapter
from trunkline.phone_systems.freeswitch.adapter import FreeSwitchOptions
from trunkline.phone_systems.freeswitch.parse import LIVE_CALLS, TRANSLATIONS, is_relevant
from trunkline.phone_systems.freeswitch.shop import REASONS
from trunkline.phone_systems.freeswitch.wire import Event, FramingLost, Message, Splitter, read_event
from trunkline.sandbox.phones.freeswitch import SPEAKER
from trunkline.sandbox.phones.freeswitch.server import event_message, message
from trunkline.sandbox.phones.freeswitch.speaker import is_record
from trunkline.sandbox.phones.speaker import Dialled

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
A, B, C = (f"{letter * 8}-0000-4000-8000-000000000001" for letter in "abc")
OPTIONS: Mapping[str, object] = {"host": "192.0.2.10", "password": "not-a-real-secret"}
TRUNK = {
    "Channel-Name": "sofia/external/+14375550142@198.51.100.7",
    "Unique-ID": A,
    "Channel-Call-UUID": A,
    "Call-Direction": "inbound",
    "Caller-Context": "public",
    "Caller-Caller-ID-Number": "+14375550142",
    "Caller-Caller-ID-Name": "JANE EXAMPLE",
    "Caller-Destination-Number": "14375550100",
}
PHONE = {
    "Channel-Name": "sofia/internal/201@192.0.2.44:5060",
    "Unique-ID": B,
    "Channel-Call-UUID": A,
    "Call-Direction": "outbound",
    "Caller-Callee-ID-Name": "Dana Desk",
    "Caller-Callee-ID-Number": "201",
    "Caller-Destination-Number": "201",
}
DESK = {  # a colleague who dials
    **PHONE,
    "Channel-Call-UUID": B,
    "Call-Direction": "inbound",
    "Caller-Caller-ID-Number": "201",
    "Caller-Caller-ID-Name": "Dana Desk",
    "Caller-Destination-Number": "4375550142",
}
CARRIER = {
    "Channel-Name": "sofia/external/4375550142",
    "Unique-ID": C,
    "Channel-Call-UUID": B,
    "Call-Direction": "outbound",
    "Caller-Destination-Number": "4375550142",
}
DANA = Party(PartyKind.AGENT, "201", "Dana Desk", "201")


def adapter(**options: object) -> FreeSwitchAdapter:
    return FreeSwitchAdapter.configure("main", {**OPTIONS, **options})


def other_leg(fields: Mapping[str, str]) -> dict[str, str]:
    """The same leg as its peer's events show it."""
    told = {name.removeprefix("Caller-"): value for name, value in fields.items() if name.startswith("Caller-")}
    told |= {"Unique-ID": fields["Unique-ID"], "Channel-Name": fields["Channel-Name"]}
    told |= {"Direction": fields["Call-Direction"]}
    return {f"Other-Leg-{name}": value for name, value in told.items()}


def event(name: str, *parts: Mapping[str, Any], **options: object) -> list[Any]:
    """What one event is taken for."""
    fields: dict[str, Any] = {"Event-Name": name, "Event-Date-Timestamp": "1772463600000000"}
    for part in parts:
        fields |= part
    return adapter(**options).parse(RawMessage(json.dumps(fields).encode(), AT))


def one(name: str, *parts: Mapping[str, Any], **options: object) -> CallEvent:
    (told,) = event(name, *parts, **options)
    assert isinstance(told, CallEvent)
    return told


# Events -------------------------------------------------------------------------------------------------------------


def test_a_caller_from_outside_is_told_with_the_number_that_was_dialled() -> None:
    told = one("CHANNEL_CREATE", TRUNK)
    assert (told.kind, told.direction, told.call_key, told.leg_key) == (EventKind.STARTED, Direction.INBOUND, A, A)
    assert (told.external_number, told.external_name, told.did) == ("+14375550142", "JANE EXAMPLE", "14375550100")
    assert told.occurred_at == AT


@pytest.mark.parametrize("dialled", ["s", "main", ""])
def test_the_number_that_was_dialled_may_stand_in_a_variable(dialled: str) -> None:
    told = one("CHANNEL_CREATE", TRUNK, {"Caller-Destination-Number": dialled, "variable_sip_req_user": "4375550100"})
    assert told.did == "4375550100"


@pytest.mark.parametrize(
    ("changes", "options", "is_outside"),
    [
        ({}, {}, True),
        ({"Channel-Name": "sofia/internal/x@y", "Caller-Context": "public"}, {}, True),
        ({"Channel-Name": "sofia/internal/x@y", "Caller-Context": "default"}, {}, False),
        ({"Channel-Name": "sofia/carriers/x@y", "Caller-Context": "x"}, {"trunk_profiles": ["carriers"]}, True),
        ({"Caller-Context": "x"}, {"trunk_profiles": ["carriers"]}, False),
        ({"Channel-Name": "sofia/internal/x@y", "Caller-Context": "in"}, {"trunk_contexts": ["in"]}, True),
        ({"Channel-Name": "sofia/gateway/acme/4375550142", "Caller-Context": "x"}, {}, True),
        ({"Channel-Name": "sofia/gateway/acme/1", "Caller-Context": "x"}, {"trunk_gateways": ["other"]}, False),
        ({"Channel-Name": "sofia/x/y", "Caller-Context": "x", "variable_sip_gateway_name": "acme"}, {}, True),
        ({"Channel-Name": "sofia/x/y", "Caller-Context": "x", "variable_sip_gateway": "acme"}, {}, True),
    ],
)
def test_what_leads_outside_is_said_by_profile_gateway_and_context(
    changes: dict[str, str], options: dict[str, object], is_outside: bool
) -> None:
    told = one("CHANNEL_CREATE", TRUNK, changes, **options)
    assert (told.direction is Direction.INBOUND) == is_outside


def test_a_dialled_phone_has_its_callers_context_and_is_a_colleague_all_the_same() -> None:
    assert one("CHANNEL_PROGRESS", PHONE, {"Caller-Context": "public"}).party == DANA


@pytest.mark.parametrize("name", ["CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA"])
def test_a_phone_rings_once_it_says_so(name: str) -> None:
    assert event("CHANNEL_CREATE", PHONE) == []
    told = one(name, PHONE)
    assert (told.kind, told.call_key, told.leg_key, told.party) == (EventKind.RINGING, A, B, DANA)
    assert event(name, TRUNK) == []


@pytest.mark.parametrize(
    ("changes", "pattern", "extension"),
    [
        ({"variable_dialed_user": "305"}, "[0-9]{2,6}", "305"),
        ({"Caller-Callee-ID-Number": "", "Caller-Destination-Number": "k3j2"}, "[0-9]{2,6}", "201"),
        ({"Channel-Name": "sofia/internal/sip:204@192.0.2.4", "Caller-Callee-ID-Number": "",
          "Caller-Destination-Number": ""}, "[0-9]{2,6}", "204"),
        ({"variable_dialed_user": "dana"}, "[a-z]+", "dana"),
        ({"Channel-Name": "verto.rtc/x", "Caller-Callee-ID-Number": "", "Caller-Destination-Number": ""},
         "[0-9]{2,6}", None),
    ],
)  # fmt: skip
def test_a_colleague_is_known_by_what_looks_like_an_extension(
    changes: dict[str, str], pattern: str, extension: str | None
) -> None:
    told = one("CHANNEL_PROGRESS", PHONE, changes, extension_pattern=pattern)
    assert told.party is not None
    assert told.party.extension == extension


def test_the_name_that_a_bridge_gives_to_every_phone_is_no_name() -> None:
    told = one("CHANNEL_PROGRESS", PHONE, {"Caller-Callee-ID-Name": "Outbound Call"})
    assert told.party == Party(PartyKind.AGENT, "201", None, "201")


def test_a_phone_that_picks_up_is_no_answer_before_someone_talks_to_it() -> None:
    assert event("CHANNEL_ANSWER", PHONE) == []
    assert one("CHANNEL_ANSWER", TRUNK).kind is EventKind.ROUTED
    told = one("CHANNEL_ANSWER", PHONE, {"Caller-Channel-Bridged-Time": "1772463598000000"})
    assert (told.kind, told.party) == (EventKind.ANSWERED, DANA)


def answers(*parts: Mapping[str, str]) -> list[tuple[str | None, PartyKind | None, Direction | None]]:
    told = [item for item in event("CHANNEL_BRIDGE", *parts) if item.kind is EventKind.ANSWERED]
    return [(item.leg_key, item.party and item.party.kind, item.direction) for item in told]


def test_a_bridge_is_the_answer() -> None:
    assert answers(TRUNK, other_leg(PHONE)) == [(B, PartyKind.AGENT, None)]
    # Picked up by a colleague who dialled for it.
    assert answers(TRUNK, other_leg(DESK)) == [(B, PartyKind.AGENT, None)]
    assert answers(DESK, other_leg(CARRIER)) == [
        (B, PartyKind.AGENT, None),
        (C, PartyKind.EXTERNAL, Direction.OUTBOUND),
    ]


def test_of_two_colleagues_the_one_who_was_called_answers() -> None:
    ends = {"Bridge-A-Unique-ID": A, "Bridge-B-Unique-ID": B}
    caller = {**DESK, "Unique-ID": A, "Channel-Call-UUID": A}
    assert answers(caller, other_leg(PHONE), ends) == [(B, PartyKind.AGENT, None)]
    assert answers(PHONE, other_leg(caller), ends) == [(B, PartyKind.AGENT, None)]


def test_early_media_are_no_answer() -> None:
    early = {"Other-Leg-Channel-Created-Time": "1772463600000000", "Other-Leg-Channel-Answered-Time": "0"}
    assert answers(DESK, other_leg(CARRIER), early) == [(B, PartyKind.AGENT, None)]
    assert answers(TRUNK, other_leg(PHONE), early) == []
    # The copy of the leg that dialled holds no times, which says nothing.
    assert answers(TRUNK, other_leg(PHONE), {**early, "Other-Leg-Channel-Created-Time": "0"})


def test_a_bridge_with_a_peer_that_is_not_described_joins_the_legs() -> None:
    ends = {"Bridge-A-Unique-ID": A, "Bridge-B-Unique-ID": C}
    joined = [(EventKind.UNKNOWN, A), (EventKind.UNKNOWN, C)]
    told = event("CHANNEL_BRIDGE", TRUNK, ends)
    assert [(item.kind, item.leg_key) for item in told] == joined
    # What is described may still be the peer before.
    told = event("CHANNEL_BRIDGE", TRUNK, ends, other_leg(PHONE), {"Caller-Transfer-Source": "1:1:att_xfer:1@x/2@x"})
    assert [(item.kind, item.leg_key) for item in told] == [*joined, (EventKind.TRANSFERRED, None)]
    assert told[-1].party is None


def test_a_colleagues_mobile_outside_is_a_colleague() -> None:
    forwarded = {**CARRIER, "Channel-Call-UUID": A}
    told = one("CHANNEL_CREATE", forwarded, other_leg(TRUNK))
    assert (told.kind, told.direction, told.external_number) == (EventKind.RINGING, None, None)
    assert told.party == Party(PartyKind.AGENT, provider_id="4375550142")
    assert event("CHANNEL_ANSWER", forwarded, other_leg(TRUNK)) == []  # it may have to press a key first
    assert answers(TRUNK, other_leg(forwarded), {"Bridge-B-Unique-ID": C}) == [(C, PartyKind.AGENT, None)]


def test_a_call_to_outside_whose_caller_is_not_told_has_no_direction_yet() -> None:
    told = one("CHANNEL_CREATE", CARRIER)
    assert (told.direction, told.party) == (None, Party(provider_id="4375550142"))
    assert one("CHANNEL_CREATE", CARRIER, other_leg(DESK)).direction is Direction.OUTBOUND
    assert one("CHANNEL_CREATE", CARRIER, {"Channel-Call-UUID": C}).direction is Direction.OUTBOUND


def test_loopback_channels_join_calls_and_show_nowhere() -> None:
    loop = {**PHONE, "Channel-Name": "loopback/200-a", "variable_other_loopback_leg_uuid": C}
    told = one("CHANNEL_CREATE", loop)
    assert (told.kind, told.leg_key, told.party, told.aliases) == (EventKind.LINKED, None, None, (C,))
    assert event("CHANNEL_PROGRESS", {**loop, "variable_other_loopback_leg_uuid": ""}) == []
    assert answers(TRUNK, other_leg(loop)) == []
    far = {**loop, "Unique-ID": C, "Channel-Call-UUID": C}
    assert answers(far, other_leg(PHONE)) == [(B, PartyKind.AGENT, None)]


def test_a_ring_group_by_loopback_is_one_call_with_real_legs_only() -> None:
    near = {**PHONE, "Unique-ID": "l-a", "Channel-Name": "loopback/200-a", "variable_other_loopback_leg_uuid": "l-b"}
    far = {**near, "Unique-ID": "l-b", "Channel-Call-UUID": "l-b", "Channel-Name": "loopback/200-b",
           "Call-Direction": "inbound", "variable_other_loopback_leg_uuid": "l-a"}  # fmt: skip
    phone = {**PHONE, "Channel-Call-UUID": "l-b"}
    (call,) = calls(
        ("CHANNEL_CREATE", TRUNK), ("CHANNEL_CREATE", near), ("CHANNEL_CREATE", far),
        ("CHANNEL_PROGRESS", phone), ("CHANNEL_BRIDGE", {**far, **other_leg(phone)}),
        ("CHANNEL_HANGUP_COMPLETE", near), ("CHANNEL_HANGUP_COMPLETE", far),
        ("CHANNEL_HANGUP_COMPLETE", {**phone, "Caller-Channel-Answered-Time": "1"}),
        ("CHANNEL_HANGUP_COMPLETE", TRUNK),
    )  # fmt: skip
    assert (call.outcome, call.state, call.call_key) == (Outcome.ANSWERED, CallState.ENDED, A)
    assert [leg.leg_key for leg in call.legs] == [A, B]


def calls(*told: tuple[str, Mapping[str, Any]], **options: object) -> list[Call]:
    """The calls that these events make, a second apart."""
    bodies = [
        {"Event-Name": name, "Event-Date-Timestamp": str(1772463600000000 + place * 1_000_000), **fields}
        for place, (name, fields) in enumerate(told)
    ]
    messages = [(place, RawMessage(json.dumps(body).encode(), AT)) for place, body in enumerate(bodies)]
    return in_memory(adapter(**options), messages)


def test_a_queue_calls_its_agents_in_calls_of_their_own_which_are_the_callers() -> None:
    agent = {**PHONE, "Channel-Call-UUID": B, "variable_cc_member_session_uuid": A}
    queue = {"Event-Subclass": "callcenter::info", "CC-Action": "member-queue-start", "CC-Queue": "service@default",
             "CC-Member-Session-UUID": A}  # fmt: skip
    (call,) = calls(("CHANNEL_CREATE", TRUNK), ("CUSTOM", queue), ("CHANNEL_PROGRESS", agent))
    assert (call.call_key, call.queues, call.state) == (A, ("service",), CallState.RINGING)
    assert event("CUSTOM", {**queue, "CC-Action": "agent-state-change"}) == []


@pytest.mark.parametrize(
    ("app", "data", "kind", "queue"),
    [
        ("voicemail", "default pbx.example.com 201", EventKind.VOICEMAIL, None),
        ("callcenter", "service@default", EventKind.ROUTED, "service"),
        ("fifo", "service in", EventKind.ROUTED, "service"),
        ("ivr", "main_menu", EventKind.ROUTED, None),
    ],
)
def test_what_the_dialplan_does_with_a_caller(app: str, data: str, kind: EventKind, queue: str | None) -> None:
    told = one("CHANNEL_EXECUTE", TRUNK, {"Application": app, "Application-Data": data})
    assert (told.kind, told.queue, told.leg_key) == (kind, queue, A)


@pytest.mark.parametrize(
    ("app", "data"),
    [("voicemail", "check default x"), ("fifo", "service out wait"), ("set", "a=b"), ("voicemailer", "x"), ("", "")],
)
def test_what_says_nothing_of_a_caller_is_not_even_kept(app: str, data: str) -> None:
    fields = {"Application": app, "Application-Data": data}
    assert event("CHANNEL_EXECUTE", TRUNK, fields) == []
    shop = adapter()._shop
    assert not is_relevant(shop, Event({"Event-Name": "CHANNEL_EXECUTE", **fields}))
    assert not is_relevant(shop, Event({"Event-Name": "HEARTBEAT"}))
    assert is_relevant(shop, Event({"Event-Name": "CHANNEL_CREATE"}))


def test_another_application_may_take_messages() -> None:
    fields = {"Application": "lua", "Application-Data": "app.lua voicemail default"}
    apps = {"voicemail_apps": ["voicemail", "lua app.lua voicemail"]}
    assert one("CHANNEL_EXECUTE", TRUNK, fields, **apps).kind is EventKind.VOICEMAIL


@pytest.mark.parametrize(("cause", "reason"), [*REASONS.items(), ("NO_SUCH_CAUSE", EndReason.UNKNOWN)])
def test_why_a_phone_stopped_ringing(cause: str, reason: EndReason) -> None:
    told = event("CHANNEL_HANGUP_COMPLETE", PHONE, {"Hangup-Cause": cause, "Caller-Channel-Answered-Time": "0"})
    assert [(item.kind, item.reason) for item in told] == [(EventKind.RING_ENDED, reason)]


def test_a_channel_that_was_answered_or_called_leaves() -> None:
    answered = {"Hangup-Cause": "NORMAL_CLEARING", "Caller-Channel-Answered-Time": "1772463600000000"}
    told = one("CHANNEL_HANGUP_COMPLETE", PHONE, answered)
    assert (told.kind, told.reason) == (EventKind.LEFT, EndReason.NORMAL)
    assert one("CHANNEL_HANGUP_COMPLETE", TRUNK).kind is EventKind.LEFT
    told = one("CHANNEL_HANGUP_COMPLETE", PHONE, {"variable_answer_epoch": "1772463600"})
    assert (told.kind, told.reason) == (EventKind.LEFT, None)


@pytest.mark.parametrize(
    ("target", "party"),
    [
        ("<sip:202@pbx.example.com>", Party(PartyKind.AGENT, "202")),
        ("sip:202;user=phone", Party(PartyKind.AGENT, "202")),
        ("<sip:+14375550177@pbx.example.com>", Party(provider_id="+14375550177")),
        ("", None),
    ],
)
def test_a_blind_transfer_says_to_whom_where_the_phone_did(target: str, party: Party | None) -> None:
    ended = {"Hangup-Cause": "BLIND_TRANSFER", "Caller-Channel-Answered-Time": "1", "variable_sip_refer_to": target}
    transfer, left = event("CHANNEL_HANGUP_COMPLETE", PHONE, ended)
    assert (transfer.kind, transfer.leg_key, transfer.party) == (EventKind.TRANSFERRED, None, party)
    assert left.kind is EventKind.LEFT


def test_one_attended_transfer_is_told_once_however_often_the_line_is_joined() -> None:
    mark = {"Caller-Transfer-Source": f"1772463635:{A}:att_xfer:201@x/202@x"}
    bridge = ("CHANNEL_BRIDGE", {**TRUNK, **other_leg(PHONE), **mark})
    (call,) = calls(("CHANNEL_CREATE", TRUNK), bridge, bridge)
    assert [transfer.party for transfer in call.transfers] == [DANA]
    blind = {"Caller-Transfer-Source": f"1772463635:{A}:bl_xfer:201/default/XML"}  # any change of the dialplan's course
    (call,) = calls(("CHANNEL_CREATE", TRUNK), ("CHANNEL_BRIDGE", {**TRUNK, **other_leg(PHONE), **blind}))
    assert call.transfers == ()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("CHANNEL_HOLD", EventKind.HELD),
        ("CHANNEL_UNHOLD", EventKind.RESUMED),
        ("CHANNEL_PARK", EventKind.HELD),
        ("CHANNEL_UNPARK", EventKind.RESUMED),
    ],
)
def test_hold_and_park(name: str, kind: EventKind) -> None:
    assert one(name, PHONE).kind is kind


def test_a_recording_is_named_by_its_file() -> None:
    assert one("RECORD_STOP", TRUNK, {"Record-File-Path": "/var/recordings/1.wav"}).media_url == "/var/recordings/1.wav"
    assert event("RECORD_STOP", TRUNK) == []


def test_a_call_that_we_set_up_is_outbound_before_its_first_ring() -> None:
    ours = {**PHONE, "Channel-Call-UUID": B, "variable_trunkline_dials": "+14375550142"}
    told = one("CHANNEL_CREATE", ours)
    assert (told.kind, told.direction, told.external_number) == (EventKind.STARTED, Direction.OUTBOUND, "+14375550142")
    assert told.party == DANA
    carrier = {**CARRIER, "variable_trunkline_dials": "+14375550142", **other_leg(ours)}
    (call,) = calls(
        ("CHANNEL_CREATE", ours), ("CHANNEL_PROGRESS", ours), ("CHANNEL_ANSWER", ours), ("CHANNEL_CREATE", carrier)
    )
    assert (call.direction, call.answered_at, call.external_number) == (Direction.OUTBOUND, None, "+14375550142")


def test_a_list_of_live_calls_and_the_end_of_all() -> None:
    (live,) = event(LIVE_CALLS, {"Live": [A, B, ""]})
    assert live == LiveCalls("freeswitch", "main", AT, frozenset({A, B}))
    assert event(LIVE_CALLS) == [LiveCalls("freeswitch", "main", AT)]
    assert event("SHUTDOWN") == [LiveCalls("freeswitch", "main", AT)]


@pytest.mark.parametrize(
    "name", sorted(set(TRANSLATIONS) - {"CUSTOM", "CHANNEL_EXECUTE", "RECORD_STOP", "CHANNEL_BRIDGE"})
)
def test_an_event_that_names_no_channel_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable, match=f"^The event {name} names no channel.$"):
        event(name, {"Call-Direction": "outbound", "Channel-Name": "sofia/external/4375550142"})


@pytest.mark.parametrize("stamp", ["", "soon", "9" * 19, "-1", "٣"])
def test_the_time_of_receipt_counts_where_there_is_none(stamp: str) -> None:
    (told,) = event("CHANNEL_CREATE", TRUNK, {"Event-Date-Timestamp": stamp})
    assert told.occurred_at == AT


@pytest.mark.parametrize("number", ["anonymous", "0000000000", "", "Unavailable"])
def test_a_caller_without_a_number_has_none(number: str) -> None:
    (call,) = calls(("CHANNEL_CREATE", {**TRUNK, "Caller-Caller-ID-Number": number}))
    assert call.external_number is None


# The wire -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
def test_both_forms_of_an_event_say_the_same(scenario: str) -> None:
    spoken = [said for said in SPEAKER.play(scenario, Dialled(AT)) if not is_record(said.body)]
    for said in spoken:
        (plain,) = Splitter().feed(event_message(json.loads(said.body), "plain"))
        assert plain.kind == "text/event-plain"
        assert b"%" in plain.body
        assert adapter().parse(RawMessage(plain.body, AT)) == adapter().parse(RawMessage(said.body, AT))


def test_an_event_may_have_a_body_of_its_own_which_is_counted_in_bytes() -> None:
    fields: dict[str, object] = {"Event-Name": "BACKGROUND_JOB", "Job-UUID": "1", "_body": "+OK é\n\nX: 1\n"}
    for form in ("plain", "json"):
        first, second = Splitter().feed(event_message(fields, form) * 2)
        assert first == second
        assert read_event(first.body).get("_body") == "+OK é\n\nX: 1\n"
        assert read_event(first.body).get("X") == ""


def test_a_stream_is_cut_the_same_wherever_it_is_read() -> None:
    stream = (
        message({"Content-Type": "auth/request"})
        + message({"Content-Type": "command/reply", "Reply-Text": "+OK accepted"})
        + event_message({"Event-Name": "HEARTBEAT", "Note": "naïve ☎"})
        + b"\n\r\n"
        + event_message({"Event-Name": "CHANNEL_CREATE"}, "plain")
        + message({"Content-Type": "api/response", "Content-Length": "0"})
    )
    whole = list(Splitter().feed(stream))
    assert [one.kind for one in whole] == [
        "auth/request", "command/reply", "text/event-json", "text/event-plain", "api/response",
    ]  # fmt: skip
    for place in range(1, len(stream)):
        splitter = Splitter()
        assert [*splitter.feed(stream[:place]), *splitter.feed(stream[place:])] == whole
    splitter = Splitter()
    assert [one for place in range(len(stream)) for one in splitter.feed(stream[place : place + 1])] == whole


@pytest.mark.parametrize("length", ["-1", "x", "99999999999", "1e3", "٣", "17000000"])
def test_an_impossible_length_loses_the_framing(length: str) -> None:
    with pytest.raises(FramingLost, match="impossible length"):
        list(Splitter().feed(f"Content-Length: {length}\n\n".encode()))


def test_a_head_without_end_loses_the_framing() -> None:
    with pytest.raises(FramingLost, match="without end"):
        list(Splitter().feed(b"x" * 70_000))


def test_lines_that_are_none_are_passed_over() -> None:
    assert list(Splitter().feed(b"no colon\nContent-Type: a\n: x\n\xff\n\n")) == [Message({"content-type": "a"})]
    assert read_event(b"no colon\nEvent-Name: X%20Y\nEvent-Name: Z\n").name == "X Y"
    assert read_event(b"Event-Name: 100%\nA: %ff").get("A") == "�"


def test_a_header_may_have_several_values() -> None:
    values = read_event(b'{"Event-Name": "X", "variable_many": ["a", "b"], "none": null, "n": 7, "empty": []}')
    assert (values.variable("many"), values.all("variable_many"), values.get("none")) == ("a", ["a", "b"], "")
    assert (values.number("n"), values.get("empty")) == (7, "")


# Records ------------------------------------------------------------------------------------------------------------


def record(scenario: str, place: int = -1) -> bytes:
    return [said.body for said in SPEAKER.play(scenario, Dialled(AT)) if is_record(said.body)][place]


def told_by(body: bytes, **options: object) -> list[CallEvent]:
    parsed = adapter(**options).parse(RawMessage(body, AT))
    return [item for item in parsed if isinstance(item, CallEvent)]


@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
def test_records_alone_tell_the_call(scenario: str) -> None:
    spoken = SPEAKER.play(scenario, Dialled(AT))
    heard, told = (
        in_memory(adapter(), [(place, RawMessage(said.body, AT)) for place, said in enumerate(part)])
        for part in (spoken, [said for said in spoken if is_record(said.body)])
    )
    (both,), (only,) = heard, told
    assert (only.state, only.outcome, only.direction) == (CallState.ENDED, both.outcome, both.direction)
    assert (only.external_number, only.did, only.answered_by) == (both.external_number, both.did, both.answered_by)
    assert (only.wait_s, only.talk_s, only.recordings) == (both.wait_s, both.talk_s, both.recordings)


@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
def test_every_way_to_send_a_record_says_the_same(scenario: str) -> None:
    body = record(scenario)
    ways = [
        b"cdr=" + quote(body, safe="").encode(),
        b"cdr=" + quote(body, safe="{").encode(),
        b"cdr=" + base64.b64encode(body),
        b"cdr=" + quote(base64.b64encode(body)).encode(),
    ]
    expected = told_by(body)
    assert [item.kind for item in expected].count(EventKind.RECORD) == 1
    assert all(told_by(way) == expected for way in ways)


def test_a_record_that_is_sent_again_in_another_form_is_known_again() -> None:
    body = record("answered")
    made = adapter(cdr_passwords=["not-a-real-password"])
    header = f"Basic {base64.b64encode(b'trunkline:not-a-real-password').decode()}"

    def delivery_id(body: bytes) -> str | None:
        return made.verify(Delivery(body, AT, (("authorization", header),))).delivery_id

    ways = [body, b"cdr=" + quote(body, safe="").encode(), b"cdr=" + base64.b64encode(body)]
    assert len({delivery_id(way) for way in ways}) == 1
    assert len({delivery_id(way) for way in (body, record("missed"), b"cdr=!!", b"cdr=!")}) == 4


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"cdr=%7B%7D&cdr=%7B%7D", "more than once"),
        (b"cdr=!!", "neither JSON nor base64"),
        (b"cdr=\xff", "neither JSON nor base64"),
        (b"cdr=%7B", "cannot be read"),
        (b"", "neither an event"),
        (b"{}", "neither an event"),
        (b'{"variables": {}}', "no uuid"),
        (b'{"variables": {"uuid": "1"}}', "when its call began"),
        (b'{"callflow": [7, null], "variables": []}', "no uuid"),
    ],
)
def test_what_is_no_record_is_unreadable(body: bytes, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        told_by(body)


def test_the_record_of_a_leg_that_handed_its_call_on_does_not_end_it() -> None:
    spoken = SPEAKER.play("attended_transfer", Dialled(AT))
    early = [said for said in spoken if said.after_s < 60]
    (call,) = in_memory(adapter(), [(place, RawMessage(said.body, AT)) for place, said in enumerate(early)])
    assert sum(is_record(said.body) for said in early) == 1
    assert (call.state, call.ended_at) == (CallState.ANSWERED, None)


def test_older_records_have_one_object_for_the_call_flow() -> None:
    values = json.loads(record("answered"))
    values["callflow"] = values["callflow"][0]
    assert told_by(json.dumps(values).encode()) == told_by(record("answered"))


def test_times_may_come_in_seconds_or_only_with_the_call_flow() -> None:
    values = json.loads(record("answered"))
    for name in ("start_uepoch", "end_uepoch"):
        values["variables"].pop(name)
    assert told_by(json.dumps(values).encode()) == told_by(record("answered"))
    values["variables"] |= {"start_epoch": "1772463600", "end_epoch": "1772463666"}
    values["callflow"][0]["times"] |= {"created_time": "0", "hangup_time": "0"}
    assert told_by(json.dumps(values).encode()) == told_by(record("answered"))


def test_the_record_of_a_loopback_channel_tells_nothing() -> None:
    values = json.loads(record("answered"))
    values["variables"]["channel_name"] = quote("loopback/200-a", safe="")
    assert told_by(json.dumps(values).encode()) == []


def dialled_leg(**times: str) -> list[CallEvent]:
    """What the record of a phone that was dialled tells."""
    profile = {"uuid": B, "chan_name": "sofia/internal/201@192.0.2.44:5060", "callee_id_name": "Dana Desk",
               "destination_number": "201", "context": "public",
               "originator": {"originator_caller_profiles": [
                   {"uuid": A, "chan_name": "sofia/external/1@x", "context": "public"}]}}  # fmt: skip
    values = {
        "variables": {"uuid": B, "hangup_cause": "LOSE_RACE", "start_epoch": "1772463600", "end_epoch": "1772463610"},
        "callflow": [{"caller_profile": profile, "times": times}],
    }
    return told_by(json.dumps(values).encode())


def test_the_record_of_a_dialled_leg_tells_of_that_leg() -> None:
    rang, talked = "1772463602000000", "1772463606000000"
    told = dialled_leg(progress_time=rang)
    assert [(one.kind, one.call_key, one.leg_key, one.party) for one in told] == [
        (EventKind.RINGING, A, B, DANA),
        (EventKind.RING_ENDED, A, B, DANA),
    ]
    assert told[-1].reason is EndReason.ELSEWHERE
    told = dialled_leg(progress_media_time=rang, answered_time=talked, bridged_time=talked)
    assert [one.kind for one in told] == [EventKind.RINGING, EventKind.ANSWERED, EventKind.LEFT]
    assert dialled_leg() == []


def test_an_unanswered_call_to_outside_is_outbound_by_what_was_dialled() -> None:
    values = json.loads(record("outbound"))
    profile = values["callflow"][0]["caller_profile"]
    del profile["originatee"]
    values["callflow"][0]["times"] |= {"answered_time": "0", "bridged_time": "0"}
    first = told_by(json.dumps(values).encode())[0]
    assert (first.kind, first.direction, first.external_number) == (
        EventKind.RECORD, Direction.OUTBOUND, "+14375550142",
    )  # fmt: skip
    assert (first.talk_s, first.ring_s, first.total_s) == (None, None, 60.0)
    profile["destination_number"] = "*98"
    assert told_by(json.dumps(values).encode())[0].direction is None
    profile["destination_number"] = "202"
    assert told_by(json.dumps(values).encode())[0].direction is Direction.INTERNAL


def test_queues_and_recordings_stand_in_the_record_of_what_the_dialplan_did() -> None:
    values = json.loads(record("answered"))
    values["app_log"]["applications"] = [
        {"app_name": "callcenter", "app_data": "service@default", "app_stamp": "1772463601000000"},
        {"app_name": "record_session", "app_data": "/var/recordings/2.wav", "app_stamp": "1772463601000000"},
        {"app_name": "record_session", "app_data": "/var/recordings/${uuid}.wav", "app_stamp": "1772463601000000"},
    ]
    (call,) = in_memory(adapter(), [(1, RawMessage(json.dumps(values).encode(), AT))])
    assert call.queues == ("service",)
    assert [path.rpartition("/")[2] for path in call.recordings] == [f"{A}.wav", "2.wav"]


# Settings and proof -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"password": "ClueCon"}, "the password is the one that FreeSWITCH is shipped with; choose another."),
        ({"cdr_passwords": ["ClueCon"]}, "shipped with"),
        ({"password": ""}, "must not be empty"),
        ({"password": "a\nb"}, "is one line"),
        ({"cdr_passwords": [""]}, "cdr_passwords"),
        ({"extension_pattern": "["}, "extension_pattern is no regular expression"),
        ({"dial_endpoint": "user/101"}, "dial_endpoint has no {agent}"),
        ({"port": 0}, "port"),
    ],
)
def test_settings_that_cannot_work_are_told_in_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^Phone system main: ") as caught:
        adapter(**options)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_no_secret_is_shown() -> None:
    made = adapter(cdr_passwords=["not-a-real-password"])
    options = {**OPTIONS, "cdr_passwords": ["not-a-real-password"]}
    shown = f"{msgspec.convert(options, FreeSwitchOptions)!r} {made._login!r} {made._login}"
    assert "not-a-real" not in shown


def test_without_passwords_no_record_is_taken() -> None:
    proof = base64.b64encode(b"trunkline:").decode()
    with pytest.raises(Refused):
        adapter().verify(Delivery(b"{}", AT, (("authorization", f"Basic {proof}"),)))

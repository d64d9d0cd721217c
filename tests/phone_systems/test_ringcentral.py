"""What is particular to RingCentral's notifications, its proof and its call log."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from trunkline.calls.reading import in_memory, understand
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.delivery import Answer, Delivery, Refused
from trunkline.phone_systems.ringcentral import RingCentralAdapter, RingCentralOptions
from trunkline.sandbox.phones.ringcentral import SPEAKER, calls
from trunkline.sandbox.phones.ringcentral.call_log import history
from trunkline.sandbox.phones.ringcentral.words import (
    ACCOUNT,
    DANA,
    MENU,
    QUEUE,
    SAM,
    Sessions,
    inside,
    outside,
    written,
)
from trunkline.sandbox.phones.speaker import Dialled, Said

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CALL = Dialled(AT)
K = EventKind


def adapter(**more: object) -> RingCentralAdapter:
    return RingCentralAdapter.configure("main", {**SPEAKER.options(SPEAKER.secret, address=""), **more})


def messages(said: list[Said]) -> list[RawMessage]:
    return [RawMessage(one.body, AT + timedelta(seconds=one.after_s), kind=one.kind) for one in said]


def told(script: Callable[[Sessions], None], **more: object) -> list[Call]:
    return in_memory(adapter(**more), list(enumerate(messages(calls.play(script, CALL)))))


def events(said: Said, **more: object) -> list[CallEvent]:
    (message,) = messages([said])
    found = adapter(**more).parse(message)
    return [event for event in found if isinstance(event, CallEvent)]


def one_status(code: str, reason: str | None = None, *, whose: str = "called", origin: str = "Call") -> list[CallEvent]:
    """What one status of one party says."""
    sessions = Sessions(CALL, origin)
    caller, own = outside(CALL.caller, CALL.name), inside(DANA, CALL.did)
    party = {
        "caller": sessions.party(1, "Outbound", caller, own),
        "called": sessions.party(2, "Inbound", caller, own),
        "menu": sessions.party(2, "Inbound", caller, inside(MENU, CALL.did)),
        "queue": sessions.party(2, "Inbound", caller, inside(QUEUE, CALL.did)),
        "dialler": sessions.party(1, "Outbound", own, outside(CALL.caller)),
        "customer": sessions.party(2, "Inbound", own, outside(CALL.caller)),
        "colleague": sessions.party(2, "Inbound", inside(SAM), inside(DANA)),
        "mobile": sessions.party(3, "Inbound", caller, outside("+14375550177", "Dana's mobile")),
    }[whose]
    party.is_now(0.0, code, reason)
    return events(sessions.said[0])


# Words --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("whose", "code", "kinds"),
    [
        ("caller", "Setup", [K.STARTED]),
        ("caller", "Proceeding", [K.STARTED]),
        ("caller", "Answered", [K.ROUTED]),
        ("caller", "FaxReceive", [K.ROUTED]),
        ("caller", "Hold", [K.UNKNOWN]),
        ("caller", "Disconnected", [K.ENDED]),
        ("called", "Setup", [K.STARTED]),
        ("called", "Proceeding", [K.RINGING]),
        ("called", "Answered", [K.ANSWERED]),
        ("called", "Hold", [K.HELD]),
        ("called", "Parked", [K.HELD]),
        ("called", "VoiceMail", [K.RING_ENDED, K.VOICEMAIL]),
        ("called", "Voicemail", [K.RING_ENDED, K.VOICEMAIL]),
        ("called", "VoiceMailScreening", [K.RING_ENDED, K.VOICEMAIL]),
        ("called", "VMScreening", [K.RING_ENDED, K.VOICEMAIL]),
        ("called", "FaxReceive", [K.ROUTED]),
        ("called", "Disconnected", [K.RING_ENDED, K.LEFT]),
        ("called", "Gone", [K.RING_ENDED, K.LEFT]),
        ("called", "Levitated", [K.UNKNOWN]),
        ("menu", "Setup", [K.ROUTED]),
        ("menu", "Proceeding", [K.ROUTED]),
        ("menu", "Answered", [K.ROUTED]),
        ("menu", "VoiceMail", [K.VOICEMAIL]),
        ("menu", "Disconnected", [K.LEFT]),
        ("queue", "Answered", [K.ROUTED]),
        ("queue", "Disconnected", [K.LEFT]),
        ("dialler", "Setup", [K.STARTED]),
        ("dialler", "Proceeding", [K.STARTED]),
        ("dialler", "Answered", [K.ANSWERED, K.ANSWERED]),
        ("dialler", "Hold", [K.HELD]),
        ("dialler", "Disconnected", [K.LEFT]),
        ("customer", "Setup", [K.STARTED, K.UNKNOWN]),  # the second says who dialled
        ("customer", "Proceeding", [K.RINGING, K.UNKNOWN]),
        ("customer", "Answered", [K.ANSWERED, K.UNKNOWN]),
        ("customer", "Disconnected", [K.RING_ENDED, K.LEFT]),
    ],
)
def test_a_status_means_something_else_by_whose_it_is(whose: str, code: str, kinds: list[EventKind]) -> None:
    assert [event.kind for event in one_status(code, whose=whose)] == kinds


@pytest.mark.parametrize(
    ("reason", "rang", "left"),
    [
        (None, EndReason.CANCELLED, EndReason.NORMAL),
        ("CallFinished", EndReason.CANCELLED, EndReason.NORMAL),
        ("CallDropped", EndReason.CANCELLED, EndReason.NORMAL),
        ("CallerInputRedirect", EndReason.CANCELLED, EndReason.NORMAL),
        ("CallFlip", EndReason.CANCELLED, EndReason.NORMAL),
        ("Because", EndReason.CANCELLED, EndReason.NORMAL),
        ("Pickup", EndReason.ELSEWHERE, EndReason.ELSEWHERE),
        ("TakeOver", EndReason.ELSEWHERE, EndReason.ELSEWHERE),
        ("CallRedirected", EndReason.ELSEWHERE, EndReason.ELSEWHERE),
        ("Timeout", EndReason.NO_ANSWER, EndReason.NO_ANSWER),
        ("NoAnswer", EndReason.NO_ANSWER, EndReason.NO_ANSWER),
        ("Voicemail", EndReason.NO_ANSWER, EndReason.NO_ANSWER),
        ("Rejected", EndReason.REJECTED, EndReason.REJECTED),
        ("CallReplied", EndReason.REJECTED, EndReason.REJECTED),
        ("Cancelled", EndReason.CANCELLED, EndReason.CANCELLED),
        ("TargetBusy", EndReason.BUSY, EndReason.BUSY),
        *[
            (word, EndReason.FAILED, EndReason.FAILED)
            for word in ("InternalError", "InvalidNumber", "InternationalDisabled", "DestinationBlocked",
                         "NotEnoughFunds", "NoSuchUser")
        ],
    ],
)  # fmt: skip
def test_why_a_party_left(reason: str | None, rang: EndReason, left: EndReason) -> None:
    found = {event.kind: event.reason for event in one_status("Disconnected", reason)}
    assert found == {K.RING_ENDED: rang, K.LEFT: left}


@pytest.mark.parametrize("reason", ["BlindTransfer", "RccTransfer", "DtmfTransfer", "AttendedTransfer"])
def test_a_transfer_hands_the_call_on_and_does_not_end_it(reason: str) -> None:
    assert [event.kind for event in one_status("Disconnected", reason)] == [K.TRANSFERRED, K.RING_ENDED, K.LEFT]
    assert [event.kind for event in one_status("Disconnected", reason, whose="dialler")] == [K.TRANSFERRED, K.LEFT]
    assert [event.kind for event in one_status("Disconnected", reason, whose="colleague")] == [K.RING_ENDED, K.LEFT]
    assert [event.kind for event in one_status("Disconnected", reason, whose="caller")] == [K.LEFT]


@pytest.mark.parametrize(
    ("whose", "direction", "kind"),
    [
        ("caller", Direction.INBOUND, PartyKind.EXTERNAL),
        ("called", Direction.INBOUND, PartyKind.AGENT),
        ("menu", Direction.INBOUND, PartyKind.MENU),
        ("queue", Direction.INBOUND, PartyKind.QUEUE),
        ("dialler", Direction.OUTBOUND, PartyKind.AGENT),
        ("customer", Direction.OUTBOUND, PartyKind.EXTERNAL),
        ("colleague", Direction.INTERNAL, PartyKind.AGENT),
        ("mobile", None, PartyKind.AGENT),
    ],
)
def test_direction_is_which_party_has_no_extension(
    whose: str, direction: Direction | None, kind: PartyKind
) -> None:  # fmt: skip
    first = one_status("Answered", whose=whose)[0]
    assert (first.direction, first.party and first.party.kind) == (direction, kind)
    is_outside = direction in (Direction.INBOUND, Direction.OUTBOUND)
    assert first.external_number == (CALL.caller if is_outside else None)
    assert first.did == (CALL.did if direction is Direction.INBOUND else None)


@pytest.mark.parametrize("origin", ["GreetingsRecording", "VerificationCall", "TestCall"])
def test_what_the_platform_says_to_itself_is_no_call(origin: str) -> None:
    assert one_status("Setup", origin=origin) == []


@pytest.mark.parametrize(
    ("number", "direction"),
    [("202", Direction.INTERNAL), ("911", Direction.OUTBOUND), ("+14375550142", Direction.OUTBOUND)],
)
def test_a_short_number_is_a_colleague_but_not_an_emergency(number: str, direction: Direction) -> None:
    sessions = Sessions(CALL)
    sessions.party(1, "Outbound", inside(DANA), outside(number)).is_now(0.0, "Setup")
    assert events(sessions.said[0])[0].direction is direction


# Whole calls --------------------------------------------------------------------------------------------------------


def test_through_a_menu_to_a_colleague_is_one_call_that_the_colleague_answered() -> None:
    (call,) = told(calls.answered)
    assert (call.outcome, call.wait_s, call.talk_s) == (Outcome.ANSWERED, 9.0, 57.1)
    assert call.answered_by == Party(PartyKind.AGENT, name="Dana Desk", provider_id=DANA.id)


def test_given_up_in_the_menu_is_abandoned() -> None:
    (call,) = told(calls.abandoned)
    assert (call.state, call.outcome, call.answered_by) == (CallState.ENDED, Outcome.ABANDONED, None)


def test_a_menu_that_nobody_listed_makes_no_answer_as_long_as_it_only_passes_the_caller_on() -> None:
    (call,) = told(calls.answered, menus=[])
    assert (call.outcome, call.wait_s) == (Outcome.ANSWERED, 9.0)
    assert call.answered_by == Party(PartyKind.AGENT, name="Dana Desk", provider_id=DANA.id)


@pytest.mark.parametrize("listed", [MENU.id, MENU.name, " main MENU "])
def test_menus_are_listed_by_id_or_name(listed: str) -> None:
    (call,) = told(calls.abandoned, menus=[listed])
    assert call.outcome is Outcome.ABANDONED


def test_machines_are_listed_by_extension_number_where_events_show_it() -> None:
    sessions = Sessions(CALL)
    sessions.party(2, "Inbound", inside(DANA), inside(QUEUE)).is_now(0.0, "Answered")
    (event,) = events(sessions.said[0], queues=[QUEUE.number])
    assert (event.kind, event.queue, event.direction) == (K.ROUTED, QUEUE.name, Direction.INTERNAL)


def test_the_losers_of_a_queue_are_not_missed_and_the_queue_is_named() -> None:
    (call,) = told(calls.SCRIPTS["ring_group"])
    losers = [leg for leg in call.legs if leg.rang_at and not leg.answered_at]
    assert [leg.reason for leg in losers] == [EndReason.ELSEWHERE, EndReason.ELSEWHERE]
    assert call.queues == (QUEUE.name,)


def test_who_leaves_because_an_agent_answered_is_a_queue_even_where_nobody_listed_it() -> None:
    (event,) = one_status("Disconnected", "AgentAnswered")
    assert (event.kind, event.queue, event.reason) == (K.LEFT, DANA.name, EndReason.NORMAL)


def test_click_to_call_is_outbound_and_the_pick_up_of_the_agent_is_no_answer() -> None:
    said = calls.play(calls.ring_out, CALL)
    (call,) = told(calls.ring_out)
    assert (call.direction, call.outcome, call.wait_s) == (Direction.OUTBOUND, Outcome.ANSWERED, 12.0)
    assert (call.external_number, call.did) == (CALL.caller, None)
    assert call.answered_by == Party(PartyKind.AGENT, name="Dana Desk", provider_id=DANA.id)
    first = [event for one in said[:2] for event in events(one)]
    assert not [event for event in first if event.kind is K.RINGING or event.direction is not Direction.OUTBOUND]
    (call,) = in_memory(adapter(), list(enumerate(messages(said[:2]))))
    assert call.answered_at is None


def test_who_dialled_is_known_by_name_from_the_party_that_was_called() -> None:
    (call,) = told(calls.SCRIPTS["outbound"])
    assert call.answered_by == Party(PartyKind.AGENT, name=DANA.name, provider_id=DANA.id)
    assert call.last_agent == call.answered_by
    assert [leg.party and leg.party.provider_id for leg in call.legs] == [DANA.id, None]


def test_an_outbound_call_that_nobody_heard_being_answered_outside_is_answered_all_the_same() -> None:
    """RingCentral says of itself that parties outside the account may not be told."""
    said = [one for one in calls.play(calls.SCRIPTS["outbound"], CALL) if b'-2","direction"' not in one.body]
    assert len(said) == 4
    assert {event.party.kind for one in said for event in events(one) if event.party} == {
        PartyKind.UNKNOWN,
        PartyKind.EXTERNAL,
    }
    (call,) = in_memory(adapter(), list(enumerate(messages(said))))
    assert (call.outcome, call.direction, call.external_number) == (
        Outcome.ANSWERED,
        Direction.OUTBOUND,
        CALL.caller,
    )


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("TargetBusy", Outcome.BUSY), ("InvalidNumber", Outcome.FAILED), ("NoAnswer", Outcome.MISSED)],
)
def test_an_outbound_call_that_is_not_answered(reason: str, outcome: Outcome) -> None:
    def script(sessions: Sessions) -> None:
        dana = sessions.party(1, "Outbound", inside(DANA, CALL.did), outside(CALL.caller))
        customer = sessions.party(2, "Inbound", inside(DANA, CALL.did), outside(CALL.caller))
        dana.is_now(0.0, "Setup")
        customer.is_now(0.1, "Proceeding")
        customer.is_now(5.0, "Disconnected", reason)
        dana.is_now(5.1, "Disconnected", reason)

    (call,) = told(script)
    assert (call.state, call.outcome) == (CallState.ENDED, outcome)


def test_a_call_forwarded_to_a_mobile_is_answered_there() -> None:
    def script(sessions: Sessions) -> None:
        caller = sessions.party(1, "Outbound", outside(CALL.caller), inside(MENU, CALL.did))
        mobile = sessions.party(3, "Inbound", outside(CALL.caller), outside("+14375550177", "On call"))
        caller.is_now(0.0, "Setup")
        caller.is_now(0.2, "Answered")
        mobile.is_now(4.0, "Proceeding")
        mobile.is_now(9.0, "Answered")
        mobile.is_now(60.0, "Disconnected")
        caller.is_now(60.0, "Disconnected")

    (call,) = told(script)
    assert (call.direction, call.outcome, call.external_number) == (Direction.INBOUND, Outcome.ANSWERED, CALL.caller)
    assert call.answered_by == Party(PartyKind.AGENT, name="On call")


def test_an_outside_number_that_leaves_a_transferred_call_does_not_end_it() -> None:
    def script(sessions: Sessions) -> None:
        caller = sessions.party(1, "Outbound", outside(CALL.caller), inside(DANA, CALL.did))
        dana = sessions.party(2, "Inbound", outside(CALL.caller), inside(DANA, CALL.did))
        other = sessions.party(3, "Inbound", outside(CALL.caller), outside("+14375550177"))
        for party, code in ((caller, "Setup"), (dana, "Proceeding"), (dana, "Answered")):
            party.is_now(1.0, code)
        other.is_now(20.0, "Proceeding")
        other.is_now(22.0, "Disconnected", "TargetBusy")

    (call,) = told(script)
    assert call.state is not CallState.ENDED


def test_two_sessions_that_a_transfer_put_together_are_one_call_whichever_of_the_two_notices_comes() -> None:
    said = calls.play(calls.SCRIPTS["attended_transfer"], CALL)
    gone = [place for place, one in enumerate(said) if b'"Gone"' in one.body]
    assert len(gone) == 2
    for lost in gone:
        (call,) = in_memory(adapter(), list(enumerate(messages(said[:lost] + said[lost + 1 :]))))
        assert call.aliases == ("s-00000000000000010000000000000002",)
        assert call.last_agent == Party(PartyKind.AGENT, SAM.number, SAM.name, SAM.id)


def test_who_listens_in_belongs_to_another_call() -> None:
    sessions = Sessions(CALL)
    peer = sessions.party(1, "Outbound", inside(SAM), inside(DANA), session=2)
    sessions.party(2, "Inbound", outside(CALL.caller), inside(DANA)).is_now(0.0, "Gone", "Supervising", peer=peer)
    assert [event.kind for event in events(sessions.said[0])] == [K.LEFT]


def test_a_voicemail_message_makes_no_second_call() -> None:
    said = calls.play(calls.SCRIPTS["voicemail"], CALL)
    assert b"/voicemail" in said[-1].body
    assert events(said[-1]) == []


# Odd notifications --------------------------------------------------------------------------------------------------


def changed(said: Said, change: Callable[[dict[str, Any]], object]) -> Said:
    body = msgspec.json.decode(said.body)
    change(body)
    return Said(said.after_s, written(body))


def test_the_time_is_that_of_the_event_else_of_the_notification_else_of_receipt() -> None:
    first = calls.play(calls.answered, CALL)[0]
    assert events(first)[0].occurred_at == AT
    first = changed(first, lambda body: body["body"].pop("eventTime"))
    assert events(first)[0].occurred_at == AT + timedelta(milliseconds=90)
    first = changed(first, lambda body: body.pop("timestamp"))
    assert events(first)[0].occurred_at == AT
    first = changed(first, lambda body: body["body"].update(eventTime="2026-03-02T15:00:05.000"))
    assert events(first)[0].occurred_at == AT + timedelta(seconds=5)


def test_the_same_change_from_two_orders_counts_once() -> None:
    said = calls.play(calls.SCRIPTS["blind_transfer"], CALL)
    again = [changed(one, lambda body: body.update(uuid=f"9{body['uuid']}", subscriptionId="another")) for one in said]
    (once,) = in_memory(adapter(), list(enumerate(messages(said))))
    (twice,) = in_memory(adapter(), list(enumerate(messages(said + again))))
    assert once == twice
    assert len(once.transfers) == 1


def test_without_a_sequence_the_uuid_names_the_events() -> None:
    first = changed(calls.play(calls.answered, CALL)[0], lambda body: body["body"].pop("sequence"))
    (event,) = events(first)
    assert (event.sequence, event.event_id.partition("/")[0]) == (0, "2000000000000001000")


def test_several_parties_in_one_notification_are_all_read() -> None:
    said = calls.play(calls.SCRIPTS["missed"], CALL)
    parties = [msgspec.json.decode(one.body)["body"]["parties"][0] for one in said[1:3]]
    both = changed(said[0], lambda body: body["body"].update(parties=parties))
    found = events(both)
    assert [event.kind for event in found] == [K.STARTED, K.RINGING]
    assert len({event.event_id for event in found}) == 2


def test_a_filter_with_conditions_is_named_with_them() -> None:
    first = changed(calls.play(calls.answered, CALL)[0], lambda body: body.update(event=f"{body['event']}?direction=x"))
    assert [event.kind for event in events(first)] == [K.STARTED]


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        written({"event": "/telephony/sessions", "body": {"sequence": 1}}),
        written({"event": "/telephony/sessions", "body": None}),
        written({"event": "/telephony/sessions", "body": {"telephonySessionId": "s-1", "eventTime": "yesterday"}}),
        written({"event": "/telephony/sessions", "body": {
            "telephonySessionId": "s-1", "eventTime": "0001-01-01T00:00:00+23:00", "parties": [{}]}}),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"\.$"):
        adapter().parse(RawMessage(body, AT))


# Proof --------------------------------------------------------------------------------------------------------------


def delivery(*headers: tuple[str, str], body: bytes | None = None) -> Delivery:
    return Delivery(calls.play(calls.answered, CALL)[0].body if body is None else body, AT, headers)


@pytest.mark.parametrize("name", ["verification-token", "validation-token"])
def test_the_token_is_taken_under_either_name(name: str) -> None:
    message = adapter().verify(delivery((name, SPEAKER.secret)))
    assert isinstance(message, RawMessage)
    assert message.delivery_id == "2000000000000001000"
    with pytest.raises(Refused):
        adapter().verify(delivery((name, SPEAKER.another_secret)))


@pytest.mark.parametrize("body", [b"", b"\r\n"])
def test_what_has_no_body_is_asked_back(body: bytes) -> None:
    answer = adapter().verify(delivery(("validation-token", "abc"), body=body))
    assert answer == Answer(200, b"", "application/json", {"Validation-Token": "abc"})


@pytest.mark.parametrize("asked", ["a" * 513, "a\r\nset-cookie: b", "é"])
def test_only_what_could_be_a_token_is_asked_back(asked: str) -> None:
    with pytest.raises(Refused):
        adapter().verify(delivery(("validation-token", asked), body=b""))


def test_a_handshake_that_names_a_wrong_token_is_refused() -> None:
    with pytest.raises(Refused):
        adapter().verify(delivery(("validation-token", "abc"), ("verification-token", "other"), body=b""))


def test_what_has_no_uuid_is_known_again_by_its_content() -> None:
    token = ("verification-token", SPEAKER.secret)
    first, again, other = (adapter().verify(delivery(token, body=body)) for body in (b"{}", b"{}", b"[]"))
    assert isinstance(first, RawMessage)
    assert isinstance(other, RawMessage)
    assert first == again
    assert first.delivery_id != other.delivery_id


def test_options_show_no_secret_and_need_a_token() -> None:
    options = SPEAKER.options("not-a-real-token", address="")
    assert "not-a-real" not in repr(msgspec.convert(dict(options), RingCentralOptions))
    for tokens in ([], [""], ["good", ""]):
        with pytest.raises(ValueError, match=r"^Phone system main: .*verification_tokens"):
            adapter(verification_tokens=tokens)


# The call log -------------------------------------------------------------------------------------------------------


def record(**more: Any) -> Said:
    return changed(history("missed", CALL)[0], lambda body: body.update(more))


def from_log(said: Said, **more: object) -> Call:
    (call,) = in_memory(adapter(**more), [(0, messages([Said(0, said.body, "history")])[0])])
    return call


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("Missed", Outcome.MISSED), ("No Answer", Outcome.MISSED), ("Hang Up", Outcome.MISSED),
        ("Stopped", Outcome.MISSED), ("Answered Not Accepted", Outcome.MISSED), ("Abandoned", Outcome.ABANDONED),
        ("Busy", Outcome.BUSY), ("Rejected", Outcome.REJECTED), ("Declined", Outcome.REJECTED),
        ("Blocked", Outcome.REJECTED), ("Reply", Outcome.REJECTED), ("Call Failed", Outcome.FAILED),
        ("Call Failure", Outcome.FAILED), ("Wrong Number", Outcome.FAILED), ("Restricted Number", Outcome.FAILED),
        ("Internal Error", Outcome.FAILED), ("No Calling Credit", Outcome.FAILED), ("Not Allowed", Outcome.FAILED),
        ("International Disabled", Outcome.FAILED), ("International Restricted", Outcome.FAILED),
        ("IP Phone Offline", Outcome.FAILED), ("Voicemail", Outcome.VOICEMAIL),
        ("Sent to Voicemail", Outcome.VOICEMAIL), ("Accepted", Outcome.ANSWERED),
        ("Call connected", Outcome.ANSWERED), ("Levitated", Outcome.UNKNOWN),
    ],
)  # fmt: skip
def test_how_a_call_went_by_its_record(result: str, outcome: Outcome) -> None:
    assert from_log(record(result=result, legs=[])).outcome is outcome


def test_a_menu_that_accepted_a_call_has_not_answered_it() -> None:
    def leave_only_the_menu(body: dict[str, Any]) -> None:
        body["legs"] = body["legs"][:2]

    said = changed(history("answered", CALL)[0], leave_only_the_menu)
    assert from_log(said).outcome is Outcome.ABANDONED
    assert from_log(said, menus=[]).outcome is Outcome.ANSWERED  # people say what is a menu; the log does not


def test_a_record_names_who_answered_when_and_how_long_they_talked() -> None:
    call = from_log(history("answered", CALL)[0])
    assert call.answered_by == Party(PartyKind.AGENT, DANA.number, DANA.name, DANA.id)
    assert (call.wait_s, call.talk_s, call.did) == (9.0, 57.1, CALL.did)
    assert call.recordings == (f"https://media.ringcentral.com:443/restapi/v1.0/account/{ACCOUNT}/recording/1/content",)


def test_a_record_has_the_address_of_its_voicemail_message() -> None:
    call = from_log(history("voicemail", CALL)[0])
    assert [url.partition("/message-store/")[2] for url in call.recordings] == ["1"]


def test_who_answered_is_read_from_phones_that_are_dialled_by_numbers_of_their_own() -> None:
    """As in records without extension numbers: the colleague's name is on the other side."""
    leg = {
        "startTime": "2026-03-02T15:00:05.000Z", "duration": 20, "direction": "Outbound", "result": "Accepted",
        "legType": "PstnToSip", "to": {"phoneNumber": "+14375550177"}, "extension": {"id": int(DANA.id)},
        "from": {"phoneNumber": CALL.caller, "name": DANA.name},
    }  # fmt: skip
    call = from_log(record(result="Accepted", legs=[leg]))
    assert call.answered_by == Party(PartyKind.AGENT, name=DANA.name, provider_id=DANA.id)


@pytest.mark.parametrize("more", [{"result": "In Progress"}, {"type": "Fax"}])
def test_calls_that_are_not_over_and_faxes_are_passed_over(more: dict[str, object]) -> None:
    assert understand(adapter(), 1, messages([Said(0, record(**more).body, "history")])[0]) == ([], None)


@pytest.mark.parametrize("field", ["id", "telephonySessionId", "startTime"])
def test_a_record_of_which_nobody_knows_the_call_is_unreadable(field: str) -> None:
    body = record(**{field: None}).body
    with pytest.raises(Unreadable, match=r"\.$"):
        adapter().parse(RawMessage(body, AT, kind="history"))


def test_a_record_without_any_leg_or_time_of_legs_is_read() -> None:
    for legs in (None, [], [{"result": "Accepted"}, {"startTime": None, "extension": {"id": DANA.id}}]):
        call = from_log(record(result="Accepted", legs=legs))
        assert (call.direction, call.state) == (Direction.INBOUND, CallState.ENDED)


# Anything else ------------------------------------------------------------------------------------------------------

ODD: list[object] = [
    None,
    True,
    -1,
    0,
    1e300,
    10**30,
    "",
    " ",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "x" * 300,
    [],
    {},
    [{}],
]


def paths(value: object, so_far: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a JSON value."""
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [so_far] * bool(so_far) + [path for key, one in inner for path in paths(one, (*so_far, key))]


def put(body: Any, path: tuple[str | int, ...], value: object) -> Any:
    for key in path[:-1]:
        body = body[key]
    body[path[-1]] = value


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (calls.play(calls.SCRIPTS["attended_transfer"], CALL)[12], ""),
        (calls.play(calls.SCRIPTS["outbound"], CALL)[1], ""),
        (history("answered", CALL)[0], "history"),
        (history("voicemail", CALL)[0], "history"),
        (history("attended_transfer", CALL)[0], "history"),
    ],
)
def test_whatever_stands_in_any_field_is_read_or_unreadable(said: Said, kind: str) -> None:
    made = adapter()
    for path in paths(msgspec.json.decode(said.body)):
        for odd in ODD:
            body = changed(said, lambda whole, path=path, odd=odd: put(whole, path, odd)).body  # type: ignore[misc]
            message = RawMessage(body, AT, kind=kind)
            try:
                made.parse(message)
            except Unreadable:
                continue
            in_memory(made, [(0, message)])

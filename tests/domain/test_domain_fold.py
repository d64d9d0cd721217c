"""A call is the fold of its events, in any order and with any duplicates."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.domain.fold import fold

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CALLER = Party(PartyKind.EXTERNAL)
DANA = Party(PartyKind.AGENT, extension="201", name="Dana Desk")
SAM = Party(PartyKind.AGENT, extension="202", name="Sam Second")
QUEUE = Party(PartyKind.QUEUE, name="dispatch")

K = EventKind


def at(second: float, kind: EventKind, leg: str | None = None, party: Party | None = None, **more: object) -> CallEvent:
    values = {"call_key": "c1", "direction": None, **more}
    return CallEvent(
        system="asterisk",
        account="main",
        kind=kind,
        occurred_at=START + timedelta(seconds=second),
        event_id=f"{second}-{kind}-{leg}-{values['call_key']}",
        leg_key=leg,
        party=party,
        **values,  # type: ignore[arg-type]
    )


def inbound(second: float = 0, **more: object) -> CallEvent:
    values = {"direction": Direction.INBOUND, "external_number": "4375550142", "did": "4375550100", **more}
    return at(second, K.STARTED, "a", CALLER, **values)


DIRECT = [
    inbound(),
    at(1, K.RINGING, "b", DANA),
    at(5, K.ANSWERED, "b", DANA),
    at(65, K.LEFT, "b", reason=EndReason.NORMAL),
    at(65, K.LEFT, "a", reason=EndReason.NORMAL),
]
RING_GROUP = [
    inbound(),
    at(1, K.RINGING, "b", DANA),
    at(1, K.RINGING, "c", SAM),
    at(5, K.ANSWERED, "c", SAM),
    at(5, K.RING_ENDED, "b", DANA, reason=EndReason.CANCELLED),
    at(5, K.LEFT, "b", reason=EndReason.ELSEWHERE),
    at(30, K.LEFT, "c"),
    at(30, K.LEFT, "a"),
]
MISSED = [
    inbound(),
    at(1, K.RINGING, "b", DANA),
    at(9, K.RING_ENDED, "b", DANA, reason=EndReason.CANCELLED),
    at(9, K.LEFT, "b"),
    at(9, K.LEFT, "a"),
]
ABANDONED = [inbound(), at(1, K.ROUTED, "a", QUEUE, queue="dispatch"), at(20, K.LEFT, "a")]
VOICEMAIL = [*MISSED[:4], at(10, K.VOICEMAIL, "a", Party(PartyKind.VOICEMAIL)), at(30, K.LEFT, "a")]
OUTBOUND = [
    at(0, K.STARTED, "a", DANA),
    at(1, K.RINGING, "b", CALLER, direction=Direction.OUTBOUND, external_number="4375550142"),
    at(6, K.ANSWERED, "b", CALLER),
    at(66, K.LEFT, "b"),
    at(66, K.LEFT, "a"),
]
INTERNAL = [
    at(0, K.STARTED, "a", DANA),
    at(1, K.RINGING, "b", SAM),
    at(2, K.ANSWERED, "b", SAM),
    at(9, K.LEFT, "b"),
    at(9, K.LEFT, "a"),
]
ATTENDED = [
    *DIRECT[:3],
    at(20, K.STARTED, "x", DANA, call_key="c2"),
    at(21, K.RINGING, "y", SAM, call_key="c2"),
    at(25, K.ANSWERED, "y", SAM, call_key="c2"),
    at(30, K.TRANSFERRED, None, SAM),
    at(30, K.LINKED, None, aliases=("c2",)),
    at(30, K.LEFT, "b"),
    at(30, K.LEFT, "x"),
    at(60, K.LEFT, "y"),
    at(60, K.LEFT, "a"),
]
NAMED = [*DIRECT, at(30, K.NAMED, text="Jane"), at(40, K.NAMED, text=" Jane\r\nExample "), at(50, K.NAMED, text=" ")]
SCENARIOS = {
    "direct": DIRECT,
    "ring group": RING_GROUP,
    "missed": MISSED,
    "abandoned": ABANDONED,
    "voicemail": VOICEMAIL,
    "outbound": OUTBOUND,
    "internal": INTERNAL,
    "attended transfer": ATTENDED,
    "named": NAMED,
}


@given(st.data())
def test_order_and_duplication_of_events_change_nothing(data: st.DataObject) -> None:
    events = data.draw(st.sampled_from(list(SCENARIOS.values())))
    extra = data.draw(st.lists(st.sampled_from(events)))
    arrived = data.draw(st.permutations(events + extra))
    assert fold(arrived) == fold(events)


@given(st.lists(st.sampled_from([e for events in SCENARIOS.values() for e in events]), min_size=1), st.randoms())
def test_any_heap_of_events_gives_one_and_the_same_call(events: list[CallEvent], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(shuffled) == fold(events)


@pytest.mark.parametrize(
    ("name", "outcome", "direction", "answered_by"),
    [
        ("direct", Outcome.ANSWERED, Direction.INBOUND, "201"),
        ("ring group", Outcome.ANSWERED, Direction.INBOUND, "202"),
        ("missed", Outcome.MISSED, Direction.INBOUND, None),
        ("abandoned", Outcome.ABANDONED, Direction.INBOUND, None),
        ("voicemail", Outcome.VOICEMAIL, Direction.INBOUND, None),
        ("outbound", Outcome.ANSWERED, Direction.OUTBOUND, "201"),
        ("internal", Outcome.ANSWERED, Direction.INTERNAL, "202"),
        ("attended transfer", Outcome.ANSWERED, Direction.INBOUND, "201"),
    ],
)
def test_each_way_of_a_call_ends_as_people_would_tell_it(
    name: str, outcome: Outcome, direction: Direction, answered_by: str | None
) -> None:
    call = fold(SCENARIOS[name])
    assert (call.state, call.outcome, call.direction) == (CallState.ENDED, outcome, direction)
    assert (call.answered_by.extension if call.answered_by else None) == answered_by
    assert call.external_number == (None if name == "internal" else "+14375550142")


def test_the_phones_of_a_group_that_lost_are_not_missed_calls() -> None:
    loser = next(leg for leg in fold(RING_GROUP).legs if leg.leg_key == "b")
    assert (loser.reason, loser.answered_at) == (EndReason.ELSEWHERE, None)


def test_a_queue_that_picks_up_is_not_an_answer() -> None:
    call = fold([inbound(), at(1, K.ROUTED, "a", QUEUE, queue="dispatch"), at(2, K.ANSWERED, "a", QUEUE)])
    assert (call.state, call.answered_at, call.queues) == (CallState.ROUTED, None, ("dispatch",))


def test_an_attended_transfer_is_one_call_under_its_older_key() -> None:
    call = fold(ATTENDED)
    assert (call.call_key, call.aliases) == ("c1", ("c2",))
    assert call.transfers[0].party == SAM
    assert call.last_agent == SAM
    assert call.talk_s == 55


def test_the_live_state_follows_the_call() -> None:
    assert [fold(DIRECT[:n]).state for n in range(1, 5)] == [
        CallState.NEW,
        CallState.RINGING,
        CallState.ANSWERED,
        CallState.ANSWERED,
    ]


def test_a_call_rings_again_in_a_blind_transfer_and_is_answered_again() -> None:
    events = [*DIRECT[:3], at(10, K.TRANSFERRED, "a", SAM), at(10, K.LEFT, "b"), at(11, K.RINGING, "c", SAM)]
    assert fold(events).state is CallState.RINGING
    call = fold([*events, at(14, K.ANSWERED, "c", SAM)])
    assert (call.state, call.answered_by, call.last_agent) == (CallState.ANSWERED, DANA, SAM)


def test_hold_and_resume_do_not_end_the_talk() -> None:
    held = [*DIRECT[:3], at(10, K.HELD, "a")]
    assert fold(held).state is CallState.HELD
    assert fold([*held, at(20, K.RESUMED, "a")]).state is CallState.ANSWERED


def test_ringing_that_arrives_after_the_end_does_not_reopen_the_call() -> None:
    call = fold([inbound(), at(5, K.ENDED), at(6, K.RINGING, "b", DANA)])
    assert (call.state, call.outcome) == (CallState.ENDED, Outcome.MISSED)


def test_of_an_end_that_nobody_heard_nothing_is_made_up() -> None:
    unheard = at(900, K.ENDED, reason=EndReason.UNHEARD)
    ringing = fold([*DIRECT[:2], unheard])
    assert (ringing.state, ringing.outcome, ringing.wait_s) == (CallState.ENDED, Outcome.UNKNOWN, None)
    talking = fold([*DIRECT[:3], unheard])
    assert (talking.outcome, talking.answered_by, talking.wait_s, talking.talk_s) == (Outcome.ANSWERED, DANA, 5, None)
    assert talking.ended_at == START + timedelta(seconds=900)


def test_an_end_that_is_told_after_all_counts_for_more_than_one_that_nobody_heard() -> None:
    early, late = (at(second, K.ENDED, reason=EndReason.UNHEARD) for second in (20, 900))
    for told in ([at(65, K.ENDED, reason=EndReason.NORMAL)], DIRECT[3:]):
        for unheard in (early, late):
            call = fold([*DIRECT[:3], unheard, *told])
            assert (call.ended_at, call.talk_s) == (START + timedelta(seconds=65), 60)


def test_what_comes_after_the_end_still_adds() -> None:
    late = [at(300, K.RECORDING, None, media_url="r.wav"), at(301, K.ANNOTATED, None, text="asked for a quote")]
    call = fold([*DIRECT, *late])
    assert (call.recordings, call.notes, call.ended_at) == (
        ("r.wav",),
        ("asked for a quote",),
        START + timedelta(seconds=65),
    )


def test_the_latest_name_that_somebody_gave_the_caller_counts_as_one_line() -> None:
    assert fold(NAMED).contact_name == "Jane Example"
    assert fold(DIRECT).contact_name is None
    assert fold([*NAMED, at(90, K.NAMED, text="x" * 9000)]).contact_name == "x" * 200


def test_first_number_and_did_win_over_later_rewrites() -> None:
    call = fold([inbound(), at(3, K.RINGING, "b", DANA, external_number="201", did="8000")])
    assert (call.external_number, call.did) == ("+14375550142", "4375550100")


@pytest.mark.parametrize("withheld", ["anonymous", "<unknown>", "", "Restricted", "+266696687"])
def test_a_withheld_number_is_no_number(withheld: str) -> None:
    assert fold([inbound(external_number=withheld)]).external_number is None


def test_the_pick_up_of_a_click_to_call_is_not_the_answer() -> None:
    events = [
        at(0, K.RINGING, "a", DANA, direction=Direction.OUTBOUND),
        at(3, K.ANSWERED, "a", DANA),
        at(4, K.RINGING, "b", CALLER, external_number="4375550142"),
        at(20, K.LEFT, "b", reason=EndReason.NO_ANSWER),
        at(20, K.LEFT, "a"),
    ]
    call = fold(events)
    assert (call.outcome, call.answered_at, call.direction) == (Outcome.MISSED, None, Direction.OUTBOUND)


def test_unknown_kinds_alone_make_a_new_call_without_outcome() -> None:
    call = fold([at(0, K.UNKNOWN)])
    assert (call.state, call.outcome) == (CallState.NEW, None)


def test_a_call_survives_json() -> None:
    call = fold(ATTENDED)
    assert msgspec.json.decode(msgspec.json.encode(call), type=Call) == call


def test_no_events_are_no_call() -> None:
    with pytest.raises(ValueError, match="at least one event"):
        fold([])


# Records of the whole call, from a phone system's history ---------------------------------------------------------


def record(**more: object) -> CallEvent:
    values: dict[str, object] = {"direction": Direction.INBOUND, "external_number": "4375550142", "total_s": 70.0}
    return at(0, K.RECORD, **{"party": DANA, **values, **more})  # type: ignore[arg-type]


def test_a_record_alone_tells_the_whole_call() -> None:
    call = fold([record(ring_s=5.0, talk_s=65.0)])
    assert (call.state, call.outcome, call.events) == (CallState.ENDED, Outcome.ANSWERED, 1)
    assert (call.answered_by, call.wait_s, call.talk_s) == (DANA, 5.0, 65.0)
    assert (call.external_number, call.started_at) == ("+14375550142", START)


def test_a_transfer_that_is_told_twice_is_one() -> None:
    told = [at(second, K.TRANSFERRED, party=Party(PartyKind.AGENT, party)) for second, party in (
        (20, "202"), (21, "202"), (40, "201"), (50, "202")
    )]  # fmt: skip
    handed_to = [one.party.extension for one in fold([*DIRECT, *told]).transfers if one.party]
    assert handed_to == ["202", "201", "202"]


def test_a_record_names_the_agent_of_whom_only_the_extension_was_heard() -> None:
    heard = [msgspec.structs.replace(one, party=Party(PartyKind.AGENT, "201")) if one.leg_key == "b" else one
             for one in DIRECT]  # fmt: skip
    call = fold([*heard, record(ring_s=5.0, talk_s=60.0)])
    assert (call.answered_by, call.last_agent) == (DANA, DANA)


def test_a_record_without_a_wait_is_counted_back_from_its_end() -> None:
    assert fold([record(talk_s=60.0)]).wait_s == 10.0


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [(EndReason.NO_ANSWER, Outcome.MISSED), (EndReason.CANCELLED, Outcome.MISSED), (EndReason.BUSY, Outcome.BUSY)],
)
def test_a_record_without_talk_is_of_a_call_that_nobody_answered(reason: EndReason, outcome: Outcome) -> None:
    call = fold([record(party=None, reason=reason)])
    assert (call.outcome, call.answered_by, call.wait_s) == (outcome, None, 70.0)


def test_a_record_of_an_outbound_call_names_who_dialled() -> None:
    call = fold([record(direction=Direction.OUTBOUND, ring_s=8.0, talk_s=62.0)])
    assert (call.outcome, call.answered_by, call.talk_s) == (Outcome.ANSWERED, DANA, 62.0)


def test_a_record_changes_nothing_of_a_call_that_was_heard() -> None:
    heard, corrected = fold(DIRECT), fold([*DIRECT, record(talk_s=1.0, total_s=2.0)])
    assert msgspec.structs.replace(corrected, events=heard.events) == heard


def test_a_record_ends_a_call_whose_end_nobody_heard() -> None:
    unheard = at(4000, K.ENDED, reason=EndReason.UNHEARD)
    call = fold([*DIRECT[:3], unheard, record(ring_s=5.0, talk_s=60.0, total_s=65.0)])
    assert (call.outcome, call.talk_s, call.ended_at) == (Outcome.ANSWERED, 60.0, START + timedelta(seconds=65))


def test_what_was_recorded_said_and_written_down_is_kept() -> None:
    call = fold(
        [
            *DIRECT,
            at(70, K.VOICEMAIL, media_url="https://vendor.example/vm"),
            at(71, K.RECORDING, media_url="https://vendor.example/rec"),
            at(72, K.CONTENT, text="Jane asks for a plumber."),
        ]
    )
    assert call.recordings == ("https://vendor.example/vm", "https://vendor.example/rec")
    assert call.contents == ("Jane asks for a plumber.",)


def test_a_phone_that_was_picked_up_does_not_stop_ringing_afterwards() -> None:
    """Where a system says only that a phone is gone, an adapter cannot tell whether it still rang."""
    call = fold(
        [
            inbound(),
            at(2, K.RINGING, "b", DANA),
            at(2, K.RINGING, "c", SAM),
            at(5, K.ANSWERED, "b", DANA),
            at(5, K.RING_ENDED, "c", SAM, reason=EndReason.CANCELLED),
            at(5, K.LEFT, "c", SAM, reason=EndReason.NORMAL),
            at(60, K.RING_ENDED, "b", DANA, reason=EndReason.CANCELLED),
            at(60, K.LEFT, "b", DANA, reason=EndReason.NORMAL),
            at(60, K.ENDED, "a", CALLER, reason=EndReason.NORMAL),
        ]
    )
    assert {leg.leg_key: leg.reason for leg in call.legs} == {
        "a": None,
        "b": EndReason.NORMAL,
        "c": EndReason.ELSEWHERE,
    }


def test_a_phone_that_a_queue_comes_back_to_rings_again() -> None:
    """The call is not over while the same phone rings a second time."""
    first_round = [
        at(0, K.ROUTED, party=QUEUE, direction=Direction.INBOUND),
        at(2, K.RINGING, "b", DANA),
        at(20, K.RING_ENDED, "b", DANA, reason=EndReason.NO_ANSWER),
    ]
    again = [*first_round, at(25, K.RINGING, "b", DANA)]
    assert [fold(told).state for told in (first_round, again)] == [CallState.ENDED, CallState.RINGING]
    missed = fold([*again, at(40, K.RING_ENDED, "b", DANA, reason=EndReason.NO_ANSWER)])
    assert (missed.state, missed.outcome, missed.wait_s) == (CallState.ENDED, Outcome.MISSED, 40.0)
    taken = fold([*again, at(30, K.ANSWERED, "b", DANA), at(90, K.LEFT, "b", DANA)])
    assert (taken.outcome, taken.wait_s, taken.talk_s) == (Outcome.ANSWERED, 30.0, 60.0)
    assert [leg.reason for leg in taken.legs] == [None]

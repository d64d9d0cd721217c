"""A call that 3CX tells of by its template, by Call Control and in its call log is one call, in whatever order."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import Direction, LiveCalls
from trunkline.phone_systems.base import RawMessage
from trunkline.phone_systems.delivery import Delivery
from trunkline.phone_systems.three_cx import ThreeCxAdapter
from trunkline.phone_systems.three_cx.floor import Floor
from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.three_cx import LISTENER, SPEAKER
from trunkline.sandbox.phones.three_cx.call_control import TYPES, Step, steps_of

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
KEY = "not-a-real-secret-0000001"
BEARER = ("authorization", f"Bearer {KEY}")
CALL = Dialled(AT)
BOTH = [name for name in LISTENER.scenarios if name in SPEAKER.scenarios]


def adapter() -> ThreeCxAdapter:
    return ThreeCxAdapter.configure("main", {"secrets": [KEY]})


def calls_of(messages: Sequence[RawMessage]) -> list[Call]:
    return in_memory(adapter(), list(enumerate(messages)))


def ways(scenario: str, call: Dialled = CALL) -> dict[str, list[RawMessage]]:
    """What each way of telling says of one call."""
    told = {"call control": LISTENER.play(scenario, call), "call log": LISTENER.history(scenario, call)}
    if scenario in SPEAKER.scenarios:
        told["template"] = SPEAKER.play(scenario, call)
    return {
        way: [RawMessage(said.body, call.at + timedelta(seconds=said.after_s), kind=said.kind) for said in spoken]
        for way, spoken in told.items()
    }


class Shop:
    """One 3CX with all its ways of telling, and the inbox behind it; times are seconds from the begin of the first
    call."""

    def __init__(self) -> None:
        self.inbox: list[RawMessage] = []
        self.forgets()

    def at(self, at_s: float) -> datetime:
        return AT + timedelta(seconds=at_s)

    def rings(self, at_s: float, number: str = CALL.caller) -> None:
        """3CX asks who calls."""
        query = f"number={number.replace('+', '%2B')}"
        message = self.adapter.question(Delivery(b"", self.at(at_s), (BEARER,), query)).message
        self.inbox += [message] if message else []

    def journal(self, begin_s: float, end_s: float, **fields: object) -> None:
        """3CX tells of a missed call, unless `fields` say otherwise."""
        times = {"startUtc": self.at(begin_s).isoformat(), "endUtc": self.at(end_s).isoformat()}
        told = {"callType": "Missed", "number": CALL.caller, "agent": "201", "duration": "0", **times, **fields}
        sent = Delivery(json.dumps(told).encode(), self.at(end_s + 1), (BEARER,), kind="call")
        self.inbox.append(self.adapter.verify(sent))

    def takes(self, steps: Sequence[Step], from_s: float = 0.0) -> None:
        """Call Control tells."""
        for step in steps:
            place, now = (step.dn, str(step.name)), self.at(from_s + step.after_s)
            seen = self.floor.seen(place, step.held, {}, now) if step.held else self.floor.gone(place, {}, now)
            self.inbox.append(seen)

    def lists(self, at_s: float, *there: Step) -> None:
        """Call Control is connected anew, and lists who takes part in a call."""
        entities = [
            {"dn": dn, "type": kind, "participants": [one.held for one in there if one.dn == dn]}
            for dn, kind in TYPES.items()
        ]
        self.inbox += self.floor.listed(entities, self.at(at_s), self.at(at_s))

    def forgets(self) -> None:
        """The process is started anew."""
        self.adapter = adapter()
        self.floor = Floor(self.adapter._rings, frozenset())

    def calls(self) -> list[Call]:
        return calls_of(self.inbox)

    @property
    def live(self) -> LiveCalls:
        """The last list."""
        (told,) = self.adapter.parse(self.inbox[-1])
        assert isinstance(told, LiveCalls)
        return told


@pytest.mark.parametrize("scenario", LISTENER.scenarios)
def test_all_ways_of_telling_make_one_call_in_any_order(scenario: str) -> None:
    told = ways(scenario)
    (heard,) = calls_of(told["call control"])
    messages = [message for way in told.values() for message in way]
    (expected,) = calls_of(messages)
    for seed in range(25):
        Random(seed).shuffle(messages)
        (call,) = calls_of(messages)
        assert (call.state, call.outcome, call.direction) == (CallState.ENDED, heard.outcome, heard.direction)
        assert (call.external_number, set(call.legs)) == (expected.external_number, set(expected.legs))
        assert (call.answered_by, call.last_agent) == (expected.answered_by, expected.last_agent)
        assert len(call.transfers) == scenario.endswith("_transfer")
        if call.answered_by is not None:
            assert call.answered_by.name in {"Dana Desk", "Sam Second"}  # which Call Control does not tell


@pytest.mark.parametrize("scenario", LISTENER.scenarios)
def test_call_control_and_either_of_the_others_make_one_call(scenario: str) -> None:
    told = ways(scenario)
    for way in told.keys() - {"call control"}:
        for messages in (told["call control"] + told[way], told[way] + told["call control"]):
            (call,) = calls_of(messages)
            assert call.state is CallState.ENDED, way


@pytest.mark.parametrize("scenario", BOTH)
def test_what_one_way_tells_while_it_rings_is_in_the_call_of_the_other(scenario: str) -> None:
    told = ways(scenario)
    (call,) = calls_of([told["template"][0], *told["call control"][:1]])
    assert call.state is not CallState.ENDED or scenario == "withheld"


def test_two_calls_of_one_number_stay_two_in_all_ways() -> None:
    later = Dialled(AT + timedelta(seconds=120), serial=2)
    first, second = ways("missed"), ways("answered", later)
    messages = [message for way in (*first.values(), *second.values()) for message in way]
    for seed in range(10):
        Random(seed).shuffle(messages)
        assert [call.outcome for call in calls_of(messages)] == [Outcome.MISSED, Outcome.ANSWERED]


# While it happens -------------------------------------------------------------------------------------------------


def test_a_lookup_and_call_control_show_one_ring_whichever_comes_first() -> None:
    for lookup_s in (0.1, 0.9):
        shop = Shop()
        (rings, *_) = steps_of("missed", CALL)
        if lookup_s < rings.after_s:
            shop.rings(lookup_s)
        shop.takes([rings])
        shop.rings(max(lookup_s, 0.9))
        (call,) = shop.calls()
        assert (call.state, call.direction) == (CallState.RINGING, Direction.INBOUND)


def test_a_caller_who_waits_in_a_menu_first_is_one_ring() -> None:
    """The lookup came long before the first phone that Call Control shows."""
    shop = Shop()
    shop.rings(1)
    shop.takes(steps_of("missed", CALL)[:1], from_s=30)
    assert [call.state for call in shop.calls()] == [CallState.RINGING]
    shop.takes(steps_of("missed", CALL)[1:], from_s=30)
    shop.journal(0, 50)
    assert [call.outcome for call in shop.calls()] == [Outcome.MISSED]


def test_who_calls_again_at_once_is_a_new_call_though_the_journal_is_switched_off() -> None:
    shop = Shop()
    for place in (0, 1):
        shop.rings(33 * place)
        shop.takes(steps_of("missed", Dialled(AT, serial=place + 1)), from_s=33 * place)
    assert [call.outcome for call in shop.calls()] == [Outcome.MISSED, Outcome.MISSED]


def test_a_queue_that_tries_its_next_phone_goes_on_with_the_same_call() -> None:
    shop = Shop()
    first, gone = steps_of("missed", CALL)
    shop.takes([first, gone])
    assert [call.state for call in shop.calls()] == [CallState.ENDED]
    shop.rings(24)
    again, answers, leaves = (
        Step(step.after_s, "202", 9, {**(step.held or {}), "dn": "202", "id": 9} if step.held else None)
        for step in steps_of("answered", CALL)
    )
    shop.takes([again, answers], from_s=24)
    assert [call.state for call in shop.calls()] == [CallState.ANSWERED]
    shop.takes([leaves], from_s=24)
    shop.journal(0, 90, callType="Inbound", duration="60", agent="202")
    (call,) = shop.calls()
    assert (call.outcome, len(call.legs)) == (Outcome.ANSWERED, 2)


def test_an_id_that_the_pbx_gives_anew_is_another_call() -> None:
    shop = Shop()
    shop.takes(steps_of("missed", CALL))
    shop.takes(steps_of("missed", Dialled(AT, caller="+14375550143")), from_s=3600)
    shop.takes(steps_of("missed", CALL), from_s=2 * 86_400)
    assert len(shop.calls()) == 3


def test_an_id_that_a_pbx_gives_anew_after_a_restart_is_another_call_though_the_first_was_in_progress() -> None:
    shop = Shop()
    shop.takes(steps_of("answered", CALL)[:2])
    (begun, *_) = steps_of("answered", Dialled(AT, caller="+14375550143"))
    shop.lists(30, begun)  # the same ids of call and participant
    assert [call.external_number for call in shop.calls()] == [CALL.caller, "+14375550143"]
    assert shop.live.call_keys == {"live:10:+14375550143:20260302"}


# Reconnected ------------------------------------------------------------------------------------------------------


def test_a_list_of_live_calls_is_about_calls_that_call_control_told_of() -> None:
    shop = Shop()
    shop.rings(1, "+14375550143")  # at a phone that the API client may not see
    shop.takes(steps_of("answered", CALL)[:2])
    shop.lists(20)
    by_template, by_call_control = sorted(shop.calls(), key=lambda call: call.external_number or "", reverse=True)
    assert shop.live.among == "live:"
    assert not any(key.startswith("live:") for key in (by_template.call_key, *by_template.aliases))
    assert any(key.startswith("live:") for key in (by_call_control.call_key, *by_call_control.aliases))
    assert shop.live.call_keys == frozenset()


@pytest.mark.parametrize("starts_anew", [True, False])
def test_the_journal_of_a_call_during_which_the_line_was_cut_is_of_the_same_call(starts_anew: bool) -> None:
    rings, answers, leaves = steps_of("answered", CALL)
    shop = Shop()
    shop.rings(1)
    shop.takes([rings])
    if starts_anew:
        shop.forgets()
    shop.lists(20, answers)
    shop.takes([leaves])
    shop.journal(0, 66, callType="Inbound", duration="00:01:00")
    (call,) = shop.calls()
    assert (call.state, call.outcome, len(call.legs)) == (CallState.ENDED, Outcome.ANSWERED, 1)
    assert (shop.calls()[0].started_at or AT) <= AT + timedelta(seconds=1)


def test_a_call_that_was_in_progress_when_all_began_is_the_one_of_its_journal() -> None:
    _, answers, leaves = steps_of("answered", CALL)
    shop = Shop()
    shop.lists(20, answers)
    assert [call.state for call in shop.calls()] == [CallState.ANSWERED]
    shop.takes([leaves])
    shop.journal(0, 66, callType="Inbound", duration="00:01:00")
    assert [(call.state, call.outcome) for call in shop.calls()] == [(CallState.ENDED, Outcome.ANSWERED)]


def test_the_floor_is_forgotten_once_calls_are_over() -> None:
    shop = Shop()
    for place in range(50):
        shop.takes(steps_of("missed", Dialled(AT, serial=place + 1)), from_s=90 * place)
    assert (len(shop.floor._seats), len(shop.floor._calls)) == (0, 1)

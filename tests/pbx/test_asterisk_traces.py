"""What a real Asterisk said about real calls, recorded by record_traces.py; needs no Asterisk."""

import random
import re
from datetime import UTC, datetime

import pytest
from call_stories import STORIES, calls, story
from lab_asterisk import SCENARIOS, TRACES

from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, LiveCalls
from trunkline.phone_systems.asterisk.parse import Shop, is_relevant, parse_frame
from trunkline.phone_systems.asterisk.wire import Frame, Splitter, read_frame
from trunkline.phone_systems.base import Parsed

NEVER = datetime(2000, 1, 1, tzinfo=UTC)  # the frames carry the PBX's time; this one must not show


def read_all(trace: bytes) -> list[Frame]:
    return [read_frame(body) for body in Splitter().feed(trace)]


def frames(scenario: str) -> list[Frame]:
    return read_all((TRACES / f"{scenario}.ami").read_bytes())


def without_target(trace: bytes) -> bytes:
    """As Asterisk tells it where the target had left the transferring phone's bridge before the event was made."""
    return re.sub(rb"TransferTarget\w+: [^\r]*\r\n", b"", trace)


def parsed(recorded: list[Frame]) -> list[Parsed]:
    shop = Shop("main")
    return [item for frame in recorded if is_relevant(frame) for item in parse_frame(shop, frame, NEVER)]


def told(recorded: list[Frame]) -> Call:
    (call,) = calls(parsed(recorded))
    return call


@pytest.mark.parametrize("scenario", STORIES)
def test_each_trace_is_one_ended_call_as_people_would_tell_it(scenario: str) -> None:
    call = told(frames(scenario))
    assert call.state is CallState.ENDED
    assert story(call) == STORIES[scenario]
    assert call.started_at is not None
    assert call.started_at.year > 2020


def test_every_scenario_of_the_lab_has_a_trace_and_a_story() -> None:
    assert set(SCENARIOS) == set(STORIES) == {path.stem for path in TRACES.glob("*.ami")}


@pytest.mark.parametrize("scenario", STORIES)
def test_the_order_and_repetition_of_frames_change_nothing(scenario: str) -> None:
    recorded = frames(scenario)
    shuffled = recorded + random.Random(scenario).sample(recorded, len(recorded) // 2)
    random.Random(scenario).shuffle(shuffled)
    assert told(shuffled) == told(recorded)


def test_a_phone_of_the_queue_that_lost_the_race_did_not_miss_the_call() -> None:
    reasons = {leg.party.extension: leg.reason for leg in told(frames("queue_answered")).legs if leg.party}
    assert reasons["202"] is EndReason.ELSEWHERE


def test_a_call_on_hold_while_a_colleague_is_asked_shows_as_held() -> None:
    recorded = frames("attended_transfer")
    held = next(index for index, frame in enumerate(recorded) if frame.event == "Hold")
    assert told(recorded[: held + 1]).state is CallState.HELD


def test_a_question_to_a_colleague_joins_the_caller_s_call_once_it_is_handed_on() -> None:
    recorded = frames("attended_transfer")
    transfer = next(index for index, frame in enumerate(recorded) if frame.event == "AttendedTransfer")
    question, caller = sorted(calls(parsed(recorded[:transfer])), key=lambda call: call.direction or "", reverse=True)
    assert (question.direction, caller.direction) == (Direction.INTERNAL, Direction.INBOUND)
    joined = told(recorded[: transfer + 1])
    assert joined.state is CallState.ANSWERED
    assert (joined.call_key, joined.aliases) == (caller.call_key, (question.call_key,))


@pytest.mark.parametrize("scenario", ["attended_transfer", "feature_code_transfer"])
def test_a_target_that_the_pbx_does_not_name_is_whom_the_phone_was_connected_with(scenario: str) -> None:
    trace = (TRACES / f"{scenario}.ami").read_bytes()
    unnamed = without_target(trace)
    assert unnamed != trace
    assert story(told(read_all(unnamed))) == STORIES[scenario]


def test_a_phone_that_was_still_connected_with_the_caller_names_no_target() -> None:
    trace = without_target((TRACES / "feature_code_transfer.ami").read_bytes())
    stale = trace.replace(b"SecondTransfererConnectedLineNum: 202", b"SecondTransfererConnectedLineNum: +14375550142")
    assert stale != trace
    assert story(told(read_all(stale))).transfers == (None,)


@pytest.mark.parametrize("scenario", ["blind_transfer", "attended_transfer"])
def test_a_transfer_that_failed_is_none(scenario: str) -> None:
    trace = (TRACES / f"{scenario}.ami").read_bytes().replace(b"Result: Success", b"Result: Fail")
    events = parsed(read_all(trace))
    assert [event for event in events if isinstance(event, CallEvent) and event.kind is EventKind.TRANSFERRED] == []


def test_that_the_pbx_booted_a_moment_ago_ends_no_call() -> None:
    recorded = frames("direct")
    booted = read_frame(b"Event: FullyBooted\r\nUptime: 3\r\nStatus: Fully Booted")
    events = parsed([recorded[0], booted])
    assert [event for event in events if isinstance(event, LiveCalls)] == []


def test_talk_runs_from_the_answer_to_the_end() -> None:
    call = told(frames("direct"))
    assert call.talk_s == pytest.approx(1.0, abs=0.3)
    assert call.wait_s == pytest.approx(0.3, abs=0.2)


def test_what_rang_before_the_mailbox_is_not_an_answer() -> None:
    call = told(frames("voicemail"))
    assert call.answered_at is None
    assert call.outcome is Outcome.VOICEMAIL

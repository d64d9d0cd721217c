"""A 3CX that tells of each call by its template, over Call Control and in its call log: one call, ended once."""

from datetime import timedelta
from random import Random

import msgspec
import pytest
from calls_kit import START, TENANT, Room

from trunkline.calls.account import PhoneAccount
from trunkline.domain.call import CallState, Outcome
from trunkline.phone_systems.base import RawMessage
from trunkline.phone_systems.registry import adapter
from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.three_cx import LISTENER, SPEAKER
from trunkline.store.database import Database

OFFICE = PhoneAccount(TENANT, "office", "US", adapter("3cx", "office", {"secrets": [SPEAKER.secret]}))
CALL = Dialled(START)


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


def told(scenario: str, call: Dialled = CALL) -> list[RawMessage]:
    """All that is said of a call, in the order in which it comes; the call log last."""
    live = sorted([*SPEAKER.play(scenario, call), *LISTENER.play(scenario, call)], key=lambda said: said.after_s)
    return [
        RawMessage(said.body, call.at + timedelta(seconds=said.after_s), kind=said.kind)
        for said in [*live, *SPEAKER.history(scenario, call)]
    ]


def live_calls(*keys: str, at_s: float) -> RawMessage:
    listed = {"told": "list", "as_of": START + timedelta(seconds=at_s), "live": keys}
    return RawMessage(msgspec.json.encode(listed), START + timedelta(seconds=at_s), kind="stream")


@pytest.mark.parametrize("scenario", ["answered", "missed", "ring_group", "attended_transfer", "outbound"])
async def test_it_is_one_call_that_ends_once(room: Room, scenario: str) -> None:
    for message in told(scenario):
        await room.hear(OFFICE, message)
    shown = await room.call()
    assert (shown.call.state, room.ended) == (CallState.ENDED, [(TENANT, shown.id)])


async def test_it_is_one_call_in_whatever_order_it_comes(room: Room) -> None:
    messages = told("blind_transfer")
    Random(7).shuffle(messages)
    for message in messages:
        await room.hear(OFFICE, message)
    shown = await room.call()
    assert (shown.call.outcome, len(shown.call.legs)) == (Outcome.ANSWERED, 2)


async def test_a_list_of_live_calls_ends_those_that_call_control_told_of_and_no_others(room: Room) -> None:
    _, lookup, *_ = told("answered", Dialled(START, caller="+14375550143"))
    rings, *_ = told("answered")
    await room.hear(OFFICE, lookup, rings, live_calls("live:10:+14375550142:20260302", at_s=60))
    assert [one.call.state for one in await room.calls()] == [CallState.RINGING, CallState.RINGING]
    await room.hear(OFFICE, live_calls(at_s=70))
    states = {one.call.external_number: one.call.state for one in await room.calls()}
    assert states == {"+14375550142": CallState.ENDED, "+14375550143": CallState.RINGING}


async def test_a_call_that_ended_unheard_is_told_by_its_journal(room: Room) -> None:
    rings, lookup, answers, _, journal, _ = told("answered")
    await room.hear(OFFICE, rings, lookup, answers, live_calls(at_s=70))
    assert (await room.call()).call.talk_s is None
    await room.hear(OFFICE, journal)
    shown = (await room.call()).call
    assert (shown.outcome, shown.talk_s, shown.answered_by and shown.answered_by.name) == (
        Outcome.ANSWERED,
        60.0,
        "Dana Desk",
    )

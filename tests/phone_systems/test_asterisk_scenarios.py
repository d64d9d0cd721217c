"""Calls played by a simulated Asterisk over a real socket, followed by the real adapter."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from stream_kit import Follower, at_work

from trunkline.calls.reading import calls_of
from trunkline.domain.call import CallState, Outcome
from trunkline.domain.events import CallEvent
from trunkline.phone_systems.asterisk.connection import challenge_key
from trunkline.phone_systems.asterisk.wire import Splitter, read_frame
from trunkline.phone_systems.base import StreamAdapter
from trunkline.phone_systems.registry import adapter
from trunkline.sandbox.asterisk import AmiServer, play

CALLER = "4375550142"


def following(server: AmiServer, secret: str | None = None) -> AbstractAsyncContextManager[Follower]:
    """The real adapter, signed in at `server`."""
    known = {"host": server.host, "port": server.port, "username": server.username, "secret": server.secret}
    made = adapter("asterisk", "main", {**known, "secret": secret or server.secret})
    assert isinstance(made, StreamAdapter)
    return at_work(Follower(made))


@pytest.mark.parametrize(
    ("scenario", "outcome", "direction", "answered_by"),
    [
        ("queue_answered", Outcome.ANSWERED, "inbound", "201"),
        ("direct", Outcome.ANSWERED, "inbound", "201"),
        ("missed", Outcome.MISSED, "inbound", None),
        ("abandoned", Outcome.ABANDONED, "inbound", None),
        ("voicemail", Outcome.VOICEMAIL, "inbound", None),
        ("blind_transfer", Outcome.ANSWERED, "inbound", "201"),
        ("attended_transfer", Outcome.ANSWERED, "inbound", "201"),
        ("outbound", Outcome.ANSWERED, "outbound", "201"),
        ("internal", Outcome.ANSWERED, "internal", "202"),
    ],
)
async def test_each_scenario_is_one_call_as_people_would_tell_it(
    scenario: str, outcome: Outcome, direction: str, answered_by: str | None
) -> None:
    async with AmiServer() as server, following(server) as follower:
        await follower.until_state("connected")
        await play(server, scenario, caller=CALLER, pace=0.01)
        await asyncio.sleep(0.1)
        (call,) = calls_of(follower.parsed)
    assert (call.state, call.outcome, call.direction) == (CallState.ENDED, outcome, direction)
    assert (call.answered_by.extension if call.answered_by else None) == answered_by
    assert call.external_number == (None if scenario == "internal" else "+14375550142")
    if direction == "inbound":
        assert call.did == "4375550100"
    if scenario.endswith("_transfer"):
        assert [transfer.party.extension for transfer in call.transfers if transfer.party] == ["202"]
        assert call.last_agent is not None
        assert call.last_agent.extension == "202"


def test_the_challenge_is_answered_as_asterisk_computes_it() -> None:
    assert challenge_key("840415273", "not-a-real-secret") == "30f1290696a0b0365307d2422d8314e3"


async def test_a_wrong_secret_is_told_in_one_sentence() -> None:
    async with AmiServer() as server, following(server, secret="wrong") as follower:
        await follower.until_state("disconnected")
    assert "refused the login of 'trunkline': check username and secret" in str(follower.links[-1].detail)
    assert "wrong" not in str(follower.links)


async def test_a_broken_connection_is_made_anew_and_calls_that_ended_meanwhile_are_known() -> None:
    async with AmiServer() as server, following(server) as follower:
        await follower.until_state("connected")
        server.drop_connections()
        await follower.until_state("connected", times=2)
    assert [link.state for link in follower.links] == ["connecting", "connected", "disconnected", "connected"]
    assert [one.call_keys for one in follower.lists] == [frozenset(), frozenset()]


async def test_rubbish_on_the_wire_costs_nothing_but_itself() -> None:
    async with AmiServer() as server, following(server) as follower:
        await follower.until_state("connected")
        server.send_raw(b"no colon here\r\n\xff\xfe\r\n\r\n\r\n\r\nEvent: Hangup\r\nChannel\r\n\r\n")
        await play(server, "direct", caller=CALLER, pace=0.01)
        await asyncio.sleep(0.1)
        good = [m for m in follower.messages if b"Linkedid" in m.body]
    calls = {event.call_key for m in good for event in follower.adapter.parse(m) if isinstance(event, CallEvent)}
    assert len(calls) == 1


def test_frames_may_arrive_in_any_pieces() -> None:
    data = b"Event: A\r\nKey: v: w\r\nEmpty:\r\n\r\nEvent: B\r\n\r\n"
    for cut in range(len(data)):
        splitter = Splitter()
        frames = [read_frame(body) for piece in (data[:cut], data[cut:]) for body in splitter.feed(piece)]
        assert [(frame.event, frame.get("key"), frame.get("empty")) for frame in frames] == [
            ("A", "v: w", ""),
            ("B", "", ""),
        ]

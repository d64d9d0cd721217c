"""3CX's Call Control over a real WebSocket: staying connected, and what is told of who takes part in which call."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from stream_kit import Follower, PatientClock, at_work, patient_clock

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EventKind, Party, PartyKind
from trunkline.phone_systems import streams
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.three_cx import ThreeCxAdapter
from trunkline.phone_systems.three_cx import connection as connection_module
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.three_cx.api import CLIENT_ID, CLIENT_SECRET, ThreeCxApi
from trunkline.sandbox.phones.three_cx.call_control import Step, steps_of

KEY = "not-a-real-secret-0000001"
JANE = "+14375550142"
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CALL = Dialled(AT)


class PbxFollower(Follower):
    """The adapter at work with a PBX, and what it hands on."""

    def __init__(self, url: str, **options: object) -> None:
        given = {
            "pbx_url": url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "call_control": True,
            **options,
        }
        super().__init__(ThreeCxAdapter.configure("main", {"secrets": [KEY], **given}))

    async def until_told(self, count: int) -> None:
        """Wait until so many events of participants have come."""
        await self.until(lambda: len(self.events) >= count)

    @property
    def events(self) -> list[CallEvent]:
        """All events."""
        return [item for item in self.parsed if isinstance(item, CallEvent)]

    @property
    def kinds(self) -> list[tuple[EventKind, str | None]]:
        """What happened, and to whom."""
        return [(one.kind, one.party.extension if one.party else None) for one in self.events]

    @property
    def calls(self) -> list[Call]:
        """The calls that all of it makes."""
        return in_memory(self.adapter, list(enumerate(self.messages)))


@asynccontextmanager
async def following(url: str, **options: object) -> AsyncIterator[PbxFollower]:
    """An adapter that listens to the PBX at `url`."""
    async with at_work(PbxFollower(url, **options)) as follower:
        yield follower


@asynccontextmanager
async def listening(api: ThreeCxApi, **options: object) -> AsyncIterator[PbxFollower]:
    """An adapter that is connected to a PBX."""
    async with served(api.app()) as url, following(url, **options) as follower:
        await follower.until_state("connected")
        yield follower


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> PatientClock:
    """No waiting between attempts, and no dice."""
    return patient_clock(monkeypatch)


async def play(api: ThreeCxApi, follower: PbxFollower, steps: Sequence[Step]) -> None:
    """One step after another, each once the one before was told."""
    for step in steps:
        told = len(follower.messages)
        api.board.take(step)
        await follower.until(lambda told=told: len(follower.messages) > told)


# What it is for ---------------------------------------------------------------------------------------------------


async def test_who_answered_is_known_while_people_talk() -> None:
    api = ThreeCxApi()
    async with listening(api) as follower:
        rings, answers, leaves = steps_of("answered", CALL)
        await play(api, follower, [rings])
        (call,) = follower.calls
        assert (call.state, call.direction, call.external_number) == (CallState.RINGING, Direction.INBOUND, JANE)
        await play(api, follower, [answers])
        (call,) = follower.calls
        assert (call.state, call.answered_by) == (CallState.ANSWERED, Party(PartyKind.AGENT, "201"))
        await play(api, follower, [leaves])
        (call,) = follower.calls
        assert (call.state, call.outcome) == (CallState.ENDED, Outcome.ANSWERED)
    assert [link.state for link in follower.links] == ["connecting", "connected"]


@pytest.mark.parametrize(
    "scenario", ["answered", "missed", "blind_transfer", "attended_transfer", "ring_group", "outbound", "internal",
                 "withheld"],
)  # fmt: skip
async def test_what_the_socket_tells_is_what_the_listener_plays(scenario: str) -> None:
    api = ThreeCxApi()
    async with listening(api) as follower:
        await play(api, follower, steps_of(scenario, CALL))
    (call,) = follower.calls
    assert call.state is CallState.ENDED
    assert call.outcome is (Outcome.MISSED if scenario == "missed" else Outcome.ANSWERED)
    if scenario.endswith("_transfer"):
        assert [one.party for one in call.transfers] == [Party(PartyKind.AGENT, "202")]
        assert call.last_agent != call.answered_by
    if scenario == "ring_group":
        assert call.queues == ("800",)
        assert len([leg for leg in call.legs if leg.party]) == 3


async def test_a_call_told_faster_than_it_is_read_is_one_call_all_the_same() -> None:
    api = ThreeCxApi()
    async with listening(api) as follower:
        api.board.play("ring_group", CALL)  # all have gone when the first event is read
        api.board.play("missed", Dialled(AT, serial=2, caller="+14375550143"))
        api.board.take(steps_of("answered", Dialled(AT, serial=3))[0])
        await follower.until(lambda: follower.events)
    (call,) = follower.calls
    assert (call.state, call.external_number) == (CallState.RINGING, JANE)


async def test_without_the_switch_nothing_is_connected() -> None:
    api = ThreeCxApi()
    async with served(api.app()) as url, following(url, call_control=False) as follower:
        await asyncio.sleep(0.1)
    assert (api.tokens, follower.links) == (0, [])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"call_control": True}, "call_control needs the options pbx_url, client_id, client_secret, too."),
        ({"pbx_url": "pbx.example.com"}, "pbx_url must be a whole address, as https://pbx.example.com."),
    ],
)
def test_settings_that_cannot_work_are_told(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=rf"^Phone system main: {sentence}$"):
        ThreeCxAdapter.configure("main", {"secrets": [KEY], **options})


# Staying connected ------------------------------------------------------------------------------------------------


async def test_calls_in_progress_are_found_when_it_connects() -> None:
    api = ThreeCxApi()
    rings, answers, leaves = steps_of("answered", CALL)
    api.board.take(rings)
    api.board.take(answers)
    async with listening(api) as follower:
        (call,) = follower.calls
        assert (call.state, call.answered_by) == (CallState.ANSWERED, Party(PartyKind.AGENT, "201"))
        assert [one.call_keys for one in follower.lists] == [frozenset({call.call_key})]
        await play(api, follower, [leaves])
        assert [one.state for one in follower.calls] == [CallState.ENDED]


async def test_a_call_goes_on_over_a_broken_connection(clock: PatientClock) -> None:
    api = ThreeCxApi()
    async with listening(api) as follower:
        rings, answers, leaves = steps_of("answered", CALL)
        await play(api, follower, [rings])
        api.board.drop_connections()
        api.board.take(answers, is_told=False)
        await follower.until_state("connected", times=2)
        (call,) = follower.calls
        assert (call.state, call.answered_by) == (CallState.ANSWERED, Party(PartyKind.AGENT, "201"))
        await play(api, follower, [leaves])
        assert [(one.state, one.outcome) for one in follower.calls] == [(CallState.ENDED, Outcome.ANSWERED)]
    assert follower.sentences == ["3CX closed the connection; trying again."]
    assert clock.pauses == [streams.FIRST_PAUSE_S]
    assert follower.lists[1].call_keys == frozenset({call.call_key})


async def test_a_call_goes_on_over_a_restart_of_ours() -> None:
    api = ThreeCxApi()
    rings, answers, leaves = steps_of("answered", CALL)
    async with served(api.app()) as url:
        async with following(url) as before:
            await before.until_state("connected")
            await play(api, before, [rings, answers])
        async with following(url) as after:
            await after.until_state("connected")
            await play(api, after, [leaves])
    (call,) = in_memory(after.adapter, list(enumerate([*before.messages, *after.messages])))
    assert (call.state, call.outcome, len(call.legs)) == (CallState.ENDED, Outcome.ANSWERED, 1)


@pytest.mark.usefixtures("clock")
async def test_what_ended_meanwhile_is_not_on_the_list_and_its_legs_are_not_made_up() -> None:
    api = ThreeCxApi()
    async with listening(api) as follower:
        ring_group = steps_of("ring_group", CALL)
        gone = steps_of("answered", Dialled(AT, serial=2, caller="+14375550143"))
        await play(api, follower, [*ring_group[:4], *gone[:2]])
        key = follower.calls[-1].call_key
        api.board.drop_connections()
        for step in [*ring_group[4:8], gone[2]]:
            api.board.take(step, is_told=False)
        told = len(follower.events)
        await follower.until_state("connected", times=2)
    # 202 took the call of the group; queue, 201 and 203 have gone. How the other call ended nobody heard.
    assert sorted(str(one.kind) for one in follower.events[told:]) == ["answered", "left", "ring_ended", "ring_ended"]
    assert key not in follower.lists[-1].call_keys
    assert len(follower.lists[-1].call_keys) == 1
    assert follower.lists[-1].among == "live:"


async def test_a_token_that_was_replaced_is_renewed_for_the_socket_and_for_reading() -> None:
    api = ThreeCxApi()
    async with served(api.app()) as url, following(url) as follower:
        await follower.until_state("connected")
        api.tokens += 1  # somebody else signed in: only the last token is good
        await play(api, follower, steps_of("answered", CALL)[:1])
        assert [call.state for call in follower.calls] == [CallState.RINGING]
        api.tokens += 1
        api.board.drop_connections()
        await follower.until_state("connected", times=2)
    assert api.tokens == 5


async def test_a_new_token_brings_a_new_socket_and_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "LOOK_EVERY_S", 0.05)
    api = ThreeCxApi()
    async with listening(api) as follower:
        api.tokens += 1
        await play(api, follower, steps_of("answered", CALL)[:1])
        await follower.until(lambda: api.board.opened == 2 and len(follower.lists) > 3)
    assert [link.state for link in follower.links] == ["connecting", "connected"]


async def test_what_was_never_told_is_found_in_a_minute_of_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection_module.LOOK_EVERY_S == 60
    monkeypatch.setattr(connection_module, "LOOK_EVERY_S", 0.05)
    api = ThreeCxApi()
    async with listening(api) as follower:
        api.board.take(steps_of("answered", CALL)[0], is_told=False)
        await follower.until(lambda: follower.calls)
    assert api.board.opened == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_who_may_not_listen_is_told_what_to_change(clock: PatientClock, status: int) -> None:
    api = ThreeCxApi()
    api.board.refuses = [status] * 40
    async with served(api.app()) as url, following(url) as follower:
        await follower.until_state("disconnected", times=2)
    assert follower.sentences[0] == (
        f"3CX refuses Call Control ({status}): give the API client access to the Call Control API"
        " and to its extensions, and see whether the licence includes it."
    )
    assert clock.pauses[0] == streams.LONGEST_PAUSE_S


async def test_wrong_credentials_are_told_and_not_tried_in_a_hurry(clock: PatientClock) -> None:
    async with served(ThreeCxApi().app()) as url, following(url, client_secret="another") as follower:
        await follower.until_state("disconnected")
    assert follower.sentences[0] == "3CX refuses client_id and client_secret (400)."
    assert "another" not in str(follower.links)
    assert clock.pauses[0] == streams.LONGEST_PAUSE_S


async def test_a_busy_pbx_and_one_that_is_not_there_are_tried_again(clock: PatientClock) -> None:
    api = ThreeCxApi(answers=[(503, {})])
    async with listening(api) as follower:
        assert follower.sentences == ["3CX has trouble with Call Control (503); trying again."]
        api.board.refuses = [500]
        api.board.drop_connections()
        await follower.until_state("connected", times=2)
        assert follower.sentences[2] == "3CX does not open Call Control (500); trying again."
    async with following("http://127.0.0.1:9") as follower:
        await follower.until_state("disconnected", times=9)
    assert follower.sentences[0] == "3CX cannot be reached to sign in; trying again."
    assert clock.pauses[-9:-1][:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


# What breaks nothing ----------------------------------------------------------------------------------------------


async def test_a_participant_that_has_gone_before_it_is_read_has_left() -> None:
    api = ThreeCxApi()
    async with listening(api) as follower:
        rings, answers, _ = steps_of("answered", CALL)
        await play(api, follower, [rings])
        api.board.loses = {rings.name}
        await play(api, follower, [answers])  # 404
        assert [(one.state, one.outcome) for one in follower.calls] == [(CallState.ENDED, Outcome.MISSED)]
        await play(api, follower, [replace(answers, name=77), replace(answers, name=77, held=None)])
    assert len(follower.calls) == 1  # of one that was never seen, nothing is known


async def test_garbage_and_what_tells_of_no_participant_are_passed_over() -> None:
    api = ThreeCxApi()
    entity = "/callcontrol/201/participants/1"
    strange: list[object] = [
        {"sequence": 1, "event": {"event_type": 2, "entity": entity, "attached_data": {"dtmf_input": "4242"}}},
        {"sequence": 2, "event": {"event_type": 99, "entity": entity}},
        {"sequence": 3, "event": {"event_type": 0, "entity": "/callcontrol/201"}},
        {"sequence": 4, "event": {"event_type": 0, "entity": "/callcontrol/../xapi/v1/Users"}},
        {"sequence": 5, "event": {"event_type": {}, "entity": []}},
        {"event": 7},
        [],
        None,
    ]
    async with listening(api) as follower:
        for text in ["", "levitation", "{", "[" * 5000, *(json.dumps(one) for one in strange)]:
            api.board.send(text)
        await play(api, follower, steps_of("answered", CALL)[:1])
    assert len(follower.messages) == 2  # the list, and the ring
    assert "/xapi" not in str(api.asked)
    assert [link.state for link in follower.links] == ["connecting", "connected"]


async def test_events_are_understood_by_word_as_by_number() -> None:
    api = ThreeCxApi()
    async with listening(api) as follower:
        rings, *_ = steps_of("answered", CALL)
        api.board.take(rings, is_told=False)
        entity = f"/callcontrol/201/participants/{rings.name}"
        for word in ("Upset", "Remove"):
            api.board.send(json.dumps({"event": {"event_type": word, "entity": entity}}))
        await follower.until_told(2)
    assert follower.kinds == [(EventKind.RINGING, "201"), (EventKind.RING_ENDED, None)]


def changed(**fields: object) -> list[Step]:
    """A phone that rings, and then is otherwise."""
    rings, answers, leaves = steps_of("answered", CALL)
    return [rings, replace(answers, held={**(answers.held or {}), **fields}), leaves]


async def told(steps: Sequence[Step], **options: object) -> list[tuple[EventKind, str | None]]:
    api = ThreeCxApi()
    async with listening(api, **options) as follower:
        await play(api, follower, steps)
    return follower.kinds


async def test_a_status_nobody_knows_is_unknown_and_changes_nothing() -> None:
    assert await told(changed(status="Levitating")) == [
        (EventKind.RINGING, "201"),
        (EventKind.UNKNOWN, "201"),
        (EventKind.LEFT, None),
    ]


@pytest.mark.parametrize("word", ["Hold", "Held", "OnHold", "On Hold"])
async def test_a_hold_that_is_told_is_a_hold(word: str) -> None:
    rings, answers, leaves = steps_of("answered", CALL)
    holds = replace(answers, held={**(answers.held or {}), "status": word})
    kinds = [kind for kind, _ in await told([rings, answers, holds, answers, leaves])]
    assert kinds == [EventKind.RINGING, EventKind.ANSWERED, EventKind.HELD, EventKind.RESUMED, EventKind.LEFT]


async def test_what_changes_without_a_new_status_is_no_news() -> None:
    rings, answers, _ = steps_of("answered", CALL)
    again = replace(answers, held={**(answers.held or {}), "party_caller_name": "JANE E."})
    assert len(await told([rings, answers, again, again])) == 2


async def test_extensions_that_are_nobodys_phone_route_and_do_not_answer() -> None:
    rings, answers, _ = steps_of("answered", CALL)
    assert (await told([rings, answers], platform_extensions=["201"])) == [(EventKind.ROUTED, "201")] * 2
    api = ThreeCxApi()
    for kind in ("Wivr", "Wroutepoint", "Wlevitation"):
        api.board.types["201"] = kind
        async with listening(api) as follower:
            await play(api, follower, [rings])
            assert follower.kinds == [(EventKind.ROUTED, "201")]


async def test_a_line_that_may_be_seen_makes_no_call_of_its_own() -> None:
    api = ThreeCxApi()
    api.board.types["10000"] = "Wexternalline"
    rings, answers, leaves = steps_of("answered", CALL)
    inside = {"party_dn": "201", "party_dn_type": "Wextension", "party_caller_id": "201", "party_caller_name": ""}
    line = Step(0, "10000", 5, {**(answers.held or {}), **inside, "id": 5, "dn": "10000", "status": "Connected"})
    api.board.take(line)
    async with listening(api) as follower:
        await play(api, follower, [line, rings, answers, replace(line, held=None), leaves])
        (call,) = follower.calls
    assert (call.outcome, call.direction, call.external_number) == (Outcome.ANSWERED, Direction.INBOUND, JANE)


@pytest.mark.parametrize(
    "fields",
    [
        {"callid": None},
        {"callid": "17", "id": "x"},
        {"party_caller_id": None, "party_caller_name": 7, "party_dn": [], "party_dn_type": {}},
        {"status": None},
        {"status": ["Ringing"]},
        {"originated_by_dn": 201},
    ],
)
async def test_fields_that_are_missing_or_strange_break_nothing(fields: dict[str, object]) -> None:
    rings, *_ = steps_of("answered", CALL)
    api = ThreeCxApi()
    async with listening(api) as follower:
        await play(api, follower, [replace(rings, held={**(rings.held or {}), **fields}), replace(rings, held=None)])
        assert len(follower.calls) <= 1
        api.board.take(replace(rings, held={**(rings.held or {}), **fields}), is_told=False)
        api.board.drop_connections()
        await follower.until_state("connected", times=2)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"told":"list"}', b'{"told":"levitation"}', b"\xff", b"[" * 9000,
             b'{"told":"list","as_of":"soon","live":[]}', b'{"told":"participant","dn":1,"id":"2"}'],
)  # fmt: skip
def test_what_no_connection_made_is_unreadable(body: bytes) -> None:
    adapter = ThreeCxAdapter.configure("main", {"secrets": [KEY]})
    with pytest.raises(Unreadable, match=r"^What Call Control told cannot be read\.$"):
        adapter.parse(RawMessage(body, AT, kind="stream"))

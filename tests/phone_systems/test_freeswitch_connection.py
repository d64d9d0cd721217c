"""The event socket: signing in, staying connected, what people read while it fails, and calls that we set up."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from stream_kit import Follower, PatientClock, at_work, patient_clock

from trunkline.calls.reading import in_memory
from trunkline.domain.call import CallState
from trunkline.domain.events import LiveCalls
from trunkline.phone_systems.base import RawMessage
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, PhoneSystemError, RetryLater
from trunkline.phone_systems.freeswitch import FreeSwitchAdapter
from trunkline.phone_systems.freeswitch import originate as originate_module
from trunkline.phone_systems.freeswitch import session as session_module
from trunkline.phone_systems.streams import FIRST_PAUSE_S, LONGEST_PAUSE_S
from trunkline.sandbox.phones.freeswitch import SPEAKER, EventSocketServer
from trunkline.sandbox.phones.freeswitch.server import event_message, message
from trunkline.sandbox.phones.freeswitch.speaker import is_record
from trunkline.sandbox.phones.speaker import Dialled

PASSWORD = "not-a-real-secret"
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
LISTED_AT = datetime.fromtimestamp(1772463600, UTC)
A, B = (f"{letter * 8}-0000-4000-8000-000000000001" for letter in "ab")


def hold(uuid: str, core: str = "core-1") -> dict[str, object]:
    """An event that is worth keeping."""
    return {
        "Event-Name": "CHANNEL_HOLD",
        "Core-UUID": core,
        "Channel-Name": "sofia/internal/201@x",
        "Unique-ID": uuid,
        "Channel-Call-UUID": uuid,
    }


class EventFollower(Follower):
    """What FreeSWITCH's adapter hands on."""

    @property
    def held(self) -> list[str]:
        """The channels of which a hold was delivered."""
        read = [json.loads(one.body) for one in self.messages if b"CHANNEL_HOLD" in one.body]
        return [one["Unique-ID"] for one in read]


def adapter(port: int, **options: object) -> FreeSwitchAdapter:
    """An adapter for 127.0.0.1:`port`."""
    return FreeSwitchAdapter.configure("main", {"host": "127.0.0.1", "port": port, "password": PASSWORD, **options})


def following(port: int, **options: object) -> AbstractAsyncContextManager[EventFollower]:
    """Such an adapter at work."""
    return at_work(EventFollower(adapter(port, **options)))


@asynccontextmanager
async def raw_server(
    *behaviours: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """The port of a peer that plays one behaviour for each connection, the last one again and again."""
    left = list(behaviours)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behaviour = left.pop(0) if len(left) > 1 else left[0]
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> PatientClock:
    """No waiting between attempts."""
    return patient_clock(monkeypatch)


# Signing in ---------------------------------------------------------------------------------------------------------


async def test_it_signs_in_asks_for_events_and_lists_what_lives() -> None:
    async with EventSocketServer() as server:
        server.live = [{"uuid": B, "call_uuid": A, "name": "sofia/internal/201@x"}, {"uuid": A, "call_uuid": A}]
        async with following(server.port) as follower:
            await follower.until_state("connected")
            assert follower.lists == [LiveCalls("freeswitch", "main", LISTED_AT, frozenset({A, B}))]
    assert server.asked[0] == f"auth {PASSWORD}"
    assert server.asked[1].startswith("event json CHANNEL_CREATE ")
    assert server.asked[1].endswith(" SHUTDOWN HEARTBEAT CUSTOM callcenter::info")
    assert server.asked[2:] == ["api strepoch", "api show channels as json"]
    assert [link.state for link in follower.links] == ["connecting", "connected"]


async def test_an_empty_list_has_no_rows() -> None:
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        assert follower.lists[0].call_keys == frozenset()


async def test_a_wrong_password_is_told_in_one_sentence_and_not_tried_in_a_hurry(clock: PatientClock) -> None:
    async with EventSocketServer("another-unreal-one") as server, following(server.port) as follower:
        await follower.until_state("disconnected", times=2)
    assert follower.sentences[0] == "FreeSWITCH refused the password: check it here and in event_socket.conf.xml."
    assert clock.pauses[:2] == [LONGEST_PAUSE_S] * 2
    assert PASSWORD not in str(follower.links)


async def test_an_address_that_may_not_connect_is_told_what_to_change(clock: PatientClock) -> None:
    async with EventSocketServer() as server, following(server.port) as follower:
        server.turns_away = True
        await follower.until_state("disconnected", times=2)
    assert f"127.0.0.1:{server.port} turns this machine away: add its address" in follower.sentences[0]
    assert clock.pauses[0] == LONGEST_PAUSE_S


@pytest.mark.usefixtures("clock")
async def test_a_list_that_is_refused_is_told_what_to_change() -> None:
    async with EventSocketServer() as server, following(server.port) as follower:
        server.may_list = False
        await follower.until_state("disconnected")
    assert "does not let us list its calls" in follower.sentences[0]


async def test_where_nobody_listens_pauses_grow_to_half_a_minute(clock: PatientClock) -> None:
    async with EventSocketServer() as server:
        port = server.port
    async with following(port) as follower:
        await follower.until_state("disconnected", times=9)
    assert (
        follower.sentences[0] == f"FreeSWITCH at 127.0.0.1:{port} does not answer (connection refused); trying again."
    )
    assert clock.pauses[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b"])
async def test_an_address_that_cannot_be_is_told_in_one_sentence(host: str) -> None:
    async with following(8021, host=host) as follower:
        await follower.until_state("disconnected", times=2)
    assert follower.sentences[0].startswith(f"FreeSWITCH at {host}:8021 does not answer (")


# Calls over the wire ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "plain"])
@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
async def test_a_call_over_the_wire_is_the_call_that_was_played(scenario: str, form: str) -> None:
    call = Dialled(AT)
    spoken = [said for said in SPEAKER.play(scenario, call) if not is_record(said.body)]
    async with EventSocketServer(form=form) as server, following(server.port) as follower:
        await follower.until_state("connected")
        server.emit({"Event-Name": "HEARTBEAT", "Core-UUID": "core-1"})
        server.play(scenario, call)
        await follower.until(lambda: len(follower.messages) == len(spoken) + 1)  # the first is the list of live calls
    heard = [RawMessage(said.body, AT) for said in spoken]
    kept = [RawMessage(one.body, AT) for one in follower.messages[1:]]
    assert in_memory(follower.adapter, list(enumerate(kept))) == in_memory(follower.adapter, list(enumerate(heard)))


async def test_what_arrives_in_one_read_is_delivered_in_one_batch() -> None:
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        server.send_raw(b"".join(event_message(hold(uuid)) for uuid in ("u1", "u2", "u3")))
        await follower.until(lambda: len(follower.held) == 3)
    assert follower.batches.count(3) == 1


async def test_one_event_over_two_reads_is_one_event() -> None:
    whole = event_message({**hold("u1"), "Caller-Caller-ID-Name": "ÉLISE ☎"})
    place = whole.index("☎".encode()) + 1  # in the middle of a character
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        server.send_raw(whole[:place])
        await asyncio.sleep(0.05)
        assert follower.held == []
        server.send_raw(whole[place:])
        await follower.until(lambda: follower.held)
    assert json.loads(follower.messages[-1].body)["Caller-Caller-ID-Name"] == "ÉLISE ☎"


async def test_garbage_between_events_is_passed_over() -> None:
    broken = b'{"Event-Name": '
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        server.send_raw(
            b"no colon here\n\n\n\r\n\xff: \xfe\n\n"
            + message({"Content-Type": "text/event-json", "Content-Length": str(len(broken))}, broken)
            + message({"Content-Type": "log/data", "Content-Length": "3"}, b"\n\n\n")
            + message({"Content-Type": "command/reply", "Reply-Text": "+OK nobody asked"})
            + event_message(hold("u1"))
        )
        await follower.until(lambda: follower.held == ["u1"])
        assert [link.state for link in follower.links] == ["connecting", "connected"]


async def test_what_was_heard_before_the_framing_was_lost_is_kept(clock: PatientClock) -> None:
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        server.send_raw(event_message(hold("u1")) + b"Content-Length: lots\n\n")
        await follower.until_state("connected", times=2)
    assert follower.held == ["u1"]
    assert "announced an impossible length" in follower.sentences[0]
    assert clock.pauses == [FIRST_PAUSE_S]


async def test_a_cut_in_the_middle_of_an_event_brings_a_new_list_and_no_half_event(clock: PatientClock) -> None:
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        server.live = [{"uuid": B, "call_uuid": A}]
        server.send_raw(event_message(hold("u1")) + event_message(hold("u2"))[:-10])
        await follower.until(lambda: follower.held)
        server.drop_connections()
        await follower.until_state("connected", times=2)
        server.emit(hold("u3"))
        await follower.until(lambda: len(follower.held) == 2)
    assert follower.held == ["u1", "u3"]
    assert [one.call_keys for one in follower.lists] == [frozenset(), frozenset({A, B})]
    assert clock.pauses == [FIRST_PAUSE_S]


@pytest.mark.usefixtures("clock")
async def test_a_farewell_is_told_as_what_it_is() -> None:
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        server.say_farewell()
        await follower.until_state("connected", times=2)
    assert follower.sentences == ["FreeSWITCH closed the connection; trying again."]


async def test_silence_means_a_new_connection_and_a_heartbeat_is_enough(
    monkeypatch: pytest.MonkeyPatch, clock: PatientClock
) -> None:
    assert session_module.SILENCE_S == 60
    monkeypatch.setattr(session_module, "SILENCE_S", 0.3)
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        for _ in range(6):
            await asyncio.sleep(0.1)
            server.emit({"Event-Name": "HEARTBEAT", "Core-UUID": "core-1"})
        assert follower.sentences == []
        await follower.until_state("connected", times=2)
    assert "it said nothing for" in follower.sentences[0]
    assert clock.pauses == [FIRST_PAUSE_S]
    assert [len(follower.messages), len(follower.lists)] == [2, 2]  # heartbeats are not kept


async def test_another_core_means_a_new_list(clock: PatientClock) -> None:
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        server.emit(hold("u1", "core-1"))
        server.emit(hold("u2", "core-1"))
        await follower.until(lambda: len(follower.held) == 2)
        assert len(follower.lists) == 1
        server.live = [{"uuid": A, "call_uuid": A}]
        server.emit(hold("u3", "core-2"))
        await follower.until(lambda: len(follower.lists) == 2)
        assert follower.lists[-1].call_keys == frozenset({A})
        assert follower.sentences == []


async def test_a_new_core_after_a_restart_ends_what_lived_before(clock: PatientClock) -> None:
    began = json.loads(SPEAKER.play("answered", Dialled(AT))[0].body)
    began["Event-Date-Timestamp"] = "1772463500000000"
    async with EventSocketServer() as server, following(server.port) as follower:
        await follower.until_state("connected")
        server.emit(began)
        await follower.until(lambda: len(follower.messages) == 2)
        server.drop_connections()
        await follower.until_state("connected", times=2)
    (call,) = in_memory(follower.adapter, [(1, follower.messages[1])])
    assert call.state is CallState.NEW
    assert call.started_at is not None
    # The tracker ends what began before the list and is not on it.
    assert call.started_at < follower.lists[-1].as_of
    assert call.call_key not in follower.lists[-1].call_keys


async def test_a_clock_that_is_not_told_is_ours() -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(message({"Content-Type": "auth/request"}))
        while command := (await reader.readuntil(b"\n\n")).decode().strip():
            body = {"api strepoch": b"-ERR no such command", "api show channels as json": b'{"row_count":0}'}.get(
                command
            )
            if body is None:
                writer.write(message({"Content-Type": "command/reply", "Reply-Text": "+OK"}))
            else:
                writer.write(message({"Content-Type": "api/response", "Content-Length": str(len(body))}, body))

    before = datetime.now(UTC)
    async with raw_server(old) as port, following(port) as follower:
        await follower.until_state("connected")
        (live,) = follower.lists
    assert before.replace(microsecond=0) <= live.as_of <= datetime.now(UTC)


@pytest.mark.usefixtures("clock")
async def test_a_peer_that_does_not_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "ANSWER_TIMEOUT_S", 0.1)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(message({"Content-Type": "auth/request"}))
        while await reader.read(100):
            pass

    async with raw_server(mute) as port, following(port) as follower:
        await follower.until_state("disconnected")
    assert "does not answer (no answer in time)" in follower.sentences[0]


# Calls that we set up -----------------------------------------------------------------------------------------------


async def set_up(
    port: int, agent: str = "201", number: str = "+14375550142", caller_id: str | None = None, **options: object
) -> str:
    made = adapter(port, **options)
    async with httpx.AsyncClient() as http:
        call = await made.originate(http, agent, number, caller_id=caller_id)
    assert call.call_key is not None
    return call.call_key


@pytest.mark.parametrize("result", ["+OK aaaaaaaa-0000-4000-8000-000000000001", None])
async def test_a_call_is_set_up_under_an_id_of_ours(monkeypatch: pytest.MonkeyPatch, result: str | None) -> None:
    monkeypatch.setattr(originate_module, "RESULT_WAIT_S", 0.1)
    async with EventSocketServer() as server:
        server.result = result
        key = await set_up(server.port, caller_id="+14375550100")
        other = await set_up(server.port)
    assert server.asked[2] == (
        f"bgapi originate {{origination_uuid={key},trunkline_dials=+14375550142,ignore_early_media=true,"
        "origination_caller_id_number=14375550100}user/201 14375550142 XML default"
    )
    assert other != key


async def test_the_dialplan_is_called_as_the_shop_says() -> None:
    options = {"dial_endpoint": "sofia/internal/{agent}%x", "dial_prefix": "9", "dial_context": "shop"}
    async with EventSocketServer() as server:
        server.result = "+OK"
        await set_up(server.port, agent="201@pbx.example.com", **options)
    assert server.asked[2].endswith("}sofia/internal/201@pbx.example.com%x 914375550142 XML shop")


@pytest.mark.parametrize(
    ("agent", "number", "caller_id"),
    [
        ("201}x", "+14375550142", None),
        ("201 &hangup", "+14375550142", None),
        ("201\n\nbgapi x", "+14375550142", None),
        ("", "+14375550142", None),
        ("201", "+1437 &system(x)", None),
        ("201", "+14375550142", "1,api_on_answer=x"),
    ],
)
async def test_nothing_that_could_be_a_command_is_sent(agent: str, number: str, caller_id: str | None) -> None:
    async with EventSocketServer() as server:
        with pytest.raises(NeedsFixing, match=r"\.$"):
            await set_up(server.port, agent, number, caller_id)
    assert server.asked == []


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("-ERR USER_BUSY", RetryLater),
        ("-ERR NO_ANSWER", RetryLater),
        ("-ERR USER_NOT_REGISTERED", NeedsFixing),
        ("-ERR SUBSCRIBER_ABSENT", NeedsFixing),
        ("-ERR CHAN_NOT_IMPLEMENTED", GivenUp),
        ("", GivenUp),
    ],
)
async def test_why_a_call_was_not_set_up(result: str, kind: type[PhoneSystemError]) -> None:
    async with EventSocketServer() as server:
        server.result = result
        with pytest.raises(kind, match=r"\.$"):
            await set_up(server.port)


async def test_whoever_is_not_let_in_sets_up_nothing() -> None:
    async with EventSocketServer() as server:
        server.may_originate = False
        with pytest.raises(NeedsFixing, match="bgapi originate must be allowed"):
            await set_up(server.port)
        server.turns_away = True
        with pytest.raises(NeedsFixing, match="turns this machine away"):
            await set_up(server.port)
    async with EventSocketServer("another-unreal-one") as server:
        with pytest.raises(NeedsFixing, match="refused the password"):
            await set_up(server.port)
    with pytest.raises(RetryLater, match="connection refused"):
        await set_up(server.port)


async def test_a_lost_answer_leaves_it_open_whether_the_phone_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "ANSWER_TIMEOUT_S", 0.2)

    def until(last: str, *, closes: bool) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(message({"Content-Type": "auth/request"}))
            while not (await reader.readuntil(b"\n\n")).decode().startswith(last):
                writer.write(message({"Content-Type": "command/reply", "Reply-Text": "+OK"}))
            if not closes:
                await reader.read()

        return behave

    for closes in (True, False):
        async with raw_server(until("bgapi", closes=closes)) as port:
            with pytest.raises(OutcomeUnknown):
                await set_up(port)
        async with raw_server(until("event", closes=closes)) as port:
            with pytest.raises(RetryLater):
                await set_up(port)

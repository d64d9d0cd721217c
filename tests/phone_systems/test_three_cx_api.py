"""3CX's own API, as a look-alike speaks it over HTTP: the call log, click to call, recordings."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stamina

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Outcome
from trunkline.domain.events import CallEvent, Direction, EventKind, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, RetryLater
from trunkline.phone_systems.three_cx import ThreeCxAdapter
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.three_cx import SPEAKER
from trunkline.sandbox.phones.three_cx.api import CLIENT_ID, CLIENT_SECRET, RECORDING, ThreeCxApi

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
KEY = "not-a-real-secret-0000001"


@pytest.fixture(autouse=True)
def _short_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def adapter(**options: object) -> ThreeCxAdapter:
    return ThreeCxAdapter.configure("main", {"secrets": [KEY], **options})


@asynccontextmanager
async def pbx(api: ThreeCxApi, **options: object) -> AsyncIterator[tuple[ThreeCxAdapter, httpx.AsyncClient, str]]:
    async with served(api.app()) as url, httpx.AsyncClient() as http:
        given = {"pbx_url": f"{url}/", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **options}
        yield adapter(**given), http, url


async def log_of(made: ThreeCxAdapter, http: httpx.AsyncClient, days: float = 1) -> list[RawMessage]:
    pages = made.history(http, AT, AT + timedelta(days=days))
    return [message async for page in pages for message in page]


def rows(*calls: Dialled, scenario: str = "answered") -> list[dict[str, Any]]:
    return [row for call in calls for row in SPEAKER.segments(scenario, call)]


def parsed(*segments: dict[str, Any], **options: object) -> list[CallEvent]:
    body = json.dumps({"segments": segments}).encode()
    events = adapter(**options).parse(RawMessage(body, AT, kind="history"))
    return [event for event in events if isinstance(event, CallEvent)]


# The call log over HTTP -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [3, 100])
async def test_the_log_is_read_page_by_page_and_day_by_day(page: int) -> None:
    calls = [Dialled(AT + timedelta(hours=6 * place, seconds=1), serial=place + 1) for place in range(9)]
    api = ThreeCxApi(rows(*calls, scenario="ring_group"), page=page)
    async with pbx(api) as (made, http, _):
        messages = await log_of(made, http, days=2)
    told = in_memory(made, list(enumerate(messages)))
    assert [call.started_at for call in told] == [call.at + timedelta(seconds=0.4) for call in calls[:8]]
    assert len({message.delivery_id for message in messages}) == len(messages) == 8
    assert api.tokens == 1


async def test_a_call_over_midnight_is_one_call_of_the_day_it_began_in() -> None:
    end = AT + timedelta(days=1)
    api = ThreeCxApi(rows(Dialled(end - timedelta(seconds=10)), scenario="blind_transfer"))
    async with pbx(api) as (made, http, _):
        (first,) = await log_of(made, http)
        (again,) = await log_of(made, http, days=2)
        later = [one async for page in made.history(http, end, end + timedelta(days=1)) for one in page]
    assert first.delivery_id == again.delivery_id
    assert later == []
    assert len(json.loads(first.body)["segments"]) == 2


async def test_a_record_that_changed_is_another_delivery() -> None:
    api = ThreeCxApi(rows(Dialled(AT)))
    async with pbx(api) as (made, http, _):
        (before,) = await log_of(made, http)
        api.rows = [{**row, "Summary": "Wants a new boiler."} for row in api.rows]
        (changed,) = await log_of(made, http)
    assert before.delivery_id != changed.delivery_id


async def test_a_token_that_was_replaced_is_replaced_again() -> None:
    api = ThreeCxApi(rows(Dialled(AT)), expires_in=60)
    async with pbx(api) as (made, http, _):
        await log_of(made, http)
        api.tokens += 1  # somebody else signed in: only the last token is good
        assert len(await log_of(made, http)) == 1
    assert api.tokens == 3


async def test_a_busy_pbx_is_asked_again() -> None:
    api = ThreeCxApi(rows(Dialled(AT)), answers=[(429, {"Retry-After": "0"}), (503, {})])
    async with pbx(api) as (made, http, _):
        assert len(await log_of(made, http)) == 1


@pytest.mark.parametrize(
    ("answers", "error"),
    [([(503, {})] * 3, RetryLater), ([(403, {})], NeedsFixing), ([(404, {})], GivenUp)],
)
async def test_what_cannot_be_read_is_classed(
    answers: list[tuple[int, dict[str, str]]], error: type[Exception]
) -> None:
    async with pbx(ThreeCxApi(answers=answers)) as (made, http, _):
        with pytest.raises(error, match=r"3CX .*\.$"):
            await log_of(made, http)


async def test_wrong_credentials_need_fixing() -> None:
    async with pbx(ThreeCxApi(), client_secret="another") as (made, http, _):
        with pytest.raises(NeedsFixing, match=r"^3CX refuses client_id and client_secret \(400\)\.$"):
            await log_of(made, http)


async def test_a_pbx_that_is_not_there_is_asked_later() -> None:
    given = {"pbx_url": "http://127.0.0.1:9", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    async with httpx.AsyncClient() as http:
        with pytest.raises(RetryLater, match="cannot be reached"):
            await log_of(adapter(**given), http)


@pytest.mark.parametrize(
    ("options", "missing"),
    [({}, "pbx_url, client_id, client_secret"), ({"pbx_url": "https://pbx.example.com"}, "client_id, client_secret")],
)
async def test_options_that_are_missing_are_named(options: dict[str, object], missing: str) -> None:
    made, sentence = adapter(**options), rf"^To ask its 3CX, phone system main needs the options {missing}\.$"
    async with httpx.AsyncClient() as http:
        with pytest.raises(NeedsFixing, match=sentence):
            await log_of(made, http)
        with pytest.raises(NeedsFixing, match=sentence):
            await made.originate(http, "201", "+14375550142")
        with pytest.raises(NeedsFixing, match=sentence):
            await made.recording(http, "https://pbx.example.com/1.wav")


# Click to call, and recordings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "number", "dialled"),
    [
        ({}, "+14375550142", "4375550142"),
        ({}, "+442079460018", "+442079460018"),
        ({"dials": "e164"}, "+14375550142", "+14375550142"),
    ],
)
async def test_click_to_call(options: dict[str, object], number: str, dialled: str) -> None:
    api = ThreeCxApi(final_status="Success")
    async with pbx(api, **options) as (made, http, _):
        assert (await made.originate(http, "201", number)).call_key is None
    assert api.dialled == [("201", {"destination": dialled})]


@pytest.mark.parametrize("status", [0, -1, "0", "Rejected", "Failed"])
async def test_a_call_that_was_not_set_up(status: object) -> None:
    async with pbx(ThreeCxApi(final_status=status)) as (made, http, _):
        with pytest.raises(GivenUp, match=r"^3CX did not set up the call: No Route\.$"):
            await made.originate(http, "201", "+14375550142")


async def test_a_call_is_never_set_up_twice() -> None:
    api = ThreeCxApi(answers=[(502, {})])
    async with pbx(api) as (made, http, _):
        with pytest.raises(OutcomeUnknown):
            await made.originate(http, "201", "+14375550142")
    assert len(api.asked) == 1


async def test_a_recording_comes_from_the_pbx_only() -> None:
    api = ThreeCxApi()
    async with pbx(api) as (made, http, url):
        recording = await made.recording(http, f"{url}/xapi/v1/Recordings/Pbx.DownloadRecording(recId=1)")
        assert recording.media_type == "audio/wav"
        assert b"".join([chunk async for chunk in recording.chunks]) == RECORDING
        with pytest.raises(GivenUp, match="another host"):
            await made.recording(http, "https://evil.example.com/1.wav")


async def test_a_recording_is_fetched_though_the_token_was_replaced() -> None:
    api = ThreeCxApi(rows(Dialled(AT)))
    async with pbx(api) as (made, http, url):
        await log_of(made, http)
        api.tokens += 1  # somebody else signed in
        recording = await made.recording(http, f"{url}/xapi/v1/Recordings/1")
        assert b"".join([chunk async for chunk in recording.chunks]) == RECORDING


@pytest.mark.parametrize(
    ("answers", "error"),
    [([(503, {})], RetryLater), ([(403, {}), (403, {})], NeedsFixing), ([(404, {})], GivenUp)],
)
async def test_a_recording_that_cannot_be_had_is_classed(
    answers: list[tuple[int, dict[str, str]]], error: type[Exception]
) -> None:
    async with pbx(ThreeCxApi(answers=answers)) as (made, http, url):
        with pytest.raises(error, match=r"3CX .*\.$"):
            await made.recording(http, f"{url}/xapi/v1/Recordings/1")


# What a record says -----------------------------------------------------------------------------------------------


def segment(**fields: Any) -> dict[str, Any]:
    (row,) = SPEAKER.segments("answered", Dialled(AT))
    return {**row, **fields}


@pytest.mark.parametrize(
    ("words", "direction"),
    [
        ({"Direction": "Inbound"}, Direction.INBOUND),
        ({"Direction": "OUTBOUND"}, Direction.OUTBOUND),
        ({"Direction": "Internal"}, Direction.INTERNAL),
        ({"Direction": None, "CallType": "InboundExternal"}, Direction.INBOUND),
        ({"Direction": None, "CallType": "OutboundExternal"}, Direction.OUTBOUND),
        ({"Direction": "Levitating", "CallType": "Local"}, Direction.INTERNAL),
        ({"Direction": 7, "CallType": 8}, Direction.INBOUND),
        ({"Direction": None, "SourceCallerId": "203", "SourceDn": "203"}, Direction.INTERNAL),
        (
            {"Direction": None, "SourceCallerId": "203", "DestinationCallerId": "4375550142", "DestinationDn": "10000"},
            Direction.OUTBOUND,
        ),
    ],
)
def test_the_direction_is_as_said_or_where_the_outside_number_is(
    words: dict[str, object], direction: Direction
) -> None:
    (record,) = parsed(segment(**words))
    assert record.direction is direction
    assert (record.external_number is None) == (direction is Direction.INTERNAL)


def test_a_queue_that_picks_up_is_nobody() -> None:
    queue = segment(SegmentId=1, CallType="Queue", DestinationDn="800", DestinationDisplayName="Service")
    record, *_ = parsed(queue, segment(SegmentId=2))
    assert (record.party, record.queue) == (Party(PartyKind.AGENT, "201", "Dana Desk"), "800")
    record, *_ = parsed(queue)
    assert (record.party, record.talk_s) == (None, None)


def test_extensions_that_are_nobodys_phone_can_be_named() -> None:
    menu = segment(SegmentId=1, DestinationDn="801", DestinationDisplayName="Menu")
    assert parsed(menu)[0].party == Party(PartyKind.AGENT, "801", "Menu")
    record = parsed(menu, platform_extensions=["801"])[0]
    assert (record.party, record.queue) == (None, "801")


def test_who_took_it_over() -> None:
    record, transfer = parsed(*SPEAKER.segments("blind_transfer", Dialled(AT)))
    assert record.party == Party(PartyKind.AGENT, "201", "Dana Desk")
    assert (transfer.kind, transfer.party) == (EventKind.TRANSFERRED, Party(PartyKind.AGENT, "202", "Sam Second"))
    assert (record.ring_s, record.total_s) == (6, 89)


def test_texts_and_recordings() -> None:
    url = "https://pbx.example.com/recordings/1.wav"
    _, *others = parsed(segment(Summary="Wants a new boiler.", Transcription="Hello.", RecordingUrl=url))
    assert [(event.kind, event.text or event.media_url) for event in others] == [
        (EventKind.CONTENT, "Wants a new boiler."),
        (EventKind.CONTENT, "Hello."),
        (EventKind.RECORDING, url),
    ]


@pytest.mark.parametrize("number", [0, 7, 99, None, "Levitating", {}])
def test_numbers_that_nobody_documented_say_nothing(number: object) -> None:
    usual = parsed(segment())
    assert parsed(segment(SourceType=number, DestinationType=number, ActionType=number, Indent=number)) == usual


@pytest.mark.parametrize("duration", [None, "", "soon", "-PT5S", [], "00:00:10"])
def test_a_duration_that_is_none(duration: object) -> None:
    (record,) = parsed(segment(TalkingDuration=duration))
    assert (record.talk_s, record.total_s) == (None, 6)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"segments":[]}', b'{"segments":[{}]}', b'{"segments":[{"StartTime":"soon"}]}', b'{"segments":{}}',
     b'{"segments":[{"StartTime":"0001-01-01T00:00:00Z"}]}'],
)  # fmt: skip
def test_what_is_no_record_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"\.$"):
        adapter().parse(RawMessage(body, AT, kind="history"))


def test_a_record_and_the_journal_of_a_withheld_number_are_one_call() -> None:
    call = Dialled(AT)
    said = [*SPEAKER.play("withheld", call), *SPEAKER.history("withheld", call)]
    messages = [RawMessage(one.body, AT, kind=one.kind) for one in said]
    (told,) = in_memory(adapter(), list(enumerate(messages)))
    assert (told.outcome, told.external_number) == (Outcome.ANSWERED, None)

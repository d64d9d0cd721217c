"""What is special to CallRail: bodies that do not say what happened, texts for booleans, and its REST API."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar import Response
from vendor_rest import Asked, VendorRest

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, EventKind, Party, PartyKind
from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.callrail import CallRailAdapter, CallRailOptions
from trunkline.phone_systems.callrail.api import MORE_FIELDS
from trunkline.phone_systems.callrail.told import STAGES, Stage
from trunkline.phone_systems.delivery import Delivery, Refused
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown
from trunkline.sandbox.phones.callrail import ACCOUNT_ID, SPEAKER
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled

K = EventKind
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
JANE, TRACKED, DANAS = "+14375550142", "+14375550100", "+14375550111"
SECRET = "not-a-real-secret"
KEY = "CAL0001"


def adapter(**options: Any) -> CallRailAdapter:
    given = {"secrets": [SECRET], "account_id": ACCOUNT_ID, "api_token": "not-a-real-key", **options}
    return CallRailAdapter.configure("main", given)


def body(**more: Any) -> bytes:
    known = {
        "resource_id": KEY,
        "direction": "inbound",
        "customer_phone_number": JANE,
        "tracking_phone_number": TRACKED,
        "start_time": "2026-03-02T10:00:00.000-05:00",
        "answered": True,
        "voicemail": False,
        "duration": "60",
    }
    return json.dumps({**known, **more}).encode()


def parsed(given: bytes, kind: str = "post-call") -> list[CallEvent]:
    told = adapter().parse(RawMessage(given, AT + timedelta(hours=1), kind=kind))
    assert all(isinstance(event, CallEvent) for event in told)
    return told  # type: ignore[return-value]


def only_call(*given: tuple[str, bytes]) -> Call:
    messages = [(place, RawMessage(one, AT, kind=kind)) for place, (kind, one) in enumerate(given)]
    (call,) = in_memory(adapter(), messages)
    return call


# What its bodies mean -------------------------------------------------------------------------------------------

FIRST = {Stage.RINGING: [K.RINGING], Stage.OVER: [K.RECORD], Stage.ELSEWHERE: []}


@pytest.mark.parametrize(("kind", "stage"), STAGES.items())
def test_the_address_says_what_happened(kind: str, stage: Stage) -> None:
    for spelt in (kind, kind.replace("-", "_"), kind.title()):
        assert [event.kind for event in parsed(body(), spelt)] == FIRST[stage]


def test_a_call_that_begins_is_not_missed_whatever_its_body_says() -> None:
    begun = body(answered=False, call_type="missed", duration=0)
    call = only_call(("pre-call", begun), ("routing-complete", begun))
    assert (call.state, call.external_number, call.did) == (CallState.RINGING, JANE, TRACKED)


@pytest.mark.parametrize(
    ("more", "kinds"),
    [
        ({}, [K.RECORD]),
        ({"answered": False, "duration": "0"}, [K.RINGING]),
        ({"answered": False, "duration": "20"}, [K.RECORD]),
        ({"answered": False, "duration": "", "voicemail": "true"}, [K.RECORD, K.VOICEMAIL]),
        ({"resource_id": "MSG0001"}, []),
    ],
)
@pytest.mark.parametrize("kind", ["", "all", "levitated"])
def test_an_address_that_does_not_say_what_happened_ends_a_call_only_where_the_body_can_mean_nothing_else(
    kind: str, more: dict[str, Any], kinds: list[EventKind]
) -> None:
    assert [event.kind for event in parsed(body(**more), kind)] == kinds


@pytest.mark.parametrize(
    ("answered", "voicemail", "outcome"),
    [
        (True, False, Outcome.ANSWERED),
        ("true", "false", Outcome.ANSWERED),
        ("True", "", Outcome.ANSWERED),
        (False, False, Outcome.MISSED),
        ("false", "false", Outcome.MISSED),
        (False, True, Outcome.VOICEMAIL),
        ("true", "true", Outcome.VOICEMAIL),
        ("", "true", Outcome.VOICEMAIL),
        ("", "", Outcome.UNKNOWN),
        (None, None, Outcome.UNKNOWN),
        ("perhaps", False, Outcome.UNKNOWN),
    ],
)
def test_booleans_come_as_texts_too_and_empty_is_unknown(answered: Any, voicemail: Any, outcome: Outcome) -> None:
    call = only_call(("post-call", body(answered=answered, voicemail=voicemail)))
    assert (call.state, call.outcome) == (CallState.ENDED, outcome)
    assert call.ended_at == AT + timedelta(seconds=60)


@pytest.mark.parametrize(("length", "talk_s"), [("60", 60.0), (60, 60.0), ("60.5", 60.5)])
def test_lengths_are_seconds_as_text_or_number(length: Any, talk_s: float) -> None:
    assert only_call(("post-call", body(duration=length))).talk_s == talk_s


@pytest.mark.parametrize(
    "times",
    [
        {"start_time": "2026-03-02T15:00:00Z"},
        {"start_time": "", "timestamp": "2026-03-02T10:00:00-05:00"},
        {"start_time": "", "timestamp": "soon", "datetime": "2026-03-02 15:00:00"},
    ],
)
def test_a_call_begins_at_the_first_time_that_can_be_read(times: dict[str, str]) -> None:
    assert {event.occurred_at for event in parsed(body(**times), "pre-call")} == {AT}


def test_without_any_time_that_of_the_receipt_counts() -> None:
    assert parsed(body(start_time=""), "pre-call")[0].occurred_at == AT + timedelta(hours=1)


def test_older_names_of_fields_are_understood() -> None:
    older = {"customer_phone_number": "", "callernum": JANE, "callername": "JANE EXAMPLE"}
    (event,) = parsed(body(**older, tracking_phone_number="", trackingnum=TRACKED), "pre-call")
    assert (event.external_number, event.external_name, event.did) == (JANE, "JANE EXAMPLE", TRACKED)


@pytest.mark.parametrize(
    ("kind", "direction", "expected"),
    [
        ("post-call", "inbound", Direction.INBOUND),
        ("post-call", "Outbound", Direction.OUTBOUND),
        ("outbound-post-call", "", Direction.OUTBOUND),
        ("post-call", "sideways", None),
    ],
)
def test_direction(kind: str, direction: str, expected: Direction | None) -> None:
    assert parsed(body(direction=direction), kind)[0].direction is expected


def test_who_answered_is_known_where_an_address_is_told() -> None:
    call = only_call(("post-call", body(agent_email="dana@example.com")))
    assert call.answered_by == Party(PartyKind.AGENT, email="dana@example.com")
    outgoing = body(agent_email="dana@example.com", direction="outbound", answered="true")
    assert only_call(("outbound-post-call", outgoing)).answered_by == call.answered_by


def test_what_was_recorded_said_and_written_down_is_kept_once() -> None:
    url = f"https://api.callrail.com/v3/a/{ACCOUNT_ID}/calls/{KEY}/recording.json"
    told = {"recording": url, "transcription": "Hello.", "call_summary": "A greeting."}
    changed = {**told, "note": "Gate code 4.", "tags": ["Emergency", "New"], "changes": ["note", "tags"]}
    call = only_call(("post-call", body(**told)), ("call-modified", body(**changed)))
    assert (call.recordings, call.contents) == ((url,), ("Hello.", "A greeting."))
    assert call.notes == ("Gate code 4.", "Tag: Emergency", "Tag: New")
    assert call.outcome is Outcome.ANSWERED


def test_a_recording_of_a_voicemail_is_one() -> None:
    call = only_call(("post-call", body(answered=False, voicemail=True, recording="https://callrail.com/r/1")))
    assert (call.outcome, call.recordings) == (Outcome.VOICEMAIL, ("https://callrail.com/r/1",))
    by_type = body(answered=False, call_type="voicemail", recording="https://callrail.com/r/1")
    assert [event.kind for event in parsed(by_type)] == [K.RECORD, K.VOICEMAIL]


def test_tags_of_the_history_are_objects() -> None:
    (_, note) = parsed(body(tags=[{"id": 1, "name": "Emergency", "color": "red"}, {"id": 2}]), "history")
    assert (note.kind, note.text) == (K.ANNOTATED, "Tag: Emergency")


@pytest.mark.parametrize("given", [b"", b"hello", b"[]", b"\xff", b'{"answered": true}', b'{"resource_id": ""}'])
def test_what_names_no_call_is_unreadable(given: bytes) -> None:
    with pytest.raises(Unreadable, match=r"\.$"):
        parsed(given)


# Proofs and settings --------------------------------------------------------------------------------------------


def delivery(given: bytes, kind: str = "pre-call", secret: str = SECRET) -> Delivery:
    proof = base64.b64encode(hmac.new(secret.encode(), given, hashlib.sha1).digest()).decode()
    return Delivery(given, AT, (("signature", proof),), "callernum=%2B14375550142", kind)


def test_what_comes_again_is_known_by_its_content() -> None:
    first = adapter().verify(delivery(body()))
    assert first == adapter().verify(delivery(body()))
    others = [delivery(body(), "post-call"), delivery(body(duration="61"))]
    assert first.delivery_id not in {adapter().verify(other).delivery_id for other in others}


def test_a_call_that_began_long_ago_may_be_told_now() -> None:
    """The time in a body is that of the call's begin, and a call may last for hours."""
    assert adapter().verify(delivery(body(start_time="2026-03-02T01:00:00Z"), "post-call"))


def test_companies_of_one_account_sign_with_their_own_tokens() -> None:
    both = adapter(secrets=[SECRET, "another-one"])
    assert both.verify(delivery(body(), secret="another-one"))
    with pytest.raises(Refused):
        both.verify(delivery(body(), secret="a-third-one"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"secrets": []}, "secrets"),
        ({"secrets": [""]}, "secrets"),
        ({"api_base": "api.callrail.com"}, "api_base"),
        ({"account_id": 7}, "account_id"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^Phone system main: .*{says}"):
        adapter(**options)


def test_secrets_are_not_shown() -> None:
    shown = repr(CallRailOptions([SECRET], ACCOUNT_ID, "not-a-real-key"))
    assert SECRET not in shown
    assert "not-a-real-key" not in shown


# The REST API ---------------------------------------------------------------------------------------------------

CALLS = f"/v3/a/{ACCOUNT_ID}/calls.json"
RECORDING = f"/v3/a/{ACCOUNT_ID}/calls/{KEY}/recording.json"


class CallRail(VendorRest):
    """A list of calls in pages of two, and one recording."""

    def __init__(self, authorization: str = 'Token token="not-a-real-key"') -> None:
        super().__init__(authorization, {})
        self.rows: list[dict[str, Any]] = []
        self.knows_all_fields = True
        self.link: object = {"url": "/sound"}
        self.replies = {
            f"GET {CALLS}": self._calls,
            f"POST {CALLS}": lambda _: Response({"id": KEY}, status_code=201),
            f"GET {RECORDING}": lambda _: Response(self.link),
        }

    def _calls(self, asked: Asked) -> Response[Any]:
        if asked.one("fields") and not self.knows_all_fields:
            return Response({"error": "Unknown field."}, status_code=400)
        number = int(asked.one("page") or 1)
        found = self.rows[(number - 1) * 2 : number * 2]
        pages = -(-len(self.rows) // 2)
        return Response({"page": number, "per_page": 2, "total_pages": pages, "calls": found})


@asynccontextmanager
async def asking(rest: CallRail, **options: Any) -> AsyncIterator[tuple[CallRailAdapter, httpx.AsyncClient, str]]:
    """The adapter, asking this look-alike."""
    async with served(rest.app()) as url, httpx.AsyncClient() as http:
        yield adapter(api_base=f"{url}/v3", **options), http, url


def row(key: str, *, after_s: float = 0.0, **more: Any) -> dict[str, Any]:
    begin = (AT + timedelta(seconds=after_s)).isoformat()
    ends = {"direction": "inbound", "customer_phone_number": JANE, "tracking_phone_number": TRACKED}
    return {"id": key, "answered": True, "voicemail": False, "duration": 60, "start_time": begin, **ends, **more}


async def read(rest: CallRail, **options: Any) -> list[RawMessage]:
    async with asking(rest, **options) as (asked, http, _):
        pages = asked.history(http, AT, AT + timedelta(hours=1))
        return [message async for page in pages for message in page]


async def test_the_history_is_read_page_by_page() -> None:
    rest = CallRail()
    rest.rows = [
        row("CAL-early", after_s=-1),
        row("CAL1"),
        row("CAL2", after_s=60, answered=False, duration=0),
        row("CAL-goes-on", after_s=70, duration=None),
        row("CAL3", after_s=3599),
        row("CAL-late", after_s=3600),
    ]
    messages = await read(rest, company_id="COM0001")
    assert [json.loads(message.body)["id"] for message in messages] == ["CAL1", "CAL2", "CAL3"]
    calls = in_memory(adapter(), list(enumerate(messages)))
    assert [call.outcome for call in calls] == [Outcome.ANSWERED, Outcome.MISSED, Outcome.ANSWERED]
    assert [asked.one("page") for asked in rest.asked] == ["1", "2", "3"]
    first = rest.asked[0]
    assert (first.one("start_date"), first.one("end_date")) == ("2026-03-01", "2026-03-03")
    assert (first.one("company_id"), first.one("per_page"), first.one("order")) == ("COM0001", "250", "asc")
    assert first.one("fields") == MORE_FIELDS


async def test_an_account_without_some_fields_is_asked_without_them() -> None:
    rest = CallRail()
    rest.knows_all_fields = False
    rest.rows = [row(f"CAL{number}") for number in range(3)]
    assert len(await read(rest)) == 3
    assert [asked.one("fields") for asked in rest.asked] == [MORE_FIELDS, None, None]


async def test_an_account_that_refuses_both_is_given_up() -> None:
    rest = CallRail()
    rest.replies = {}
    with pytest.raises(GivenUp):
        await read(rest)


async def test_a_records_id_changes_with_what_it_tells() -> None:
    ids = []
    for changed in ({}, {}, {"note": "Gate code 4."}):
        rest = CallRail()
        rest.rows = [row(KEY, **changed)]
        ids += [message.delivery_id for message in await read(rest)]
    assert ids[0] == ids[1] != ids[2]
    assert str(ids[0]).startswith(f"history:{KEY}:")


@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
async def test_the_speakers_history_is_what_the_adapter_brings_home(scenario: str) -> None:
    records = [json.loads(said.body) for said in SPEAKER.history(scenario, Dialled(AT))]
    rest = CallRail()
    rest.rows = records
    assert [json.loads(message.body) for message in await read(rest)] == records


async def test_what_a_retry_mends_is_retried() -> None:
    rest = CallRail()
    rest.rows = [row(KEY)]
    rest.faults = [
        Response({}, status_code=429, headers={"retry-after": "0"}),
        Response({}, status_code=502),
    ]
    rest.lost = 1
    assert len(await read(rest)) == 1


async def test_refused_credentials_are_for_a_person() -> None:
    with pytest.raises(NeedsFixing):
        await read(CallRail('Token token="another"'))


async def test_a_call_is_set_up_for_an_agent() -> None:
    rest = CallRail()
    async with asking(rest, tracking_number=TRACKED, agents={DANAS: "201"}) as (asked, http, _):
        made = await asked.originate(http, "201", JANE)
        await asked.originate(http, "+14375550112", JANE, caller_id="+14375550101")
    assert made.call_key == KEY
    assert [json.loads(one.body) for one in rest.asked] == [
        {"caller_id": TRACKED, "business_phone_number": DANAS, "customer_phone_number": JANE},
        {"caller_id": "+14375550101", "business_phone_number": "+14375550112", "customer_phone_number": JANE},
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"agents": {DANAS: "201"}}, "tracking_number"), ({"tracking_number": TRACKED}, "agents")],
)
async def test_what_is_missing_for_click_to_call_is_named(options: dict[str, Any], says: str) -> None:
    rest = CallRail()
    async with asking(rest, **options) as (asked, http, _):
        with pytest.raises(NeedsFixing, match=says):
            await asked.originate(http, "201", JANE)
    assert rest.asked == []


async def test_a_call_whose_setting_up_nobody_knows_of_is_not_asked_for_again() -> None:
    rest = CallRail()
    rest.faults = [Response({}, status_code=504)]
    async with asking(rest, tracking_number=TRACKED) as (asked, http, _):
        with pytest.raises(OutcomeUnknown):
            await asked.originate(http, DANAS, JANE)
    assert len(rest.asked) == 1


async def test_a_recording_is_where_the_answer_says_that_it_is() -> None:
    """The link is for anyone who has it, and gets no key."""
    given: list[bytes | None] = []

    async def sound(scope: Any, _receive: Any, send: Any) -> None:
        given.append(dict(scope["headers"]).get(b"authorization"))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"audio/mpeg")]})
        await send({"type": "http.response.body", "body": b"ID3 sound"})

    rest = CallRail()

    async def both(scope: Any, receive: Any, send: Any) -> None:
        await (sound if scope["path"] == "/sound" else rest.app())(scope, receive, send)

    async with served(both) as url, httpx.AsyncClient() as http:
        asked = adapter(api_base=f"{url}/v3")
        rest.link = {"url": f"{url}/sound"}
        for address in (f"{url}{RECORDING}", f"{url}/sound"):
            recording = await asked.recording(http, address)
            assert recording.media_type == "audio/mpeg"
            assert b"".join([chunk async for chunk in recording.chunks]) == b"ID3 sound"
    assert given == [None, b'Token token="not-a-real-key"']


@pytest.mark.parametrize("link", [{}, {"url": ""}, {"url": "/sound"}, {"url": "http://elsewhere.example/sound"}, []])
async def test_an_answer_that_does_not_say_where_a_recording_is(link: object) -> None:
    rest = CallRail()
    rest.link = link
    async with asking(rest) as (asked, http, url):
        with pytest.raises(GivenUp, match="where the recording is"):
            await asked.recording(http, f"{url}{RECORDING}")


@pytest.mark.parametrize(
    "url", ["https://callrail.com.example.net/r", "http://api.callrail.com/r", "https://nocallrail.com/r", "https://["]
)
async def test_our_key_goes_to_callrail_only(url: str) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(GivenUp, match="not CallRail's"):
            await adapter().recording(http, url)

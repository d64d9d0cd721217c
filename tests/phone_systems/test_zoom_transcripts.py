"""Transcripts of Zoom's recordings are fetched from where Zoom says that they are, and become part of their calls."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar import Response

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call
from trunkline.phone_systems.base import HISTORY_KIND, RawMessage, Unreadable
from trunkline.phone_systems.errors import GivenUp
from trunkline.phone_systems.zoom import ZoomAdapter
from trunkline.phone_systems.zoom.api import LONGEST_TRANSCRIPT
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.zoom.rest import ZoomRest
from trunkline.sandbox.phones.zoom.speaker import SPEAKER

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SAID = "Jane Example: The boiler drips.\nDana Desk: We come on Tuesday."
TIMELINE = {
    "type": "zoom_transcript",
    "recording_id": "recording-0001",
    "timeline": [
        {"text": " The boiler drips.", "ts": "00:00:02.000", "users": [{"username": "Jane Example"}]},
        {"text": "", "raw_text": "We come on Tuesday.", "users": [{"username": ""}, {"name": "Dana Desk"}]},
        {"text": "", "users": "nobody"},
        "and so on",
    ],
}
VTT = """WEBVTT

NOTE made by a machine

1
00:00:02.000 --> 00:00:04.000
<v Jane Example>The boiler <b>drips</b>.</v>

00:00:05.000 --> 00:00:07.000
Dana Desk: We come on Tuesday.
"""


def adapter(base: str = "https://api.example.com") -> ZoomAdapter:
    options = SPEAKER.options("not-a-real-secret", address="https://bridge.example.com/hooks/main")
    return ZoomAdapter.configure("main", {**options, "api_base": f"{base}/v2", "login_base": base})


def recording(base: str, serial: int = 1, **more: Any) -> dict[str, Any]:
    """A row of the list of recordings: as the webhook has it, with the address of the transcript."""
    told = SPEAKER.play("answered", Dialled(AT + timedelta(minutes=serial), serial=serial))
    row = json.loads(told[-1].body)["payload"]["object"]["recordings"][0]
    link = f"{base}/v2/phone/recording_transcript/download/{row['id']}"
    return {**row, "transcript_download_url": link, **more}


@pytest.fixture
async def zoom() -> ZoomRest:
    """An account with two calls; the transcript of the first is there."""
    zoom = ZoomRest(transcripts={"recording-0001": json.dumps(TIMELINE).encode()})
    rows = [SPEAKER.history("answered", Dialled(AT + timedelta(minutes=one), serial=one)) for one in (1, 2)]
    zoom.rows = [json.loads(said.body) for (said,) in rows]
    return zoom


@pytest.fixture
async def base(zoom: ZoomRest) -> AsyncIterator[str]:
    """Where it answers."""
    async with served(zoom.app()) as url:
        zoom.recordings = [recording(url, 1), recording(url, 2)]
        yield url


async def look(asked: ZoomAdapter, *, since: datetime = AT) -> list[RawMessage]:
    """The messages of one look into the history."""
    async with httpx.AsyncClient() as http:
        pages = asked.history(http, since, AT + timedelta(hours=1))
        return [message for page in [page async for page in pages] for message in page]


def calls(messages: list[RawMessage]) -> list[Call]:
    return in_memory(adapter(), list(enumerate(messages)))


def downloads(zoom: ZoomRest) -> list[str]:
    return [asked.rpartition("/")[2] for asked in zoom.asked if "recording_transcript" in asked]


async def test_a_transcript_becomes_part_of_its_call(base: str) -> None:
    first, second = calls(await look(adapter(base)))
    assert (first.contents, second.contents) == ((SAID,), ())
    assert first.started_at == AT + timedelta(minutes=1)


async def test_a_transcript_is_fetched_once_and_one_that_was_missing_later(zoom: ZoomRest, base: str) -> None:
    just_now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    zoom.recordings[1].update(end_time=just_now)
    asked = adapter(base)
    assert len(await look(asked)) == 3
    zoom.transcripts["recording-0002"] = VTT.encode()
    assert [call.contents for call in calls(await look(asked))] == [(), (SAID,)]
    assert len(await look(asked)) == 2
    assert downloads(zoom) == ["recording-0001", "recording-0002", "recording-0002"]


async def test_what_has_no_transcript_after_hours_is_not_asked_for_one_again(zoom: ZoomRest, base: str) -> None:
    zoom.transcripts = {"recording-0001": b"WEBVTT\n\n"}
    asked = adapter(base)
    for _ in range(2):
        assert len(await look(asked)) == 2
    assert downloads(zoom) == ["recording-0001", "recording-0002"]


async def test_the_same_transcript_is_the_same_delivery(base: str) -> None:
    """After a restart it is fetched anew; the inbox takes it once."""
    ids = [{message.delivery_id for message in await look(adapter(base))} for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 3


async def test_only_recordings_of_the_time_asked_for_are_looked_at(zoom: ZoomRest, base: str) -> None:
    assert len(await look(adapter(base), since=AT + timedelta(minutes=3))) == 0
    assert downloads(zoom) == []


@pytest.mark.parametrize("status", [403, 404])
async def test_calls_are_told_where_recordings_are_not_shown(zoom: ZoomRest, base: str, status: int) -> None:
    asked = adapter(base)
    async with httpx.AsyncClient() as http:
        pages = asked.history(http, AT, AT + timedelta(hours=1))
        found = [await anext(pages)]
        zoom.faults = [Response({"message": "no scopes"}, status_code=status)]
        found += [page async for page in pages]
    assert [len(page) for page in found] == [2]
    assert len(await look(asked)) == 3


@pytest.mark.parametrize(
    "more",
    [
        {"transcript_download_url": "https://zoom.us.example.com/t"},
        {"transcript_download_url": None},
        {"transcript_download_url": ""},
        {"id": None},
    ],
)
async def test_our_token_follows_no_link_that_is_not_zooms(zoom: ZoomRest, base: str, more: dict[str, Any]) -> None:
    zoom.recordings = [recording(base, **more)]
    assert len(await look(adapter(base))) == 2
    assert downloads(zoom) == []


async def test_a_transcript_without_an_end_is_not_read(zoom: ZoomRest, base: str) -> None:
    zoom.transcripts["recording-0001"] = VTT.encode() + b"x" * LONGEST_TRANSCRIPT
    asked = adapter(base)
    assert len(await look(asked)) == 2
    async with httpx.AsyncClient() as http:
        with pytest.raises(GivenUp, match=r"^Zoom sent more than 1,024 KiB"):
            await asked._api.transcript(http, zoom.recordings[0]["transcript_download_url"])


def parsed(file: str, **row: Any) -> list[str | None]:
    body = json.dumps({"recording": {"call_id": "737", **row}, "transcript": file}).encode()
    return [getattr(event, "text", None) for event in adapter().parse(RawMessage(body, AT, kind=HISTORY_KIND))]


@pytest.mark.parametrize("file", [json.dumps(TIMELINE), VTT, VTT.replace("\n", "\r\n")])
def test_both_formats_tell_the_same(file: str) -> None:
    assert parsed(file) == [SAID]


@pytest.mark.parametrize("file", ["{", '{"timeline":7}', "{" * 5000, "WEBVTT", "<!-- --> hello", "[]"])
def test_a_file_that_says_nothing_says_nothing(file: str) -> None:
    assert parsed(file) == []


def test_a_transcript_of_no_call_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        parsed(VTT, call_id=None)

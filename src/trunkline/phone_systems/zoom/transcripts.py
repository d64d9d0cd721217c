"""Transcripts of recordings. Zoom tells where they are, not what they say: they are fetched while its history is read.

So one is there, too, whose webhook never came, and what is fetched is kept in the inbox like all else.
"""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import structlog

from trunkline.domain.events import CallEvent, EventKind
from trunkline.phone_systems.base import RawMessage, history_record
from trunkline.phone_systems.errors import GivenUp, PhoneSystemError
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.zoom import rows
from trunkline.phone_systems.zoom.api import ZoomApi

log = structlog.get_logger(__name__)

READY_WITHIN = timedelta(hours=2)  # a recording that has no transcript by then is not asked for one again
_VOICE = re.compile(r"<v(?:\.[^ >]*)? ([^>]+)>")
_TAG = re.compile(r"<[^>]*>")


class Transcripts:
    """Those of one account. Each is fetched once while the service runs, and known by its recording afterwards."""

    def __init__(self, api: ZoomApi) -> None:
        self._api = api
        self._settled: set[str] = set()

    async def fetched(self, http: httpx.AsyncClient, since: datetime, until: datetime) -> AsyncIterator[RawMessage]:
        """What is new of the recordings that began from `since` to before `until` (UTC).

        Trouble ends it without an error: calls are worth more than transcripts, and the next look tries again.
        """
        listed: set[str] = set()
        try:
            async for recording, url, row in self._linked(http, since, until):
                listed.add(recording)
                if recording in self._settled:
                    continue
                file = await self._file(http, url)
                if file is not None:
                    yield _message(recording, row, file)
                if file is not None or _is_late(row):
                    self._settled.add(recording)  # not before whoever asked has stored it
        except PhoneSystemError as error:
            log.warning("transcripts of Zoom's recordings cannot be read for now", reason=str(error))
        else:
            self._settled &= listed

    async def _linked(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[tuple[str, str, Fields]]:
        async for page in self._api.recordings(http, since, until):
            for row in page:
                recording, url = row.id("id"), row.text("transcript_download_url")
                if recording and url:
                    yield recording, url, row

    async def _file(self, http: httpx.AsyncClient, url: str) -> str | None:
        """The transcript, unless there is none or none yet."""
        try:
            file = await self._api.transcript(http, url)
        except GivenUp:
            return None
        return file if _text(file) else None


def _is_late(row: Fields) -> bool:
    now = datetime.now(UTC)
    return now - (row.time("end_time", "date_time") or now) > READY_WITHIN


def _message(recording: str, row: Fields, file: str) -> RawMessage:
    """Links in `row` may be signed anew each time; that changes nothing about what was said."""
    body = msgspec.json.encode({"recording": row.held, "transcript": file})
    return history_record(body, f"transcript:{recording}", datetime.now(UTC), content=file.encode())


def events(told: CallEvent, row: Fields, file: str) -> list[CallEvent]:
    """What the transcript in `file` of the recording `row` says.

    Raises:
        Unreadable: the recording names no call.
    """
    at = row.time("end_time", "date_time") or told.occurred_at
    told = msgspec.structs.replace(rows.of_row(told, row), kind=EventKind.CONTENT, occurred_at=at)
    return [msgspec.structs.replace(told, text=text)] if (text := _text(file)) else []


def _text(file: str) -> str:
    """A line for each utterance, with who spoke where that is told; empty where nothing is said."""
    return "\n".join(_timeline(file) if file.lstrip().startswith("{") else _cues(file))


def _timeline(file: str) -> Iterator[str]:
    """Zoom's JSON: a text for each utterance, and who spoke."""
    try:
        utterances = Fields(msgspec.json.decode(file)).each("timeline")
    except (msgspec.DecodeError, RecursionError):
        return
    for utterance in utterances:
        text = utterance.text("text", "raw_text")
        names = [name for user in utterance.each("users") if (name := user.text("username", "name"))]
        if text:
            yield f"{', '.join(names)}: {text}" if names else text


def _cues(file: str) -> Iterator[str]:
    """WebVTT: a cue is a line with its times, and lines of text up to an empty one."""
    if not file.startswith("WEBVTT"):
        return
    is_said = False
    for line in map(str.strip, file.splitlines()):
        if "-->" in line or not line:
            is_said = bool(line)
        elif is_said and (text := _TAG.sub("", _VOICE.sub(r"\1: ", line)).strip()):
            yield text

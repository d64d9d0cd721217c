"""Real SIP calls through a real Asterisk and the whole service: cards pop, calls fold, each note is written once."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from call_stories import STORIES, story
from lab_asterisk import Lab, running_lab

from company import ASTERISK_TOML, HTTP, TLS
from installation import Installation, Sandbox, eventually, sandbox
from trunkline.domain.call import Call

pytestmark = [pytest.mark.pbx, pytest.mark.xdist_group("pbx")]

# How the note of each call begins.
_HEADLINES = {
    "direct": "Incoming call answered by",
    "queue_answered": "Incoming call answered by",
    "missed": "Incoming call, missed",
    "voicemail": "Incoming call, went to voicemail",
    "blind_transfer": "Incoming call answered by",
    "attended_transfer": "Incoming call answered by",
    "outbound": "Outgoing call made by",
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running_lab() as running:
        yield running


@pytest.fixture(scope="module")
def servicetitan() -> Iterator[Sandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def service(lab: Lab, tmp_path: Path, database_url: str, servicetitan: Sandbox) -> Iterator[Installation]:
    """Trunkline, connected to the real Asterisk."""
    phones = ASTERISK_TOML.format(port=lab.ami_port)
    made = Installation(tmp_path, database_url, servicetitan, phones, {"TEST_AMI_SECRET": lab.secret})
    made.start()
    try:
        made.wait_ready()
        made.wait_mirrored()
        eventually(lambda: made.rows("select 1 from calls.connections where state = 'connected'"), "Asterisk is there")
        yield made
    finally:
        made.stop()


class Board:
    """What a browser that has the board open is sent."""

    def __init__(self) -> None:
        self.articles: list[str] = []
        self._changed = asyncio.Condition()

    async def watch(self, url: str) -> None:
        timeout = httpx.Timeout(5.0, read=None)
        async with (
            httpx.AsyncClient(timeout=timeout, verify=TLS) as http,
            http.stream("GET", f"{url}/stream") as stream,
        ):
            event: list[str] = []
            async for line in stream.aiter_lines():
                event.append(line.removeprefix("data: "))
                if not line:
                    async with self._changed:
                        self.articles.append("\n".join(event))
                        self._changed.notify_all()
                    event.clear()

    async def until(self, shown: Callable[[str], bool]) -> str:
        """The first article that is as `shown` says."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: any(map(shown, self.articles)))
            return next(filter(shown, self.articles))


@asynccontextmanager
async def _watched(url: str) -> AsyncIterator[Board]:
    board = Board()
    watcher = asyncio.create_task(board.watch(url))
    await board.until(lambda article: article.startswith("event: board"))
    try:
        yield board
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


async def test_real_calls_pop_fold_and_are_logged_once(lab: Lab, service: Installation) -> None:
    url = f"http://127.0.0.1:{service.port}"
    callers = [caller for caller in service.sandbox.callers(40) if caller["kind"] == "single"]
    async with _watched(url) as board:
        for scenario, caller in zip(_HEADLINES, callers, strict=False):
            number = f"+1{caller['number']}"
            name = _name_of(url, number)
            playing = asyncio.create_task(lab.play(scenario, caller=number))
            popped = await board.until(lambda article, name=name: 'class="card' in article and name in article)
            assert not playing.done(), "the card came only after the call"
            await playing
            call_id = re.search(r'id="call-(\d+)"', popped)
            assert call_id is not None
            await board.until(lambda article, it=call_id[0]: it in article and 'data-place="ended"' in article)
            view = await asyncio.to_thread(_settled, url, int(call_id[1]))
            folded = story(msgspec.convert(view["call"], Call))
            assert folded == replace(STORIES[scenario], external_number=number), scenario
            notes = _notes(service, view["ref"])
            assert ("customer", caller["customer_ids"][0]) in notes, scenario
            assert all(text.startswith(_HEADLINES[scenario]) for text in notes.values()), scenario


async def test_a_real_call_of_a_stranger_waits_for_a_person_and_an_internal_one_for_nobody(
    lab: Lab, service: Installation
) -> None:
    url = f"http://127.0.0.1:{service.port}"
    before = len(service.sandbox.ledger()["notes"])
    await lab.play("direct", caller="+14375550199")
    await lab.play("internal")
    for call in eventually(lambda: _two(url), "both calls are there"):
        view = await asyncio.to_thread(_settled, url, call["id"])
        internal = view["call"]["direction"] == "internal"
        assert view["log"]["state"] == ("nothing" if internal else "review")
        assert view["log"].get("review_reason") == (None if internal else "unknown_caller")
    assert len(service.sandbox.ledger()["notes"]) == before


def _two(url: str) -> list[dict[str, Any]]:
    calls = HTTP.get(f"{url}/api/v1/calls").json()["calls"]
    return calls if len(calls) == 2 else []


def _name_of(url: str, number: str) -> str:
    card = HTTP.get(f"{url}/api/v1/lookup", params={"number": number}).json()
    return str(card["match"]["candidates"][0]["customer"]["name"])


def _settled(url: str, call_id: int) -> dict[str, Any]:
    def view() -> dict[str, Any] | None:
        calls = HTTP.get(f"{url}/api/v1/calls").json()["calls"]
        found = next(call for call in calls if call["id"] == call_id)
        return dict(found) if (found.get("log") or {"state": "open"})["state"] != "open" else None

    return dict(eventually(view, "the call is closed in the logbook"))


def _notes(service: Installation, ref: str) -> dict[tuple[str, int], str]:
    notes = [note for note in service.sandbox.ledger()["notes"] if f"[call:{ref}]" in note["text"]]
    found = {(note["kind"], note["target_id"]): note["text"] for note in notes}
    assert len(found) == len(notes), "a note was written twice"
    return found

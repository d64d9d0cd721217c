"""The demo's stage: a sandbox ServiceTitan, a simulated Asterisk, and the real application between them."""

import asyncio
import os
import random
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec

from trunkline.app import Service, running
from trunkline.calls.views import CallView
from trunkline.domain.caller import MatchKind
from trunkline.domain.logging_plan import marker
from trunkline.mirror.catalog import TYPED
from trunkline.sandbox.asterisk import SCENARIOS, AmiServer, PlayedCall, play
from trunkline.settings import load
from trunkline.store import mirror as mirror_rows
from trunkline.store.embedded import EmbeddedPostgres

TENANT_ID = 1_000_001
SETTLED_WITHIN_S = 90.0

_SETTINGS = """\
port = {port}
mirror_interval_s = 20

[[tenants]]
id = {tenant_id}
name = "Northwind Plumbing & Heating"
timezone = "America/Toronto"

[tenants.servicetitan]
environment = "{sandbox}"
client_id = "cid.example"
client_secret = "env:TRUNKLINE_DEMO_CLIENT_SECRET"
app_key = "env:TRUNKLINE_DEMO_APP_KEY"

[[tenants.phone_systems]]
account = "front-desk"
system = "asterisk"
host = "127.0.0.1"
port = {ami_port}
username = "trunkline"
secret = "env:TRUNKLINE_DEMO_AMI_SECRET"
"""
# What the sandboxes accept; they guard nothing.
_INVENTED = {
    "TRUNKLINE_DEMO_CLIENT_SECRET": "cs1.example-secret",
    "TRUNKLINE_DEMO_APP_KEY": "ak1.example",
    "TRUNKLINE_DEMO_AMI_SECRET": "ami-example",
}
# How often each kind of call comes, as in a shop on a working day.
_MIX = {
    "queue_answered": 8,
    "direct": 5,
    "outbound": 4,
    "missed": 3,
    "voicemail": 2,
    "blind_transfer": 2,
    "attended_transfer": 2,
    "abandoned": 1,
    "internal": 1,
}

OnProgress = Callable[[str, int, int], None]


class Report(msgspec.Struct):
    """What a run of calls came to; `pop_ms` is from the first event on the wire to the card in the stream."""

    calls: int
    popped: int
    matched: int
    logged: int
    duplicates: int
    lost: int
    pop_ms: dict[str, float]
    seconds: float


class Stage:
    """Plays calls and keeps account of them."""

    def __init__(self, service: Service, ami: AmiServer, sandbox_url: str, callers: list[dict[str, Any]]) -> None:
        self.service = service
        self._ami = ami
        self._sandbox_url = sandbox_url
        self._callers = callers
        self._random = random.Random(7)
        self.played: list[PlayedCall] = []
        self.seen: dict[int, float] = {}

    async def play_one(self, turn: int, *, pace: float) -> None:
        """One call from its first ring to its end."""
        kinds = list(SCENARIOS)
        scenario = kinds[turn] if turn < len(kinds) else self._random.choices(list(_MIX), list(_MIX.values()))[0]
        caller = self._callers[turn % len(self._callers)]["number"]
        await play(self._ami, scenario, caller=caller, pace=pace, on_begin=self.played.append)

    async def watch(self) -> None:
        """Read the board's stream as a browser does, and note when each call is first seen."""
        async with (
            httpx.AsyncClient(timeout=httpx.Timeout(5.0, read=None)) as http,
            http.stream("GET", f"{self.service.base_url}/stream") as stream,
        ):
            async for line in stream.aiter_lines():
                if line.startswith("data: <article") and (found := re.search(r'id="call-(\d+)"', line)):
                    self.seen.setdefault(int(found[1]), time.perf_counter())

    async def settled(self) -> list[CallView]:
        """All calls, once each is over and closed in the logbook (or time is up)."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while True:
            views = await self._all_calls()
            done = [view for view in views if view.log is not None and view.log.state != "open"]
            if len(done) == len(views) >= len(self.played) or time.monotonic() > deadline:
                return views
            await asyncio.sleep(0.2)

    async def _all_calls(self) -> list[CallView]:
        views: list[CallView] = []
        before = None
        while page := await self.service.desk.recent(TENANT_ID, limit=200, before_id=before):
            views += page
            before = page[-1].id
        return views

    async def report(self, seconds: float) -> Report:
        """Compare what was played with what stands in Trunkline and in ServiceTitan."""
        views = await self.settled()
        async with httpx.AsyncClient() as http:
            ledger = (await http.get(f"{self._sandbox_url}/sandbox/ledger")).json()
        by_key = {key: view for view in views for key in (view.call.call_key, *view.call.aliases)}
        found = [(call, by_key.get(call.linkedid)) for call in self.played]
        tally = [await self._count_notes(view, ledger["notes"]) for view in views]
        pops = sorted(
            1000 * (self.seen[view.id] - call.began)
            for call, view in found
            if view is not None and view.id in self.seen
        )
        missing = sum(view is None or view.log is None or view.log.state == "open" for _, view in found)
        return Report(
            calls=len(self.played),
            popped=len(pops),
            matched=sum(_is_matched(view) for _, view in found),
            logged=sum(written > 0 for written, _, _ in tally),
            duplicates=sum(twice for _, _, twice in tally) + max(0, len(views) - len(self.played)),
            lost=missing + sum(lacking for _, lacking, _ in tally),
            pop_ms={f"p{share}": round(_percentile(pops, share), 2) for share in (50, 95, 99)},
            seconds=round(seconds, 2),
        )

    async def _count_notes(self, view: CallView, notes: list[dict[str, Any]]) -> tuple[int, int, int]:
        """How many notes of a call ServiceTitan has, how many it lacks, and how many it has twice."""
        detail = await self.service.desk.detail(TENANT_ID, view.id)
        planned = {(write.action, write.target_id) for write in detail.writes} if detail else set()
        kinds = {"customer": "customer_note", "job": "job_note"}
        there = [(kinds[n["kind"]], n["target_id"]) for n in notes if marker(view.ref) in n["text"]]
        return len(set(there)), len(planned - set(there)), len(there) - len(set(there))


def _is_matched(view: CallView | None) -> bool:
    match = view.card.match if view and view.card else None
    return match is not None and match.kind in {MatchKind.SINGLE, MatchKind.AMBIGUOUS, MatchKind.STAFF}


def _percentile(ordered: list[float], share: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)] if ordered else 0.0


@asynccontextmanager
async def stage(folder: Path, *, port: int, customers: int, on_progress: OnProgress) -> AsyncIterator[Stage]:
    """Set everything up in `folder` and tear it down again; the mirror is complete when the body starts."""
    async with AsyncExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "postgres")
        stack.push_async_callback(asyncio.to_thread, postgres.stop)
        starting = asyncio.create_task(asyncio.to_thread(postgres.start))
        sandbox_url = await stack.enter_async_context(_sandbox(customers))
        ami = await stack.enter_async_context(AmiServer())
        await starting
        os.environ.update(_INVENTED)
        os.environ.pop("DATABASE_URL", None)  # the demo never touches a database that is somebody's
        text = _SETTINGS.format(port=port, tenant_id=TENANT_ID, sandbox=sandbox_url, ami_port=ami.port)
        (folder / "trunkline.toml").write_text(text)
        service = await stack.enter_async_context(running(load(folder), postgres))
        await _mirrored(service, on_progress)
        async with asyncio.timeout(30):
            await ami.logged_in.wait()
        async with httpx.AsyncClient() as http:
            callers = (await http.get(f"{sandbox_url}/sandbox/callers", params={"n": 200})).json()
        yield Stage(service, ami, sandbox_url, callers)


@asynccontextmanager
async def _sandbox(customers: int) -> AsyncIterator[str]:
    """A process of its own, as ServiceTitan is."""
    arguments = ("-m", "trunkline", "sandbox", "servicetitan", "--port", "0", "--customers", str(customers))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        line = await process.stdout.readline() if process.stdout else b""
        if not line:
            raise RuntimeError("The ServiceTitan sandbox did not start; what it printed above says why.")
        yield line.decode().rpartition(" ")[2].strip()
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _mirrored(service: Service, on_progress: OnProgress) -> None:
    while True:
        async with service.database.connection() as connection:
            states = await mirror_rows.feed_states(connection, TENANT_ID)
        complete = sum(one.name in states and states[one.name].complete for one in TYPED)
        on_progress("feeds", complete, len(TYPED))
        if complete == len(TYPED):
            return
        await asyncio.sleep(0.1)

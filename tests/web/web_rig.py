"""What the web's tests run: the real service in a process of its own, and around it a thread with ServiceTitan's and
Asterisk's look-alikes, a line that can be cut, and a hand that plays calls."""

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import msgspec
import psycopg
import pytest
from playwright.sync_api import Page
from standardwebhooks.webhooks import Webhook

from company import ASTERISK_TOML, TENANT, TENANT_TOML, TLS, WEBHOOK_SECRET, WEBHOOK_TOML, environment
from trunkline.mirror.feeds import FEEDS
from trunkline.sandbox.asterisk import AmiServer
from trunkline.sandbox.asterisk.scenarios import Stage, play
from trunkline.sandbox.servicetitan import SandboxOptions, SandboxServer

T = TypeVar("T")

OTHER_TENANT = 1_000_002
TOKEN = "a-token-long-enough-for-the-tests"
HOOK = "front-door"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - what the guard is about
DID = "4375550100"
EVIL_NAME = "<b id=evil>Bold</b> & Sons <img src=x onerror=window.pwned=1>"
WITHIN_S = 20.0
CHROMIUM = shutil.which("chromium")
NEEDS_CHROMIUM = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]


def until(probe: Callable[[], T], *, within_s: float = WITHIN_S) -> T:
    """The first answer of `probe` that is true: for what another process does, and tells nobody about."""
    deadline = time.monotonic() + within_s
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {within_s} s; the last answer was {answer!r}")
        time.sleep(0.05)
    return answer


@dataclass(frozen=True)
class Caller:
    """Somebody in the look-alike of ServiceTitan: `number` is E.164, `dialled` as the PBX says it."""

    dialled: str
    customer_id: int = 0
    name: str = ""

    @property
    def number(self) -> str:
        return f"+1{self.dialled}"

    @property
    def shown(self) -> str:
        """The number as people read it."""
        return f"({self.dialled[:3]}) {self.dialled[3:6]}-{self.dialled[6:]}"


@dataclass(frozen=True)
class People:
    """One caller of each kind that the tests ring up as."""

    jane: Caller
    evil: Caller
    banned: Caller
    shared: Caller
    colleague: Caller
    stranger: Caller


class Backstage:
    """What Trunkline talks to, on an event loop in a thread of its own; `with Backstage() as backstage`."""

    def __init__(self, customers: int) -> None:
        self._stack = AsyncExitStack()
        self.ami = AmiServer()
        self.servicetitan = SandboxServer(SandboxOptions(customers=customers, tenant_id=TENANT))
        self.other = SandboxServer(SandboxOptions(customers=20, seed=2, tenant_id=OTHER_TENANT))
        self.people = self._people()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="backstage")

    def __enter__(self) -> Self:
        self._thread.start()
        for one in (self.ami, self.servicetitan, self.other):
            self.run(self._stack.enter_async_context(one))
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """`work`, done on the loop of the thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def do(self, function: Callable[..., T], *arguments: Any) -> T:
        """As :meth:`run`, for what is not awaited."""

        async def work() -> T:
            return function(*arguments)

        return self.run(work())

    def notes(self) -> list[dict[str, Any]]:
        """What stands in ServiceTitan."""
        found: list[dict[str, Any]] = self.do(self.servicetitan.sandbox.ledger)["notes"]
        return found

    def _people(self) -> People:
        world = self.servicetitan.world
        kinds: dict[str, list[dict[str, Any]]] = {}
        for one in world.callers(120):
            kinds.setdefault(one["kind"], []).append(one)

        def caller(kind: str, turn: int, **changes: Any) -> Caller:
            found = kinds[kind][turn]
            if not found["customer_ids"]:
                return Caller(found["number"])
            customer_id = found["customer_ids"][0]
            row = world.find("customers", customer_id)
            assert row is not None
            if changes:
                row = world.put("customers", {**row, **changes})
            return Caller(found["number"], customer_id, row["name"])

        return People(
            jane=caller("single", 0, name="Jane Example"),
            evil=caller("single", 1, name=EVIL_NAME),
            banned=caller("single", 2, name="Bob Banned", doNotService=True),
            shared=caller("shared", 0),
            colleague=caller("staff", 0),
            stranger=caller("unknown", 0),
        )

    # Calls ----------------------------------------------------------------------------------------------------------

    def ring(self, dialled: str) -> "RingingCall":
        """Somebody calls, and Dana's phone rings until the test says what comes next. An empty number is withheld."""
        return self.do(RingingCall, self, dialled)

    def play(self, scenario: str, caller: Caller) -> None:
        """A whole call, faster than life."""
        self.run(play(self.ami, scenario, caller=caller.dialled, pace=0.01))


class RingingCall:
    """One call to Dana, step by step."""

    def __init__(self, backstage: Backstage, dialled: str) -> None:
        self._backstage = backstage
        self._is_over = False
        self._stage = Stage(backstage.ami, caller=dialled, did=DID, pace=0)
        self._outside = self._stage.trunk()
        self._phone = self._stage.phone("201", self._outside.linkedid)
        self._stage.ring(self._outside, self._phone)

    def answer(self) -> None:
        """Dana takes it."""
        self._backstage.do(self._stage.dial_end, self._outside, self._phone, "ANSWER")
        self._backstage.do(self._stage.bridge, self._outside, self._phone)

    def hang_up(self) -> None:
        """It is over; once."""
        if not self._is_over:
            self._is_over = True
            self._backstage.do(self._stage.hang_up, self._phone, self._outside)


Ring = Callable[[Caller | None], RingingCall]  # nobody: the number is withheld
Visit = Callable[..., Page]


class Line:
    """A TCP line to the service that can be cut and mended: `address` stays the same."""

    def __init__(self, backstage: Backstage, port: int) -> None:
        self._backstage, self._target = backstage, port
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._answer = b""
        self.port = 0
        self.opened = 0
        self.mend()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Let everything through."""
        self._answer = b""
        if self._server is None:
            self._backstage.run(self._listen())

    def cut(self) -> None:
        """Break what is open, and take nothing more."""
        self._backstage.run(self._close())

    def answer_only(self, status: str) -> None:
        """Break what is open, and answer everything with `status`, as a proxy does while the service is away."""
        self._answer = f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
        self._backstage.do(self._break)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._break()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _break(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._ends.add(writer)
        self.opened += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            if self._answer:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer)
                await writer.drain()
            else:
                await self._both_ways(reader, writer)
        writer.close()
        self._ends.discard(writer)
        self._tasks.discard(task)

    async def _both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._ends.add(far_writer)
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            far_writer.close()
            self._ends.discard(far_writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass(frozen=True)
class Office:
    """The running service, as a test on this machine reaches it."""

    base_url: str
    database_url: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.base_url.rpartition(":")[2])

    def client(self, **headers: str) -> httpx.Client:
        """A visitor who follows no redirects."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=20, verify=TLS)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """One request, without a browser's headers unless they are given."""
        with self.client(**headers) as client:
            return client.get(path)

    def post(self, event: Mapping[str, object] | bytes, *, account: str = HOOK) -> httpx.Response:
        """Deliver a webhook."""
        body, headers = delivery(event)
        with self.client(**headers) as client:
            return client.post(f"/hooks/{account}", content=body).raise_for_status()

    def calls(self, tenant: int = TENANT) -> list[dict[str, Any]]:
        """The calls there are, the newest first."""
        found: list[dict[str, Any]] = self.get(f"/api/v1/calls?tenant={tenant}&limit=200").json()["calls"]
        return found

    def call_of(self, caller: Caller, *, state: str | None = None) -> dict[str, Any] | None:
        """The latest call with this number; with `state`, the latest of those in it."""
        return next(
            (
                one
                for one in self.calls()
                if one["call"].get("external_number") == caller.number and state in {None, one["call"].get("state")}
            ),
            None,
        )

    def is_quiet(self) -> bool:
        """Whether no call is in progress."""
        return all(one["call"].get("state") == "ended" for one in self.calls())

    def logged(self, caller: Caller) -> dict[str, Any]:
        """The latest call with this number, once it is closed in the logbook."""

        def closed() -> dict[str, Any] | None:
            found = self.call_of(caller)
            return found if found and found.get("log", {}).get("state", "open") != "open" else None

        found = until(closed)
        assert found is not None
        return found

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Look into its database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


def settings_text(backstage: Backstage, *, several: bool = False) -> str:
    """A `trunkline.toml`: one company with an Asterisk and webhooks, or two companies with webhooks."""
    company = TENANT_TOML.format(id=TENANT, name="Example Plumbing & Heating", sandbox=backstage.servicetitan.base_url)
    hook = WEBHOOK_TOML.format(account=HOOK)
    if not several:
        return company + hook + ASTERISK_TOML.format(port=backstage.ami.port)
    other = TENANT_TOML.format(id=OTHER_TENANT, name="Other Example", sandbox=backstage.other.base_url)
    return company + hook + other


@contextmanager
def serving(folder: Path, settings: str, database_url: str, *options: str, **more: str) -> Iterator[Office]:
    """`trunkline serve` on a free port, with its mirror complete; it must end well when it is told to stop."""
    folder.mkdir()
    (folder / "trunkline.toml").write_text(settings)
    log = folder / "serve.log"
    command = (sys.executable, "-m", "trunkline", "serve", "--data-dir", str(folder), "--port", "0", *options)
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(DATABASE_URL=database_url, **more),
        ) as process,
    ):
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Trunkline: http://"), f"{line}{log.read_text()}"
            office = Office(line.partition(" ")[2].strip(), database_url, log)
            until(lambda: _is_mirrored(office, settings.count("[[tenants]]")))
            watchdog.cancel()
            yield office
        finally:
            watchdog.cancel()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
    assert process.returncode == 0, log.read_text()


def _is_mirrored(office: Office, tenants: int) -> bool:
    statement = "select count(*) from mirror.feeds where complete and feed = any(%s)"
    return office.execute(statement, [feed.name for feed in FEEDS]) == [(tenants * len(FEEDS),)]


# Webhooks ---------------------------------------------------------------------------------------------------------

_deliveries = itertools.count(1)


def delivery(
    event: Mapping[str, object] | bytes,
    *,
    secret: str = WEBHOOK_SECRET,
    at: datetime | None = None,
    delivery_id: str | None = None,
) -> tuple[bytes, dict[str, str]]:
    """A signed delivery: body and headers."""
    at = at or datetime.now(UTC)
    body = event if isinstance(event, bytes) else msgspec.json.encode(event)
    delivery_id = delivery_id or f"msg_{next(_deliveries)}_{os.getpid()}"
    headers = {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(delivery_id, at, body.decode()),
        "content-type": "application/json",
    }
    return body, headers


def started(call_id: str, number: str, **fields: object) -> dict[str, object]:
    """The event of an incoming call."""
    return {
        "kind": "started",
        "call_id": call_id,
        "occurred_at": datetime.now(UTC),
        "direction": "inbound",
        "external_number": number,
        "leg_id": f"{call_id}-a",
        **fields,
    }


def over(call_id: str) -> dict[str, object]:
    """The event of its end."""
    return {"kind": "ended", "call_id": call_id, "occurred_at": datetime.now(UTC), "leg_id": f"{call_id}-a"}


def begun_and_over(call_id: str, number: str) -> dict[str, object]:
    """Both in one delivery."""
    return {"events": [started(call_id, number), over(call_id)]}

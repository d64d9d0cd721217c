"""A whole installation in processes of its own: sandbox, `trunkline serve`, and a phone system that never gives up."""

import contextlib
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from standardwebhooks.webhooks import Webhook

from company import HTTP, TENANT, TENANT_TOML, TRUNKLINE, WEBHOOK_SECRET, WEBHOOK_TOML, environment
from trunkline.mirror.feeds import FEEDS

PATIENCE_S = 60.0

_BRISK = "mirror_interval_s = 3600\nsettle_s = 2\n"


def trunkline(*arguments: str, **more: Any) -> "subprocess.Popen[str]":
    """Start a `trunkline` command."""
    return subprocess.Popen([str(TRUNKLINE), *arguments], text=True, **more)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(holds: Any, what: str, within_s: float = PATIENCE_S) -> Any:
    """Wait until `holds()` is true, and return it."""
    until = time.monotonic() + within_s
    while not (result := holds()):
        assert time.monotonic() < until, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)
    return result


@dataclass
class Sandbox:
    """The ServiceTitan look-alike in a process of its own."""

    url: str

    def set_faults(self, *faults: str) -> None:
        """Switch faults on; none switches all off."""
        HTTP.post(f"{self.url}/sandbox/faults", json={"faults": faults}).raise_for_status()

    def ledger(self) -> dict[str, Any]:
        """What was written, and how requests were answered."""
        return dict(HTTP.get(f"{self.url}/sandbox/ledger").json())

    def callers(self, count: int) -> list[dict[str, Any]]:
        """Numbers to call from, with whose they are."""
        return list(HTTP.get(f"{self.url}/sandbox/callers", params={"n": count}).json())


@contextlib.contextmanager
def sandbox(customers: int = 60) -> Iterator[Sandbox]:
    """A sandbox while the body runs."""
    process = trunkline("sandbox", "servicetitan", "--port", "0", "--customers", str(customers), stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield Sandbox(process.stdout.readline().split()[-1])
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


_NEEDED = [feed.name for feed in FEEDS]  # what a ringing phone needs


@dataclass
class Installation:
    """One data directory and one database, served by any number of processes; `phones` sets up its phone system.

    Without a `database_url` the processes use the embedded database in the data directory.
    """

    folder: Path
    database_url: str
    sandbox: Sandbox
    phones: str = WEBHOOK_TOML.format(account="phones")
    secrets: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "serve.log"
        tenant = TENANT_TOML.format(id=TENANT, name="Example Plumbing", sandbox=self.sandbox.url)
        (self.folder / "trunkline.toml").write_text(_BRISK + tenant + self.phones)

    def start(self, fault: str = "", *, port: int | None = None) -> "subprocess.Popen[str]":
        """Serve; `fault` as in TRUNKLINE_FAULT. Returns at once."""
        variables = environment(TRUNKLINE_FAULT=fault, **self.secrets)
        if self.database_url:
            variables["DATABASE_URL"] = self.database_url
        with self.log.open("a") as log:
            process = trunkline(
                "serve", "--data-dir", str(self.folder), "--port", str(port or self.port),
                env=variables, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def wait_ready(self, port: int | None = None) -> None:
        """Return when the service answers."""

        def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return HTTP.get(f"http://127.0.0.1:{port or self.port}/healthz").is_success
            return False

        eventually(answers, "the service answers")

    def wait_mirrored(self) -> None:
        """Return when the first full copy is there."""
        eventually(
            lambda: self.rows(
                "select count(*) = %s from mirror.feeds where complete and feed = any(%s)", len(_NEEDED), _NEEDED
            )[0][0],
            "the mirror is complete",
        )

    def kill(self) -> None:
        """SIGKILL the process that started first."""
        process = self.processes.pop(0)
        process.kill()
        process.wait(20)

    def stop(self) -> None:
        """Put down whatever still runs."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
        self.processes.clear()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def phone_system(self, *ports: int) -> "PhoneSystem":
        """A sender of webhooks that tries until it is heard."""
        return PhoneSystem(ports or (self.port,))

    def settled(self, call_keys: Sequence[str], within_s: float = PATIENCE_S) -> None:
        """Wait until every call is over and its entry closed."""

        def open_calls() -> list[Any]:
            found = self.rows(
                "select c.call_key, c.state, e.state, e.detail from calls.calls c"
                " left join logbook.entries e on e.call_id = c.id"
                " where c.call_key = any(%s) and c.merged_into is null",
                list(call_keys),
            )
            settled = {key for key, state, entry, _ in found if state == "ended" and entry not in {None, "open"}}
            return [row for row in found if row[0] not in settled] or sorted(set(call_keys) - settled)

        until = time.monotonic() + within_s
        while left := open_calls():
            assert time.monotonic() < until, f"not settled: {left}\n{self.log.read_text()[-3000:]}"
            time.sleep(0.05)

    def check_books(self, calls: Mapping[str, Mapping[str, Any]]) -> None:
        """Every call stands here once, and in ServiceTitan once on each target: nothing lost, nothing doubled.

        `calls` gives each call key its caller, as the sandbox names them.
        """
        rows = self.rows("select call_key, id, ref from calls.calls where call_key = any(%s)", list(calls))
        assert sorted(key for key, _, _ in rows) == sorted(calls), "a call is missing or doubled"
        ledger = self.sandbox.ledger()
        written = ledger["notes"] + ledger["bookings"]
        books = "booking_provider" in self.phones
        for key, call_id, ref in rows:
            found = sorted((note["kind"], note["target_id"]) for note in written if f"[call:{ref}]" in note["text"])
            intents = self.rows("select action, target_id, state from logbook.intents where call_id = %s", call_id)
            intended = sorted((action.removesuffix("_note"), target) for action, target, _ in intents)
            assert found == intended, f"call {key}: intended {intended}, found {found}"
            assert {state for _, _, state in intents} <= {"written"}
            caller = calls[key]
            if caller["kind"] == "single":
                assert ("customer", caller["customer_ids"][0]) in found, f"call {key} of a known customer has no note"
            elif caller["kind"] == "unknown" and books:
                assert [kind for kind, _ in found] == ["booking"], f"call {key} of a stranger is not booked"
            else:
                assert not found


class PhoneSystem:
    """Delivers events in order, each until it is acknowledged, to any of the ports."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._webhook = Webhook(WEBHOOK_SECRET)
        self._threads: list[threading.Thread] = []
        self._turn = 0
        self.refusals: list[int] = []
        self.given_up = threading.Event()

    def play(self, call_key: str, caller: str) -> None:
        """One answered call, told from a thread of its own."""
        thread = threading.Thread(target=self._tell, args=(call_key, caller))
        self._threads.append(thread)
        thread.start()

    def finish(self) -> None:
        """Wait until everything was acknowledged."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "a delivery was never acknowledged"

    def _tell(self, call_key: str, caller: str) -> None:
        agent = {"extension": "201", "name": "Dana Desk"}
        stories: list[dict[str, Any]] = [
            {"kind": "started", "direction": "inbound", "external_number": caller, "did": "4375550100"},
            {"kind": "ringing", "leg_id": f"{call_key}-a", "agent": agent},
            {"kind": "answered", "leg_id": f"{call_key}-a", "agent": agent},
            {"kind": "named", "text": "Jane Example"},
            {"kind": "ended", "reason": "normal"},
        ]
        for number, story in enumerate(stories):
            event = {"call_id": call_key, "occurred_at": datetime.now(UTC).isoformat(), **story}
            self.deliver(f"{call_key}-{number}", json.dumps(event))

    def deliver(self, delivery_id: str, body: str) -> None:
        """Send until it is taken."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and not self.given_up.is_set():
            self._turn += 1
            port = self._ports[self._turn % len(self._ports)]
            now = datetime.now(UTC)
            headers = {
                "webhook-id": delivery_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": self._webhook.sign(delivery_id, now, body),
            }
            with contextlib.suppress(httpx.TransportError):
                answer = HTTP.post(f"http://127.0.0.1:{port}/hooks/phones", content=body, headers=headers, timeout=10)
                if answer.is_success:
                    return
                self.refusals.append(answer.status_code)
            time.sleep(0.1)


def killed(process: "subprocess.Popen[str]") -> bool:
    """Whether the process died by SIGKILL, as a fault point asked."""
    return process.wait(PATIENCE_S) == -signal.SIGKILL

"""The first full copy into PostgreSQL, beside a Singer tap that only prints the same feeds. README.md says how."""

import asyncio
import json
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from bench import sync
from bench.report import Figure, at_least, not_measured
from bench.stand import TENANT, fresh, sandbox, say
from bench.sync import Reading
from trunkline.contract.operations import details, operations, schemas
from trunkline.mirror.feeds import FEEDS
from trunkline.mirror.sync import chosen
from trunkline.store.embedded import EmbeddedPostgres

NAMES = (
    "customers", "customer_contacts", "location_contacts", "locations", "jobs", "appointments", "calls",
)  # fmt: skip
PEERS_CUSTOMERS = 10_000
ROUNDS = 2
BAR = 30
_NAME = f"{len(NAMES)} feeds of {sync.CUSTOMERS:,} customers into PostgreSQL"
_ROOT = Path(__file__).parent.parent
_LOCK = _ROOT / "requirements" / "tap.txt"
_ENVIRONMENT = _ROOT / ".venv-tap"


def measure() -> list[Figure]:
    """Rows per second of both, the better of two rounds, taken in turn so that a noisy machine disturbs both alike."""
    python = _installed()
    if python is None:
        return [not_measured(_NAME, "rows/s", bar=BAR)]
    postgres = EmbeddedPostgres(fresh("tap") / "postgres")
    printed, copied = [], []
    try:
        url = postgres.start()
        with (
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            sandbox(sync.CUSTOMERS) as large,
            sandbox(PEERS_CUSTOMERS) as small,
        ):
            runner.run(sync.bare_loop(large))  # makes the pages
            expected = runner.run(sync.bare_loop(small)).rows_of(NAMES)
            for _ in range(ROUNDS):
                printed.append(_per_second(_printed(python, small, expected)))
                copied.append(_per_second(runner.run(sync.copy(url, large, chosen(NAMES)))))
                runner.run(sync.empty(url))
    finally:
        postgres.stop()
    say(f"Rows per second of each round: copied {_listed(copied)}; printed by the tap {_listed(printed)}")
    ours, peers = max(copied), max(printed)
    peer = f"a Singer tap prints: {peers:,.0f} rows/s"
    return [at_least(_NAME, ours, "rows/s", peer, ratio=ours / peers, bar=BAR)]


def _per_second(reading: Reading) -> float:
    return reading.rows_of(NAMES) / reading.seconds


def _listed(rates: list[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in rates)


def _installed() -> Path | None:
    """The Python of the peer's environment, made anew where its lock has changed; `None` where it cannot be made."""
    python, stamp = _ENVIRONMENT / "bin" / "python", _ENVIRONMENT / "installed"
    if stamp.exists() and stamp.read_bytes() == _LOCK.read_bytes():
        return python
    say("Installing the Singer tap's packages")
    venv.create(_ENVIRONMENT, clear=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--retries", "1"]
    if subprocess.run([*pip, "--require-hashes", "-r", str(_LOCK)], capture_output=True, check=False).returncode:
        say(f"The packages in {_LOCK.relative_to(_ROOT)} could not be installed, so the Singer tap is not measured.")
        return None
    stamp.write_bytes(_LOCK.read_bytes())
    return python


def _printed(python: Path, sandbox_url: str, expected: int) -> Reading:
    """What the tap prints into a file, and in how many seconds."""
    say(f"Printing {PEERS_CUSTOMERS:,} customers with a Singer tap")
    folder = fresh("printed")
    _describe(folder, sandbox_url)
    with (folder / "messages").open("wb") as messages, (folder / "log").open("wb") as log:
        tap = [str(python), "-P", str(Path(__file__).with_name("tap_peer.py")), str(folder)]
        if subprocess.run(tap, stdout=messages, stderr=log, check=False).returncode:
            raise RuntimeError(f"The Singer tap failed: {(folder / 'log').read_text()[-2000:]}")
    rows: Counter[str] = Counter()
    with (folder / "messages").open("rb") as messages:
        for line in messages:
            message = json.loads(line)
            if message["type"] == "RECORD":
                rows[message["stream"]] += 1
    if rows.total() != expected:
        raise RuntimeError(f"The Singer tap printed {rows.total():,} of {expected:,} rows.")
    return Reading(rows, float((folder / "seconds").read_text()))


def _describe(folder: Path, sandbox_url: str) -> None:
    """Write the tap's configuration, its streams and, from the published contract, its schemas."""
    by_path = {operation.path: operation for operation in operations().values()}
    streams = []
    for feed in FEEDS:
        if feed.name in NAMES:
            operation = by_path[feed.path]
            answer = schemas(operation.module)[(details(operation).answer or {})["$ref"]]
            specification = f"{operation.module}.json"
            (folder / specification).write_text(json.dumps(_openapi(operation.module)))
            streams.append({
                "name": feed.name,
                "path": f"/{feed.path.format(tenant=TENANT)}",
                "specification": specification,
                "schema": answer["properties"]["data"]["items"]["$ref"],
            })  # fmt: skip
    config = {
        "api_url": sandbox_url,
        "client_id": "cid.example",
        "client_secret": "cs1.example-secret",
        "app_key": "ak1.example",
        "start_date": "2000-01-01T00:00:00Z",
    }
    (folder / "tap.json").write_text(json.dumps({"config": config, "streams": streams}))


def _openapi(module: str) -> dict[str, Any]:
    def referring(part: Any) -> Any:
        if isinstance(part, list):
            return [referring(item) for item in part]
        if isinstance(part, dict):
            return {
                key: f"#/components/schemas/{value}" if key == "$ref" else referring(value)
                for key, value in part.items()
            }
        return part

    return {"openapi": "3.0.1", "components": {"schemas": referring(dict(schemas(module)))}}

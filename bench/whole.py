"""What a data team meets: how soon the command line answers, and what a copy of everything costs."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.report import Figure, context, under
from bench.stand import environment, fresh, resident, sandbox, say, settings
from trunkline.mirror.catalog import RESOURCES

CUSTOMERS = 100_000
ROUNDS = 7
_TRUNKLINE = str(Path(sys.executable).with_name("trunkline"))
_IMPORT = "import time; t = time.perf_counter(); {}; print(1000 * (time.perf_counter() - t))"


def measure() -> list[Figure]:
    """The command line, then a first full copy, then a round with nothing new."""
    say("Starting small commands")
    imported = _median(lambda: _import_ms("import trunkline.servicetitan"))
    client = _median(lambda: _import_ms("from trunkline.servicetitan import ServiceTitan"))
    listed = _median(_list_ms)
    folder = fresh("whole")
    with sandbox(CUSTOMERS) as url:
        (folder / "trunkline.toml").write_text(settings(url))
        say(f"Copying everything of {CUSTOMERS:,} customers")
        peak_mb = _sync(folder)
        first = _ledger(url)
        say("Copying what changed since, which is nothing")
        _sync(folder)
        then = _ledger(url)
    requests = sum(then["statuses"].values()) - sum(first["statuses"].values())
    return [
        under("import trunkline.servicetitan", imported, "ms", 150),
        context("from trunkline.servicetitan import ServiceTitan", client, "ms"),
        under("trunkline st list", listed, "ms", 400),
        under(f"copying everything of {CUSTOMERS:,} customers: most memory", peak_mb, "MB", 400),
        under("most requests within a second meanwhile", first["most_per_second"], "requests", 60),
        under("requests of a round with nothing new", requests, "requests", len(RESOURCES)),
    ]


def _median(once: Callable[[], float]) -> float:
    once()  # the file system's cache is warm from here on
    return statistics.median(once() for _ in range(ROUNDS))


def _import_ms(statement: str) -> float:
    ended = subprocess.run(
        [sys.executable, "-c", _IMPORT.format(statement)], capture_output=True, text=True, check=True
    )
    return float(ended.stdout)


def _list_ms() -> float:
    began = time.perf_counter()
    subprocess.run([_TRUNKLINE, "st", "list"], stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.perf_counter() - began)


def _sync(folder: Path) -> float:
    """`trunkline sync` in a process of its own; the most memory that it had, PostgreSQL not counted, in MB."""
    command = [_TRUNKLINE, "sync", "--data-dir", str(folder)]
    with (folder / "log").open("w") as log:
        process = psutil.Popen(command, stdout=log, stderr=log, env=environment())
        most = 0
        while process.poll() is None:
            most = max(most, resident(process))
            time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"The copy failed: {(folder / 'log').read_text()[-2000:]}")
    return most / 2**20


def _ledger(url: str) -> dict[str, Any]:
    return dict(json.loads(httpx.get(f"{url}/sandbox/ledger").content))

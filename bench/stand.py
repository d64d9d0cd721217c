"""What benches stand on: a sandbox and the service in processes of their own, and mirrors of any size."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg

from trunkline.sandbox.asterisk import AmiServer

TENANT = 1_000_001
FIRST_CUSTOMER = 100_000  # as the sandbox numbers them
FOLDER = Path(__file__).parent.parent / ".bench"
CALLER_ID = "an-example-of-a-caller-id-token"
SIGNING = "whsec_YW4gaW52ZW50ZWQgd2ViaG9vayBzZWNyZXQ="
_SECRETS = {
    "EXAMPLE_CLIENT_SECRET": "cs1.example-secret",
    "EXAMPLE_APP_KEY": "ak1.example",
    "EXAMPLE_AMI_SECRET": "ami-example",
    "EXAMPLE_SIGNING": SIGNING,
    "EXAMPLE_CALLER_ID": CALLER_ID,
}
_SETTINGS = """
mirror_interval_s = 3600

[[tenants]]
id = {tenant}
name = "Example Plumbing"

[tenants.servicetitan]
environment = "{sandbox}"
client_id = "cid.example"
client_secret = "env:EXAMPLE_CLIENT_SECRET"
app_key = "env:EXAMPLE_APP_KEY"

[[tenants.phone_systems]]
account = "hooks"
system = "webhook"
secrets = ["env:EXAMPLE_SIGNING"]

[[tenants.phone_systems]]
account = "asterisk"
system = "asterisk"
host = "127.0.0.1"
port = {ami_port}
username = "trunkline"
secret = "env:EXAMPLE_AMI_SECRET"
caller_id_tokens = ["env:EXAMPLE_CALLER_ID"]
"""
_RECORDS = """
[[tenants.phone_systems]]
account = "records"
system = "cdr-file"
preset = "asterisk"
path = "{path}"
time_zone = "UTC"
trunk_endpoints = ["trunk"]
"""
# Customers `first` to `last`, each with a house, two numbers and, every third one, a job. All rows count as read.
_FILL = """
insert into mirror.customers (tenant_id, id, active, name, customer_type, address, balance, modified_on)
select {tenant}, 100000 + i, true, 'Customer ' || i, 'Residential', i || ' Example Street', 0, now()
from generate_series({first}, {last}) i;
insert into mirror.locations (tenant_id, id, customer_id, active, name, address, modified_on)
select {tenant}, 100000000 + i, 100000 + i, true, 'House ' || i, i || ' Example Street', now()
from generate_series({first}, {last}) i;
insert into mirror.contacts (tenant_id, owner_kind, id, owner_id, active, type, value, modified_on)
select {tenant}, 'customer', 10 * i + k, 100000 + i, true, 'MobilePhone', right({number}, 10), now()
from generate_series({first}, {last}) i, generate_series(0, 1) k;
insert into mirror.phone_index (tenant_id, number, owner_kind, owner_id, source_id, certainty)
select {tenant}, {number}, 'customer', 100000 + i, 10 * i + k, 'known'
from generate_series({first}, {last}) i, generate_series(0, 1) k;
insert into mirror.jobs
    (tenant_id, id, active, job_number, customer_id, location_id, job_status, is_open, summary, modified_on)
select {tenant}, 10 * i, true, 'J' || i, 100000 + i, 100000000 + i, 'Scheduled', true, 'Example job', now()
from generate_series({first}, {last}) i where i % 3 = 0;
insert into mirror.appointments (tenant_id, id, job_id, active, status, starts_at, ends_at, modified_on)
select {tenant}, 10 * i, 10 * i, true, 'Scheduled', now() + interval '3 days', now() + interval '74 hours', now()
from generate_series({first}, {last}) i where i % 3 = 0;
"""
_NUMBER = "'+1' || (2012000000 + (2 * i + k))::text"
FEEDS = (
    "business_units", "job_types", "tag_types", "campaigns", "technicians", "employees", "customers", "locations",
    "customer_contacts", "location_contacts", "jobs", "appointments", "appointment_assignments", "calls",
)  # fmt: skip


def number_of(customer: int) -> str:
    """The first number of a customer of :func:`fill`, as a carrier sends it."""
    return str(2_012_000_000 + 2 * customer)


def say(sentence: str) -> None:
    """Tell whoever waits what is being measured."""
    print(sentence, file=sys.stderr, flush=True)


def fill(database_url: str, first: int, last: int) -> None:
    """Put customers into the mirror, all feeds read to their end."""
    say(f"Filling the mirror up to {last:,} customers")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        connection.execute(_FILL.format(tenant=TENANT, first=first, last=last - 1, number=_NUMBER).encode())
        for feed in FEEDS:
            connection.execute(
                "insert into mirror.feeds (tenant_id, feed, max_modified_on, complete, synced_at, rows_held)"
                " values (%s, %s, now(), true, now(), %s)"
                " on conflict (tenant_id, feed) do update set rows_held = excluded.rows_held",
                (TENANT, feed, last),
            )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")
    os.sync()  # what was filled in shall not be on its way to the disk while calls are stored


def fresh(name: str) -> Path:
    """An empty folder for data, that PostgreSQL's own user may enter."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def settings(sandbox_url: str, ami_port: int | None = None, records: Path | None = None) -> str:
    """`trunkline.toml` of the company that all benches serve; an Asterisk at `ami_port`, or none that answers, and call
    records in a file."""
    more = _RECORDS.format(path=records) if records else ""
    return _SETTINGS.format(tenant=TENANT, sandbox=sandbox_url, ami_port=ami_port or free_port()) + more


def environment() -> dict[str, str]:
    """Its secrets, and nothing of whoever runs the bench that would lead elsewhere."""
    return {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | _SECRETS


def _trunkline(*arguments: str) -> "subprocess.Popen[str]":
    command = Path(sys.executable).with_name("trunkline")
    return subprocess.Popen([str(command), *arguments], text=True, stdout=subprocess.PIPE, env=environment())


@contextlib.contextmanager
def sandbox(customers: int) -> Iterator[str]:
    """A sandbox ServiceTitan while the body runs; gives its URL."""
    process = _trunkline("sandbox", "servicetitan", "--port", "0", "--customers", str(customers))
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    process.wait(30)
    if process.stdout is not None:
        process.stdout.close()


@dataclass
class Served:
    """A running service. `ready_s` is from the start of its process to its first answer."""

    url: str
    port: int
    pid: int
    ready_s: float

    def resident_mb(self) -> float:
        """Memory of the process and those that it began, PostgreSQL not counted."""
        return resident(psutil.Process(self.pid)) / 2**20


def resident(process: psutil.Process) -> int:
    """Bytes of memory of a process and those that it began, PostgreSQL not counted; none once it has ended."""
    try:
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family if one.name() != "postgres")
    except psutil.NoSuchProcess:
        return 0


@contextlib.contextmanager
def served(
    folder: Path, sandbox_url: str, ami: AmiServer | None = None, records: Path | None = None
) -> Iterator[Served]:
    """`trunkline serve` on the data in `folder` while the body runs."""
    (folder / "trunkline.toml").write_text(settings(sandbox_url, ami.port if ami else None, records))
    port = free_port()
    began = time.perf_counter()
    process = _trunkline("serve", "--data-dir", str(folder), "--port", str(port))
    try:
        ready_s = _answers(port, process) - began
        url = f"http://127.0.0.1:{port}"
        _copied(url)
        yield Served(url, port, process.pid, ready_s)
    finally:
        _stop(process)


def _answers(port: int, process: "subprocess.Popen[str]") -> float:
    """Wait for the first answer; `time.perf_counter` of it."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
        while process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if http.get("/healthz").is_success:
                    return time.perf_counter()
            time.sleep(0.01)
    raise RuntimeError("The service did not start.")


def _copied(url: str) -> None:
    """Wait until the mirror has seen to every resource once: what a fresh service does at first disturbs."""
    with httpx.Client(base_url=url, timeout=60) as http:
        while http.get("/api/v1/health").json()["waiting"]:
            time.sleep(0.1)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` percent of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]

"""What stands around the service fails; it says so, recovers by itself, loses nothing and doubles nothing."""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from company import HTTP
from installation import PATIENCE_S, Installation, Sandbox, eventually, free_port
from trunkline.logbook.service import CONCURRENT_STARTS
from trunkline.store.embedded import EmbeddedPostgres

AWAY_S = 10.0
# ServiceTitan's outage: seconds in everyday runs, five minutes when asked for.
OUTAGE_S = float(os.environ.get("TRUNKLINE_TEST_OUTAGE_S", "3"))


def _mixed(sandbox: Sandbox, prefix: str, count: int) -> dict[str, dict[str, object]]:
    callers = sandbox.callers(30)
    return {f"{prefix}-{number}": callers[number % len(callers)] for number in range(count)}


@pytest.fixture
def ready(installation: Installation) -> Installation:
    """An installation that serves, its mirror complete."""
    installation.start()
    installation.wait_ready()
    installation.wait_mirrored()
    return installation


def test_servicetitan_answers_500_and_loses_replies_for_a_while(ready: Installation) -> None:
    calls = _mixed(ready.sandbox, "outage", 12)
    ready.sandbox.set_faults("500=1")
    phones = ready.phone_system()
    for call_key, caller in calls.items():
        phones.play(call_key, str(caller["number"]))
    phones.finish()
    shown = eventually(
        lambda: ready.rows("select distinct detail from logbook.entries where state = 'open' and detail is not null"),
        "people are told why calls are not logged yet",
    )
    assert all(detail.startswith("ServiceTitan") and detail.endswith(".") for (detail,) in shown)
    time.sleep(OUTAGE_S)
    ready.sandbox.set_faults("500=0.2", "lost-reply=0.3@POST", "429=0.1", "html=0.1")
    time.sleep(3)
    ready.sandbox.set_faults()
    ready.settled(list(calls), within_s=2 * PATIENCE_S)
    ready.check_books(calls)


def test_a_stop_in_the_middle_of_an_outage_is_quiet_and_loses_nothing(ready: Installation) -> None:
    calls = _mixed(ready.sandbox, "stopped", 12)
    ready.sandbox.set_faults("500=1")
    phones = ready.phone_system()
    for call_key, caller in calls.items():
        phones.play(call_key, str(caller["number"]))
    phones.finish()
    eventually(lambda: ready.rows("select 1 from logbook.entries where state = 'open'"), "calls wait to be logged")
    ready.stop()
    assert "Traceback" not in ready.log.read_text()
    ready.sandbox.set_faults()
    ready.start()
    ready.settled(list(calls))
    ready.check_books(calls)


def test_the_database_goes_away_for_ten_seconds(tmp_path: Path, servicetitan: Sandbox) -> None:
    with _postgres() as (url, postgres):
        installation = Installation(tmp_path, url, servicetitan)
        try:
            installation.start()
            installation.wait_ready()
            installation.wait_mirrored()
            calls = _mixed(servicetitan, "away", 16)
            phones = installation.phone_system()
            for number, (call_key, caller) in enumerate(calls.items()):
                if number == len(calls) // 2:
                    assert postgres._server is not None
                    postgres._server.stop()
                    gone = time.monotonic()
                phones.play(call_key, str(caller["number"]))
            eventually(lambda: 503 in phones.refusals, "the phone system is told to try again")
            _says_so_without_a_trace(installation)
            time.sleep(max(0.0, gone + AWAY_S - time.monotonic()))
            assert postgres.revive()
            phones.finish()
            installation.settled(list(calls))
            installation.check_books(calls)
            assert set(phones.refusals) == {503}
            assert all(process.poll() is None for process in installation.processes)
        finally:
            installation.stop()


def _says_so_without_a_trace(installation: Installation) -> None:
    answer = HTTP.get(
        f"http://127.0.0.1:{installation.port}/api/v1/lookup", params={"number": "2015550100"}, timeout=20
    )
    assert answer.status_code == 503
    assert "database" in answer.text
    assert "Traceback" not in answer.text


@contextmanager
def _postgres() -> Iterator[tuple[str, EmbeddedPostgres]]:
    with tempfile.TemporaryDirectory(prefix="trunkline-tests-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root the server runs as another user
        embedded = EmbeddedPostgres(Path(folder) / "data")
        yield embedded.start(), embedded
        embedded.stop()


def test_an_embedded_database_that_died_is_started_again(installation: Installation) -> None:
    installation.database_url = ""
    installation.start()
    installation.wait_ready()
    port, phones = installation.port, installation.phone_system()
    phones.deliver("before", '{"kind": "started", "call_id": "before", "occurred_at": "2026-01-05T12:00:00Z"}')
    os.kill(_postmaster(installation.folder), signal.SIGKILL)
    phones.deliver("after", '{"kind": "started", "call_id": "after", "occurred_at": "2026-01-05T12:00:01Z"}')
    calls = eventually(
        lambda: len(found := HTTP.get(f"http://127.0.0.1:{port}/api/v1/calls").json().get("calls", ())) == 2 and found,
        "both calls are there",
    )
    assert {call["call"]["call_key"] for call in calls} == {"before", "after"}


def test_the_disk_is_full_and_then_is_not(tmp_path: Path, servicetitan: Sandbox) -> None:
    with _small_disk(tmp_path / "disk") as disk:
        installation = Installation(disk, "", servicetitan)
        try:
            installation.start()
            installation.wait_ready()
            installation.database_url = EmbeddedPostgres(disk / "postgres").start()
            installation.wait_mirrored()
            ballast = _fill(disk)
            with suppress(psycopg.OperationalError):  # there is no room for PostgreSQL's journal either: it dies
                installation.rows("select pg_switch_wal()")
                installation.rows("select pg_logical_emit_message(false, 'test', repeat('x', 20000000))")
            calls = _mixed(servicetitan, "disk", 20)
            phones = installation.phone_system()
            for call_key, caller in calls.items():
                phones.play(call_key, str(caller["number"]))
            eventually(lambda: 503 in phones.refusals, "deliveries are refused, to be sent again")
            time.sleep(3)
            ballast.unlink()
            phones.finish()
            installation.settled(list(calls))
            installation.check_books(calls)
            assert set(phones.refusals) == {503}
        finally:
            installation.stop()
            with suppress(FileNotFoundError):  # else it runs on: the note of who still uses it was lost, too
                os.kill(_postmaster(disk), signal.SIGQUIT)


def _postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320m,mode=755", "tmpfs", folder], check=False).returncode:
        pytest.skip("a small disk to fill cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _fill(disk: Path) -> Path:
    """Leave no room on `disk`; gives the file that takes it all."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    return ballast


def test_a_table_that_takes_no_messages_is_told_on_the_board(ready: Installation) -> None:
    with psycopg.connect(ready.database_url, autocommit=True) as connection:
        # PostgreSQL's own error for a full disk, raised where messages come in.
        connection.execute(
            "create function full_disk() returns trigger language plpgsql as"
            " $$begin raise 'could not extend file' using errcode = '53100'; end$$"
        )
        connection.execute("create trigger full_disk before insert on calls.inbox execute function full_disk()")
        calls = _mixed(ready.sandbox, "table", 6)
        phones = ready.phone_system()
        for call_key, caller in calls.items():
            phones.play(call_key, str(caller["number"]))
        eventually(lambda: 503 in phones.refusals, "deliveries are refused, to be sent again")
        board = HTTP.get(f"http://127.0.0.1:{ready.port}/")
        assert "The database does not take messages" in board.text
        connection.execute("drop trigger full_disk on calls.inbox")
    phones.finish()
    ready.settled(list(calls))
    ready.check_books(calls)
    assert "The database does not take messages" not in HTTP.get(f"http://127.0.0.1:{ready.port}/").text


def test_calls_that_end_all_at_once_are_logged_in_turn(ready: Installation) -> None:
    calls = _mixed(ready.sandbox, "burst", 60)
    events = [
        {"call_id": key, "occurred_at": f"2026-01-05T12:00:0{second}Z", **event}
        for key, caller in calls.items()
        for second, event in (
            (0, {"kind": "started", "direction": "inbound", "external_number": str(caller["number"])}),
            (9, {"kind": "ended", "reason": "normal"}),
        )
    ]
    ready.phone_system().deliver("burst", json.dumps({"events": events}))
    ready.settled(list(calls))
    ready.check_books(calls)
    # Never were more workflows started than calls logged, but for those whose turn it was. Starts have whole
    # milliseconds, rounded down.
    (most,) = ready.rows(
        "select max(before - (select count(*) from logbook.entries where finished_at < at + interval '1 ms'))"
        " from (select to_timestamp(created_at / 1000.0) as at, count(*) over (order by created_at, workflow_uuid)"
        " as before from dbos.workflow_status) started"
    )[0]
    assert most <= CONCURRENT_STARTS


def test_two_processes_share_the_work_and_one_dies(ready: Installation) -> None:
    other_port = free_port()
    ready.start(port=other_port)
    ready.wait_ready(other_port)
    calls = _mixed(ready.sandbox, "shared", 24)
    phones = ready.phone_system(ready.port, other_port)
    for number, (call_key, caller) in enumerate(calls.items()):
        if number == len(calls) // 2:
            ready.kill()
        phones.play(call_key, str(caller["number"]))
    phones.finish()
    ready.settled(list(calls))
    ready.check_books(calls)


def test_chaos_balances(ready: Installation) -> None:
    dice = random.Random(20)
    calls = _mixed(ready.sandbox, "chaos", 40)
    ready.sandbox.set_faults("500=0.1", "lost-reply=0.1@POST", "429=0.05", "delay=0.05")
    phones = ready.phone_system()
    for number, (call_key, caller) in enumerate(calls.items()):
        phones.play(call_key, str(caller["number"]))
        time.sleep(dice.uniform(0, 0.2))
        if number % 10 == 9:
            ready.kill()
            ready.start()
    phones.finish()
    ready.sandbox.set_faults()
    ready.settled(list(calls), within_s=2 * PATIENCE_S)
    ready.check_books(calls)

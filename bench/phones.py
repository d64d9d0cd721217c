"""How fast what phone systems say is taken in: signed webhooks, and a busy PBX's stream."""

import asyncio
import itertools
import json
import random
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import httpx
import psutil
import psycopg
from standardwebhooks.webhooks import Webhook

from bench import load
from bench.report import Figure, at_least, under
from bench.stand import SIGNING, Served, number_of, percentile, say
from trunkline.sandbox.asterisk import AmiServer

CONNECTIONS = 16
ROUNDS = 3
SECONDS = 3.0
EVENTS_OF_A_CALL = ("started", "ringing", "answered", "held")  # none ends: logging has a bar of its own
PER_S = 200
PER_S_FOR_S = 15

STREAM_PER_S = 2000
STREAM_S = 20
CALLS_PER_S = 10  # far more than 200 seats make; all else is what a PBX says that is about no call
WITHIN_S = 120
BACKFILL_WITHIN_S = 480
TRACES = Path(__file__).parents[1] / "tests" / "traces" / "asterisk"
_PLAYED = ("direct", "queue_answered", "missed", "voicemail", "outbound", "blind_transfer")


# Webhooks -----------------------------------------------------------------------------------------------------------


def webhooks(served: Served, database_url: str) -> list[Figure]:
    """Deliveries a second beside bare inserts of the same rows; then how long one takes at a steady rate."""
    say("Taking in signed webhooks, beside bare inserts of the same rows")
    serials = itertools.count()
    inserts, deliveries = [], []
    for _ in range(ROUNDS):
        inserts.append(_bare_inserts_per_s(database_url))
        signed = [_delivery(served.port, next(serials)) for _ in range(40_000)]
        deliveries.append(load.send(served.port, iter(signed), connections=CONNECTIONS, seconds=SECONDS).per_second)
        _until_understood(database_url)
    bare, taken = median(inserts), median(deliveries)
    say(f"Taking in {PER_S} webhooks a second")
    late_ms = [1000 * latency for latency in asyncio.run(_steadily(served.port, serials))]
    _until_understood(database_url)
    return [
        at_least("signed webhooks taken in", taken, "deliveries/s", f"bare inserts: {bare:,.0f} rows/s",
                 ratio=taken / bare, bar=0.5),
        under(f"acknowledgement at {PER_S} webhooks/s, p99", percentile(late_ms, 99), "ms", 50),
    ]  # fmt: skip


def _body(serial: int) -> bytes:
    call, place = divmod(serial, len(EVENTS_OF_A_CALL))
    event = {
        "event_id": f"e{serial}",
        "call_id": f"intake-{call}",
        "kind": EVENTS_OF_A_CALL[place],
        "occurred_at": datetime.now(UTC).isoformat(),
        "direction": "inbound",
        "external_number": number_of(call % 500_000),
        "did": "+14375550100",
        "leg_id": f"intake-{call}-a",
        "agent": {"extension": "201", "name": "Dana Desk"},
    }
    return json.dumps(event).encode()


def _delivery(port: int, serial: int) -> bytes:
    body, now, name = _body(serial), datetime.now(UTC), f"intake-{serial}"
    proof = Webhook(SIGNING).sign(name, now, body.decode())
    return (
        f"POST /hooks/hooks HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nWebhook-Id: {name}\r\nWebhook-Timestamp: {int(now.timestamp())}\r\n"
        f"Webhook-Signature: {proof}\r\n\r\n"
    ).encode() + body


def _bare_inserts_per_s(database_url: str) -> float:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("drop table if exists bare_inbox")
        connection.execute("create table bare_inbox (like calls.inbox including all)")
        began, serial = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            connection.execute(
                "insert into bare_inbox (tenant_id, account, delivery_id, received_at, body)"
                " values (1, 'hooks', %s, now(), %b)",
                (f"bare-{serial}", _body(serial)),
                prepare=True,
            )
            serial += 1
        seconds = time.perf_counter() - began
        connection.execute("drop table bare_inbox")
    return serial / seconds


async def _steadily(port: int, serials: Iterator[int]) -> list[float]:
    """How long each acknowledgement took from when its delivery was due, in seconds."""
    late: list[float] = []
    began = time.perf_counter()
    due = [began + place / PER_S for place in range(PER_S * PER_S_FOR_S)]
    order = iter(due)

    async def sender() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for at in order:
            request = _delivery(port, next(serials))
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 202"):
                raise RuntimeError(f"The service answered {head[:40]!r}.")
            late.append(time.perf_counter() - at)
        writer.close()

    await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))
    return late


def _until_understood(database_url: str) -> float:
    """Wait until everything in the inbox is understood; when that was."""
    began = time.perf_counter()
    with psycopg.connect(database_url, autocommit=True) as connection:
        while connection.execute("select exists (select from calls.inbox where processed_at is null)").fetchone() != (
            False,
        ):
            if time.perf_counter() - began > WITHIN_S:
                raise RuntimeError(f"The inbox was not understood within {WITHIN_S} s.")
            time.sleep(0.02)
    return time.perf_counter()


# A stream -----------------------------------------------------------------------------------------------------------


async def stream(served: Served, ami: AmiServer, database_url: str) -> list[Figure]:
    """Follow a busy PBX on one core, with PostgreSQL on the other."""
    say(f"Following {STREAM_PER_S:,} AMI events a second for {STREAM_S} s, on one core")
    process = psutil.Process(served.pid)
    usual = process.cpu_affinity()
    process.cpu_affinity(usual[:1])
    try:
        began = time.perf_counter()
        calls = await _stream(ami)
        ended = time.perf_counter()
        understood = await asyncio.to_thread(_until_understood, database_url)
    finally:
        process.cpu_affinity(usual)
    followed = await asyncio.to_thread(_calls_followed, database_url)
    if followed != calls:
        raise RuntimeError(f"{calls} calls were played, {followed} were followed to their end.")
    events = STREAM_PER_S * (ended - began)
    return [
        at_least("AMI events followed on one core", events / (understood - began), "events/s",
                 f"{STREAM_PER_S:,} events/s", ratio=(ended - began) / (understood - began), bar=0.95),
    ]  # fmt: skip


async def _stream(ami: AmiServer) -> int:
    """Play recorded calls among noise, at a steady rate; returns how many calls."""
    dice, serials = random.Random(7), itertools.count(1)
    traces = [(TRACES / f"{name}.ami").read_text("utf-8").split("\n\n") for name in _PLAYED]
    began, slice_s = time.perf_counter(), 0.02
    queue: list[str] = []
    calls = 0
    for place in range(int(STREAM_S / slice_s)):
        while calls < CALLS_PER_S * place * slice_s:
            queue += _anew(dice.choice(traces), next(serials))
            calls += 1
        share = int(STREAM_PER_S * slice_s)
        spoken, queue = queue[:share], queue[share:]
        spoken += [_noise(dice, next(serials)) for _ in range(share - len(spoken))]
        ami.send_raw("".join(spoken).encode())
        await asyncio.sleep(max(0.0, began + (place + 1) * slice_s - time.perf_counter()))
    ami.send_raw("".join(queue).encode())
    return calls


_ID = re.compile(r"(?<!Timestamp: )\b\d{10}\.(\d+)")


def _anew(frames: list[str], serial: int) -> list[str]:
    """A recorded call as if it happened now, with ids of its own."""
    now = f"Timestamp: {time.time():.6f}"
    return [
        re.sub(r"Timestamp: \S+", now, _ID.sub(rf"{1_900_000_000 + serial}.\1", frame)).replace("\n", "\r\n").strip()
        + "\r\n\r\n"
        for frame in frames
        if frame.strip()
    ]


def _noise(dice: random.Random, serial: int) -> str:
    """What a PBX says all day that is about no call of ours."""
    extension = 200 + serial % 200
    kind = dice.choice(("VarSet", "RTCPSent", "DeviceStateChange", "Newexten"))
    return (
        f"Event: {kind}\r\nPrivilege: call,all\r\nTimestamp: {time.time():.6f}\r\n"
        f"Channel: PJSIP/{extension}-000000aa\r\n"
        f"ChannelState: 6\r\nChannelStateDesc: Up\r\nCallerIDNum: {extension}\r\nCallerIDName: Example\r\n"
        f"Language: en\r\nContext: macro-dial\r\nExten: s\r\nPriority: 7\r\nUniqueid: {serial}.1\r\n"
        f"Linkedid: {serial}.1\r\nVariable: DIALSTATUS\r\nValue: \r\nApplication: Set\r\nAppData: X=1\r\n"
        f"Device: PJSIP/{extension}\r\nState: INUSE\r\n\r\n"
    )


def _calls_followed(database_url: str) -> int:
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(
            "select count(*) from calls.calls where account = 'asterisk' and state = 'ended' and merged_into is null"
            " and call_key like '19000%%'"
        ).fetchone()
    return int(row[0]) if row else 0


# A history ----------------------------------------------------------------------------------------------------------

MISSED = 10_000
_MISSED_ROW = (
    '"","+1{caller}","14375550100","from-trunk","""EXAMPLE"" <+1{caller}>","PJSIP/trunk-{n:08x}","PJSIP/201-{n:08x}",'
    '"Dial","PJSIP/201,20","{began}","","{ended}",20,0,"NO ANSWER","DOCUMENTATION","{id}.{n}",""\n'
)


def write_history(path: Path) -> None:
    """What a PBX wrote down while nobody listened: calls of customers within the last hours, none answered."""
    first = datetime.now(UTC) - timedelta(hours=4)
    rows = []
    for n in range(MISSED):
        began = first + timedelta(seconds=n)
        rows.append(
            _MISSED_ROW.format(
                caller=number_of(n), n=n, id=int(began.timestamp()), began=f"{began:%Y-%m-%d %H:%M:%S}",
                ended=f"{began + timedelta(seconds=20):%Y-%m-%d %H:%M:%S}",
            )
        )  # fmt: skip
    path.write_text("".join(rows))


def backfill(began: float, database_url: str, sandbox_url: str) -> list[Figure]:
    """How long it takes until all calls of the history are logged, from the start of the service."""
    say(f"Bringing in {MISSED:,} missed calls from a history, and logging them")
    with psycopg.connect(database_url, autocommit=True) as connection:
        while (logged := _logged(connection)) < MISSED:
            if time.perf_counter() - began > BACKFILL_WITHIN_S:
                raise RuntimeError(f"Only {logged:,} of {MISSED:,} calls were logged within {BACKFILL_WITHIN_S} s.")
            time.sleep(0.2)
        balance = connection.execute("select sum(told), sum(logged), sum(missing) from calls.ledger").fetchone()
    seconds = time.perf_counter() - began
    if balance != (MISSED, MISSED, 0):
        raise RuntimeError(f"The ledger does not balance: {balance}.")
    ledger = httpx.get(f"{sandbox_url}/sandbox/ledger", timeout=30).json()
    if len(ledger["notes"]) != MISSED:
        raise RuntimeError(f"{MISSED:,} calls made {len(ledger['notes']):,} notes.")
    return [
        under(f"{MISSED:,} missed calls brought in and logged", seconds, "s", 240),
        Figure("429 answers meanwhile", ledger["statuses"].get("429", 0), "answers", "none",
               ledger["statuses"].get("429", 0), "<= 0"),
        under("most requests within a second", ledger["most_per_second"], "requests", 60),
    ]  # fmt: skip


def _logged(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "select count(*) from logbook.entries e join calls.calls c on c.id = e.call_id"
        " where e.state = 'logged' and c.account = 'records'"
    ).fetchone()
    return int(row[0]) if row else 0

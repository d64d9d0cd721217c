"""Phone systems that deliver no webhooks, as they stand in a shop: one listens, one prints, one writes a file."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from trunkline.sandbox.asterisk.scenarios import SCENARIOS, play
from trunkline.sandbox.asterisk.server import AmiServer
from trunkline.sandbox.phones import cdr_file, smdr
from trunkline.sandbox.phones.sending import schedule


async def ami(port: int, calls: int, *, every_s: float, pace: float, tell: Callable[[str], None]) -> int:
    """An Asterisk on `port` of this machine: plays calls of all kinds once somebody has logged in."""
    async with AmiServer(port=port) as server:
        tell(f"AMI on 127.0.0.1:{server.port}, user {server.username}, secret {server.secret}; waiting for a login")
        await server.logged_in.wait()
        async with asyncio.TaskGroup() as tasks:
            for place in range(calls):
                scenario = list(SCENARIOS)[place % len(SCENARIOS)]
                caller = f"43755501{place % 100:02d}"
                tasks.create_task(play(server, scenario, caller=caller, pace=pace))
                await asyncio.sleep(every_s)
    return calls


async def print_lines(port: int, calls: int) -> int:
    """An Avaya IP Office that prints its calls to whoever listens on `port` of this machine."""
    lines = [
        f"{line}\r\n".encode()
        for scenario, call in schedule(smdr.SPEAKER, calls, first_serial=_serial(), every_s=90.0)
        for _, line in smdr.SPEAKER.lines(scenario, call)
    ]
    await smdr.print_to(port, *lines)
    return len(lines)


def write_file(path: Path, calls: int) -> int:
    """A FreePBX whose report of calls was exported to `path`."""
    rows = [
        row
        for scenario, call in schedule(cdr_file.SPEAKER, calls, first_serial=_serial(), every_s=-90.0)
        for _, row in cdr_file.SPEAKER.rows(scenario, call)
    ]
    path.write_text(cdr_file.SPEAKER.file(rows), "utf-8")
    return len(rows)


def _serial() -> int:
    return random.randrange(10**5, 10**6)

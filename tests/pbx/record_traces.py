"""Record what the lab's Asterisk says: `.venv/bin/python tests/pbx/record_traces.py [scenario ...]`.

Writes tests/traces/asterisk/<scenario>.ami: the frames as received after login, without the many channel variables that
say nothing about the call.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterator

from lab_asterisk import SCENARIOS, TRACES, Lab, ami_request, running_lab

# What the adapter asks for too.
CLASSES = "system,call,agent,dialplan"
FILTERS = ("!Event: RTCP", "!Event: Newstate", "!Event: DeviceStateChange", "!Event: ChallengeSent")


async def _record(lab: Lab, scenario: str) -> None:
    reader, writer = await asyncio.open_connection(lab.host, lab.ami_port)
    await reader.readline()  # the banner
    writer.write(ami_request({"Action": "Login", "Username": lab.username, "Secret": lab.secret, "Events": CLASSES}))
    for pattern in FILTERS:
        writer.write(ami_request({"Action": "Filter", "Operation": "Add", "Filter": pattern}))
    writer.write(ami_request({"Action": "Ping", "ActionID": "ready"}))
    while b"ready" not in await reader.readuntil(b"\r\n\r\n"):
        pass
    frames: list[bytes] = []

    async def keep() -> None:
        while True:
            frame = await reader.readuntil(b"\r\n\r\n")
            if not frame.startswith(b"Event: VarSet") or b"FROM_DID" in frame:
                frames.append(frame)

    keeper = asyncio.create_task(keep())
    await lab.play(scenario)
    await asyncio.sleep(1)
    keeper.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeper
    writer.close()
    (TRACES / f"{scenario}.ami").write_bytes(b"".join(frames))
    print(f"{scenario}: {len(frames)} frames")


def _wanted() -> Iterator[str]:
    yield from sys.argv[1:] or SCENARIOS


if __name__ == "__main__":
    with running_lab() as running:
        for name in _wanted():
            asyncio.run(_record(running, name))

"""A real Asterisk and SIPp phones: real calls, for tests (see docs/asterisk-lab.md)."""

import asyncio
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOL = REPOSITORY / "tools" / "asterisk-lab"
SIPP = REPOSITORY / "lab" / "sipp"
TRACES = REPOSITORY / "tests" / "traces" / "asterisk"
PBX = "127.0.0.1:15060"
START_TIMEOUT_S = 300  # the first start sets the lab up, which downloads it
CALL_TIMEOUT_S = 20
PORTS = {"carrier": 15070, "caller": 15071, "201": 15201, "202": 15202, "203": 15203}
OTHER_OUTSIDE = "+14375550177"
CALLER, DID = "+14375550142", "4375550100"


class LabFailed(Exception):
    """A SIPp did not see the call it was told to play."""


@dataclass(frozen=True)
class Line:
    """One SIPp: who it is, what it does, and its `-d`: how long it rings, or talks, in milliseconds."""

    who: str
    script: str
    duration_ms: int = 300
    calls: str = ""
    route: str = "desk"
    hands_on_to: str = "202"


@dataclass(frozen=True)
class Originate:
    """The PBX is told, over AMI, to ring a phone and then to call the outside party."""

    phone: str


def _caller(route: str, *, talks_ms: int = 1000, script: str = "calls_and_hangs_up") -> Line:
    return Line("caller", script, talks_ms, calls="did", route=route)


# Lines that wait for calls first, the line that calls last.
SCENARIOS: dict[str, tuple[Line | Originate, ...]] = {
    "direct": (Line("201", "answers"), _caller("desk")),
    "queue_answered": (Line("201", "answers"), Line("202", "rings"), _caller("dispatch")),
    "queue_of_extensions": (Line("201", "answers"), Line("202", "rings"), _caller("service")),
    "missed": (Line("203", "rings"), _caller("backoffice", talks_ms=700, script="calls_and_gives_up")),
    "abandoned": (_caller("afterhours"),),
    "voicemail": (Line("203", "rings"), _caller("mailbox", talks_ms=1500)),
    "blind_transfer": (Line("201", "answers_and_hands_on"), Line("202", "answers"), _caller("desk", talks_ms=2500)),
    "attended_transfer": (
        Line("201", "answers_asks_and_hands_on"),
        Line("202", "answers"),
        _caller("desk", talks_ms=3500),
    ),
    "feature_code_transfer": (
        Line("201", "answers_and_dials_a_transfer"),
        Line("202", "answers"),
        _caller("desk", talks_ms=7000),
    ),
    "transfer_outside": (
        Line("201", "answers_and_hands_on", hands_on_to=OTHER_OUTSIDE),
        Line("carrier", "answers"),
        _caller("desk", talks_ms=2500),
    ),
    "outbound": (Line("carrier", "answers"), Line("201", "calls_and_hangs_up", 1000, calls="caller")),
    "outbound_busy": (Line("carrier", "is_busy"), Line("201", "calls_in_vain", calls="caller")),
    "click_to_call": (Line("carrier", "answers_and_hangs_up", 1000), Line("201", "answers"), Originate("201")),
    "internal": (Line("202", "answers"), Line("201", "calls_and_hangs_up", 1000, calls="202")),
}


@dataclass(frozen=True)
class Lab:
    """A running Asterisk with its phones. `secret` is made when the lab is first set up and never leaves it."""

    host: str
    ami_port: int
    username: str
    secret: str

    async def play(self, name: str, *, caller: str = CALLER, did: str = DID) -> None:
        """Play a scenario to its end: `caller` is the outside party (E.164), `did` the shop's number it dials.

        Raises:
            LabFailed: the call did not go as the scenario says.
        """
        with tempfile.TemporaryDirectory() as folder:
            running: list[asyncio.Task[None]] = []
            try:
                for actor in SCENARIOS[name]:
                    if isinstance(actor, Originate):
                        await self._originate(actor, caller)
                        continue
                    running.append(asyncio.create_task(_sipp(actor, Path(folder), caller, did)))
                    await asyncio.to_thread(_wait_for, PORTS[actor.who])
                await asyncio.gather(*running)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def _originate(self, actor: Originate, number: str) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.ami_port)
        try:
            login = {"Action": "Login", "Username": self.username, "Secret": self.secret, "Events": "off"}
            call = {"Action": "Originate", "Channel": f"PJSIP/{actor.phone}", "Async": "true", "ActionID": "call"}
            target = {"Context": "from-internal", "Exten": number, "Priority": "1", "CallerID": number}
            writer.write(ami_request(login) + ami_request(call | target))
            answer = b""
            while b"ActionID: call" not in answer:
                answer = await reader.readuntil(b"\r\n\r\n")
            if b"Response: Success" not in answer:
                raise LabFailed(f"Asterisk did not originate: {answer.decode()}")
        finally:
            writer.close()


def ami_request(fields: Mapping[str, str]) -> bytes:
    """One AMI action on the wire."""
    return "".join(f"{key}: {value}\r\n" for key, value in fields.items()).encode() + b"\r\n"


def _arguments(line: Line, folder: Path, caller: str, did: str) -> list[str]:
    outside = line.who == "caller"
    keys = {
        "me": line.who,
        "pbx": PBX,
        "caller": caller if outside else line.who,
        "name": "WIRELESS CALLER" if outside else "",
        "route": line.route,
        "to": line.hands_on_to,
    }
    arguments = ["-sf", str(SIPP / f"{line.script}.xml"), "-i", "127.0.0.1", "-p", str(PORTS[line.who])]
    arguments += ["-mp", str(PORTS[line.who] + 1000), "-m", "1", "-d", str(line.duration_ms), "-nostdin"]
    arguments += ["-timeout", f"{CALL_TIMEOUT_S}s", "-timeout_error"]
    arguments += ["-trace_err", "-error_file", str(folder / f"{line.who}.log")]
    for key, value in keys.items():
        arguments += ["-key", key, value]
    if line.calls:
        arguments += ["-s", {"did": did, "caller": caller}.get(line.calls, line.calls), PBX]
    return arguments


async def _sipp(line: Line, folder: Path, caller: str, did: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "sipp",
        *_arguments(line, folder, caller, did),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if code != 0:
        errors = folder / f"{line.who}.log"
        said = errors.read_text(errors="replace")[:2000] if errors.exists() else "nothing"
        raise LabFailed(f"SIPp {line.script!r} as {line.who} ended with {code}; it said: {said}")


def _wait_for(port: int) -> None:
    """Wait until a SIPp listens on a UDP port of 127.0.0.1."""
    address = f"0100007F:{port:04X}"
    for _ in range(200):
        if address in Path("/proc/net/udp").read_text(encoding="ascii"):
            return
        time.sleep(0.02)
    raise LabFailed(f"No SIPp listens on port {port}.")


@contextmanager
def running_lab() -> Iterator[Lab]:
    """The lab, set up if need be, for one user at a time on this machine; stopped afterwards.

    Skips the test, with a sentence that says what is missing, where the lab cannot run.
    """
    if os.geteuid() != 0:
        pytest.skip("A real Asterisk needs root: run the tests as root on Debian.")
    if shutil.which("sipp") is None:
        pytest.skip("sipp is not installed; as root on Debian, tools/system-packages installs it.")
    lock = Path(tempfile.gettempdir()) / "trunkline-asterisk-lab.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        subprocess.run([TOOL, "stop"], check=True, timeout=30)  # it may run with an older configuration
        started = subprocess.run([TOOL, "start"], capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)
        if started.returncode != 0:
            pytest.skip(f"The real Asterisk did not start: {started.stderr.strip()}")
        try:
            secret = (REPOSITORY / ".lab" / "asterisk.secret").read_text(encoding="ascii")
            yield Lab("127.0.0.1", 15038, "trunkline", secret)
        finally:
            subprocess.run([TOOL, "stop"], check=True, timeout=30)


def restart() -> None:
    """Stop Asterisk and start it again; for those who hold the lab."""
    for subcommand in ("stop", "start"):
        subprocess.run([TOOL, subcommand], check=True, timeout=30)

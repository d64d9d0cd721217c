"""Prints calls as older PBXs do: a line for each finished call, or part of one; and stands at either end of a TCP link.

An instance speaks one format. The lines of Avaya are the speaker's own; the others are in `OTHERS`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from trunkline.sandbox.phones.speaker import SCENARIOS, Dialled, Said

ZONE = "America/Chicago"
VOICEMAIL_PORT = "500"
GROUP = "300"


@dataclass(frozen=True)
class Part:
    """One phone's share of a call: how long it rang, talked and held the caller."""

    phone: str
    name: str
    ring_s: int
    talk_s: int
    hold_s: int = 0

    @property
    def total_s(self) -> int:
        """All of it."""
        return self.ring_s + self.talk_s + self.hold_s


_DANA, _SAM = ("201", "Dana Desk"), ("202", "Sam Second")
_SCRIPTS: Mapping[str, Sequence[Part]] = {
    "answered": (Part(*_DANA, 6, 60),),
    "missed": (Part(*_DANA, 20, 0),),
    "voicemail": (Part(VOICEMAIL_PORT, "VM Channel 1", 20, 30),),
    "blind_transfer": (Part(*_DANA, 6, 24, 1), Part(*_SAM, 4, 55)),
    "attended_transfer": (Part(*_DANA, 6, 24, 20), Part(*_SAM, 0, 40)),
    "ring_group": (Part(*_SAM, 7, 63),),
    "outbound": (Part(*_DANA, 8, 52),),
    "internal": (Part(*_SAM, 3, 27),),
    "withheld": (Part(*_DANA, 6, 60),),
}


@dataclass(frozen=True)
class Line:
    """What a format needs to print one part; times are the PBX's wall clock."""

    scenario: str
    call: Dialled
    part: Part
    place: int
    is_last: bool
    begins: datetime  # of the call
    part_begins: datetime

    @property
    def caller(self) -> str:
        """The outside number as digits; nothing where it is withheld."""
        return "" if self.scenario == "withheld" else self.call.caller.lstrip("+")

    @property
    def did(self) -> str:
        """Our own number as digits."""
        return self.call.did.lstrip("+")


def _clock(length_s: int) -> str:
    return f"{length_s // 3600:02}:{length_s // 60 % 60:02}:{length_s % 60:02}"


def _avaya(line: Line) -> str:
    part, scenario = line.part, line.scenario
    call_id = 1000000 + line.call.serial
    begins = f"{line.begins:%Y/%m/%d %H:%M:%S}"
    device = f"V9{part.phone}" if part.phone == VOICEMAIL_PORT else f"E{part.phone}"
    trunk = ("T9001", "LINE 1.1")
    is_internal = "1" if scenario == "internal" else "0"
    parties = (device, part.name, *trunk)
    called = GROUP if scenario == "ring_group" else "201"
    numbers = (line.caller, "I", called, line.did)
    if scenario == "outbound":
        numbers = ("201", "O", line.caller, line.caller)
    elif scenario == "internal":
        numbers, parties = ("201", "O", "202", "202"), ("E201", "Dana Desk", device, part.name)
    fields = (
        begins, _clock(part.talk_s), str(part.ring_s), *numbers, "", is_internal, str(call_id),
        "0" if line.is_last else "1", *parties, str(part.hold_s), "0", *[""] * 13,
    )  # fmt: skip
    return ",".join(fields)


def _panasonic(line: Line) -> str:
    part = line.part
    ends = line.part_begins + timedelta(seconds=part.total_s)
    number = {"outbound": line.caller, "internal": f"EXT{part.phone}"}.get(
        line.scenario, f"<D>{line.did[-7:]}<I>{line.caller}"
    )
    station = "201" if line.scenario in ("internal", "outbound") else part.phone
    condition = "" if line.is_last else "TR"
    condition = condition if part.talk_s else "NA"
    talked_s = part.talk_s + part.hold_s
    return (
        f"{ends:%m/%d/%y} {ends:%I:%M%p} {station:>5} {'' if line.scenario == 'internal' else '01':2} {number:25}"
        f" {part.ring_s // 60}'{part.ring_s % 60:02} {talked_s // 3600:02}:{talked_s // 60 % 60:02}'{talked_s % 60:02}"
        f" {'':10} {condition:3}"
    )


def _mitel(line: Line) -> str:
    """The standard layout with ANI, DNIS and the network's call identifier."""
    part, scenario = line.part, line.scenario
    calling, called, digits = "T1", part.phone, part.phone
    if scenario == "outbound":
        calling, called, digits = part.phone, "T1", line.caller
    elif scenario == "internal":
        calling = "201"
    is_inside = scenario in ("outbound", "internal")
    waited = f"{part.ring_s:03}" if part.talk_s else "***"
    ani, dnis = ("", "") if is_inside else (line.caller[-10:], line.did[-10:])
    completion = "A" if part.talk_s else " "
    transfer = " " if line.is_last else "T"
    return (
        f" {line.part_begins:%m/%d} {line.part_begins:%H:%M:%S}{_clock(part.talk_s + part.hold_s)} {calling:4} "
        f"{waited} {'':1}{digits:26}{completion}{'':1}{called:4}{transfer}{'':1}{'':4}{'':19}{ani:10} {dnis:10} "
        f"{'A' + format(line.call.serial, '07'):8}{line.place + 1:1} {'':8}"
    )


def _nec(line: Line) -> str:
    part, scenario = line.part, line.scenario
    word = {"outbound": "POT", "internal": "ICM"}.get(scenario, "PIN" if not line.place else "PTRS")
    number, station = line.caller, part.phone
    if scenario == "internal":
        number, station = part.phone, "201"
    is_heard = part.talk_s > 0
    begins = line.part_begins
    return (
        f"{word:4} {begins:%H:%M} {begins:%m/%d} {'' if scenario == 'internal' else '001':4} "
        f"{_clock(part.talk_s + part.hold_s) if is_heard else '':8} {station if is_heard else '':10} {number:20} "
        f"{'' if is_heard else 'NO ANSWER':16}"
    )


_PRINTERS: Mapping[str, Callable[[Line], str]] = {
    "avaya": _avaya,
    "mitel": _mitel,
    "nec": _nec,
    "panasonic": _panasonic,
}
_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "avaya": {"mode": "listen", "port": 1150},
    "mitel": {"host": "pbx.example.com", "columns": "standard", "voicemail": VOICEMAIL_PORT},
    "nec": {"host": "pbx.example.com", "voicemail": VOICEMAIL_PORT},
    "panasonic": {"host": "pbx.example.com", "voicemail": VOICEMAIL_PORT},
}


class SmdrSpeaker:
    """One PBX that prints one format."""

    system: ClassVar[str] = "smdr"
    scenarios: ClassVar[Sequence[str]] = SCENARIOS
    silent_about: ClassVar[frozenset[str]] = frozenset({"legs", "name"})

    def __init__(self, form: str) -> None:
        self.form = form

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """The format, and what lines do not say."""
        return {"format": self.form, "time_zone": ZONE, "main_did": "+14375550100", **_OPTIONS[self.form]}

    def lines(self, scenario: str, call: Dialled) -> list[tuple[float, str]]:
        """Each line, with the seconds after the call's begin at which it is printed."""
        begins = call.at.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
        parts, printed, after_s = _SCRIPTS[scenario], [], 0
        for place, part in enumerate(parts):
            line = Line(scenario, call, part, place, part is parts[-1], begins, begins + timedelta(seconds=after_s))
            after_s += part.total_s
            printed.append((float(after_s), _PRINTERS[self.form](line)))
        return printed

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """The lines; a later part of Avaya's with how long those before it took, and that somebody talked."""
        spoken = []
        before_s = 0.0
        for after_s, line in self.lines(scenario, call):
            is_more = before_s and self.form == "avaya"
            spoken.append(Said(after_s, line.encode(), f"after_s={before_s:g}&talked=1" if is_more else ""))
            before_s = after_s
        return spoken

    def strange(self, call: Dialled) -> list[Said]:
        """A header, and a record with directions, devices and columns that nobody has documented."""
        begins = f"{call.at.astimezone(ZoneInfo(ZONE)):%Y/%m/%d %H:%M:%S}"
        odd = f"{begins},00:00:13,7,,Q,,,,7,1000{call.serial},9,Z77,What, Ever,QQ9,,0,0,{','.join('abcdefgh' * 4)}"
        headers = {
            "avaya": ["Call Start,Connected Time,Ring Time,Caller", odd],
            "mitel": ["*** CLOCK MALFUNCTION ***", "LONGCALL DATE START"],
            "nec": ["CLASS TIME  DATE  LINE DURATION STATION    DIALLED No./CLI      ACCOUNT", "ALB  10:20 03/02 001"],
            "panasonic": ["  Date     Time    Ext CO        Dial Number        Ring Duration  Acc code  CD", "-" * 80],
        }
        return [Said(0.0, text.encode()) for text in headers[self.form]]


SPEAKER = SmdrSpeaker("avaya")
OTHERS = {form: SmdrSpeaker(form) for form in _PRINTERS if form != SPEAKER.form}


@dataclass
class PbxServer:
    """A PBX that listens: whoever connects, and signs in where it asks for that, gets what it prints."""

    password: str | None = None
    username: str = "SMDR"
    port: int = 0
    signed_in: int = 0
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def send(self, data: bytes) -> None:
        """To whoever is connected."""
        for writer in self._writers:
            writer.write(data)
            await writer.drain()

    def hang_up(self) -> None:
        """End every connection."""
        self.connected.clear()
        while self._writers:
            self._writers.pop().close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.password is not None and not await self._sign_in(reader, writer):
            writer.close()
            return
        self.signed_in += 1
        self._writers.append(writer)
        self.connected.set()

    async def _sign_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"\xff\xfb\x01\xff\xfb\x03-")  # it will echo, as Telnet says it
        username = (await reader.readline()).strip().decode()
        writer.write(username.encode() + b"\r\nEnter Password:")
        password = (await reader.readline()).strip().decode()
        writer.write(b"*" * len(password) + b"\r\n")
        if (username, password) == (self.username, self.password):
            return True
        writer.write(b"Password incorrect\r\n")
        await writer.drain()
        return False


@asynccontextmanager
async def pbx_server(password: str | None = None, *, port: int = 0) -> AsyncIterator[PbxServer]:
    """A PBX that listens on this machine, at a free port unless one is given."""
    pbx = PbxServer(password)
    server = await asyncio.start_server(pbx.answer, "127.0.0.1", port)
    pbx.port = server.sockets[0].getsockname()[1]
    try:
        yield pbx
    finally:
        pbx.hang_up()
        server.close()
        await server.wait_closed()


async def print_to(port: int, *pieces: bytes) -> None:
    """A PBX that connects to us: it sends piece after piece, then hangs up."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
    finally:
        writer.close()
        await writer.wait_closed()

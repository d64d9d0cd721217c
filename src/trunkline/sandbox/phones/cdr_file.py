"""Writes call detail records as FreePBX exports them: a row for each phone that was tried, a header first."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from trunkline.sandbox.phones.speaker import SCENARIOS, Dialled, Said

ZONE = "America/Chicago"
COLUMNS = (
    "calldate", "clid", "src", "dst", "dcontext", "channel", "dstchannel", "lastapp", "lastdata", "duration", "billsec",
    "disposition", "amaflags", "accountcode", "uniqueid", "userfield", "did", "cnum", "cnam", "outbound_cnum",
    "outbound_cnam", "dst_cnam", "recordingfile", "linkedid", "peeraccount", "sequence",
)  # fmt: skip
_NAMES = {"201": "Dana Desk", "202": "Sam Second", "203": "Rita Rings"}
_TRUNK = "trunk"

# From which channel to which, begin, length and talk in seconds, what became of it, and what took it.
_Row = tuple[str, str, int, int, int, str, str]
_ANSWERED: _Row = (_TRUNK, "201", 0, 66, 60, "ANSWERED", "Dial")
_SCRIPTS: Mapping[str, Sequence[_Row]] = {
    "answered": (_ANSWERED,),
    "missed": ((_TRUNK, "201", 0, 20, 0, "NO ANSWER", "Dial"),),
    "voicemail": ((_TRUNK, "201", 0, 50, 30, "ANSWERED", "VoiceMail"),),
    "blind_transfer": (
        (_TRUNK, "201", 0, 30, 24, "ANSWERED", "Dial"),
        (_TRUNK, "202", 30, 60, 55, "ANSWERED", "Dial"),
    ),
    "attended_transfer": (
        (_TRUNK, "201", 0, 50, 44, "ANSWERED", "Dial"),
        ("201", "202", 30, 20, 16, "ANSWERED", "Dial"),
        (_TRUNK, "202", 50, 40, 40, "ANSWERED", "Dial"),
    ),
    "ring_group": (
        (_TRUNK, "201", 0, 7, 0, "NO ANSWER", "Dial"),
        (_TRUNK, "203", 0, 7, 0, "NO ANSWER", "Dial"),
        (_TRUNK, "202", 0, 70, 63, "ANSWERED", "Dial"),
    ),
    "outbound": (("201", _TRUNK, 0, 60, 52, "ANSWERED", "Dial"),),
    "internal": (("201", "202", 0, 30, 27, "ANSWERED", "Dial"),),
    "withheld": (_ANSWERED,),
}


class CdrFileSpeaker:
    """A FreePBX whose CDR report is exported."""

    system: ClassVar[str] = "cdr-file"
    scenarios: ClassVar[Sequence[str]] = SCENARIOS
    silent_about: ClassVar[frozenset[str]] = frozenset({"legs"})

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """A file, and what its columns mean."""
        return {"path": "/var/lib/example/cdr.csv", "preset": "freepbx", "time_zone": ZONE}

    def rows(self, scenario: str, call: Dialled) -> list[tuple[float, dict[str, str]]]:
        """Each row, with the seconds after the call's begin at which it is written."""
        begins = call.at.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
        return [
            (float(row[2] + row[3]), self._row(scenario, call, place, row, begins))
            for place, row in enumerate(_SCRIPTS[scenario])
        ]

    @staticmethod
    def _row(scenario: str, call: Dialled, place: int, row: _Row, begins: datetime) -> dict[str, str]:
        source, target, after_s, length_s, talked_s, disposition, app = row
        caller = "anonymous" if scenario == "withheld" else call.caller
        name = "anonymous" if scenario == "withheld" else call.name
        is_in, is_out = source == _TRUNK, target == _TRUNK
        src, cnam = (caller, name) if is_in else (source, _NAMES[source])
        dst = call.caller if is_out else target
        epoch = int(call.at.timestamp())
        told = {
            "calldate": f"{begins + timedelta(seconds=after_s):%Y-%m-%d %H:%M:%S}",
            "clid": f'"{cnam}" <{src}>',
            "src": src,
            "dst": f"vmu{dst}" if app == "VoiceMail" else dst,
            "dcontext": "from-internal" if not is_in else "ext-local",
            "channel": f"PJSIP/{source}-0000000{place}",
            "dstchannel": f"PJSIP/{target}-0000001{place}",
            "lastapp": app,
            "lastdata": f"PJSIP/{target}/sip:{target}@192.0.2.10,20",
            "duration": str(length_s),
            "billsec": str(talked_s),
            "disposition": disposition,
            "amaflags": "3",
            "uniqueid": f"{epoch}.{call.serial * 10 + place}",
            "did": call.did if is_in else "",
            "cnum": src,
            "cnam": cnam,
            "dst_cnam": _NAMES.get(target, ""),
            "linkedid": f"{epoch}.{call.serial * 10}",
            "sequence": str(call.serial * 10 + place),
        }
        return {column: told.get(column, "") for column in COLUMNS}

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """Nothing is said live: its rows, as they are brought home."""
        return self.history(scenario, call)

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """The rows, in the order in which they stand behind the header."""
        return [_said(after_s, line, row) for line, (after_s, row) in enumerate(self.rows(scenario, call), 2)]

    def strange(self, call: Dialled) -> list[Said]:
        """A row that names nobody, with words that no version has."""
        odd = {
            "calldate": f"{call.at:%Y-%m-%d %H:%M:%S}",
            "disposition": "LEVITATED",
            "lastapp": "Hover",
            "mood": "good",
        }
        return [_said(0.0, 2, {column: odd.get(column, "") for column in (*COLUMNS, "mood")})]

    def file(self, rows: Iterable[Mapping[str, str]], *, delimiter: str = ",") -> str:
        """The rows as a file."""
        written = io.StringIO()
        writer = csv.DictWriter(written, COLUMNS, delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return written.getvalue()


def _said(after_s: float, line: int, row: Mapping[str, str]) -> Said:
    body = json.dumps({"line": line, "row": row}, separators=(",", ":"), ensure_ascii=False)
    return Said(after_s, body.encode(), "history")


SPEAKER = CdrFileSpeaker()

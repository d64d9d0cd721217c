"""Panasonic KX-TDA, KX-TDE, KX-NCP, KX-NS and KX-NSX: fixed columns, one line for each phone that talked.

Source: the feature guides, "Station Message Detail Recording", with the column widths of the patterns A, B and C.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta

from trunkline.domain.events import Direction, EndReason
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.smdr.formats.columns import Columns, cut, from_string
from trunkline.phone_systems.smdr.segment import Pbx, Segment, agent, own_key, seconds

PATTERNS = {
    "A": "DDDDDDDD TTTTTTT EEEEE CC NNNNNNNNNNNNNNNNNNNNNNNNN RRRR dddddddd AAAAAAAAAA ccc",
    "B": "DDDDDDDD TTTTTTT EEEEE CC NNNNNNNNNNNNNNNNNNNN dddddddd $$$$$$$$$$ AAAAAAAAAA ccc",
    "C": "DDDDDDDD TTTTTTT EEEEE CCCC " + "N" * 50 + " RRRR dddddddd $$$$$$$$$$$ AAAAAAAAAA ccc",
}
DEFAULT = "A"
_COLUMNS = {name: from_string(text) for name, text in PATTERNS.items()}
_DATE = re.compile(r"[\d*]{1,4}/[\d*]{1,2}/[\d*]{1,4}", re.ASCII)
_INBOUND = re.compile(r"(?:<D>(?P<did>[^<]*))?<I>(?P<party>.*)")
_INTERCOM = re.compile(r"EXT\.?\s*(\w+)")
_NOT_DIALLED = re.compile(r"[^0-9+*#]")  # pauses, flashes, secret and private digits, marks of a transfer
_NOTICES = frozenset({"RC", "AN"})  # the phone rang; it was picked up: a line at the call's end follows
_TRANSFERRED, _NOT_ANSWERED = "TR", "NA"


def columns_of(text: str | None) -> Columns:
    """The columns of a pattern by its name, or of a column string.

    Raises:
        ValueError: with one sentence about the string.
    """
    return _COLUMNS.get(text or DEFAULT) or from_string(text or DEFAULT)


def read(pbx: Pbx, line: str, received_at: datetime) -> Segment | None:
    """One phone's part of a call.

    Raises:
        Unreadable: a date, time or duration cannot be read.
    """
    columns = cut(line, columns_of(pbx.columns))
    if not _DATE.fullmatch(columns["date"]):
        if _DATE.match(line.strip()):
            raise Unreadable("The line begins with a date, but its columns do not stand where they should.")
        return None  # a page's header, its dashes, the answer to the sign-in
    talked_s, ring_s = seconds(columns["duration"]), seconds(columns.get("ring", ""))
    condition = columns.get("condition", "")
    if condition in _NOTICES and not talked_s:
        return None
    stamp = _stamp(pbx, columns, received_at)
    begins = stamp if pbx.stamp == "start" else stamp - timedelta(seconds=talked_s + ring_s)
    station, dialled = columns["station"], columns["number"]
    inbound, intercom = _INBOUND.match(dialled), _INTERCOM.match(dialled)
    is_machine = pbx.is_voicemail(station)
    is_missed = condition == _NOT_ANSWERED or not talked_s
    segment = Segment(
        key=own_key(begins, line),
        started_at=begins,
        ring_s=ring_s,
        talk_s=0 if is_machine or is_missed else talked_s,
        other_s=talked_s if is_machine or is_missed else 0,
        agent=agent(station) if station and not is_machine else None,
        trunk=columns.get("trunk", ""),
        is_voicemail=is_machine and not is_missed and inbound is not None,
        is_handed_on=condition == _TRANSFERRED,
    )
    if inbound:
        return _inbound(pbx, segment, inbound)
    if intercom:
        return replace(segment, direction=Direction.INTERNAL, caller=agent(station), agent=agent(intercom[1]), trunk="")
    if not dialled:
        return segment
    number = pbx.dialled(_NOT_DIALLED.sub("", dialled))
    reason = EndReason.NO_ANSWER if is_missed else None
    return replace(segment, direction=Direction.OUTBOUND, number=number, reason=reason)


def _inbound(pbx: Pbx, segment: Segment, told: re.Match[str]) -> Segment:
    party, did = told["party"].strip(), pbx.did((told["did"] or "").strip())
    is_number = not any(sign.isalpha() for sign in party)
    return replace(
        segment,
        direction=Direction.INBOUND,
        did=did,
        number=party if is_number else None,
        name=None if is_number else party,
    )


def _stamp(pbx: Pbx, columns: dict[str, str], received_at: datetime) -> datetime:
    if "*" in columns["date"] or "*" in columns["time"]:
        return received_at  # the PBX's clock was set while the call went on; it prints stars
    return pbx.moment(pbx.day(columns["date"], received_at), columns["time"])

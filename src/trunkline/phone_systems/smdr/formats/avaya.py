"""Avaya IP Office: comma separated, 15 to 37 and more fields, one line for each part of a call.

Source: "IP Office SMDR", fields and examples. The call's begin is the same in each of its lines; with the Call ID it is
the key, as the numbers begin anew when the PBX restarts.
"""

import re
from datetime import datetime
from typing import NamedTuple

from trunkline.domain.events import Direction, EndReason, Party
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.smdr.segment import Pbx, Segment, agent, seconds

_FIELDS_BEFORE_PARTIES = 11
_STAMP = re.compile(r"\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)
# Names are not quoted and may hold commas; devices and what follows the second name show where they end.
_PARTIES = re.compile(
    r"(?P<device1>[A-Za-z]*\d*),(?P<name1>.*?),(?P<device2>[A-Za-z]+\d+|),(?P<name2>.*?)"
    r"(?:,(?P<hold>\d*),(?P<park>\d*)(?:,(?P<more>.*))?)?",
    re.ASCII,
)
_RECORD_TIME = 17  # among the fields after the park time
_DIRECTIONS = {"I": Direction.INBOUND, "O": Direction.OUTBOUND}


class _Device(NamedTuple):
    """`E` is an extension, `T` a trunk, `V` a voicemail channel."""

    letter: str
    digits: str
    name: str


def read(pbx: Pbx, line: str, received_at: datetime) -> Segment | None:
    """One part of a call.

    Raises:
        Unreadable: it has too few fields, or no begin or duration.
    """
    fields = line.split(",", _FIELDS_BEFORE_PARTIES)
    if len(fields) <= _FIELDS_BEFORE_PARTIES or (parties := _PARTIES.fullmatch(fields[-1])) is None:
        if not any(sign.isdigit() for sign in line):
            return None  # a header that somebody put there
        raise Unreadable("The line does not have the fields of an Avaya SMDR record.")
    stamp, connected, ring, caller, way, called, dialled, _, internal, call_id, continuation = (
        field.strip() for field in fields[:_FIELDS_BEFORE_PARTIES]
    )
    if not call_id:
        raise Unreadable("The line has no Call ID.")
    devices = [_device(parties["device1"], parties["name1"]), _device(parties["device2"], parties["name2"])]
    direction = Direction.INTERNAL if internal == "1" else _DIRECTIONS.get(way)
    connected_s = seconds(connected)
    is_machine = any(device.letter == "V" for device in devices)
    is_voicemail = is_machine and connected_s > 0 and direction is not Direction.INTERNAL
    talk_s = 0 if is_machine else connected_s
    started_at = _moment(pbx, stamp)
    more = (parties["more"] or "").split(",")
    record_time = more[_RECORD_TIME].strip() if len(more) > _RECORD_TIME else ""
    return Segment(
        key=f"{started_at:%Y%m%dT%H%M%SZ}-{call_id}",
        started_at=started_at,
        ring_s=seconds(ring),
        talk_s=talk_s,
        other_s=connected_s - talk_s + seconds(parties["hold"] or "") + seconds(parties["park"] or ""),
        direction=direction,
        number=_number(pbx, direction, caller, called or dialled),
        did=pbx.did(dialled) if direction is Direction.INBOUND else None,
        agent=_agent(devices, direction, caller, called),
        caller=agent(caller) if direction is Direction.INTERNAL else None,
        reason=_reason(direction, is_heard=connected_s > 0),
        is_voicemail=is_voicemail,
        is_live=True,
        continues=continuation not in ("0", ""),
        ends_at=_moment(pbx, record_time) if _STAMP.fullmatch(record_time) else None,
    )


def _device(device: str, name: str) -> _Device:
    return _Device(device[:1].upper(), device[1:], name)


def _moment(pbx: Pbx, stamp: str) -> datetime:
    if not _STAMP.fullmatch(stamp):
        raise Unreadable(f"The begin of the call, {stamp!r}, cannot be read.")
    try:
        local = datetime.fromisoformat(stamp.replace("/", "-"))
    except ValueError:
        raise Unreadable(f"The begin of the call, {stamp!r}, does not exist.") from None
    if local.year < 1990:
        raise Unreadable(f"The begin of the call, {stamp!r}, is of no year in which there were such calls.")
    return pbx.utc(local)


def _number(pbx: Pbx, direction: Direction | None, caller: str, called: str) -> str | None:
    if direction is Direction.INBOUND:
        return caller  # empty: withheld
    return pbx.dialled(called) if direction is Direction.OUTBOUND else None


def _agent(devices: list[_Device], direction: Direction | None, caller: str, called: str) -> Party | None:
    people = [device for device in devices if device.letter == "E"]
    if direction is Direction.INTERNAL:
        others = [device for device in people if device.digits != caller]
        return agent(others[0].digits, others[0].name) if others else agent(called)
    if people:
        return agent(people[0].digits, people[0].name)
    return agent(caller) if direction is Direction.OUTBOUND and caller else None


def _reason(direction: Direction | None, *, is_heard: bool) -> EndReason:
    if is_heard:
        return EndReason.NORMAL
    return EndReason.NO_ANSWER if direction is Direction.OUTBOUND else EndReason.CANCELLED

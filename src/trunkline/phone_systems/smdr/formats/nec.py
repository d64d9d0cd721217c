"""NEC SL1000, SL1100 and SL2100: fixed columns, one line for each call, its class first.

Source: the feature manuals' list of classes and report tables. A date is printed only where the PBX is set so.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from trunkline.domain.events import Direction, EndReason, Party
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.smdr.formats.columns import at, cut
from trunkline.phone_systems.smdr.segment import Pbx, Segment, agent, own_key, seconds

CLASSES: Mapping[str, Direction | None] = {
    "PIN": Direction.INBOUND,
    "IVIN": Direction.INBOUND,
    "IDIN": Direction.INBOUND,
    "POT": Direction.OUTBOUND,
    "POTA": Direction.OUTBOUND,
    "POTW": Direction.OUTBOUND,
    "POTP": Direction.OUTBOUND,
    "IVOT": Direction.OUTBOUND,
    "IVOTP": Direction.OUTBOUND,
    "IDOT": Direction.OUTBOUND,
    "ICM": Direction.INTERNAL,
    "PTRS": None,  # transferred: the other line of the call says whence it came
    "ITRS": None,
}
_TRANSFERRED = frozenset({"PTRS", "ITRS"})
# All lines busy, barred, buffer full, and the caller's name for the line before: about no call of their own.
_NOTICES = frozenset({"ALB", "BRD", "BFL", "NEXT"})
_LINE = re.compile(r"([A-Z]{2,5})\s{0,3}(\d{1,2}:\d{2})(?: (\d{2}/\d{2}))?(?= |$)", re.ASCII)
_DATE_WIDTH = 6
_WITHOUT_DATE = (("trunk", 11, 4), ("duration", 16, 8), ("station", 25, 10), ("number", 36, 20), ("account", 57, 16))
_COLUMNS = {
    shift: at(**{name: (begin + shift, width) for name, begin, width in _WITHOUT_DATE}) for shift in (0, _DATE_WIDTH)
}
_UNANSWERED = "NO ANSWER"


def read(pbx: Pbx, line: str, received_at: datetime) -> Segment | None:
    """One call.

    Raises:
        Unreadable: it is no record, or its duration cannot be read.
    """
    word = line[:5].strip().partition(" ")[0]
    match = _LINE.match(line)
    if word in _NOTICES or (match is None and not any(sign.isdigit() for sign in line)):
        return None
    if match is None:
        if word in CLASSES:
            raise Unreadable("The line begins like an NEC record, but has no time where it should.")
        if re.search(r"\d{2}/\d{2}/\d{4}", line):
            return None  # a page's header
        raise Unreadable("The line is no NEC record.")
    columns = cut(line, _COLUMNS[_DATE_WIDTH if match[3] else 0])
    talked_s = seconds(columns["duration"])
    stamp = _stamp(pbx, match[2], match[3], received_at)
    begins = stamp - timedelta(seconds=talked_s) if pbx.stamp == "end" else stamp
    direction = CLASSES.get(match[1])
    station, number = columns["station"], columns["number"]
    is_machine = pbx.is_voicemail(station)
    is_missed = not talked_s or columns["account"] == _UNANSWERED
    is_inbound = direction is Direction.INBOUND
    return Segment(
        key=own_key(begins, line),
        started_at=begins,
        talk_s=0 if is_machine or is_missed else talked_s,
        other_s=talked_s if is_machine or is_missed else 0,
        direction=direction,
        number=_number(pbx, direction, number),
        did=pbx.did("") if is_inbound else None,
        agent=_agent(direction, station, number) if not is_machine else None,
        reason=EndReason.NO_ANSWER if is_missed and not is_inbound else None,
        trunk="" if direction is Direction.INTERNAL else columns["trunk"],
        is_voicemail=is_machine and not is_missed and direction is not Direction.INTERNAL,
        is_handed_on=match[1] in _TRANSFERRED,
    )


def _number(pbx: Pbx, direction: Direction | None, number: str) -> str | None:
    if direction is Direction.INTERNAL:
        return None
    return pbx.dialled(number) if direction is Direction.OUTBOUND else number or _withheld(direction)


def _withheld(direction: Direction | None) -> str | None:
    return "" if direction is Direction.INBOUND else None


def _agent(direction: Direction | None, station: str, number: str) -> Party | None:
    who = number if direction is Direction.INTERNAL else station
    if not who:
        return None
    return agent(who) if who.isdigit() else agent("", who)


def _stamp(pbx: Pbx, clock: str, day: str | None, received_at: datetime) -> datetime:
    if day:
        return pbx.moment(pbx.day(day, received_at), clock)
    today = pbx.today(received_at)
    stamp = pbx.moment(today, clock)
    is_tomorrow = stamp > received_at + timedelta(minutes=10)  # the clocks may differ a little
    return pbx.moment(today - timedelta(days=1), clock) if is_tomorrow else stamp

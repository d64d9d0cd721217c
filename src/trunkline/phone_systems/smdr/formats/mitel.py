"""Mitel MiVoice Business (3300): fixed columns; where they stand depends on release and settings.

Source: the column list of the MiVoice Business SMDR specification; the layout "wide" is what such PBXs were seen to
send. The layout is told from where the duration stands, unless it is set.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from trunkline.domain.events import Direction, EndReason
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.smdr.formats.columns import Columns, at, cut
from trunkline.phone_systems.smdr.segment import Pbx, Segment, agent, own_key, seconds

LAYOUTS: Mapping[str, Columns] = {
    "standard": at(
        date=(1, 5), time=(7, 8), duration=(15, 8), calling=(24, 4), answer=(29, 3), digits=(34, 26),
        completion=(60, 1), called=(62, 4), transfer=(66, 1), ani=(91, 10), dnis=(102, 10),
        call_id=(113, 8), other_id=(123, 8),
    ),
    "extended": at(
        date=(1, 5), time=(7, 8), duration=(15, 10), calling=(26, 7), answer=(34, 4), digits=(39, 24),
        completion=(63, 1), called=(65, 7), transfer=(72, 1), ani=(102, 10), dnis=(113, 7),
        call_id=(121, 8), other_id=(131, 8),
    ),
    "wide": at(
        date=(1, 5), time=(7, 8), duration=(17, 10), calling=(28, 7), answer=(36, 4), digits=(41, 26),
        completion=(67, 1), called=(69, 7),
    ),
}  # fmt: skip
_DATED = re.compile(r"[ \-%+]?(\d{2}/\d{2})", re.ASCII)
_DURATION = re.compile(r"\d{2,4}:\d{2}:\d{2}", re.ASCII)
_STANDARD_AT, _WIDE_AT, _LONG_WIDTH = 15, 17, 10
_NOTICE = "CLOCK MALFUNCTION"
_BUSY = "B"
_TRANSFERRED = frozenset({"T", "X"})


def read(pbx: Pbx, line: str, received_at: datetime) -> Segment | None:
    """One call, or one part of it.

    Raises:
        Unreadable: it is no record, or a date, time or duration cannot be read.
    """
    if not _DATED.match(line):
        if _NOTICE in line or not any(sign.isdigit() for sign in line):
            return None
        raise Unreadable("The line is no Mitel record; it may carry on the line before it.")
    columns = cut(line, LAYOUTS[pbx.columns] if pbx.columns else _layout(line))
    begins = pbx.moment(pbx.day(columns["date"], received_at), columns["time"])
    lasted_s = seconds(columns["duration"])
    waited = columns["answer"]
    is_answered = lasted_s > 0 and (waited.isdigit() or pbx.trunks.fullmatch(columns["called"]) is not None)
    way, outside, inside = _parties(pbx, columns)
    is_machine = pbx.is_voicemail(inside)
    call_id, other_id = columns.get("call_id", ""), columns.get("other_id", "")
    key = _id_key(begins, call_id) if call_id else own_key(begins, line)
    return Segment(
        key=key,
        started_at=begins,
        ring_s=int(waited) if waited.isdigit() else 0,
        talk_s=lasted_s if is_answered and not is_machine else 0,
        other_s=0 if is_answered and not is_machine else lasted_s,
        direction=way,
        number=_number(pbx, columns, way),
        did=pbx.did(columns.get("dnis", "")) if way is Direction.INBOUND else None,
        agent=agent(inside) if inside and not is_machine else None,
        reason=_reason(columns["completion"], way, is_answered=is_answered),
        aliases=(_id_key(begins, other_id),) if other_id else (),
        trunk=outside,
        is_voicemail=is_machine and is_answered and way is Direction.INBOUND,
        is_handed_on=columns.get("transfer", "") in _TRANSFERRED,
    )


def _id_key(begins: datetime, call_id: str) -> str:
    return f"{begins:%Y%m%d}-{call_id}"


def _layout(line: str) -> Columns:
    """Which layout a line follows.

    Raises:
        Unreadable: no duration stands where one could be.
    """
    for begin in (_WIDE_AT, _STANDARD_AT):
        match = _DURATION.match(line, begin)
        if match and (begin == _STANDARD_AT or line[_STANDARD_AT:_WIDE_AT].isspace()):
            is_long = match.end() - match.start() == _LONG_WIDTH
            return LAYOUTS["wide" if begin == _WIDE_AT else "extended" if is_long else "standard"]
    raise Unreadable("The duration does not stand where a Mitel record has it; set the option columns.")


def _parties(pbx: Pbx, columns: dict[str, str]) -> tuple[Direction | None, str, str]:
    """The direction, the trunk and our own phone."""
    calling, called = columns["calling"], columns["called"]
    if pbx.trunks.fullmatch(calling):
        return Direction.INBOUND, calling, called or _reached(columns["digits"])
    if pbx.trunks.fullmatch(called):
        return Direction.OUTBOUND, called, calling
    both = pbx.extensions.fullmatch(calling) and pbx.extensions.fullmatch(called or _reached(columns["digits"]))
    return (Direction.INTERNAL if both else None), "", called or _reached(columns["digits"])


def _reached(digits: str) -> str:
    """Two numbers are what was dialled and what was reached."""
    return digits.rsplit(maxsplit=1)[-1] if digits else ""


def _number(pbx: Pbx, columns: dict[str, str], way: Direction | None) -> str | None:
    if way is Direction.INBOUND:
        return columns.get("ani") or None  # not printed is not withheld: nobody knows
    return pbx.dialled(columns["digits"].replace(" ", "")) if way is Direction.OUTBOUND else None


def _reason(completion: str, way: Direction | None, *, is_answered: bool) -> EndReason | None:
    if is_answered:
        return None
    if completion == _BUSY:
        return EndReason.BUSY
    return None if way is Direction.INBOUND else EndReason.NO_ANSWER

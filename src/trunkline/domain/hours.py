"""Business hours, as people write them: ``mon-fri 07:30-17:00, sat 08:00-12:00``."""

import re
from datetime import datetime, time
from zoneinfo import ZoneInfo

import msgspec

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? (?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)")


class Span(msgspec.Struct, frozen=True):
    """On `day` (0 is Monday) from `opens` to before `closes`, local time."""

    day: int
    opens: time
    closes: time


class BusinessHours(msgspec.Struct, frozen=True):
    """When somebody is expected to call."""

    spans: tuple[Span, ...]

    @classmethod
    def parse(cls, text: str) -> "BusinessHours":
        """Read hours as people write them.

        Raises:
            ValueError: with one sentence.
        """
        return cls(tuple(span for part in text.lower().split(",") for span in _spans(part.strip())))

    def opened_at(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Since when it has been open at `moment` (any zone), or `None` where it is closed."""
        local = moment.astimezone(zone)
        for span in self.spans:
            if span.day == local.weekday() and span.opens <= local.time() < span.closes:
                return datetime.combine(local.date(), span.opens, zone)
        return None


def _spans(text: str) -> list[Span]:
    found = _SPAN.fullmatch(text)
    days = [found["first"], found["last"] or found["first"]] if found else []
    if found is None or not set(days) <= set(_DAYS):
        raise ValueError(f"{text!r} is no business hours; write them like mon-fri 07:30-17:00, sat 08:00-12:00")
    first, last = (_DAYS.index(day) for day in days)
    opens, closes = _time(found["opens"]), _time(found["closes"])
    if not opens < closes or last < first:
        raise ValueError(f"{text!r} ends before it begins; write it as two spans, with a comma between")
    return [Span(day, opens, closes) for day in range(first, last + 1)]


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time of the day; write it like 07:30") from None

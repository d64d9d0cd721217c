"""Moments and lengths of time, as files spell them."""

import re
from datetime import UTC, datetime, timezone
from zoneinfo import ZoneInfo

_SLASHED = re.compile(
    r"(\d{1,4})[/.\-](\d{1,2})[/.\-](\d{1,4})[ T,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([AaPp])?\.?[Mm]?\.?",
    re.ASCII,
)
_DASHED = re.compile(r"\d{4}-\d{2}-\d{2}[T ]", re.ASCII)
_EPOCH = re.compile(r"(\d{10})(\d{3})?(?:\.\d+)?", re.ASCII)
_ORDERS = {"mdy": (2, 0, 1), "dmy": (2, 1, 0), "ymd": (0, 1, 2)}
_LENGTH = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})(?:\.\d+)?", re.ASCII)
_SECONDS = re.compile(r"\d{1,8}(?:\.\d+)?", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1990, 2200

Zone = ZoneInfo | timezone


def moment(text: str, zone: Zone, order: str = "mdy") -> datetime:
    """A moment as UTC: ISO with or without an offset, seconds since 1970, or a date in `order` and a time. Without an
    offset it is the wall clock of `zone`; the hour that an autumn night has twice is taken for its first time.

    Raises:
        ValueError: it is none of these.
    """
    told = text.strip()
    try:
        found = datetime.fromisoformat(told) if _DASHED.match(told) else _other(told, order)
    except ValueError:
        found = _other(told, order)
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(f"{told!r} is of no year in which there were such calls")
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=zone).astimezone(UTC)


def _other(told: str, order: str) -> datetime:
    if epoch := _EPOCH.fullmatch(told):
        return datetime.fromtimestamp(int(epoch[1]), UTC)
    match = _SLASHED.fullmatch(told)
    if match is None:
        raise ValueError(f"the time {told!r} cannot be read")
    parts = [int(part) for part in match.groups()[:3]]
    year, month, day = (parts[place] for place in _ORDERS["ymd" if len(match[1]) == 4 else order])
    hour, minute, second = (int(part or 0) for part in match.groups()[3:6])
    if match[7]:
        hour = hour % 12 + (12 if match[7] in "Pp" else 0)
    try:
        return datetime(year + 2000 if year < 100 else year, month, day, hour, minute, second)  # noqa: DTZ001 - local
    except ValueError:
        raise ValueError(f"the time {told!r} does not exist") from None


def seconds(text: str) -> float | None:
    """A length of time, as seconds, `M:SS` or `H:MM:SS`; nothing at all is not known.

    Raises:
        ValueError: it is none of these.
    """
    told = text.strip()
    if not told:
        return None
    if _SECONDS.fullmatch(told):
        return float(told)
    match = _LENGTH.fullmatch(told)
    if match is None:
        raise ValueError(f"the duration {told!r} cannot be read")
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return float(hours * 3600 + minutes * 60 + rest)

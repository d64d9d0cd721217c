"""A vendor's JSON, read without relying on it: what is missing or of another type is not there, and breaks nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from trunkline.phone_systems.base import Unreadable

LONGEST_ID = 255  # longer ones would not fit an index
LONGEST_S = 7 * 24 * 3600.0
_YEARS = range(2000, 2100)


class Fields:
    """One JSON object; `held` is it as read. Where several names are given, the first that holds something counts."""

    def __init__(self, held: object) -> None:
        self.held: Mapping[str, Any] = held if isinstance(held, dict) else {}

    @classmethod
    def read(cls, body: bytes, what: str) -> "Fields":
        """The object in `body`, which sentences call `what`.

        Raises:
            Unreadable: it is no JSON, or no object.
        """
        try:
            held = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreadable(f"{what} is no JSON.") from None
        if not isinstance(held, dict):
            raise Unreadable(f"{what} is no JSON object.")
        return cls(held)

    def __bool__(self) -> bool:
        return bool(self.held)

    def text(self, *names: str) -> str | None:
        """Text, or a whole number as text; blanks around it are dropped, and what is empty then is not there."""
        for name in names:
            held = self.held.get(name)
            text = str(held) if isinstance(held, int) and not isinstance(held, bool) else held
            if isinstance(text, str) and text.strip():
                return text.strip()
        return None

    def text_or_empty(self, name: str) -> str | None:
        """As :meth:`text`, of a vendor who says something by what is there and empty: a number withheld."""
        held = self.held.get(name)
        return "" if isinstance(held, str) and not held.strip() else self.text(name)

    def id(self, *names: str) -> str | None:
        """As :meth:`text`, where it is short enough for a key."""
        found = self.text(*names)
        return found if found and len(found) <= LONGEST_ID else None

    def time(self, *names: str, zone: tzinfo | None = UTC) -> datetime | None:
        """An ISO date and time as UTC; one without a zone is in `zone` or, where that is `None`, no time."""
        for name in names:
            try:
                read = datetime.fromisoformat(self.text(name) or "")
                if read.tzinfo is None and zone is None:
                    continue
                found = (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
            if found.year in _YEARS:
                return found
        return None

    def epoch(self, name: str, *, per_s: float = 1.0) -> datetime | None:
        """Time since 1970 as UTC, of which `per_s` make a second."""
        try:
            found = datetime.fromtimestamp((self.number(name) or 0.0) / per_s, UTC)
        except (ValueError, OverflowError, OSError):
            return None
        return found if found.year in _YEARS else None

    def number(self, name: str) -> float | None:
        """A number, or a number as text."""
        held = self.held.get(name)
        try:
            return float(held) if isinstance(held, int | float | str) and not isinstance(held, bool) else None
        except (ValueError, OverflowError):
            return None

    def seconds(self, *names: str, per_s: float = 1.0) -> float | None:
        """A length of time of at most a week, of which `per_s` make a second."""
        lengths = (found / per_s for name in names if (found := self.number(name)) is not None)
        return next((length for length in lengths if 0 <= length <= LONGEST_S), None)

    def flag(self, name: str) -> bool | None:
        """Yes or no, as a boolean or as the word for it in any case."""
        held = self.held.get(name)
        word = held.strip().lower() if isinstance(held, str) else held
        return True if word in (True, "true") else False if word in (False, "false") else None

    def inner(self, *names: str) -> "Fields":
        """An object within; empty where there is none."""
        return next((Fields(self.held[name]) for name in names if isinstance(self.held.get(name), dict)), Fields({}))

    def each(self, *names: str) -> list["Fields"]:
        """The objects of a list within."""
        lists = (self.held.get(name) for name in names)
        return [Fields(item) for item in next((found for found in lists if isinstance(found, list)), []) if item]

    def texts(self, name: str) -> list[str]:
        """The texts of a list within; one text counts as a list of one."""
        held = self.held.get(name)
        listed = [held] if isinstance(held, str) else held
        return [item for item in listed if isinstance(item, str) and item] if isinstance(listed, list) else []

    def encoded(self) -> bytes:
        """The object as JSON."""
        return msgspec.json.encode(self.held)

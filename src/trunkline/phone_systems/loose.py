"""A vendor's JSON, read without relying on it: what is missing or of another type is not there, and breaks nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
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

    def id(self, *names: str) -> str | None:
        """As :meth:`text`, where it is short enough for a key."""
        found = self.text(*names)
        return found if found and len(found) <= LONGEST_ID else None

    def time(self, *names: str) -> datetime | None:
        """An ISO date and time as UTC; without a zone it is taken for UTC."""
        for name in names:
            try:
                read = datetime.fromisoformat(self.text(name) or "")
                found = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
            except (ValueError, OverflowError):
                continue
            if found.year in _YEARS:
                return found
        return None

    def epoch_ms(self, name: str) -> datetime | None:
        """Milliseconds since 1970, as a number or as text."""
        try:
            found = datetime.fromtimestamp(int(self.text(name) or "") / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return None
        return found if found.year in _YEARS else None

    def seconds(self, *names: str) -> float | None:
        """A length of time of at most a week, as a number or as text."""
        for name in names:
            held = self.held.get(name)
            try:
                found = float(held) if isinstance(held, int | float | str) and not isinstance(held, bool) else None
            except (ValueError, OverflowError):
                continue
            if found is not None and 0 <= found <= LONGEST_S:
                return found
        return None

    def is_true(self, name: str) -> bool:
        """Whether it is a plain yes."""
        return self.held.get(name) is True

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

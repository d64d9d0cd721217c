"""One HTTP request of a phone system, as it came in, and what may be answered."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime

import msgspec

LARGEST_BODY = 1024 * 1024
TOLERANCE_S = 300.0


class Refused(Exception):
    """The delivery is not from the phone system, or too old, or too big: answer 4xx and store nothing."""

    def __init__(self, message: str, *, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


class Answer(msgspec.Struct, frozen=True):
    """What to answer a phone system."""

    status: int = 200
    body: bytes = b""
    media_type: str = "text/plain"
    headers: dict[str, str] = {}


class Delivery(msgspec.Struct, frozen=True):
    """One request. Nothing of it has been read, let alone believed.

    `headers` are pairs as sent, names in lower case; `query` is what stands after the question mark, undecoded; `kind`
    is the part of the path after the account's own; `received_at` is UTC.
    """

    body: bytes
    received_at: datetime
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    kind: str = ""
    method: str = "POST"

    def given(self, name: str) -> str | None:
        """The header `name` (lower case), or `None`.

        Raises:
            Refused: it is given twice; which one to believe is a guess.
        """
        found = [value for header, value in self.headers if header == name]
        if len(found) > 1:
            raise Refused(f"The header {name} is given twice.")
        return found[0] if found else None

    def header(self, name: str) -> str:
        """The header `name` (lower case).

        Raises:
            Refused: it is missing, empty, or given twice.
        """
        value = self.given(name)
        if not value:
            raise Refused(f"The header {name} is missing.")
        return value

    def check_age(self, stamp: str | float, *, unit_s: float = 1.0, late_s: float = TOLERANCE_S) -> None:
        """Refuse what was sent more than `late_s` ago, or more than five minutes ahead, by our clock.

        `stamp` is in `unit_s` since 1970. `late_s` is longer than five minutes where a vendor tries again for longer.

        Raises:
            Refused: it is no time, or not near.
        """
        is_time = not isinstance(stamp, str) or (stamp.isascii() and stamp.isdigit() and len(stamp) < 20)
        if not is_time or not -TOLERANCE_S <= self.received_at.timestamp() - float(stamp) * unit_s <= late_s:
            limit = "five minutes" if late_s == TOLERANCE_S else f"{late_s / 3600:.0f} hours"
            raise Refused(f"The timestamp is more than {limit} from our clock.")


def any_holds(given: str, expected: Iterable[str]) -> bool:
    """Whether `given` is one of `expected`, in a time that tells nothing about them."""
    typed = given.encode()
    return any(hmac.compare_digest(typed, one.encode()) for one in expected)


def fingerprint(*parts: str | bytes | None) -> str:
    """A short name of content, for what has no id of its own."""
    whole = b"\x00".join(part.encode() if isinstance(part, str) else part or b"" for part in parts)
    return hashlib.sha256(whole).hexdigest()[:32]

"""What is particular to one company's RingCentral account: which of its extensions are machines."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from trunkline.domain.events import Party, PartyKind
from trunkline.domain.phone import is_withheld
from trunkline.phone_systems.base import Unreadable

SYSTEM = "ringcentral"
LONGEST_EXTENSION = 6  # RingCentral's extension numbers have up to six digits
_SERVICE_CODES = {f"{digit}11" for digit in range(2, 10)} | {"933", "988"}  # short, and yet outside

_FIRST_YEAR, _LAST_YEAR = 1990, 2200  # others cannot be reckoned with

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class End(msgspec.Struct, rename="camel", frozen=True):
    """One end of a connection; RingCentral writes ids as text in events and as numbers in the call log."""

    phone_number: str | None = None
    name: str | None = None
    extension_id: str | int | None = None
    extension_number: str | int | None = None

    @property
    def inside_number(self) -> str | None:
        """The extension number, where it is given: internal calls show it in place of a phone number."""
        number = str(self.extension_number or "") or self.phone_number or ""
        is_short = number.isascii() and number.isdigit() and len(number) <= LONGEST_EXTENSION
        return number if is_short and number not in _SERVICE_CODES else None

    @property
    def is_inside(self) -> bool:
        """Whether it is a colleague, a queue or a menu."""
        return bool(self.extension_id) or self.inside_number is not None

    @property
    def outside_name(self) -> str | None:
        """The name the network sent, where it is one."""
        return None if is_withheld(self.name) or self.name == self.phone_number else self.name


NOBODY = End()


@dataclass(frozen=True)
class Shop:
    """`queues` and `menus` hold extension ids, extension numbers or names, in lower case.

    RingCentral's messages do not say whether an extension is a person, a queue or a menu, so people have to.
    """

    account: str
    queues: frozenset[str]
    menus: frozenset[str]

    def machine(self, *names: str | int | None) -> PartyKind | None:
        """`QUEUE` or `MENU` where any of an extension's `names` is listed as one."""
        found = {str(name).strip().lower() for name in names if name}
        if found & self.queues:
            return PartyKind.QUEUE
        return PartyKind.MENU if found & self.menus else None

    def party(self, end: End, extension_id: str | int | None, kind: PartyKind) -> Party:
        """Who stands at `end`."""
        known = extension_id or end.extension_id
        return Party(kind, end.inside_number, end.name or None, str(known) if known else None)


def utc(moment: datetime) -> datetime:
    """`moment` in UTC, which is also meant where no zone is given.

    Raises:
        Unreadable: it lies outside the years in which people make calls.
    """
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise Unreadable("A time of RingCentral's lies outside the years in which people make calls.")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

"""What people decided about phone numbers: facts that ServiceTitan has no field for.

==============  =============================================  =================================================
decision        about                                          what follows
==============  =============================================  =================================================
direct line     a number and the customer or location with it  this customer is certain
moved away      a number and the customer or location with it  no candidate any more, but shown as a former one
shared          a number                                       several people may call: never certain
spam            a number                                       flagged, and its calls are not logged
==============  =============================================  =================================================

Of those that contradict one another the latest counts. A decision weighs only what the mirror says: a direct line of a
customer who no longer has the number in ServiceTitan, or is inactive, makes nobody certain.
"""

from datetime import datetime
from enum import StrEnum

import msgspec


class DecisionKind(StrEnum):
    """What was decided."""

    DIRECT_LINE = "direct_line"
    MOVED_AWAY = "moved_away"
    SHARED = "shared"
    SPAM = "spam"

    @property
    def is_about_owner(self) -> bool:
        """Whether it is about one owner of the number, not about the number itself."""
        return self in {DecisionKind.DIRECT_LINE, DecisionKind.MOVED_AWAY}


class OwnerKind(StrEnum):
    """Whom a decision is about."""

    NUMBER = "number"  # the number itself
    CUSTOMER = "customer"
    LOCATION = "location"


class Owner(msgspec.Struct, frozen=True):
    """A customer or location by ServiceTitan's id; the number itself has the id 0."""

    kind: OwnerKind
    id: int


THE_NUMBER = Owner(OwnerKind.NUMBER, 0)


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decision about one number. `decided_at` is UTC.

    `customer_id` is whose customer record the owner belongs to today, mergers followed; none for the number itself.
    """

    kind: DecisionKind
    owner: Owner
    decided_at: datetime
    decided_by: str
    customer_id: int | None = None

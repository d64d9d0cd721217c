"""What others see of a decision."""

from datetime import datetime

import msgspec

from trunkline.domain.decisions import DecisionKind, Owner


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A decision that holds. `number` is E.164, `decided_at` UTC.

    `copy` is how it stands in ServiceTitan - local, pending, written or failed -, `problem` one sentence where that is
    not as it should be.
    """

    number: str
    kind: DecisionKind
    owner: Owner
    decided_by: str
    decided_at: datetime
    copy: str
    problem: str | None = None

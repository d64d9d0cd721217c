"""What the web room, the command line and the logbook see of a call."""

from datetime import datetime

import msgspec

from trunkline.domain.call import Call
from trunkline.domain.caller import CallerCard


class LogView(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the call stands in the logbook: `state` is open, logged, nothing or review."""

    state: str
    review_reason: str | None = None
    detail: str | None = None
    finished_at: datetime | None = None


class CallView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call as the board shows it. `ref` is the short reference that stands in the notes we write."""

    id: int
    tenant_id: int
    ref: str
    version: int
    call: Call
    card: CallerCard | None = None
    log: LogView | None = None
    merged_into: int | None = None


class EventView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event on the call page."""

    kind: str
    occurred_at: datetime
    leg_key: str | None = None
    party: str | None = None
    detail: str | None = None


class WriteView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One write into ServiceTitan: `state` is intended, written or refused."""

    action: str
    target_id: int
    text: str
    state: str
    intended_at: datetime
    remote_id: int | None = None
    finished_at: datetime | None = None


class CallDetail(msgspec.Struct, frozen=True):
    """The call page: the call, its events in order, and what was written where.

    `joined` are further phone systems that told of it.
    """

    view: CallView
    events: tuple[EventView, ...]
    writes: tuple[WriteView, ...]
    joined: tuple[str, ...] = ()


class NetworkCard(msgspec.Struct, frozen=True):
    """Who has a number at the tenants of a network: the card of the one that it leads to, and in it the others'."""

    tenant_id: int
    company: str
    card: CallerCard


class ConnectionView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One configured phone system's connection, for the board's status line."""

    account: str
    state: str
    since: datetime
    detail: str | None = None

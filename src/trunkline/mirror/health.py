"""How fresh the copy of each resource is, what is wrong, and how it differs from the published contract."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Literal

import msgspec

from trunkline.mirror.catalog import RESOURCES, Resource
from trunkline.store.database import Database
from trunkline.store.mirror import FeedState, feed_states
from trunkline.store.rows import drift_of

# A reading takes its time, and the one before it may have been late itself.
LATE_AFTER_CADENCES = 3

State = Literal["fresh", "late", "failing", "waiting"]


class DriftNote(msgspec.Struct, frozen=True):
    """`field` is a path like ``items[].sku``; `kind` one of field, missing, null, type, word, key and value."""

    field: str
    kind: str
    detail: str
    first_seen: datetime
    last_seen: datetime
    times: int


class ResourceHealth(msgspec.Struct, frozen=True):
    """One resource. `state` is fresh, late (older than three cadences), failing (`error` says why) or waiting (for its
    first copy); `fresh_at` is when the copy was last complete, `age_s` how long ago that is."""

    name: str
    kind: str
    scope: str
    state: State
    rows: int
    cadence_s: float
    fresh_at: datetime | None
    age_s: float | None
    error: str | None
    drift: list[DriftNote]


async def health(database: Database, tenant_id: int, *, round_s: float) -> list[ResourceHealth]:
    """Every resource of one tenant, in the catalog's order; rounds of the mirror are `round_s` apart.

    Raises:
        DatabaseUnavailable: there is no asking.
    """
    async with database.connection() as connection:
        states = await feed_states(connection, tenant_id)
        drift: defaultdict[str, list[DriftNote]] = defaultdict(list)
        for one in await drift_of(connection, tenant_id):
            note = DriftNote(one.field, one.kind, one.detail, one.first_seen, one.last_seen, one.times)
            drift[one.resource].append(note)
    now = datetime.now(UTC)
    return [
        _health(
            resource,
            states.get(resource.name) or FeedState(resource.name),
            drift[resource.name],
            now,
            round_s,
        )
        for resource in RESOURCES
    ]


def _health(
    resource: Resource, state: FeedState, drift: list[DriftNote], now: datetime, round_s: float
) -> ResourceHealth:
    cadence_s = resource.cadence.seconds(round_s)
    age_s = None if state.fresh_at is None else max(0.0, (now - state.fresh_at).total_seconds())
    return ResourceHealth(
        resource.name,
        resource.kind.value,
        resource.scope,
        _state(state, age_s, cadence_s),
        state.rows_held,
        cadence_s,
        state.fresh_at,
        age_s,
        state.error,
        drift,
    )


def _state(state: FeedState, age_s: float | None, cadence_s: float) -> State:
    if state.error is not None:
        return "failing"
    if age_s is None:
        return "waiting"
    return "late" if age_s > LATE_AFTER_CADENCES * cadence_s else "fresh"

"""What the mirror knows about phone numbers: one statement, one round trip, for any number of them.

PostgreSQL builds each number's facts as JSON with the field names of :mod:`trunkline.domain.caller` (function
`calls.number_facts`, migration 0002), so that they are decoded in one step; what people decided about them comes along
(`calls.decisions_about`, migration 0007). Every part is reached through an index and cut to its limit: the cost of a
lookup does not depend on how many customers, jobs, calls or decisions there are.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from trunkline.domain.caller import NumberFacts
from trunkline.domain.decisions import Decision
from trunkline.store.database import Database

LANES = 2

_decode = msgspec.json.Decoder(list[NumberFacts]).decode
_STATEMENT = (
    "select calls.number_facts($1, string_to_array($2, ','), $3, $4, $5),"
    " calls.decisions_about($1, string_to_array($2, ','))"
)
_TYPES = ("bigint", "text", "timestamptz", "timestamptz", "timestamptz")
_EXAMPLE = ("0", "", "now", "now", "now")


class _About(Decision, frozen=True, kw_only=True):
    """A decision with the number that it is about."""

    number: str


_decode_decisions = msgspec.json.Decoder(list[_About]).decode


class NumberLookup:
    """Looks numbers up, :data:`LANES` statements at a time."""

    def __init__(self, database: Database) -> None:
        self._lanes = database.lanes(_STATEMENT, _TYPES, _EXAMPLE, count=LANES)

    async def open(self) -> None:
        """Make all connections now, so that no ring waits for one; raises as :meth:`facts`."""
        await self._lanes.open()

    async def facts(
        self, tenant_id: int, numbers: Sequence[str], *, timezone: str, now: datetime | None = None
    ) -> dict[str, NumberFacts]:
        """What is known about each of `numbers` (E.164); unknown numbers are in the answer too, without customers.

        `timezone` is the tenant's IANA zone: it says when today begins and ends at `now` (the present, unless given).
        A merged record leads to the one it was merged into, and that one's jobs and locations include the merged one's.
        Inactive customers are included (`active` is false), active ones stand first. Staff are listed while active,
        earlier calls once they ended.

        Raises:
            DatabaseUnavailable: it cannot be told now.
        """
        now = now or datetime.now(UTC)
        zone = ZoneInfo(timezone)
        moments = (now, *_day(zone, now.astimezone(zone).date()))
        values = (str(tenant_id), ",".join(numbers), *(moment.isoformat() for moment in moments))
        ((found, decided),) = await self._lanes.run(values)
        by_number = {facts.number: facts for facts in _decode(found or b"[]")}
        return _with_decisions(by_number, _decode_decisions(decided)) if decided else by_number


def _with_decisions(by_number: dict[str, NumberFacts], decided: Sequence[_About]) -> dict[str, NumberFacts]:
    about: dict[str, list[Decision]] = {}
    for one in decided:
        decision = Decision(one.kind, one.owner, one.decided_at, one.decided_by, one.customer_id)
        about.setdefault(one.number, []).append(decision)
    return {
        number: msgspec.structs.replace(facts, decisions=tuple(about.get(number, ())))
        for number, facts in by_number.items()
    }


@lru_cache(maxsize=64)
def _day(zone: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    """When `day` begins and ends in `zone`, in UTC."""
    begin, end = (datetime.combine(one, time.min, zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    return begin, end

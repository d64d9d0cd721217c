"""What the mirror knows about phone numbers: one statement, one round trip, for any number of them.

PostgreSQL builds each number's facts as JSON with the field names of :mod:`trunkline.domain.caller` (function
`calls.number_facts`, migration 0002), so that they are decoded in one step. Every part is reached through an index and
cut to its limit: the cost of a lookup does not depend on how many customers, jobs or calls there are.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
from psycopg import AsyncConnection
from psycopg.types.numeric import Int8

from trunkline.domain.caller import NumberFacts

_decode = msgspec.json.Decoder(NumberFacts).decode


async def number_facts(
    connection: AsyncConnection, tenant_id: int, numbers: Sequence[str], *, timezone: str, now: datetime | None = None
) -> dict[str, NumberFacts]:
    """What is known about each of `numbers` (E.164); unknown numbers are in the answer too, without customers.

    `timezone` is the tenant's IANA zone: it says when today begins and ends at `now` (the present, unless given).
    A merged record leads to the one it was merged into, and that one's jobs and locations include the merged one's.
    Inactive customers are included (`active` is false), active ones stand first. Staff are listed while active,
    earlier calls once they ended.
    """
    now = now or datetime.now(UTC)
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    day_start, day_end = (
        datetime.combine(day, time.min, zone).astimezone(UTC) for day in (today, today + timedelta(days=1))
    )
    cursor = await connection.execute(
        "select number_asked, facts from calls.number_facts(%s, %s, %s, %s, %s)",
        (Int8(tenant_id), list(numbers), now, day_start, day_end),
        prepare=True,
        binary=True,
    )
    return {number: _decode(facts) for number, facts in await cursor.fetchall()}

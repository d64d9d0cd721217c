"""External data: small values that an app keeps with records, under the GUID that the developer portal issued for it.

Nobody sees them who does not name that GUID. How long keys and values may be, and how many there may be, is not
published: keep them short. Only `Merge` is ever sent: `Replace`, ServiceTitan's default, would take away every key of
the app that is not in the request.

Source: the published contract, `externalData` of customers, locations and jobs with `ExternalDataUpdateRequest` and the
lists' `externalDataApplicationGuid`, `externalDataKey` and `externalDataValues`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from trunkline.servicetitan.client import ServiceTitan
from trunkline.servicetitan.errors import InvalidRequest, UnexpectedAnswer
from trunkline.servicetitan.requests import MOST_IDS

# Ours, not ServiceTitan's, which publishes none.
LONGEST_KEY, LONGEST_VALUE = 100, 500
MOST_VALUES = 50

Values = dict[str, str]


class _Entry(msgspec.Struct):
    key: str | None = None
    value: str | None = None


class _Row(msgspec.Struct, rename="camel"):
    id: int
    external_data: list[_Entry] | None = None


class Record(StrEnum):
    """What can hold external data, of all that Trunkline knows."""

    CUSTOMER = "crm.customers"
    LOCATION = "crm.locations"
    JOB = "jpm.jobs"


async def read(client: ServiceTitan, guid: UUID, record: Record, ids: Sequence[int]) -> dict[int, Values]:
    """Our keys with their values at each of these records, fifty to a request; those that do not exist are left out.

    One record alone cannot be asked for: only lists take the GUID.

    Raises:
        RetryLater, NeedsFixing, GivenUp: as :meth:`ServiceTitan.call`.
    """
    found: dict[int, Values] = {}
    for start in range(0, len(ids), MOST_IDS):
        some = list(ids[start : start + MOST_IDS])
        query = {"ids": some, "externalDataApplicationGuid": guid, **_any(record)}
        async for page in client.call_pages(f"{record}.list", **query):
            found.update(_values(page))
    return found


async def find(
    client: ServiceTitan, guid: UUID, record: Record, key: str, values: Sequence[str]
) -> AsyncIterator[dict[int, Values]]:
    """The records at which `key` has one of `values`, a page at a time, each with all our keys; inactive ones too.

    Raises:
        InvalidRequest: more than fifty values; or as the following, nothing was changed.
        RetryLater, NeedsFixing, GivenUp: as :meth:`ServiceTitan.call`.
    """
    if len(values) > MOST_VALUES:
        raise InvalidRequest(f"External data is found by at most {MOST_VALUES} values at once, not {len(values)}.")
    query = {
        "externalDataApplicationGuid": guid,
        "externalDataKey": key,
        "externalDataValues": list(values),
        **_any(record),
    }
    async for page in client.call_pages(f"{record}.list", **query):
        yield {row_id: held for row_id, held in _values(page).items() if held.get(key) in values}


async def merge(
    client: ServiceTitan, guid: UUID, record: Record, record_id: int, values: Mapping[str, str | None]
) -> None:
    """Set these keys and leave all others alone; the value `None` takes a key away. Doing it again changes nothing.

    Raises:
        InvalidRequest: a key or value is too long; or ServiceTitan refused them.
        OutcomeUnknown: it may have happened: do it again.
        RetryLater, NeedsFixing, GivenUp: it has not; as :meth:`ServiceTitan.call`.
    """
    for key, value in values.items():
        if not 0 < len(key) <= LONGEST_KEY or len(value or "") > LONGEST_VALUE:
            raise InvalidRequest(
                f"External data takes keys of up to {LONGEST_KEY} characters and values of up to {LONGEST_VALUE}."
            )
    written = {
        "patchMode": "Merge",
        "applicationGuid": str(guid),
        "externalData": [{"key": key, "value": value} for key, value in values.items()],
    }
    await client.call(f"{record}.update", {"externalData": written}, id=record_id)


def _any(record: Record) -> dict[str, str]:
    """Lists of customers and locations leave inactive ones out unless asked; jobs are never inactive there."""
    return {} if record is Record.JOB else {"active": "Any"}


def _values(page: Sequence[Any]) -> dict[int, Values]:
    """What each row of a page holds. Without any, ServiceTitan sends nothing, null or an empty list."""
    try:
        rows = msgspec.convert(page, list[_Row])
    except msgspec.ValidationError as error:
        raise UnexpectedAnswer(f"ServiceTitan's answer with external data cannot be read ({error}).") from None
    return {row.id: {one.key: one.value for one in row.external_data or () if one.key and one.value} for row in rows}

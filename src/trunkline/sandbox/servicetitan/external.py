"""External data: what apps keep with a row, each under its own GUID, and nobody sees without asking for that GUID."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from trunkline.sandbox.servicetitan.invented import Row

GUID = "externalDataApplicationGuid"
MOST_VALUES = 50


class Entry(msgspec.Struct):
    """One value of an app; without one, a merge takes the key away."""

    key: str
    value: str | None = None


class Written(msgspec.Struct, rename="camel"):
    """What a client sends along with a row."""

    application_guid: str
    external_data: list[Entry]
    patch_mode: Literal["Replace", "Merge"] | None = None


class ExternalData:
    """All of it, by table, row and app."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, Any, str], dict[str, str]] = {}

    def write(self, table: str, row_id: Any, body: Any) -> None:
        """Replace an app's values at a row, or merge new ones into them."""
        written = msgspec.convert(body, Written)
        place = table, row_id, written.application_guid.lower()
        before = self._values.get(place, {}) if written.patch_mode == "Merge" else {}
        after = {**before, **{entry.key: entry.value for entry in written.external_data}}
        self._values[place] = {key: value for key, value in after.items() if value is not None}

    def shown(self, table: str, row: Row, query: dict[str, str]) -> Row:
        """The row with the values of the app that the query names; without one, as it is."""
        guid = query.get(GUID)
        if not guid:
            return row
        found = self._values.get((table, row["id"], guid.lower()), {})
        return {**row, "externalData": [{"key": key, "value": value} for key, value in found.items()]}

    def matching(self, table: str, rows: Iterable[Row], query: dict[str, str]) -> Iterable[Row]:
        """The rows at which the app has one of the wanted values under the wanted key, where the query has these.

        Raises:
            ValueError: the query has too many values.
        """
        guid, key = query.get(GUID), query.get("externalDataKey")
        if not guid or not key:
            return rows
        wanted = set(query.get("externalDataValues", "").split(","))
        if len(wanted) > MOST_VALUES:
            raise ValueError(f"At most {MOST_VALUES} values.")
        ids = {
            row_id
            for (owner, row_id, app), values in self._values.items()
            if (owner, app) == (table, guid.lower()) and values.get(key) in wanted
        }
        return (row for row in rows if row["id"] in ids)

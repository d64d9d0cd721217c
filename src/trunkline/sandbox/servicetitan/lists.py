"""List endpoints: pages, filters and order. Parameters that a list does not know are ignored, as in ServiceTitan."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from itertools import islice
from typing import Any

from trunkline.sandbox.servicetitan import external
from trunkline.sandbox.servicetitan.exchange import Answer, Call, choice, encoded, integer, invalid, moment
from trunkline.sandbox.servicetitan.invented import Row, stamp
from trunkline.sandbox.servicetitan.world import World

MOST_IDS = 50
LARGEST_PAGE = 5000
_SORTABLE = {"id": "id", "createdon": "createdOn", "modifiedon": "modifiedOn", "name": "name"}

Keep = Callable[[Row], bool]
Shape = Callable[[World, Row], Row]
Filter = Callable[[World, str, str], Keep]
"""From the world, the parameter's name and its text to what rows have to be like."""


def at_or_after(field: str) -> Filter:
    """The row's moment is not before that of the parameter."""

    def read(_world: World, name: str, wanted: str) -> Keep:
        bound = stamp(moment(name, wanted).astimezone(UTC))
        return lambda row: row[field] is not None and row[field] >= bound

    return read


def after(field: str) -> Filter:
    """The row's moment is later than that of the parameter."""

    def read(_world: World, name: str, wanted: str) -> Keep:
        bound = stamp(moment(name, wanted).astimezone(UTC))
        return lambda row: row[field] is not None and row[field] > bound

    return read


def before(field: str) -> Filter:
    """The row's moment is earlier than that of the parameter."""

    def read(_world: World, name: str, wanted: str) -> Keep:
        bound = stamp(moment(name, wanted).astimezone(UTC))
        return lambda row: row[field] is not None and row[field] < bound

    return read


def value(*fields: str) -> Callable[[Row], Any]:
    """What a row has under `fields`, one inside the other; nothing where one is missing."""

    def read(row: Row) -> Any:
        found: Any = row
        for field in fields:
            found = found.get(field) if found else None
        return found

    return read


def number(*fields: str) -> Filter:
    """The row has that number."""

    def read(_world: World, name: str, wanted: str) -> Keep:
        exact, of = integer(name, wanted), value(*fields)
        return lambda row: of(row) == exact

    return read


def text(*fields: str) -> Filter:
    """The row has that text, in upper or lower case."""
    return lambda _world, _name, wanted: lambda row: str(value(*fields)(row) or "").lower() == wanted.lower()


def contains(*fields: str) -> Filter:
    """The row's text contains that of the parameter, in upper or lower case."""
    return lambda _world, _name, part: lambda row: part.lower() in str(value(*fields)(row) or "").lower()


def switch(field: str) -> Filter:
    """The row has the switch as the parameter says."""

    def read(_world: World, name: str, wanted: str) -> Keep:
        on = choice(name, wanted.lower(), ("true", "false")) == "true"
        return lambda row: row[field] is on

    return read


def one_of(field: str, kind: type = int) -> Filter:
    """The row has one of the parameter's values, which stand between commas."""

    def read(_world: World, name: str, listed: str) -> Keep:
        parts = [part.strip() for part in listed.split(",") if part.strip()]
        if len(parts) > MOST_IDS:
            raise invalid(f"{name[:1].upper()}{name[1:]}", f"At most {MOST_IDS} values.")
        wanted = {integer(name, part) if kind is int else part for part in parts}
        return lambda row: not wanted or row[field] in wanted

    return read


def active(field: str = "active") -> Filter:
    """True, False or Any; lists that have this parameter show active rows where it is missing."""

    def read(_world: World, name: str, wanted: str) -> Keep:
        if choice(name, wanted, ("True", "False", "Any")) == "Any":
            return lambda _row: True
        return lambda row: row[field] is (wanted == "True")

    return read


def digits(phone: str) -> str:
    """The last ten digits: spelling, country code and extension do not count."""
    return re.sub(r"\D", "", phone.partition(" x")[0])[-10:]


def phone_number(*fields: str) -> Filter:
    """The row has that number, however it is written."""
    return lambda _world, _name, wanted: lambda row: digits(str(value(*fields)(row) or "")) == digits(wanted)


DATED: Mapping[str, Filter] = {
    "createdOnOrAfter": at_or_after("createdOn"),
    "createdBefore": before("createdOn"),
    "modifiedOnOrAfter": at_or_after("modifiedOn"),
    "modifiedBefore": before("modifiedOn"),
}
COMMON: Mapping[str, Filter] = {**DATED, "ids": one_of("id"), "active": active()}
DEFAULTS = {"active": "True"}


def kept(call: Call, rows: Iterable[Row], filters: Mapping[str, Filter]) -> tuple[Iterable[Row], bool]:
    """The rows that pass the query's filters, and whether there was any filter that matters."""
    query = {**DEFAULTS, **call.query}
    tests = [read(call.world, name, query[name]) for name, read in filters.items() if query.get(name)]
    matters = any(query.get(name) and (name, query[name]) != ("active", "Any") for name in filters)
    return (row for row in rows if all(test(row) for test in tests)) if matters else rows, matters


def having(call: Call, name: str, rows: Iterable[Row]) -> Iterable[Row]:
    """The rows with the external data that the query asks for, if it asks for any."""
    try:
        return call.world.external.matching(name, rows, call.query)
    except ValueError as error:
        raise invalid("externalDataValues", str(error)) from None


def ordered(rows: Iterable[Row], by: str, *, descending: bool) -> Iterable[Row]:
    """Sorted where `by` is known; otherwise as they come."""
    field = _SORTABLE.get(by.lower())
    return rows if field is None else sorted(rows, key=lambda row: row[field], reverse=descending)


def paged(
    call: Call,
    rows: Iterable[Row],
    *,
    total: Callable[[], int] | None = None,
    always: bool = False,
    largest: int = LARGEST_PAGE,
) -> Row:
    """One page of `rows`. Their number is counted where the query asks for it, or `always`; `total` knows it."""
    page = integer("page", call.query.get("page", "1"))
    size = integer("pageSize", call.query.get("pageSize", "50"))
    if page < 1:
        raise invalid("page", f"'{page}' is not valid.")
    if not 1 <= size <= largest:
        raise invalid("pageSize", f"'{size}' is not valid.")
    start = (page - 1) * size
    rest = islice(rows, start, None)
    data = list(islice(rest, size))
    following = next(rest, None)
    count = None
    if always or call.is_set("includeTotal"):
        count = total() if total else start + len(data) + (following is not None) + sum(1 for _ in rest)
    return {"page": page, "pageSize": size, "hasMore": following is not None, "totalCount": count, "data": data}


def table(
    name: str,
    filters: Mapping[str, Filter] = COMMON,
    *,
    shape: Shape | None = None,
) -> Answer:
    """A list of the world's table `name`."""

    def answer(call: Call) -> bytes:
        rows, filtered = kept(call, having(call, name, call.world.all_rows(name)), filters)
        by = call.query.get("sort", "")
        rows = ordered(rows, by.lstrip("+-"), descending=by.startswith("-"))
        page = paged(
            call, rows, total=None if filtered or "externalDataKey" in call.query else lambda: call.world.count(name)
        )
        if external.GUID in call.query:
            page["data"] = [call.world.external.shown(name, row, call.query) for row in page["data"]]
        if shape is not None:
            page["data"] = [shape(call.world, row) for row in page["data"]]
        return encoded(page)

    return answer

"""Filters of lists, as the names of their parameters tell: which field is meant, and how it is compared."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from uuid import UUID

from trunkline.contract.operations import Operation, Parameter, details
from trunkline.contract.references import Schema, resolved
from trunkline.sandbox.servicetitan.exchange import Call, choice, integer, invalid, moment
from trunkline.sandbox.servicetitan.generic.shapes import shape
from trunkline.sandbox.servicetitan.invented import Row
from trunkline.sandbox.servicetitan.lists import (
    Filter,
    Keep,
    active,
    after,
    at_or_after,
    before,
    contains,
    digits,
    number,
    one_of,
    switch,
    text,
)
from trunkline.sandbox.servicetitan.world import World

# Parameters that choose no rows, or do so elsewhere.
_OTHERS = frozenset(
    {"page", "pageSize", "includeTotal", "sort", "orderBy", "orderByDirection", "from", "active", "activeState"}
)
_BOUNDS: tuple[tuple[str, Callable[[str], Filter]], ...] = (
    ("OnOrAfter|From", at_or_after),
    ("After", after),
    ("Before|To|OnOrBefore", before),
)


def check_query(call: Call, operation: Operation) -> None:
    """See that parameters are what the contract says.

    Raises:
        Problem: 400, which names the first that is wrong or missing.
    """
    for parameter in details(operation).parameters:
        if parameter.place != "query":
            continue
        given = call.query.get(parameter.name)
        if given:
            _check(parameter.name, given, resolved(operation.module, parameter.schema), operation.module)
        elif parameter.required:
            raise invalid(parameter.name, f"The {parameter.name} field is required.")


def _check(name: str, given: str, schema: Schema, module: str) -> None:
    if schema.get("type") == "array":
        inner = resolved(module, schema["items"])
        for part in given.split(","):
            _check(name, part, inner, module)
    elif "enum" in schema:
        choice(name, given, tuple(map(str, schema["enum"])))
    elif schema.get("format") == "date-time":
        moment(name, given)
    elif schema.get("type") == "integer":
        integer(name, given)
    elif schema.get("type") == "boolean":
        choice(name, given.lower(), ("true", "false"))
    elif schema.get("type") == "number" and not re.fullmatch(r"-?\d+(\.\d+)?", given):
        raise invalid(name, f"'{given}' is not valid.")


@cache
def filters(operation: Operation) -> dict[str, Filter]:
    """The filters of a list's parameters; there are none for those of which it does not show what they mean."""
    return dict(_filters(operation))


def _filters(operation: Operation) -> Iterator[tuple[str, Filter]]:
    fields = {name: resolved(operation.module, inner) for name, inner in shape(operation).names.items()}
    for parameter in details(operation).parameters:
        if parameter.place == "query" and parameter.name not in _OTHERS:
            found = _filter(operation.module, parameter, fields)
            if found is not None:
                yield parameter.name, found


def _filter(module: str, parameter: Parameter, fields: dict[str, Schema]) -> Filter | None:
    name = parameter.name
    for ending, compare in _BOUNDS:
        if bound := re.fullmatch(f"(\\w+?)({ending})", name):
            field = _dated(bound[1], fields)
            return compare(field) if field else None
    if name == "ids":
        return _guids if fields.get("id", {}).get("format") == "guid" else one_of("id" if "id" in fields else "jobId")
    if name in fields:
        return _same(name, fields[name])
    if (single := re.sub(r"s$", "", name)) in fields and single != name:
        return one_of(single, int if fields[single].get("type") == "integer" else str)
    return _inner(module, name, fields)


def _dated(stem: str, fields: dict[str, Schema]) -> str | None:
    candidates = (f"{stem}On", stem, f"{stem}Date", re.sub(r"s$", "", stem))
    return next((field for field in candidates if fields.get(field, {}).get("format") == "date-time"), None)


def _same(name: str, schema: Schema) -> Filter:
    """The row has what the parameter says."""
    kind = schema.get("type")
    if kind == "integer":
        return number(name)
    if kind == "boolean":
        return switch(name)
    if kind == "array":
        return _among(name)
    if schema.get("format") == "phone":
        return lambda _world, _name, wanted: lambda row: digits(str(row[name] or "")) == digits(wanted)
    return (
        text(name) if "enum" in schema or name.lower().endswith(("status", "number", "id", "code")) else contains(name)
    )


def _among(name: str) -> Filter:
    """The row's list has one of the parameter's values."""

    def read(_world: World, _name: str, listed: str) -> Keep:
        wanted = {part.strip() for part in listed.split(",")}

        def keep(row: Row) -> bool:
            return not wanted.isdisjoint(map(str, row[name] or ()))

        return keep

    return read


def _guids(world: World, name: str, listed: str) -> Keep:
    """The row has one of the ids, each of which is a GUID."""
    for part in listed.split(","):
        try:
            UUID(part.strip())
        except ValueError:
            raise invalid(name, f"'{part[:50]}' is not valid.") from None
    return one_of("id", str)(world, name, listed.lower())


def _inner(module: str, name: str, fields: dict[str, Schema]) -> Filter | None:
    """`customerId` where the row shows a `customer` with its `id`."""
    found = re.fullmatch(r"(\w+?)(Id|Number|Name)", name)
    inside = fields.get(found[1], {}).get("properties", {}) if found else {}
    if not found or (part := found[2].lower()) not in inside:
        return None
    schema = resolved(module, inside[part])
    return number(found[1], part) if schema.get("type") == "integer" else text(found[1], part)


ACTIVE = active()
"""How lists with a parameter `active` treat rows."""

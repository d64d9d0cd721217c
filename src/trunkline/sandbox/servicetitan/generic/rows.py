"""Rows as operations find, show and change them: of tables written by hand and of all others alike."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from trunkline.contract.references import Schema
from trunkline.sandbox.servicetitan.exchange import Call, Problem, invalid
from trunkline.sandbox.servicetitan.generic.plans import Plan, Table, table_of
from trunkline.sandbox.servicetitan.generic.render import MISSING, render
from trunkline.sandbox.servicetitan.generic.subject import BLANK, Subject
from trunkline.sandbox.servicetitan.invented import Row, stamp
from trunkline.sandbox.servicetitan.lists import digits
from trunkline.sandbox.servicetitan.world import RowId, World

GONE = "_gone"
"""Marks rows that were deleted and have no `active` to show it by: only export feeds still have them."""


def key_of(call: Call, parameter: str) -> RowId:
    """What a parameter in the path says, as rows have it."""
    text = call.path[parameter]
    if "-" in text:
        return text.lower()
    return int(text) if text.isdecimal() else text


def owner_fields(plan: Plan, call: Call) -> Row:
    """What rows say of the rows above that the path names.

    Raises:
        Problem: 404, there is no such row above.
    """
    for owner in plan.owners:
        if owner.table:
            existing(call.world, owner.table, key_of(call, owner.parameter))
    return {owner.field: key_of(call, owner.parameter) for owner in plan.owners if owner.field}


def existing(world: World, table: str, row_id: RowId) -> Row:
    """The row with that id.

    Raises:
        Problem: 404, there is none.
    """
    row = world.find(table, row_id)
    if row is None or row.get(GONE):
        raise Problem(404, f"There is no record with id {row_id}.")
    return row


def own_row(plan: Plan, call: Call) -> Row:
    """The row that the path names, below the rows above it.

    Raises:
        Problem: 404, there is none.
    """
    above = owner_fields(plan, call)
    row = existing(call.world, plan.table, key_of(call, plan.own or "id"))
    if any(row.get(field, value) != value for field, value in above.items()):
        raise Problem(404, f"There is no record with id {row['id']}.")
    return row


def rows_below(plan: Plan, call: Call) -> Iterator[Row]:
    """The rows of the table that belong to the rows above that the path names."""
    above = owner_fields(plan, call)
    for row in call.world.all_rows(plan.table):
        if not row.get(GONE) and all(row.get(field) == value for field, value in above.items()):
            yield row


def shown(plan: Plan, call: Call, row: Row, schema: Schema | None = None) -> Any:
    """A row as the operation's answer has it, with the external data that the query asks for."""
    key = table_of(plan.table).key
    known = call.world.external.shown(plan.table, row, call.query)
    known = {**known, key: row["id"]}
    return render(plan.shape.module, schema or plan.shape.item, Subject(call.world, plan.table, known), known)


def new_row(world: World, table: str, fields: Row) -> Row:
    """Store a row that a client made."""
    about = table_of(table)
    row_id: RowId = str(uuid4()) if about.guid else world.new_id()
    now = stamp(datetime.now(UTC))
    base = {"id": row_id, "active": True, "createdOn": now, "createdById": 1, "modifiedOn": now, BLANK: True}
    row = {**base, **fields}
    if table in world.handmade:
        row = {name: _whole(world, about, name, row) for name in _kept_fields(world, about)}
    return world.put(table, {**row, **_derived(table, row)})


def changed(world: World, table: str, row: Row, fields: Row) -> Row:
    """Store what a client changed about a row; objects are changed in their parts."""
    merged = {
        name: {**row[name], **value} if isinstance(value, dict) and isinstance(row.get(name), dict) else value
        for name, value in fields.items()
    }
    row = {**row, **merged}
    if table in world.handmade:
        about = table_of(table)
        row = {
            name: _whole(world, about, name, row) if name in merged else row.get(name)
            for name in _kept_fields(world, about)
        }
    return world.put(table, {**row, **_derived(table, row)})


def _kept_fields(world: World, about: Table) -> Iterable[str]:
    """What rows written by hand consist of: nothing else may be added, since they go out as they are."""
    template = world.template(about.name)
    return template or {**about.fields, "active": None}


def _whole(world: World, about: Table, name: str, row: Row) -> Any:
    """A field of a row written by hand: what is known, or what an empty one has."""
    if name not in about.fields:
        return row.get(name)
    return render(about.module, about.fields[name], Subject(world, about.name, row, (name,)), row.get(name, MISSING))


def _derived(table: str, row: Row) -> Row:
    """What follows from other fields: the digits of a contact's number."""
    if table not in {"customers/contacts", "locations/contacts"}:
        return {}
    number = "" if row["type"] == "Email" else digits(row["value"])
    return {"phoneSettings": {**row["phoneSettings"], "phoneNumber": number}}


def removed(world: World, table: str, row: Row) -> Row:
    """Deactivate a row, or take it out of lists where rows cannot be inactive."""
    shows_it = "active" in table_of(table).fields
    return world.put(table, {**row, "active": False, **({} if shows_it else {GONE: True})})


def write_external(world: World, table: str, row_id: RowId, body: Row) -> Row:
    """Keep the external data in a body, and return the rest of it.

    Raises:
        Problem: 400, the external data are wrong.
    """
    if external := body.get("externalData"):
        try:
            world.external.write(table, row_id, external)
        except msgspec.ValidationError as error:
            raise invalid("externalData", f"{error}.") from None
    return {name: value for name, value in body.items() if name != "externalData"}

"""How operations that nobody wrote by hand are answered: one function for each kind of operation."""

from collections.abc import Callable
from typing import Any

from trunkline.contract.operations import Operation
from trunkline.sandbox.servicetitan.exchange import Answer, Call, Content, choice, encoded, invalid
from trunkline.sandbox.servicetitan.generic import changes
from trunkline.sandbox.servicetitan.generic.filters import ACTIVE, check_query, filters
from trunkline.sandbox.servicetitan.generic.plans import Kind, Plan, plan
from trunkline.sandbox.servicetitan.generic.rows import existing, key_of, own_row, owner_fields, rows_below, shown
from trunkline.sandbox.servicetitan.generic.special import SPECIAL
from trunkline.sandbox.servicetitan.invented import Row
from trunkline.sandbox.servicetitan.lists import LARGEST_PAGE, having, kept, ordered, paged
from trunkline.sandbox.servicetitan.world import RowId

# Lists of which ServiceTitan says that their pages are shorter than others.
_SHORT_PAGES = dict.fromkeys((f"accounting/journal-entries{part}" for part in ("", "/details", "/summary")), 500)


def answer_of(operation: Operation) -> Answer:
    """What answers `operation`."""
    how = plan(operation)
    answer = SPECIAL.get(operation.name) or _BY_KIND[how.kind]

    def checked(call: Call) -> bytes | Content:
        check_query(call, operation)
        found = answer(how, call)
        if isinstance(found, Content):
            return found
        return b"" if how.shape.wrapping == "nothing" else encoded(found)

    return checked


def _listed(how: Plan, call: Call) -> Any:
    operation = how.operation
    rows = rows_below(how, call)
    keep = ACTIVE(call.world, "active", _wanted_active(how, call))
    found = having(call, how.table, filter(keep, rows))
    matching, _ = kept(call, (shown(how, call, row) for row in found), filters(operation))
    by = call.query.get("sort") or call.query.get("orderBy", "")
    descending = by.startswith("-") or call.query.get("orderByDirection", "").lower() == "desc"
    by = by.lstrip("+-")
    if by and by[0].lower() + by[1:] in how.shape.names:
        matching = ordered(matching, by, descending=descending)
    if how.shape.wrapping != "page" and "pageSize" not in changes.query_names(operation):
        return list(matching) if how.shape.wrapping == "bare" else {"data": list(matching)}
    page = paged(call, matching, largest=_SHORT_PAGES.get(how.table, LARGEST_PAGE))
    return {"page": page, "data": {"data": page["data"]}}.get(how.shape.wrapping, page["data"])


_STATES = {"ActiveOnly": "True", "InactiveOnly": "False", "All": "Any"}


def _wanted_active(how: Plan, call: Call) -> str:
    """Lists with a parameter for it leave inactive rows out where it is missing."""
    if "activeState" in call.query:
        return _STATES[call.query["activeState"]]
    known = {"active", "activeState"} & changes.query_names(how.operation)
    return call.query.get("active", "True") if known else "Any"


def _fed(how: Plan, call: Call) -> Any:
    wanted = call.query.get("active", "Any")
    choice("active", wanted, ("True", "False", "Any"))
    try:
        page = call.world.export(
            how.table,
            call.query.get("from"),
            recent=call.is_set("includeRecentChanges"),
            active=None if wanted == "Any" else wanted == "True",
            shape=lambda row: _exported(how, call, row),
        )
    except ValueError:
        raise invalid("from", "The token is not valid.") from None
    return Content(page, "application/json")


def _exported(how: Plan, call: Call, row: Row) -> Row:
    found: Row = shown(how, call, row)
    return found


def _single(how: Plan, call: Call) -> Any:
    return shown(how, call, own_row(how, call))


def _singleton(how: Plan, call: Call) -> Any:
    """What there is once for a tenant or for each row above; writing replaces it."""
    above = owner_fields(how, call)
    row_id = next(iter(above.values()), "tenant")
    row = call.world.find(how.table, row_id) or _first(how, call, row_id, above)
    if how.operation.method != "GET":
        row = changes.written(how, call, row)
    return shown(how, call, row)


def _first(how: Plan, call: Call, row_id: RowId, above: Row) -> Row:
    """As it is before anybody has written it."""
    nearest = how.owners[-1] if how.owners else None
    owner: Row = existing(call.world, nearest.table, key_of(call, nearest.parameter)) if nearest else {}
    stamps: Row = {name: owner.get(name) or call.world.rows.stamps(0)[name] for name in ("createdOn", "modifiedOn")}
    households: Row = {name: owner[name] for name in ("customerId", "locationId") if name in owner}
    return {**households, **above, **stamps, "id": row_id, "active": True}


_BY_KIND: dict[Kind, Callable[[Plan, Call], Any]] = {
    "feed": _fed,
    "list": _listed,
    "single": _single,
    "singleton": _singleton,
    "create": changes.create,
    "update": changes.update,
    "remove": changes.remove,
    "act": changes.act,
    "custom-fields": changes.custom_fields,
    "exported": changes.mark_exported,
}

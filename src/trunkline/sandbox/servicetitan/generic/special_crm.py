"""Customers, locations, contacts and bookings: what is made together, linked, tagged or taken away."""

from collections.abc import Callable
from itertools import chain
from typing import Any

from trunkline.sandbox.servicetitan.exchange import Call, Content, Problem, encoded, integer, invalid
from trunkline.sandbox.servicetitan.generic import changes
from trunkline.sandbox.servicetitan.generic.bodies import body_of
from trunkline.sandbox.servicetitan.generic.plans import Plan
from trunkline.sandbox.servicetitan.generic.rows import (
    GONE,
    changed,
    existing,
    key_of,
    new_row,
    own_row,
    owner_fields,
    removed,
    shown,
    write_external,
)
from trunkline.sandbox.servicetitan.invented import Row
from trunkline.sandbox.servicetitan.lists import DATED, kept, paged
from trunkline.sandbox.servicetitan.world import World


def _create_customer(how: Plan, call: Call) -> Any:
    """A customer comes with at least one location, and both may come with contacts."""
    body = body_of(call, how.operation)
    if not body["locations"]:
        raise invalid("locations", "At least one is needed.")
    apart = {"locations", "contacts", "externalData"}
    customer = new_row(call.world, "customers", {name: value for name, value in body.items() if name not in apart})
    write_external(call.world, "customers", customer["id"], body)
    locations = [_new_location(call.world, customer["id"], each) for each in body["locations"]]
    contacts = _new_contacts(call.world, "customers", customer["id"], body.get("contacts"))
    return shown(how, call, {**customer, "locations": locations, "contacts": contacts})


def _create_location(how: Plan, call: Call) -> Any:
    body = body_of(call, how.operation)
    existing(call.world, "customers", body["customerId"])
    return shown(how, call, _new_location(call.world, body["customerId"], body))


def _new_location(world: World, customer_id: int, body: Row) -> Row:
    fields = {name: value for name, value in body.items() if name not in {"contacts", "externalData"}}
    location = new_row(world, "locations", {**fields, "customerId": customer_id})
    write_external(world, "locations", location["id"], body)
    return {**location, "contacts": _new_contacts(world, "locations", location["id"], body.get("contacts"))}


def _new_contacts(world: World, owner: str, owner_id: int, bodies: list[Row] | None) -> list[Row]:
    above = {f"{owner[:-1]}Id": owner_id}
    return [new_row(world, f"{owner}/contacts", {**body, **above}) for body in bodies or ()]


def _changed_contacts(how: Plan, call: Call) -> Any:
    """Contacts of some customers or locations, or those changed in some time: one of the two has to be asked for."""
    owner = how.table.partition("/")[0]
    listed = call.query.get(f"{owner[:-1]}Ids", "")
    dated = {"modifiedBefore", "modifiedOnOrAfter"} & call.query.keys()
    if not listed and not dated:
        raise invalid(f"{owner[:-1]}Ids", "Or a bound for the time of modification.")
    rows = (
        chain.from_iterable(
            call.world.contacts_of(owner, integer(f"{owner[:-1]}Ids", part)) for part in listed.split(",")
        )
        if listed
        else (row for row in call.world.all_rows(how.table) if row["active"])
    )
    found, _ = kept(call, rows, DATED)
    page = paged(call, found)
    return {**page, "data": [shown(how, call, row) for row in page["data"]]}


# Notes and tags.


def _delete_note(how: Plan, call: Call) -> Any:
    kind = how.operation.path.split("/")[4][:-1]
    notes = call.world.notes.get((kind, call.id), [])
    note = next((note for note in notes if note["id"] == int(call.path["noteId"])), None)
    if note is None:
        raise Problem(404, f"There is no note with id {call.path['noteId']}.")
    notes.remove(note)


def _tag(how: Plan, call: Call) -> Any:
    """Put a tag on a row, or take it away; answers the tags that the row bears then."""
    table = how.operation.path.split("/")[4]
    row = existing(call.world, table, call.id)
    tag = int(call.path["tagTypeId"])
    existing(call.world, "tag-types", tag)
    row = _tagged(call.world, table, row, {tag}, on=how.operation.method == "POST")
    return {f"{table[:-1]}Id": row["id"], "tagTypeIds": row["tagTypeIds"]}


def _tag_many(how: Plan, call: Call) -> Any:
    body = body_of(call, how.operation)
    customers = [existing(call.world, "customers", row_id) for row_id in body["customerIds"]]
    for row in customers:
        _tagged(call.world, "customers", row, set(body["tagTypeIds"]), on=how.operation.method == "PUT")


def _tagged(world: World, table: str, row: Row, tags: set[int], *, on: bool) -> Row:
    before = set(row["tagTypeIds"])
    return changed(world, table, row, {"tagTypeIds": sorted(before | tags if on else before - tags)})


# Contacts of the second generation, and what they are linked to.

_RELATIONSHIPS = "crm/contacts/relationships"
_LINKED = {"customer": "customers", "location": "locations", "booking": "crm/bookings"}


def _link(how: Plan, call: Call) -> Any:
    contact, target, slug = _link_parts(call)
    if slug not in _LINKED:
        raise invalid("typeSlug", f"'{slug}' is not valid.")
    if call.world.find(_LINKED[slug], target) is None:
        raise Problem(409, f"There is no {slug} with id {target}.")
    if _links(call):
        raise Problem(409, "The contact is linked to it already.")
    fields = {"contactId": contact, "relatedEntityId": target, "typeSlug": slug, "typeName": slug.title()}
    new_row(call.world, _RELATIONSHIPS, fields)


def _unlink(how: Plan, call: Call) -> Any:
    links = _links(call)
    if not links:
        raise Problem(404, "There is no such relationship.")
    for row in links:
        removed(call.world, _RELATIONSHIPS, row)


def _link_parts(call: Call) -> tuple[str, int, str]:
    contact = call.path["contactId"].lower()
    existing(call.world, "crm/contacts", contact)
    return contact, int(call.path["relatedEntityId"]), call.path["typeSlug"]


def _links(call: Call) -> list[Row]:
    contact, target, slug = _link_parts(call)
    wanted = {"contactId": contact, "relatedEntityId": target, "typeSlug": slug}
    rows = call.world.all_rows(_RELATIONSHIPS)
    return [row for row in rows if not row.get(GONE) and wanted.items() <= row.items()]


def _contacts_by_link(how: Plan, call: Call) -> Any:
    """The contacts of whatever has that id: it is published as a number, while relationships have GUIDs."""
    target = int(call.path["relationshipId"])
    links = [
        row for row in call.world.all_rows(_RELATIONSHIPS) if row["relatedEntityId"] == target and not row.get(GONE)
    ]
    if not links:
        raise Problem(404, f"Nothing with id {target} has contacts.")
    contacts = (existing(call.world, "crm/contacts", link["contactId"]) for link in links)
    return paged(call, [shown(how, call, contact) for contact in contacts])


def _delete_contact(how: Plan, call: Call) -> Any:
    """All that hangs on the contact goes with it."""
    contact = own_row(how, call)
    for table in (_RELATIONSHIPS, "crm/contacts/contact-methods"):
        for row in list(call.world.all_rows(table)):
            if row["contactId"] == contact["id"] and not row.get(GONE):
                removed(call.world, table, row)
    removed(call.world, how.table, contact)


def _upsert_method(how: Plan, call: Call) -> Any:
    """PUT makes the contact method where there is none."""
    row_id = key_of(call, "contactMethodId")
    if call.world.find(how.table, row_id):
        return changes.update(how, call)
    above = owner_fields(how, call)
    return shown(how, call, new_row(call.world, how.table, {**body_of(call, how.operation), **above, "id": row_id}))


# Bookings.


def _create_booking(how: Plan, call: Call) -> Any:
    body = {**body_of(call, how.operation), **owner_fields(how, call)}
    known = (row.get("externalId") for row in call.world.all_rows(how.table))
    if not call.world.choices.duplicate_bookings and body["externalId"] in known:
        raise invalid("externalId", "Another booking has it.")
    row = changes.made(how, call, {name: value for name, value in body.items() if name != "contacts"})
    for contact in body.get("contacts") or ():
        new_row(call.world, f"{how.table}/contacts", {**contact, "bookingId": row["id"]})
    return shown(how, call, row)


# Where the preferred technician is kept, since locations do not show it.
_PREFERRED = "crm/locations/preferred-technician"


def _preferred_technician(how: Plan, call: Call) -> Any:
    existing(call.world, "locations", call.id)
    row = call.world.find(_PREFERRED, call.id)
    return Content(encoded(row["technicianId"] if row else None), "application/json")


def _prefer_technician(how: Plan, call: Call) -> Any:
    existing(call.world, "locations", call.id)
    technician = existing(call.world, "technicians", int(call.path["preferredTechnicianId"]))
    call.world.put(_PREFERRED, {"id": call.id, "technicianId": technician["id"]})


ANSWERS: dict[str, Callable[[Plan, Call], Any]] = {
    "crm.booking_provider.create": _create_booking,
    "crm.contacts.create_contact_relationship": _link,
    "crm.contacts.delete": _delete_contact,
    "crm.contacts.delete_contact_relationship": _unlink,
    "crm.contacts.get_by_relationship_id": _contacts_by_link,
    "crm.contacts.upsert_contact_method": _upsert_method,
    "crm.customers.create": _create_customer,
    "crm.customers.create_tag": _tag,
    "crm.customers.delete_note": _delete_note,
    "crm.customers.delete_tag": _tag,
    "crm.customers.get_modified_contacts_list": _changed_contacts,
    "crm.locations.create": _create_location,
    "crm.locations.create_tag": _tag,
    "crm.locations.delete_note": _delete_note,
    "crm.locations.delete_tag": _tag,
    "crm.locations.get_modified_contacts_list": _changed_contacts,
    "crm.locations.get_preferred_technician": _preferred_technician,
    "crm.locations.update_preferred_technician": _prefer_technician,
    "crm.tags.add_tags": _tag_many,
    "crm.tags.remove_tags": _tag_many,
}

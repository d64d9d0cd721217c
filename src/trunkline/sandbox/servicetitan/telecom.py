"""ServiceTitan's call records as its lists show them: the job that came of a call, with the call inside."""

from trunkline.sandbox.servicetitan.exchange import Answer, Call, Problem, encoded, integer, invalid
from trunkline.sandbox.servicetitan.invented import CALL_REASONS, Row
from trunkline.sandbox.servicetitan.lists import (
    COMMON,
    DATED,
    Filter,
    Keep,
    after,
    contains,
    kept,
    number,
    one_of,
    ordered,
    paged,
    phone_number,
    switch,
    table,
    text,
)
from trunkline.sandbox.servicetitan.world import World


def _seconds(row: Row) -> int:
    hours, minutes, seconds = row["duration"].split(":")
    return (int(hours) * 60 + int(minutes)) * 60 + int(seconds)


def _lasting(_world: World, name: str, wanted: str) -> Keep:
    least = integer(name, wanted)
    return lambda row: _seconds(row) >= least


def _sid(row: Row) -> str:
    return f"CA{row['id']:032d}"


_BOTH: dict[str, Filter] = {
    "createdAfter": after("createdOn"),
    "modifiedAfter": after("modifiedOn"),
    "campaignId": number("campaign", "id"),
    "agentId": number("agent", "id"),
    "agentName": contains("agent", "name"),
    "minDuration": _lasting,
    "phoneNumberCalled": phone_number("to"),
}
_V3: dict[str, Filter] = {
    **COMMON,
    **_BOTH,
    "callerPhoneNumber": phone_number("from"),
    "sid": lambda _world, _name, wanted: lambda row: _sid(row) == wanted,
    "tag": text("tag"),
}
_V2: dict[str, Filter] = {
    **DATED,
    **_BOTH,
    "ids": one_of("id"),
    "activeOnly": switch("active"),
}


def _v3(world: World, row: Row) -> Row:
    bundle = _bundle(world, row)
    unit = bundle["businessUnit"]
    return {
        **bundle,
        "businessUnit": {"id": unit["id"], "name": unit["name"]} if unit else None,
        "leadCall": {
            **_call(row),
            "createdOn": row["createdOn"],
            "active": row["active"],
            "customer": row["customer"],
            "campaign": row["campaign"],
        },
    }


def _v2(world: World, row: Row) -> Row:
    detail = _v2_detail(world, row)
    detail["leadCall"] |= {"createdOn": row["createdOn"], "active": row["active"]}
    return detail


def _v2_detail(world: World, row: Row) -> Row:
    bundle = _bundle(world, row)
    unit, campaign = bundle["businessUnit"], row["campaign"]
    return {
        **bundle,
        "businessUnit": _whole_unit(unit) if unit else None,
        "leadCall": {
            **_call(row),
            "customer": _whole_customer(world, row["customer"]["id"]) if row["customer"] else None,
            "campaign": _whole_campaign(world, campaign["id"]) if campaign else None,
        },
    }


def _bundle(world: World, row: Row) -> Row:
    job = world.find("jobs", row["job"]["id"]) if row["job"] else None
    unit = world.find("business-units", job["businessUnitId"]) if job else None
    kind = world.find("job-types", job["jobTypeId"]) if job else None
    return {
        "id": row["id"],
        "jobNumber": job["jobNumber"] if job else None,
        "projectId": 0,
        "businessUnit": unit,
        "type": {name: kind[name] for name in ("id", "name", "modifiedOn")} if kind else None,
    }


def _call(row: Row) -> Row:
    reason = row["reason"]
    return {
        "id": row["id"],
        "receivedOn": row["createdOn"],
        "duration": row["duration"],
        "from": row["from"],
        "to": row["to"],
        "direction": row["direction"],
        "callType": row["type"],
        "reason": {**reason, "lead": reason["name"] != CALL_REASONS[-1], "active": True} if reason else None,
        "recordingUrl": row["recordingUrl"],
        "voiceMailUrl": None,
        "createdBy": row["createdBy"],
        "modifiedOn": row["modifiedOn"],
        "agent": {**row["agent"], "externalId": None} if row["agent"] else None,
        "sid": _sid(row),
        "tags": [],
    }


def _whole_unit(unit: Row) -> Row:
    empty = (
        "accountCode", "acknowledgementParagraph", "authorizationParagraph", "conceptCode", "corporateContractNumber",
        "currency", "email", "franchiseId", "invoiceHeader", "invoiceMessage", "materialSku", "officialName",
        "phoneNumber", "quickbooksClass",
    )  # fmt: skip
    tenant = dict.fromkeys(("accountCode", "conceptCode", "franchiseId", "quickbooksClass"), "")
    return {
        **dict.fromkeys(empty, ""),
        **{name: unit[name] for name in ("id", "name", "active", "modifiedOn")},
        "defaultTaxRate": 0.0,
        "address": dict.fromkeys(("street", "unit", "city", "state", "zip", "country"), ""),
        "tenant": {**tenant, "id": 1, "name": "Main office", "modifiedOn": unit["modifiedOn"]},
    }


def _whole_customer(world: World, customer_id: int) -> Row | None:
    row = world.find("customers", customer_id)
    if row is None:
        return None
    same = (
        "id", "active", "name", "type", "balance", "doNotMail", "doNotService", "mergedToId", "createdOn", "modifiedOn",
    )  # fmt: skip
    contacts = world.contacts_of("customers", customer_id)
    address = row["address"]
    return {
        **{name: row[name] for name in same},
        "customFields": [{**field, "name": field["name"] or ""} for field in row["customFields"]],
        "email": next((contact["value"] for contact in contacts if contact["type"] == "Email"), ""),
        "address": {
            **address,
            "unit": address["unit"] or "",
            "country": address["country"] or "",
            "streetAddress": address["street"],
        },
        "importId": "",
        "contacts": [
            {name: contact[name] for name in ("id", "type", "value", "active", "modifiedOn")}
            | {"memo": contact["memo"] or ""}
            for contact in contacts
        ],
        "memberships": [],
        "hasActiveMembership": False,
        "createdBy": row["createdById"],
        "phoneSettings": [contact["phoneSettings"] for contact in contacts if contact["phoneSettings"]["phoneNumber"]],
    }


def _whole_campaign(world: World, campaign_id: int) -> Row | None:
    row = world.find("campaigns", campaign_id)
    if row is None:
        return None
    return {
        **{name: row[name] for name in ("id", "name", "active", "category", "createdOn", "modifiedOn")},
        "dnis": next(iter(row["campaignPhoneNumbers"]), None),
    }


calls_v3: Answer = table("calls", _V3, shape=_v3)


def calls_v2(call: Call) -> bytes:
    """The older list: it always counts, and sorts by parameters of its own."""
    rows, _ = kept(call, call.world.all_rows("calls"), _V2)
    descending = call.query.get("orderByDirection", "").lower() == "desc"
    page = paged(call, ordered(rows, call.query.get("orderBy", "Id"), descending=descending), always=True)
    page["data"] = [_v2(call.world, row) for row in page["data"]]
    return encoded(page)


def call_v2(call: Call) -> bytes:
    """One call; its `leadCall` lacks `createdOn` and `active`."""
    return encoded(detail(call.world, call.id))


def detail(world: World, call_id: int) -> Row:
    """One call as the older API shows it by itself."""
    row = world.find("calls", call_id)
    if row is None:
        raise Problem(404, f"There is no record with id {call_id}.")
    return _v2_detail(world, row)


def overlaid(world: World, body: Row) -> Row:
    """What an update of a call says, as fields of the call; rows that it names must be there.

    Raises:
        Problem: 400, one of them is not.
    """
    found: Row = {name: body[name] for name in ("excuseMemo", "tag") if name in body}
    if "callType" in body:
        found["type"] = body["callType"]
    if reason := body.get("reason"):
        if reason["name"] not in CALL_REASONS:
            raise invalid("reason.name", f"'{reason['name'][:50]}' is not valid.")
        found["reason"] = {"id": 1 + CALL_REASONS.index(reason["name"]), "name": reason["name"]}
    for field, linked_table, shown in _LINKS:
        wanted = body.get(f"{field}Id") or (body.get(field) or {}).get("id")
        if wanted:
            linked = world.find(linked_table, wanted)
            if linked is None:
                raise invalid(f"{field}Id", f"There is no {field} with id {wanted}.")
            found[field] = {"id": wanted, shown: linked["jobNumber" if shown == "number" else "name"]}
    return found


_LINKS = (
    ("campaign", "campaigns", "name"),
    ("job", "jobs", "number"),
    ("agent", "employees", "name"),
    ("customer", "customers", "name"),
    ("location", "locations", "name"),
)


def sound(call_id: int) -> bytes:
    """Something that begins like an MP3 file, different for each call."""
    return b"ID3\x04\x00\x00\x00\x00\x00\x00" + str(call_id).encode() * 64

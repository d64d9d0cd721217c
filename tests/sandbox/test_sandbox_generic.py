"""The operations that nobody wrote by hand: rows are the same everywhere, and what clients change shows everywhere."""

from typing import Any

import httpx
import pytest
from sandbox_kit import TENANT, Json, export, path, rows, sandbox

from trunkline.sandbox.servicetitan import SandboxOptions
from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER

SMALL = SandboxOptions(customers=40, page_size=7, table_rows=20, requests_per_second=10_000)
GUID = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
OTHER = "11111111-8b86-4011-b42d-00c04fc964ff"
CUSTOMER, LOCATION, JOB = FIRST_CUSTOMER, FIRST_CUSTOMER * 1000, FIRST_CUSTOMER * 10
RECENT = {"includeRecentChanges": "true"}


async def send(http: httpx.AsyncClient, method: str, of: str, body: Any = None, **query: str) -> Any:
    answer = await http.request(method, path(of), params=query, **({} if body is None else {"json": body}))
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


async def test_a_row_is_the_same_in_a_list_in_a_feed_and_by_itself() -> None:
    async with sandbox(SMALL) as (_, http):
        listed = await rows(http, "jpm/projects", active="Any")
        fed, _ = await export(http, "jpm/export/projects")
        single = [await send(http, "GET", f"jpm/projects/{row['id']}") for row in listed]
    assert len(listed) == len(fed) == 20
    for one, other in zip(listed, single, strict=True):
        assert one == other
    for one, other in zip(listed, fed, strict=True):
        assert {name: one[name] for name in one.keys() & other.keys()} == {
            name: other[name] for name in one.keys() & other.keys()
        }


async def test_the_same_seed_makes_the_same_rows_and_another_seed_others() -> None:
    seen = []
    for seed in (1, 1, 2):
        async with sandbox(SandboxOptions(customers=40, seed=seed)) as (server, http):
            found = await rows(http, "accounting/invoices")
            seen.append([(row["id"], row["total"], row["customer"]) for row in found])
            assert server.world.rows.seed == seed
    assert seen[0] == seen[1] != seen[2]


async def test_rows_refer_to_customers_and_jobs_that_are_there() -> None:
    async with sandbox(SMALL) as (server, http):
        invoices = await rows(http, "accounting/invoices", activeState="All")
        for row in invoices:
            job = server.world.find("jobs", row["id"])
            assert job is not None
            assert row["job"]["id"] == job["id"]
            assert row["job"]["number"] == job["jobNumber"]
            if row["customer"]:
                customer = server.world.find("customers", row["customer"]["id"])
                assert customer is not None
                assert customer["name"] == row["customer"]["name"]
        projects = await rows(http, "jpm/projects")
    assert len(invoices) > 10
    for row in projects:
        assert row["locationId"] == row["customerId"] * 1000


async def test_inactive_rows_are_in_feeds_and_hidden_in_lists_unless_asked_for() -> None:
    async with sandbox(SMALL) as (_, http):
        fed, _ = await export(http, "sales/export/estimates")
        shown = await rows(http, "sales/estimates")
        hidden = await rows(http, "sales/estimates", active="False")
    assert {row["id"] for row in fed if not row["active"]} == {row["id"] for row in hidden}
    assert hidden
    assert len(shown) + len(hidden) == len(fed)


async def test_a_feed_comes_in_pages_and_begins_at_a_date() -> None:
    async with sandbox(SMALL) as (_, http):
        page = await send(http, "GET", "jpm/export/projects")
        whole, end = await export(http, "jpm/export/projects")
        later, _ = await export(http, "jpm/export/projects", **{"from": whole[12]["modifiedOn"]})
        assert await export(http, "jpm/export/projects", **{"from": end}) == ([], end)
    assert (len(page["data"]), page["hasMore"]) == (7, True)
    assert later == whole[12:]


# A list, its feed, what is written, and what of it shows in both.
BARN = {"locationId": LOCATION, "customerId": CUSTOMER, "name": "Barn"}
POOL = {"name": "Pool", "color": "#112233"}
MADE = [
    ("jpm/projects", "jpm/export/projects", BARN, "PATCH", {"name": "Big barn"}),
    ("sales/estimates", "sales/export/estimates", {"name": "Boiler", "jobId": JOB}, "PUT", {"name": "Big boiler"}),
    ("settings/tag-types", "settings/export/tag-types", POOL, "PATCH", {"name": "Big pool"}),
]


@pytest.mark.parametrize(("of", "feed", "body", "method", "change"), MADE, ids=[made[0] for made in MADE])
async def test_what_is_made_and_changed_shows_in_the_list_and_in_the_feed(
    of: str, feed: str, body: Json, method: str, change: Json
) -> None:
    async with sandbox(SMALL) as (_, http):
        _, end = await export(http, feed)
        made = await send(http, "POST", of, body)
        (first,), end = await export(http, feed, **RECENT, **{"from": end})
        assert (first["id"], first["name"]) == (made["id"], body["name"])
        await send(http, method, f"{of}/{made['id']}", change)
        fresh, _ = await export(http, feed, **RECENT, **{"from": end})
        (listed,) = [row for row in await rows(http, of) if row["id"] == made["id"]]
    assert fresh[-1]["name"] == listed["name"] == change["name"]
    assert first["modifiedOn"] < fresh[-1]["modifiedOn"]


async def test_what_is_deleted_is_inactive_in_the_feed_or_gone() -> None:
    async with sandbox(SMALL) as (_, http):
        activity = (await rows(http, "timesheets/activities"))[0]
        _, end = await export(http, "timesheets/export/activities")
        await send(http, "DELETE", f"timesheets/activities/{activity['id']}")
        (fed,), _ = await export(http, "timesheets/export/activities", **RECENT, **{"from": end})
        contact = (await rows(http, "crm/contacts"))[0]
        await send(http, "DELETE", f"crm/contacts/{contact['id']}")
        gone = await http.get(path(f"crm/contacts/{contact['id']}"))
        left = await rows(http, "crm/contacts")
    assert (fed["id"], fed["active"]) == (activity["id"], False)
    assert gone.status_code == 404
    assert contact["id"] not in {row["id"] for row in left}


async def test_put_empties_what_it_leaves_out_and_patch_does_not() -> None:
    async with sandbox(SMALL) as (_, http):
        made = await send(http, "POST", "crm/contacts", {"name": "Jane", "title": "Owner"})
        patched = await send(http, "PATCH", f"crm/contacts/{made['id']}", {"name": "Janet", "isArchived": False})
        put = await send(http, "PUT", f"crm/contacts/{made['id']}", {"name": "Jan", "isArchived": True})
    assert (made["title"], patched["title"], put["title"]) == ("Owner", "Owner", None)
    assert (patched["name"], put["name"], put["isArchived"]) == ("Janet", "Jan", True)


async def test_unknown_fields_are_dropped_and_wrong_ones_named() -> None:
    async with sandbox(SMALL) as (_, http):
        body = {"locationId": LOCATION, "name": "Barn", "colour": "red"}
        assert "colour" not in await send(http, "POST", "jpm/projects", body)
        wrong = await http.post(path("jpm/projects"), json={"locationId": "north"})
        inner = await http.post(path("jpm/projects"), json={**body, "externalData": {"applicationGuid": 7}})
        assert len(await rows(http, "jpm/projects", colour="red")) == len(await rows(http, "jpm/projects"))
    assert (wrong.status_code, wrong.json()["errors"].keys()) == (400, {"locationId"})
    assert inner.json()["errors"].keys() == {"externalData.externalData"}


@pytest.mark.parametrize(
    ("of", "query", "keep"),
    [
        (
            "accounting/invoices",
            {"customerId": str(CUSTOMER)},
            lambda row: row["customer"] is not None and row["customer"]["id"] == CUSTOMER,
        ),
        ("jpm/job-hold-reasons", {"active": "Any"}, lambda row: True),
        ("jpm/projects", {"locationId": str(LOCATION)}, lambda row: row["locationId"] == LOCATION),
        ("dispatch/technician-shifts", {"technicianId": "3"}, lambda row: row["technicianId"] == 3),
        ("inventory/purchase-orders", {"createdOnOrAfter": "2999-01-01"}, lambda row: False),
        ("settings/user-roles", {"name": "dispatch"}, lambda row: row["name"] == "Dispatcher"),
    ],
)
async def test_lists_are_filtered_as_their_parameters_say(of: str, query: Json, keep: Any) -> None:
    async with sandbox(SandboxOptions(customers=4, table_rows=60)) as (_, http):
        every, found = await rows(http, of), await rows(http, of, **query)
    assert found == [row for row in every if keep(row)]


# External data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "row_id"), [("crm/customers", CUSTOMER), ("crm/locations", LOCATION), ("jpm/jobs", JOB)]
)
async def test_external_data_are_replaced_merged_read_and_found_by_their_app_alone(of: str, row_id: int) -> None:
    async def write(mode: str | None, **values: str | None) -> None:
        entries = [{"key": key, "value": value} for key, value in values.items()]
        external = {"applicationGuid": GUID, "externalData": entries, **({"patchMode": mode} if mode else {})}
        await send(http, "PATCH", f"{of}/{row_id}", {"externalData": external})

    async def read(guid: str | None = GUID) -> Any:
        query = {"externalDataApplicationGuid": guid} if guid else {}
        return (await rows(http, of, ids=str(row_id), **query))[0]["externalData"]

    async with sandbox(SMALL) as (_, http):
        await write("Merge", one="1", two="2")
        await write("Merge", two=None, three="3")
        assert await read() == [{"key": "one", "value": "1"}, {"key": "three", "value": "3"}]
        assert await read(OTHER) == []
        assert await read(None) is None
        await write(None, four="4")
        assert await read() == [{"key": "four", "value": "4"}]
        key = {"externalDataApplicationGuid": GUID, "externalDataKey": "four"}
        found = await rows(http, of, externalDataValues="3,4", **key)
        missed = await rows(http, of, externalDataValues="5", **key)
        too_many = await http.get(path(of), params={**key, "externalDataValues": ",".join(map(str, range(51)))})
    assert [row["id"] for row in found] == [row_id]
    assert missed == []
    assert (too_many.status_code, too_many.json()["errors"].keys()) == (400, {"externalDataValues"})


# What belongs together --------------------------------------------------------------------------------------------

ADDRESS = {"street": "1 Mill Street", "unit": "", "city": "Milltown", "state": "OH", "zip": "10001", "country": "USA"}
PHONE = {"type": "MobilePhone", "value": "(437) 555-0142"}


async def test_a_new_customer_has_locations_and_contacts_and_is_found_by_phone() -> None:
    async with sandbox(SMALL) as (_, http):
        body = {"name": "Jane Example", "address": ADDRESS, "contacts": [PHONE]}
        made = await send(http, "POST", "crm/customers", {**body, "locations": [{"name": "Home", "address": ADDRESS}]})
        assert await rows(http, "crm/customers", phone="4375550142") == [
            await send(http, "GET", f"crm/customers/{made['id']}")
        ]
        assert [row["name"] for row in await rows(http, "crm/locations", customerId=made["id"])] == ["Home"]
        contact = made["contacts"][0]["id"]
        await send(http, "PATCH", f"crm/customers/{made['id']}/contacts/{contact}", {"value": "437-555-0143"})
        fed, end = await export(http, "crm/export/customers/contacts", **RECENT)
        await send(http, "DELETE", f"crm/customers/{made['id']}/contacts/{contact}")
        assert await rows(http, f"crm/customers/{made['id']}/contacts") == []
        after, _ = await export(http, "crm/export/customers/contacts", **RECENT, **{"from": end})
    changed = [row for row in fed if row["id"] == contact][-1]
    assert (changed["phoneSettings"]["phoneNumber"], changed["customerId"]) == ("4375550143", made["id"])
    assert [row["active"] for row in after if row["id"] == contact][-1] is False


async def test_a_job_is_booked_assigned_confirmed_and_canceled() -> None:
    async with sandbox(SMALL) as (_, http):
        visit = {"start": "2026-03-02T15:00:00Z", "end": "2026-03-02T17:00:00Z", "technicianIds": [4]}
        numbers = {"businessUnitId": 1, "jobTypeId": 2, "campaignId": 1, "priority": "Normal"}
        job = await send(
            http,
            "POST",
            "jpm/jobs",
            {"customerId": CUSTOMER, "locationId": LOCATION, **numbers, "appointments": [visit]},
        )
        (booked,) = await rows(http, "jpm/appointments", jobId=job["id"])
        await send(
            http,
            "POST",
            "dispatch/appointment-assignments/assign-technicians",
            {"jobAppointmentId": booked["id"], "technicianIds": [5]},
        )
        both = await rows(http, "dispatch/appointment-assignments", jobId=job["id"])
        await send(
            http,
            "POST",
            "dispatch/appointment-assignments/unassign-technicians",
            {"jobAppointmentId": booked["id"], "technicianIds": [4]},
        )
        one = await rows(http, "dispatch/appointment-assignments", jobId=job["id"])
        await send(http, "PUT", f"jpm/appointments/{booked['id']}/confirmation")
        confirmed = await send(http, "GET", f"jpm/appointments/{booked['id']}")
        await send(http, "PUT", f"jpm/jobs/{job['id']}/cancel", {"reasonId": 1, "memo": "Not at home"})
        canceled = await send(http, "GET", f"jpm/jobs/{job['id']}")
        logged = await rows(http, f"jpm/jobs/{job['id']}/canceled-log")
        fed, _ = await export(http, "jpm/export/job-canceled-logs", **RECENT)
    assert [row["technicianId"] for row in both] == [4, 5]
    assert [row["technicianId"] for row in one] == [5]
    assert confirmed["isConfirmed"] is True
    assert (canceled["jobStatus"], canceled["jobNumber"]) == ("Canceled", f"J{job['id']}")
    assert [row["memo"] for row in logged] == ["Not at home"]
    assert fed[-1]["jobId"] == job["id"]


async def test_notes_on_jobs_come_in_their_feed_with_ids() -> None:
    async with sandbox(SMALL) as (_, http):
        await send(http, "POST", f"jpm/jobs/{JOB}/notes", {"text": "Gate is open."})
        (fed,), _ = await export(http, "jpm/export/job-notes", **RECENT)
    assert (fed["jobId"], fed["text"], fed["active"]) == (JOB, "Gate is open.", True)
    assert fed["id"]


async def test_tags_are_put_on_customers_one_by_one_and_in_bulk() -> None:
    async with sandbox(SMALL) as (_, http):
        await send(http, "PUT", "crm/tags", {"customerIds": [CUSTOMER + 1, CUSTOMER + 2], "tagTypeIds": [3, 4]})
        await send(http, "DELETE", f"crm/customers/{CUSTOMER + 1}/tags/3")
        answer = await send(http, "POST", f"crm/customers/{CUSTOMER + 2}/tags/5")
        tags = [(await send(http, "GET", f"crm/customers/{CUSTOMER + k}"))["tagTypeIds"] for k in (1, 2)]
    assert tags == [[4], [3, 4, 5]]
    assert answer == {"customerId": CUSTOMER + 2, "tagTypeIds": [3, 4, 5]}


async def test_a_contact_is_linked_to_a_customer_once_and_to_nobody_unknown() -> None:
    async with sandbox(SMALL) as (_, http):
        made = await send(http, "POST", "crm/contacts", {"name": "Jane"})
        link = f"crm/contacts/{made['id']}/relationships/{{}}/customer"
        await send(http, "POST", link.format(CUSTOMER))
        again = await http.post(path(link.format(CUSTOMER)))
        nobody = await http.post(path(link.format(7)))
        links = await rows(http, f"crm/contacts/{made['id']}/relationships")
        await send(http, "DELETE", link.format(CUSTOMER))
        assert await rows(http, f"crm/contacts/{made['id']}/relationships") == []
    assert (again.status_code, nobody.status_code) == (409, 409)
    assert [(row["relatedEntityId"], row["typeSlug"]) for row in links] == [(CUSTOMER, "customer")]


async def test_a_call_is_classified_and_has_a_recording() -> None:
    async with sandbox(SandboxOptions(customers=340)) as (server, http):
        call = next(row for row in server.world.all_rows("calls") if row["recordingUrl"])
        answer = await send(
            http, "PUT", f"telecom/v2/calls/{call['id']}", {"callType": "Excused", "excuseMemo": "Wrong number"}
        )
        fed, _ = await export(http, "telecom/v2/export/calls", **RECENT)
        sound = await http.get(path(f"telecom/v2/calls/{call['id']}/recording"))
    assert (answer["id"], answer["callType"]) == (call["id"], "Excused")
    assert (fed[-1]["type"], fed[-1]["excuseMemo"]) == ("Excused", "Wrong number")
    assert (sound.headers["content-type"], sound.content[:3]) == ("application/octet-stream", b"ID3")


async def test_a_file_is_attached_to_a_job_and_read_back() -> None:
    async with sandbox(SMALL) as (_, http):
        sent = await http.post(
            f"/forms/v2/tenant/{TENANT}/jobs/{JOB}/attachments", files={"file": ("leak.jpg", b"\xff\xd8\r\n\x00")}
        )
        (listed,) = (await http.get(path(f"forms/jobs/{JOB}/attachments"))).json()["data"]
        read = await http.get(path(f"forms/jobs/attachment/{listed['id']}"))
    assert sent.json() == {"fileName": "leak.jpg"}
    assert (read.headers["content-type"], read.content) == ("application/octet-stream", b"\xff\xd8\r\n\x00")


async def test_rows_are_marked_as_exported_and_those_that_are_not_there_are_told() -> None:
    async with sandbox(SMALL) as (_, http):
        marks = [{"invoiceId": JOB, "externalId": "A-1"}, {"invoiceId": 7}]
        answer = await send(http, "POST", "accounting/invoices/markasexported", marks)
        (invoice,) = await rows(http, "accounting/invoices", ids=str(JOB))
    assert [(each["invoiceId"], each["success"]) for each in answer] == [(JOB, True), (7, False)]
    assert (invoice["syncStatus"], invoice["exportId"]) == ("Exported", "A-1")

"""How fresh the copy of ServiceTitan's data is, as JSON."""

from web_rig import Office

from trunkline.mirror.catalog import RESOURCES


def test_the_json_tells_every_resource_and_counts_the_states(office: Office, troubled: None) -> None:
    answer = office.get("/api/v1/health")
    assert answer.status_code == 200
    report = answer.json()
    found = {one["name"]: one for one in report["resources"]}
    assert list(found) == [resource.name for resource in RESOURCES]
    assert sum(report[state] for state in ("fresh", "late", "failing", "waiting")) == len(RESOURCES)
    assert found["customers"]["state"] == "fresh"
    assert found["customers"]["rows"] == 300
    assert found["customers"]["scope"] == "Customers"
    assert (found["forms"]["state"], found["forms"]["error"]) == ("failing", "The tide is out.")
    (note,) = found["campaigns"]["drift"]
    assert (note["field"], note["kind"], note["times"]) == ("sinceYesterday", "field", 1234)


def test_the_api_describes_the_report(office: Office) -> None:
    paths = office.get("/api/openapi.json").json()["paths"]
    assert "/api/v1/health" in paths

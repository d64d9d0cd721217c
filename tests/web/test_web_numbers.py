"""Decisions about numbers, as people make them on pages and programs through the API."""

from typing import Any

import pytest
from web_rig import TOKEN, Backstage, Caller, Office

pytestmark = pytest.mark.usefixtures("undecided")
BEARER = {"authorization": f"Bearer {TOKEN}"}


def act(office: Office, path: str, body: Any, **headers: str) -> Any:
    with office.client(**headers) as client:
        return client.post(f"/api/v1/numbers/{path}", json=body)


def submit(office: Office, path: str, fields: dict[str, str], **headers: str) -> Any:
    with office.client(**headers) as client:
        return client.post(f"/numbers/{path}", data=fields)


def match_of(office: Office, caller: Caller) -> dict[str, Any]:
    match: dict[str, Any] = office.get(f"/api/v1/lookup?number={caller.dialled}").json()["match"]
    return match


# The API ----------------------------------------------------------------------------------------------------------


def test_a_decision_made_by_a_program_is_followed_listed_and_undone(office: Office, backstage: Backstage) -> None:
    shared = backstage.people.shared
    before = match_of(office, shared)
    customer_id = before["candidates"][-1]["customer"]["id"]
    made = act(office, f"{shared.dialled}/mark", {"kind": "direct_line", "customer": customer_id, "by": "Dana"})
    assert made.status_code == 200
    entry = made.json()
    assert (entry["number"], entry["kind"], entry["decided_by"]) == (shared.number, "direct_line", "Dana")
    assert (match_of(office, shared)["kind"], before["kind"]) == ("single", "ambiguous")
    assert match_of(office, shared)["candidates"][0]["customer"]["id"] == customer_id
    assert office.get("/api/v1/numbers").json() == {"decisions": [entry], "next": None}
    assert act(office, f"{shared.dialled}/forget", {"customer": customer_id}).status_code == 204
    assert match_of(office, shared) == before
    again = act(office, f"{shared.dialled}/forget", {"customer": customer_id})
    assert (again.status_code, again.json()["detail"]) == (404, "Nothing of the kind was decided about this number.")


@pytest.mark.parametrize(
    ("number", "body", "said"),
    [
        ("12", {"kind": "spam"}, "'12' is not a whole phone number"),
        ("4375550142", {"kind": "friend"}, "friend"),
        ("4375550142", {"kind": "direct_line"}, "Say whose number it is"),
        ("4375550142", {"kind": "direct_line", "customer": 7, "location": 8}, "not both"),
        ("4375550142", {"kind": "direct_line", "customer": 7}, "customer 7 does not have this number"),
        ("4375550142", {"kind": "spam", "customer": 2**63}, "customer"),
        ("4375550142", {"kind": "spam", "by": ""}, "by"),
        ("4375550142", {"kind": "spam", "whose": 7}, "whose"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(office: Office, number: str, body: Any, said: str) -> None:
    refused = act(office, f"{number}/mark", body)
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
    assert said in refused.json()["detail"]
    assert office.get("/api/v1/numbers").json()["decisions"] == []


def test_the_api_describes_its_decisions(office: Office) -> None:
    paths = office.get("/api/openapi.json").json()["paths"]
    assert set(paths["/api/v1/numbers/{number}/mark"]) == {"post"}
    assert set(paths["/api/v1/numbers/{number}/forget"]) == {"post"}
    assert "/numbers/mark" not in paths
    described = paths["/api/v1/numbers/{number}/mark"]["post"]
    assert {"200", "400", "401", "503"} <= set(described["responses"])


# The pages --------------------------------------------------------------------------------------------------------


def test_a_form_decides_and_leads_back_to_where_it_was(office: Office, backstage: Backstage) -> None:
    stranger = backstage.people.stranger
    back = f"/lookup?number={stranger.dialled}"
    fields = {"number": stranger.number, "decision": "spam", "back": back}
    answer = submit(office, "mark", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    page = office.get(back, accept="text/html").text
    assert "This number was marked as spam" in page
    assert "Decisions are kept here only: no application GUID is set for this company." in page
    assert submit(office, "forget", {"number": stranger.number, "owner": "", "back": back}).status_code == 303
    assert "marked as spam" not in office.get(back, accept="text/html").text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
@pytest.mark.parametrize("path", ["mark", "forget"])
def test_another_site_cannot_decide(office: Office, origin: str, path: str) -> None:
    fields = {"number": "+14375550142", "decision": "spam"}
    assert submit(office, path, fields, origin=origin).status_code == 403
    assert submit(office, path, fields, **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert office.get("/api/v1/numbers").json()["decisions"] == []


def test_who_is_not_signed_in_cannot_decide(guarded: Office) -> None:
    fields = {"number": "+14375550142", "decision": "spam"}
    assert submit(guarded, "mark", fields).status_code == 401
    assert act(guarded, "4375550142/mark", {"kind": "spam"}).status_code == 401
    named = act(guarded, "4375550142/mark", {"kind": "spam"}, **BEARER)
    assert (named.status_code, named.json()["detail"]) == (400, "Say which company with tenant=ID.")


@pytest.mark.parametrize(
    "fields",
    [
        {"number": "+14375550142"},
        {"number": "+14375550142", "decision": "friend"},
        {"number": "+14375550142", "decision": "direct_line customer"},
        {"number": "+14375550142", "decision": f"direct_line customer {2**63}"},
        {"number": "+14375550142", "decision": "direct_line customer 7"},
        {"number": "12", "decision": "spam"},
        {"decision": "spam"},
    ],
)
def test_a_form_that_makes_no_sense_is_answered_with_a_sentence(office: Office, fields: dict[str, str]) -> None:
    answer = submit(office, "mark", fields, accept="text/html")
    assert answer.status_code == 400
    assert 'class="trouble"' in answer.text


def test_a_decision_leads_nowhere_else(office: Office) -> None:
    fields = {"number": "+14375550142", "decision": "spam", "back": "https://evil.example/"}
    assert submit(office, "mark", fields).headers["location"] == "/"

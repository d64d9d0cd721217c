"""What breaks the kept contract is found."""

import json
from typing import Any

import pytest
from sandbox_kit import path

from contract import Contract
from trunkline.contract.operations import details, operations
from trunkline.sandbox.servicetitan.operations import find

CONTRACT = Contract.kept()

CUSTOMERS, CUSTOMER = path("crm/customers"), path("crm/customers/1")
NOTES, LEADS = path("crm/customers/1/notes"), path("crm/leads")
NOTE: dict[str, Any] = {
    "id": 7,
    "text": "Called about a leak.",
    "isPinned": False,
    "createdById": 1,
    "createdOn": "2026-03-02T15:00:00.1234567Z",
    "modifiedOn": "2026-03-02T15:00:00Z",
}


def test_every_path_leads_to_the_operation_that_is_published_for_it() -> None:
    for operation in operations().values():
        path = operation.path
        for one in details(operation).parameters:
            sample = "1" if one.schema.get("type") == "integer" else "6f9619ff-8b86-4011-b42d-00c04fc964ff"
            path = path.replace(f"{{{one.name}}}", sample)
        found = find(operation.method, f"/{path}")
        assert (found[0].operation.name if found else None) == (operation.name if operation.scope else None)


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "wrong"),
    [
        ("GET", CUSTOMERS, {"active": "Any", "page": "1", "includeTotal": "true"}, b"", ""),
        ("POST", NOTES, {}, b'{"text": "x", "pinToTop": null}', ""),
        ("GET", path("crm/strangers"), {}, b"", "nobody publishes"),
        ("PUT", CUSTOMERS, {}, b"", "nobody publishes"),
        ("GET", path("crm/customers/Jane"), {}, b"", "'Jane' is not of type 'integer'"),
        ("GET", CUSTOMERS, {"phoneNumber": "4375550142"}, b"", "no parameter 'phoneNumber'"),
        ("GET", CUSTOMERS, {"page": "one"}, b"", "'one' is not of type 'integer'"),
        ("GET", CUSTOMERS, {"page": str(2**31)}, b"", "is not a 'int32'"),
        ("GET", CUSTOMERS, {"active": "any"}, b"", "'any' is not one of"),
        ("GET", CUSTOMERS, {"includeTotal": "yes"}, b"", "'yes' is not of type 'boolean'"),
        ("GET", CUSTOMERS, {"modifiedOnOrAfter": "2026-03-02"}, b"", "'2026-03-02' is not a 'date-time'"),
        ("GET", CUSTOMERS, {"modifiedOnOrAfter": "2026-03-32T00:00:00Z"}, b"", "is not a 'date-time'"),
        ("GET", CUSTOMERS, {}, b"{}", "takes no body"),
        ("POST", NOTES, {}, b"", "the body is no JSON"),
        ("POST", NOTES, {}, b"{}", "'text' is a required property"),
        ("POST", NOTES, {}, b'{"text": 7}', "7 is not of type 'string'"),
        ("POST", NOTES, {}, b'{"text": "x", "pinned": true}', "'pinned' was unexpected"),
        ("POST", LEADS, {}, b'{"campaignId": 1, "summary": "x", "priority": "Soon"}', "'Soon' is not one of"),
    ],
)
def test_what_is_wrong_about_a_request_is_found(
    method: str, path: str, query: dict[str, str], body: bytes, wrong: str
) -> None:
    found = CONTRACT.request(method, path, query.items(), body)
    assert (len(found) == 1 and wrong in found[0]) if wrong else found == [], found


PROBLEM: dict[str, Any] = {
    "type": "u",
    "title": "t",
    "status": 400,
    "traceId": "00",
    "errors": {"page": ["?"]},
    "data": {},
}


@pytest.mark.parametrize(
    ("status", "answer", "wrong"),
    [
        (200, NOTE, ""),
        (400, PROBLEM, ""),
        (404, PROBLEM | {"status": 404}, ""),
        (429, {"statusCode": 429, "message": "Rate limit is exceeded."}, ""),
        (200, NOTE | {"colour": "red"}, "'colour' was unexpected"),
        (200, {key: value for key, value in NOTE.items() if key != "isPinned"}, "'isPinned' is a required property"),
        (200, NOTE | {"id": "7"}, "'7' is not of type 'integer'"),
        (200, NOTE | {"id": 2**63}, "is not a 'int64'"),
        (200, NOTE | {"isPinned": None}, "None is not of type 'boolean'"),
        (200, NOTE | {"createdOn": "2026-03-02 15:00"}, "is not a 'date-time'"),
        (200, NOTE | {"createdOn": "2026-03-02T15:00:00"}, "is not a 'date-time'"),
        (200, [NOTE], "is not of type 'object'"),
        (201, NOTE, "never answers 201"),
        (400, PROBLEM | {"errors": {"page": "?"}}, "'?' is not of type 'array'"),
        (400, PROBLEM | {"status": 404}, "status 400 calls itself 404"),
        (400, {"statusCode": 400, "message": "No."}, "'message', 'statusCode' were unexpected"),
        (401, PROBLEM | {"status": 401}, "never answers 401"),
        (429, {"statusCode": 429}, "'message' is a required property"),
        (429, {"statusCode": 500, "message": "No."}, "calls itself 500"),
    ],
)
def test_what_is_wrong_about_an_answer_is_found(status: int, answer: object, wrong: str) -> None:
    found = CONTRACT.response("POST", NOTES, status, "application/json; charset=utf-8", json.dumps(answer).encode())
    assert any(wrong in complaint for complaint in found) if wrong else found == [], found


def test_an_answer_that_is_no_json_or_does_not_say_so_is_found() -> None:
    assert CONTRACT.response("GET", CUSTOMER, 200, "application/json", b"<html>") != []
    assert CONTRACT.response("GET", CUSTOMER, 200, "text/html", b"{}") == ["the answer is text/html"]
    assert CONTRACT.response("GET", path("crm/strangers"), 200, "application/json", b"{}") != []

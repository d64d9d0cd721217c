"""The kept contract is what is published of the sandbox's operations, and what breaks it is found."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from contract import KEPT, Contract
from sandbox_kit import path

from trunkline.sandbox.servicetitan.operations import OPERATIONS

SCRIPT = Path(__file__).parents[2] / "tools" / "condense_contract.py"
# ServiceTitan's published OpenAPI files, which are not ours to keep: beside this checkout, or where the variable says.
OFFICIAL = Path(
    os.environ.get("TRUNKLINE_OPENAPI") or Path(__file__).parents[3] / "shared" / "servicetitan" / "openapi"
)
CONTRACT = Contract.kept()

PROSE = {"description", "summary", "title", "example", "examples", "operationId", "tags"}

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


def test_the_sandbox_serves_what_is_published_and_the_contract_keeps_nothing_else() -> None:
    served = sorted(f"{operation.method} {operation.path}" for operation in OPERATIONS)
    assert served == sorted(operation.name for operation in CONTRACT.operations)


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="no official OpenAPI files; TRUNKLINE_OPENAPI may name them")
def test_the_kept_contract_is_what_the_script_derives_today(tmp_path: Path) -> None:
    derived = tmp_path / "derived.json"
    subprocess.run([sys.executable, SCRIPT, OFFICIAL, "--output", derived], check=True)
    assert derived.read_text() == KEPT.read_text()


def test_only_what_can_be_checked_is_kept_and_no_prose() -> None:
    for module in json.loads(KEPT.read_text()).values():
        for operation in module["operations"].values():
            assert operation.keys() <= {"parameters", "responses", "body"}
            for parameter in operation["parameters"]:
                assert parameter.keys() <= {"name", "in", "required", "schema"}
                no_prose(parameter["schema"])
            for schema in filter(None, (*operation["responses"].values(), operation.get("body"))):
                no_prose(schema)
        for schema in module["schemas"].values():
            no_prose(schema)


def no_prose(schema: dict[str, Any]) -> None:
    """Property names may be words that are prose elsewhere."""
    known = {"type", "format", "enum", "nullable", "$ref", "minLength", "maxLength", "pattern", "required"}
    assert schema.keys() <= known | {"properties", "items", "additionalProperties"}
    for inner in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if inner is not None:
            no_prose(inner)


def test_the_script_leaves_out_prose_and_what_nobody_serves() -> None:
    script = runpy.run_path(str(SCRIPT))
    thing = {
        "title": "Thing",
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "description": "What it is called", "example": "Jane"},
            "kind": {"oneOf": [{"$ref": "#/components/schemas/Kind"}], "nullable": True, "description": "Or none"},
            "tags": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        },
        "additionalProperties": False,
    }
    answer = {
        "description": "Fine",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
    }
    spec = {
        "servers": [{"url": "https://api.example.com/shop/v2"}],
        "paths": {
            "/things": {
                "get": {
                    "summary": "Lists things",
                    "parameters": [{"name": "q", "in": "query", "description": "Words", "schema": {"type": "string"}}],
                    "responses": {"200": answer, "204": {"description": "Nothing there"}},
                },
                "post": {"responses": {"200": answer}},
            }
        },
        "components": {"schemas": {"Thing": thing, "Kind": {"enum": ["A"], "type": "string"}, "Other": {}}},
    }
    assert script["condense_module"](spec, {("GET", "/shop/v2/things")}) == {
        "operations": {
            "GET /shop/v2/things": {
                "parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}],
                "responses": {"200": {"$ref": "Thing"}, "204": None},
            }
        },
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "kind": {"$ref": "Kind", "nullable": True},
                    "tags": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
                },
            },
            "Kind": {"enum": ["A"], "type": "string"},
        },
    }
    assert script["condense_module"](spec, {("GET", "/shop/v2/others")}) is None


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

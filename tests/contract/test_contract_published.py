"""The kept contract is what ServiceTitan's official files say, and nothing of their prose."""

import csv
import json
import os
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from trunkline.contract.operations import Operation, details, operations, schemas, scopes

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "tools" / "make_contract.py"))
KEPT = ROOT / "src" / "trunkline" / "contract" / "published"
# The official files are not ours to keep: beside this checkout, or where the variable says.
OFFICIAL = Path(os.environ.get("TRUNKLINE_OPENAPI") or ROOT.parent / "shared" / "servicetitan")
needs_official = pytest.mark.skipif(
    not (OFFICIAL / "openapi").is_dir(),
    reason="no official OpenAPI files; TRUNKLINE_OPENAPI may name the folder with openapi/ and scopes.csv",
)
KNOWN = {"type", "format", "enum", "nullable", "$ref", "minLength", "maxLength", "pattern", "minimum", "maximum"}


@needs_official
def test_the_kept_contract_is_what_the_script_derives_today() -> None:
    derived = SCRIPT["derive"](OFFICIAL)
    assert derived == {path.name: path.read_text() for path in KEPT.glob("*.json")}


@needs_official
def test_every_scope_claims_as_many_operations_as_the_portal_says() -> None:
    with (OFFICIAL / "scopes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rights = Counter(one.right for one in operations().values() if one.scope == row["scope"])
            said = (int(row["read_operations"]), int(row["write_operations"]))
            assert (rights["View"], rights["Modify"]) == said, row["scope"]


def test_77_scopes_claim_387_of_563_operations() -> None:
    assert len(scopes()) == 77
    assert len(operations()) == 563
    claimed = [operation for operation in operations().values() if operation.scope]
    assert len(claimed) == 387
    assert {operation.scope for operation in claimed} == {scope.name for scope in scopes()}
    modules = {scope.module for scope in scopes()}
    assert sum(operation.module in modules for operation in operations().values()) == 387 + 30


@pytest.mark.parametrize(
    ("name", "path", "scope"),
    [
        ("jpm.jobs.get_notes", "jpm/v2/tenant/{tenant}/jobs/{id}/notes", "Jobs"),
        ("jpm.export.job_notes", "jpm/v2/tenant/{tenant}/export/job-notes", "Job Notes"),
        ("crm.export.customers_contacts", "crm/v2/tenant/{tenant}/export/customers/contacts", "Customers"),
        ("crm.contacts.search_contact_methods", "crm/v2/tenant/{tenant}/contacts/contact-methods", "Contacts"),
        ("telecom.calls.list", "telecom/v3/tenant/{tenant}/calls", "Calls"),
        ("telecom.export.calls", "telecom/v2/tenant/{tenant}/export/calls", "Calls"),
        ("forms.jobs.get_job_attachments", "forms/v2/tenant/{tenant}/jobs/{jobId}/attachments", "Job Forms"),
        ("sales.estimates.export_legacy", "sales/v2/tenant/{tenant}/estimates/export", "Estimates"),
        ("inventory.trucks.list", "inventory/v2/tenant/{tenant}/trucks", None),
        ("memberships.memberships.list", "memberships/v2/tenant/{tenant}/memberships", None),
    ],
)
def test_an_operation_knows_its_path_and_scope(name: str, path: str, scope: str | None) -> None:
    assert (operations()[name].path, operations()[name].scope) == (path, scope)


@pytest.mark.parametrize("operation", operations().values(), ids=lambda one: one.name)
def test_every_operation_can_be_read_and_holds_no_prose(operation: Operation) -> None:
    found = details(operation)
    in_path = {parameter.name for parameter in found.parameters if parameter.place == "path"}
    assert in_path == {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
    for schema in (*(parameter.schema for parameter in found.parameters), found.body, *found.responses.values()):
        if schema is not None:
            no_prose(schema)


def test_no_schema_holds_prose_and_every_reference_leads_somewhere() -> None:
    for module in {operation.module for operation in operations().values()}:
        for schema in schemas(module).values():
            no_prose(schema)
            assert references(schema) <= schemas(module).keys()


def no_prose(schema: dict[str, Any]) -> None:
    """Property names may be words that are prose elsewhere."""
    assert schema.keys() <= KNOWN | {"required", "properties", "items", "additionalProperties", "anyOf", "content"}
    inner = (*schema.get("properties", {}).values(), *schema.get("anyOf", ()))
    for part in (*inner, schema.get("items"), schema.get("additionalProperties")):
        if part is not None:
            no_prose(part)


def references(part: Any) -> set[str]:
    if isinstance(part, list):
        return {name for item in part for name in references(item)}
    if not isinstance(part, dict):
        return set()
    own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
    return own | {name for item in part.values() for name in references(item)}


def test_the_script_leaves_out_prose_and_schemas_that_nobody_uses() -> None:
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
            "/tenant/{tenant}/things": {
                "get": {
                    "operationId": "Things_GetList",
                    "summary": "Lists things",
                    "parameters": [{"name": "q", "in": "query", "description": "Words", "schema": {"type": "string"}}],
                    "responses": {"200": answer, "204": {"description": "Nothing there"}},
                },
            }
        },
        "components": {"schemas": {"Thing": thing, "Kind": {"enum": ["A"], "type": "string"}, "Other": {}}},
    }
    assert SCRIPT["condense_module"](spec) == {
        "module": "shop",
        "operations": {
            "shop.things.list": {
                "method": "GET",
                "path": "/shop/v2/tenant/{tenant}/things",
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


def test_two_operations_of_one_name_are_refused() -> None:
    operation = {"operationId": "Things_GetList", "responses": {}}
    paths = {f"/tenant/{{tenant}}/things{more}": {"get": operation} for more in ("", "/odd")}
    spec = {"servers": [{"url": "https://api.example.com/shop/v2"}], "paths": paths, "components": {"schemas": {}}}
    with pytest.raises(ValueError, match=r"two operations are called shop\.things\.list"):
        SCRIPT["condense_module"](spec)


def test_the_index_is_json_that_people_can_read_line_by_line() -> None:
    text = (KEPT / "index.json").read_text()
    assert len(text.splitlines()) == len(json.loads(text)) + 2

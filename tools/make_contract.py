"""Derive src/trunkline/contract/published from ServiceTitan's OpenAPI files and the app's list of scopes.

Kept is what a machine can check: methods, paths, parameters, bodies, answers, schemas, and which scope claims an
operation. Descriptions, summaries, examples and titles stay behind.
``.venv/bin/python tools/make_contract.py FOLDER`` writes it anew; FOLDER holds ``openapi/*.json`` and ``scopes.csv``.
"""

import argparse
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trunkline.contract.references import used

KEPT = Path(__file__).resolve().parent.parent / "src" / "trunkline" / "contract" / "published"
SCALARS = ("type", "format", "enum", "nullable", "minLength", "maxLength", "pattern", "minimum", "maximum")
TENANT = "/tenant/{tenant}/"

Json = dict[str, Any]

# Names that the rule below would make ugly, twice, or wrong.
NAMES = {
    "accounting.ap_bills.list_paginated": "accounting.ap_bills.list",
    "accounting.credit_memos.get_credit_memo_items_list": "accounting.credit_memos.get_items",
    "accounting.credit_memos.get_credit_memos_list": "accounting.credit_memos.list",
    "accounting.credit_memos.get_credit_memos_items_list": "accounting.credit_memos.list_items",
    "accounting.gl_accounts.create_account": "accounting.gl_accounts.create",
    "accounting.gl_accounts.get_account": "accounting.gl_accounts.get",
    "accounting.gl_accounts.get_type_list": "accounting.gl_accounts.list_types",
    "accounting.gl_accounts.update_account": "accounting.gl_accounts.update",
    "accounting.inventory_bills.list_paginated": "accounting.inventory_bills.pages",
    "accounting.credit_memos.add_credit_memo_splits": "accounting.credit_memos.add_splits",
    "accounting.payment_terms.get_payment_term_model": "accounting.payment_terms.get",
    "crm.booking_provider.list2": "crm.booking_provider.list",
    "crm.booking_provider.get_contact_list2": "crm.booking_provider.get_contact_list",
    "crm.booking_provider.get_for_provider": "crm.booking_provider.get",
    "crm.bookings.create_contact2": "crm.bookings.create_contact",
    "crm.locations.get_locations_contacts_list": "crm.locations.get_modified_contacts_list",
    "forms.forms.get_forms": "forms.forms.list",
    "forms.submissions.get_form_submissions": "forms.submissions.list",
    "forms.jobs.get": "forms.jobs.get_attachment",
    "equipmentsystems.installed_equipment.get2": "equipmentsystems.installed_equipment.get_attachment",
    "inventory.purchase_order_markups.get": "inventory.purchase_order_markups.list",
    "jpm.job_hold_reasons.get": "jpm.job_hold_reasons.list",
    "marketingreputation.reviews.": "marketingreputation.reviews.list",
    "sales.estimates.estimates_async_legacy": "sales.estimates.export_legacy",
    "taskmanagement.tasks.get_tasks": "taskmanagement.tasks.list",
    "taskmanagement.tasks.get_task": "taskmanagement.tasks.get",
    "telecom.calls.calls": "telecom.calls.list",
    "telecom.calls.get_details": "telecom.calls.get",
    "telecom.calls.get_calls": "telecom.calls.list_v2",
    "telecom.optinouts.get_all_opt_outs": "telecom.opt_outs.list",
    "telecom.optinouts.create_opt_out_list": "telecom.opt_outs.create",
    "telecom.optinouts.get_opt_out_list": "telecom.opt_outs.find",
}


def condense_schema(schema: Json) -> Json:
    """What can be checked of one schema; all named objects are closed, so only maps keep `additionalProperties`."""
    kept: Json = {key: schema[key] for key in SCALARS if key in schema}
    if "$ref" in schema:
        kept["$ref"] = schema["$ref"].rpartition("/")[2]
    if (choices := schema.get("oneOf")) and len(choices) == 1:
        kept = condense_schema(choices[0]) | {key: value for key, value in kept.items() if key == "nullable"}
    elif choices or (choices := schema.get("anyOf")):
        kept["anyOf"] = [condense_schema(choice) for choice in choices]
    if unknown := {"allOf", "not"} & schema.keys():
        raise ValueError(f"a schema with {unknown}: {schema}")
    if "properties" in schema:
        kept["properties"] = {name: condense_schema(value) for name, value in schema["properties"].items()}
    if schema.get("required"):
        kept["required"] = sorted(schema["required"])
    if "items" in schema:
        kept["items"] = condense_schema(schema["items"])
    if isinstance(more := schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = condense_schema(more)
    return kept


def condense_operation(operation: Json) -> Json:
    """Parameters, body and answers of one operation. Answers are schemas by status; null is an answer without body."""
    published = operation.get("parameters", [])
    in_path = {parameter["name"] for parameter in published if parameter["in"] == "path"}
    kept: Json = {
        "parameters": [
            {key: parameter[key] for key in ("name", "in", "required") if key in parameter}
            | {"schema": condense_schema(parameter["schema"])}
            for parameter in published
            if parameter["in"] == "path" or parameter["name"] not in in_path  # published twice: the path needs it
        ],
        "responses": {status: _content(answer) for status, answer in operation["responses"].items()},
    }
    if body := operation.get("requestBody"):
        kept["body"] = _content(body)
    return kept


def _content(holder: Json) -> Json | None:
    """The schema of a body. What is no JSON is bytes: files go in as a form and come back as a stream."""
    content = holder.get("content")
    if not content:
        return None
    kind, holding = next(iter(content.items()))
    if kind == "application/json":
        return condense_schema(holding["schema"])
    return {"type": "string", "format": "binary", "content": kind}


def snake(text: str) -> str:
    """`GetListPaginated` and `technician-tracking` as Python names."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).replace("-", "_").lower()


def singular(resource: str) -> str:
    """`journal_entries` as `journal_entry`."""
    return f"{resource.removesuffix('ies')}y" if resource.endswith("ies") else resource.removesuffix("s")


def name_of(module: str, path: str, published: str) -> str:
    """``module.resource.verb``: the resource from the path, the verb from what ServiceTitan calls the operation."""
    steps = [step for step in path.partition(TENANT)[2].split("/") if not step.startswith("{")]
    prefix = f"{snake(module)}.{snake(steps[0])}"
    if steps[0] == "export":
        return f"{prefix}.{'_'.join(snake(step) for step in steps[1:])}"
    if steps[0] == "work-breakdown-structure":
        prefix = f"{snake(module)}.budget_codes"
    verb = snake(published.partition("_")[2])
    if verb == "get_by_id":
        return f"{prefix}.get"
    plain = {"get_list": "list", "get_list_paginated": "list_paginated", "get_list2": "list2"}
    name = f"{prefix}.{plain.get(verb, verb.removesuffix(f'_{singular(snake(steps[0]))}'))}"
    return NAMES.get(name, name)


def condense_module(spec: Json) -> Json:
    """Operations by name and schemas of one file."""
    base = urlsplit(spec["servers"][0]["url"]).path
    module = base.strip("/").partition("/")[0]
    operations: Json = {}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            name = name_of(module, path, operation["operationId"])
            if name in operations:
                raise ValueError(f"two operations are called {name}: add one to NAMES")
            where = {"method": method.upper(), "path": base + path}
            operations[name] = where | condense_operation(operation)
    schemas = {name: condense_schema(schema) for name, schema in spec["components"]["schemas"].items()}
    return {"module": module, "operations": operations, "schemas": used(schemas, operations)}


def scope_of(scopes: list[Json], module: str, spec_path: str) -> str | None:
    """The scope that claims a path: whole segments, the longest prefix wins; export feeds are claimed by name."""
    claims = [
        (prefix, scope["scope"])
        for scope in scopes
        if scope["module"] == module
        for prefix in _prefixes(scope)
        if spec_path == prefix or spec_path.startswith(prefix + "/")
    ]
    return max(claims, key=lambda claim: len(claim[0]), default=("", None))[1]


def _prefixes(scope: Json) -> Iterator[str]:
    for column in ("path_prefixes", "export_endpoint"):
        yield from filter(None, scope[column].split(";"))


def index_of(scopes: list[Json], modules: list[Json]) -> Iterator[Json]:
    """One short row for each operation: what a list of them needs to know."""
    for module in modules:
        base = f"/{module['module']}" + ("" if module["module"] == "telecom" else "/v2")
        for name, operation in module["operations"].items():
            path = operation["path"]
            answers = [schema for status, schema in operation["responses"].items() if status < "400"]
            yield {
                "name": name,
                "method": operation["method"],
                "path": path.removeprefix("/"),
                "scope": scope_of(scopes, module["module"], path.removeprefix(base)),
                "exports": "/export" in path,
                "empty": answers == [None],
            }


def lines(table: dict[str, Any]) -> str:
    """JSON with one line for each entry, so that a change can be read in a diff."""
    entries = (f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in sorted(table.items()))
    return "{\n" + ",\n".join(entries) + "\n}\n"


def derive(folder: Path) -> dict[str, str]:
    """What is kept, by file name."""
    with (folder / "scopes.csv").open(newline="") as file:
        scopes: list[Json] = list(csv.DictReader(file))
    modules = [condense_module(json.loads(path.read_text())) for path in sorted((folder / "openapi").glob("*.json"))]
    if not modules:
        raise SystemExit(f"{folder / 'openapi'} holds no OpenAPI files.")
    files = {}
    for module in modules:
        parts = {f"operation {name}": value for name, value in module["operations"].items()}
        parts |= {f"schema {name}": value for name, value in module["schemas"].items()}
        files[f"{module['module']}.json"] = lines(parts)
    files["index.json"] = lines({row.pop("name"): row for row in index_of(scopes, modules)})
    files["scopes.json"] = lines({row["scope"]: {"module": row["module"]} for row in scopes})
    return files


def main() -> None:
    """Write the contract."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where openapi/*.json and scopes.csv are")
    arguments = parser.parse_args()
    KEPT.mkdir(exist_ok=True)
    for old in KEPT.glob("*.json"):
        old.unlink()
    for name, text in derive(arguments.folder).items():
        (KEPT / name).write_text(text)


if __name__ == "__main__":
    main()

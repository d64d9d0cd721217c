"""Derive tests/sandbox/servicetitan_contract.json from a folder with ServiceTitan's published OpenAPI files.

Kept is what a machine can check of the operations that the sandbox serves: paths, parameters and schemas. Descriptions,
summaries, examples and titles stay behind. ``.venv/bin/python tools/condense_contract.py FOLDER`` writes it anew.
"""

import argparse
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trunkline.sandbox.servicetitan.operations import OPERATIONS

KEPT = Path(__file__).resolve().parent.parent / "tests" / "sandbox" / "servicetitan_contract.json"
SCALARS = ("type", "format", "enum", "nullable", "minLength", "maxLength", "pattern")

Json = dict[str, Any]


def condense_schema(schema: Json) -> Json:
    """What can be checked of one schema; all named objects are closed, so only maps keep `additionalProperties`."""
    kept: Json = {key: schema[key] for key in SCALARS if key in schema}
    if "$ref" in schema:
        kept["$ref"] = schema["$ref"].rpartition("/")[2]
    if choices := schema.get("oneOf"):
        if len(choices) != 1:
            raise ValueError(f"a choice between {len(choices)} schemas: {schema}")
        kept = condense_schema(choices[0]) | {key: value for key, value in kept.items() if key == "nullable"}
    if unknown := {"allOf", "anyOf", "not"} & schema.keys():
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
    kept: Json = {
        "parameters": [
            {key: parameter[key] for key in ("name", "in", "required") if key in parameter}
            | {"schema": condense_schema(parameter["schema"])}
            for parameter in operation.get("parameters", [])
        ],
        "responses": {status: _content(answer) for status, answer in operation["responses"].items()},
    }
    if body := operation.get("requestBody"):
        kept["body"] = _content(body)
    return kept


def _content(holder: Json) -> Json | None:
    content = holder.get("content")
    return condense_schema(content["application/json"]["schema"]) if content else None


def condense_module(spec: Json, served: set[tuple[str, str]]) -> Json | None:
    """What one file publishes of the operations in `served` (method and whole path); `None` where that is nothing."""
    base = urlsplit(spec["servers"][0]["url"]).path
    operations = {
        f"{method.upper()} {base}{path}": condense_operation(operation)
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
        if (method.upper(), base + path) in served
    }
    if not operations:
        return None
    schemas: Json = {}
    wanted = _references(operations)
    while missing := wanted - schemas.keys():
        for name in missing:
            schemas[name] = condense_schema(spec["components"]["schemas"][name])
        wanted = wanted | _references(schemas)
    return {"operations": operations, "schemas": schemas}


def _references(part: Any) -> set[str]:
    if isinstance(part, list):
        return {name for item in part for name in _references(item)}
    if not isinstance(part, dict):
        return set()
    own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
    return own | {name for item in part.values() for name in _references(item)}


def condense(folder: Path, served: set[tuple[str, str]]) -> Json:
    """The contract of `served`, by the name of the file that publishes it."""
    modules = {
        file.stem: module
        for file in sorted(folder.glob("*.json"))
        if (module := condense_module(json.loads(file.read_text()), served))
    }
    if not modules:
        raise SystemExit(f"{folder} publishes nothing of what the sandbox serves.")
    return modules


def main() -> None:
    """Write the contract."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the published OpenAPI files are")
    parser.add_argument("--output", type=Path, default=KEPT)
    arguments = parser.parse_args()
    contract = condense(arguments.folder, {(operation.method, operation.path) for operation in OPERATIONS})
    arguments.output.write_text(json.dumps(contract, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

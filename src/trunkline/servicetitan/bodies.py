"""Bodies of requests, held to the published schemas - and to nothing that is not published."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.protocols import Validator

from trunkline.contract.operations import Operation, details, schemas
from trunkline.contract.references import used
from trunkline.servicetitan.catalog import file_fields, maybe


def wrong_in_body(operation: Operation, schema: dict[str, Any] | None, body: Any) -> dict[str, list[str]]:
    """What the published contract says against `body`: sentences by field."""
    if schema is None:
        return {} if body is None else {"body": [f"{operation.name} takes no body."]}
    if body is None:
        return {"body": [f"{operation.name} needs a body."]}
    if file_fields(schema):
        unknown = body.keys() - schema["properties"].keys() if isinstance(body, Mapping) else {"body"}
        return {name: [f"{operation.name} takes files as {', '.join(schema['properties'])}."] for name in unknown}
    wrong: dict[str, list[str]] = {}
    for error in _validator(operation).iter_errors(body):
        for inner in _innermost(error):
            for where, sentence in _complaints(inner):
                wrong.setdefault(where, []).append(sentence)
    return wrong


def _complaints(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Where, and one sentence. Values are not repeated: they may be long, and private."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    where = where.lstrip(".") or "body"
    asked: Any = error.validator_value
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})  # type: ignore[union-attr]
        for name in error.instance.keys() - known.keys():  # type: ignore[union-attr]
            place = name if where == "body" else f"{where}.{name}"
            yield place, f"The body has no field {place}{maybe(name, known)}"
    elif error.validator == "required":
        for name in asked:
            if name not in error.instance:  # type: ignore[operator]
                place = name if where == "body" else f"{where}.{name}"
                yield place, f"The body needs {place}."
    elif error.validator == "enum":
        yield where, f"{where} is one of {', '.join(str(word) for word in asked if word is not None)}."
    elif error.validator == "type":
        kinds = [asked] if isinstance(asked, str) else asked
        yield (
            where,
            f"{where} is to be {' or '.join('null' if kind == 'null' else f'of type {kind}' for kind in kinds)}.",
        )
    else:
        yield where, f"{where} does not fit {error.validator} {asked}."


def _innermost(error: ValidationError) -> Iterator[ValidationError]:
    """Where a choice between a schema and null failed, what is wrong with the schema's part."""
    if error.validator != "anyOf":
        yield error
    for inner in error.context or ():
        if inner.relative_schema_path[0] == 0:
            yield from _innermost(inner)


formats = FormatChecker(formats=())


@formats.checks("date-time", ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value) is not None


@formats.checks("guid", ValueError)
def _is_guid(value: object) -> bool:
    return not isinstance(value, str) or UUID(value) is not None


@cache
def _validator(operation: Operation) -> Validator:
    """Of the operation's bodies: OpenAPI 3.0 schemas as JSON Schema, closed to fields that nobody published."""
    body = details(operation).body or {}
    definitions = {name: _closed(schema) for name, schema in used(schemas(operation.module), body).items()}
    return Draft202012Validator({**_closed(body), "$defs": definitions}, format_checker=formats)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        reference = {"$ref": f"#/$defs/{schema['$ref']}"}
        return {"anyOf": [reference, {"type": "null"}]} if schema.get("nullable") else reference
    closed = {key: value for key, value in schema.items() if key != "nullable"}
    if "anyOf" in schema:
        closed["anyOf"] = [_closed(choice) for choice in schema["anyOf"]]
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    if "properties" in schema:
        closed["properties"] = {name: _closed(field) for name, field in schema["properties"].items()}
        closed["additionalProperties"] = False
    if isinstance(schema.get("additionalProperties"), dict):
        closed["additionalProperties"] = _closed(schema["additionalProperties"])
    if schema.get("nullable") and "type" in schema:
        closed["type"] = [schema["type"], "null"]
        if "enum" in schema:
            closed["enum"] = [*schema["enum"], None]
    return closed

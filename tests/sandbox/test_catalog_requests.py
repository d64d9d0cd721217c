"""Every published operation can be called by name, and what is not published is refused before it is sent."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from contract import Contract
from trunkline.contract.operations import Operation, Parameter, details, operations, schemas
from trunkline.servicetitan.catalog import file_fields
from trunkline.servicetitan.errors import InvalidRequest
from trunkline.servicetitan.requests import prepare

CONTRACT = Contract.kept()
OPERATIONS = list(operations().values())
WITH_BODY = [one for one in OPERATIONS if details(one).body and not file_fields(details(one).body)]
EXAMPLES = {
    "date-time": "2026-03-02T15:00:00Z",
    "date": "2026-03-02",
    "guid": "8a4f1c9e-0000-4000-8000-000000000142",
    "duration": "00:05:00",
    "email": "jane@example.com",
}


def example(module: str, schema: dict[str, Any], inside: tuple[str, ...] = ()) -> Any:
    """A value that fits `schema`, with every field that it knows."""
    if "$ref" in schema:
        name = schema["$ref"]
        return None if name in inside else example(module, schemas(module)[name], (*inside, name))
    if schema.get("type") == "object":
        fields = schema.get("properties", {}).items()
        return {name: value for name, field in fields if (value := example(module, field, inside)) is not None}
    if schema.get("type") == "array":
        item = example(module, schema["items"], inside)
        return [] if item is None else [item]
    plain = {"integer": 7, "number": 7.5, "boolean": True, "string": EXAMPLES.get(schema.get("format", ""), "text")}
    return (schema.get("enum") or ["#4A90D9" if "pattern" in schema else plain[schema.get("type", "string")]])[0]


def wanted(operation: Operation) -> dict[str, Any]:
    """A value for each parameter."""
    found = {one.name: value(operation, one) for one in details(operation).parameters if one.name != "tenant"}
    return found if "ids" not in found else {**found, "ids": [1, 2]}


def value(operation: Operation, parameter: Parameter) -> Any:
    if parameter.schema.get("type") == "object":
        return {"Colour": "red"}
    return example(operation.module, parameter.schema)


def body(operation: Operation) -> Any:
    schema = details(operation).body
    if schema is None:
        return None
    files = file_fields(schema)
    return dict.fromkeys(files, b"%PDF") if files else example(operation.module, schema)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_what_goes_out_is_what_is_published(operation: Operation) -> None:
    request = prepare(operation, wanted(operation), body(operation))
    known = {one.name for one in details(operation).parameters if one.place == "query"}
    # How dictionaries and objects are named on the wire is not published.
    query = [(name, text) for name, text in parse_qsl(urlencode(request.query)) if name in known]
    path = f"/{request.path}".replace("{tenant}", "1000001")
    found = CONTRACT.request(operation.method, path, query, request.content or b"")
    assert [complaint for complaint in found if not (request.files and "no JSON" in complaint)] == []
    for name in known:
        assert any(wire == name or wire.startswith((f"{name}[", f"{name}.")) for wire, _ in request.query)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_a_parameter_that_nobody_publishes_is_refused(operation: Operation) -> None:
    with pytest.raises(
        InvalidRequest, match=rf"{operation.name} has no parameter colour.* Nothing was sent\."
    ) as caught:
        prepare(operation, {**wanted(operation), "colour": "red"}, body(operation))
    assert list(caught.value.errors) == ["colour"]
    assert caught.value.status is None


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda one: one.name)
def test_a_field_that_nobody_publishes_is_refused_and_so_is_a_body_of_another_shape(operation: Operation) -> None:
    good = body(operation)
    one = good[0] if isinstance(good, list) else good
    if isinstance(one, dict) and one:
        strange = {**one, "colour": "red"}
        with pytest.raises(InvalidRequest, match="has no field"):
            prepare(operation, wanted(operation), [strange] if isinstance(good, list) else strange)
    with pytest.raises(InvalidRequest):
        prepare(operation, wanted(operation), 7)
    with pytest.raises(InvalidRequest, match="needs a body"):
        prepare(operation, wanted(operation), None)


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if not details(one).body], ids=lambda one: one.name)
def test_a_body_where_none_is_published_is_refused(operation: Operation) -> None:
    with pytest.raises(InvalidRequest, match="takes no body"):
        prepare(operation, wanted(operation), {"colour": "red"})

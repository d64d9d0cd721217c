"""ServiceTitan's published contract, and what of a request or an answer breaks it.

The facts are those in ``trunkline/contract/published``; how they are checked here shares no code with the client.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.protocols import Validator

KEPT = Path(__file__).parents[2] / "src" / "trunkline" / "contract" / "published"

# ServiceTitan sends null in these, although its schemas do not say so. Integrators met it in call exports, addresses,
# external data and purchase orders; in the lists of calls it follows for what a call did not lead to. All of them are
# texts, objects or lists: numbers, switches and moments are never null where the schema does not say so.
SEEN_AS_NULL = frozenset(
    {
        "Telecom.V2.ExportCallResponse.excuseMemo",
        "Telecom.V2.ExportCallResponse.tag",
        "Crm.V2.Customers.CustomerAddress.country",
        "Crm.V2.Customers.CustomerResponse.externalData",
        "Crm.V2.ExportCustomerResponse.externalData",
        "Crm.V2.Locations.LocationResponse.externalData",
        "Crm.V2.ExportLocationsResponse.externalData",
        "Jpm.V2.JobResponse.externalData",
        "Jpm.V2.JobResponse.customerPo",
        "Jpm.V2.ExportJobsResponse.externalData",
        "Jpm.V2.ExportJobsResponse.customerPo",
        "Jpm.V2.JobTypeResponse.externalData",
        *(
            f"{bundle}.{name}"
            for bundle in (
                "Telecom.V3.CallResponse",
                "Module.Telecom.Shared.V2.BundleCallModel",
                "Module.Telecom.Shared.DetailedBundleCallModel",
            )
            for name in ("jobNumber", "businessUnit", "type")
        ),
        *(
            f"{call}.{name}"
            for call in (
                "Telecom.V3.CallModelResponse",
                "Module.Telecom.Shared.V2.CallModel",
                "Module.Telecom.Shared.DetailedCallModel",
            )
            for name in ("reason", "recordingUrl", "voiceMailUrl", "createdBy", "customer", "campaign", "agent")
        ),
    }
)

# No operation publishes how the gateway in front of the API refuses a request.
GATEWAY_STATUSES = (401, 403, 404, 429)
GATEWAY_ANSWER = {
    "type": "object",
    "properties": {"statusCode": {"type": "integer"}, "message": {"type": "string", "minLength": 1}},
    "required": ["statusCode", "message"],
    "additionalProperties": False,
}
# Some operations leave out that they refuse what is wrong or missing; none says that it may break down.
PROBLEM_STATUSES = (400, 404, 500)
PROBLEM = "ApiErrorResponse"

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)")
_SPAN = re.compile(r"(\d+\.)?\d\d:[0-5]\d:[0-5]\d(\.\d{1,7})?")

formats = FormatChecker(formats=())


@formats.checks("date-time", ValueError)
def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return bool(_DATE_TIME.fullmatch(value) and datetime.fromisoformat(value))


@formats.checks("duration")
def _is_span(value: object) -> bool:
    return not isinstance(value, str) or bool(_SPAN.fullmatch(value))


@formats.checks("guid", ValueError)
def _is_guid(value: object) -> bool:
    return not isinstance(value, str) or bool(UUID(value))


@formats.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@formats.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


@dataclass(frozen=True)
class Operation:
    """One operation as published, in the module that publishes it."""

    name: str
    published: dict[str, Any]
    module: "Module"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Method and path of its requests."""
        return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.name)))

    def parameters(self, place: str) -> dict[str, dict[str, Any]]:
        """Those in the path or in the query, by name."""
        return {each["name"]: each for each in self.published["parameters"] if each["in"] == place}


@dataclass(frozen=True)
class Module:
    """The operations and schemas of one file."""

    name: str
    published: dict[str, Any]
    nullable: frozenset[str] = field(repr=False)
    _validators: dict[str, Validator] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def definitions(self) -> dict[str, Any]:
        """All schemas, as JSON Schema has them."""
        return {name: self._translated(schema, name) for name, schema in self.published["schemas"].items()}

    def validator(self, schema: dict[str, Any]) -> Validator:
        """Of values in that published schema."""
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {**self._translated(schema, ""), "$defs": self.definitions}
            self._validators[key] = Draft202012Validator(whole, format_checker=formats)
        return self._validators[key]

    def _translated(self, schema: dict[str, Any], name: str) -> dict[str, Any]:
        may_be_null = schema.get("nullable") or name in self.nullable
        if "$ref" in schema:
            reference = {"$ref": f"#/$defs/{schema['$ref']}"}
            return {"anyOf": [reference, {"type": "null"}]} if may_be_null else reference
        inner = {key: value for key, value in schema.items() if key not in {"nullable", "properties", "items"}}
        if "anyOf" in schema:
            return {"anyOf": [self._translated(choice, name) for choice in schema["anyOf"]]}
        if "items" in schema:
            inner["items"] = self._translated(schema["items"], f"{name}[]")
        if "properties" in schema:
            inner["additionalProperties"] = False
            inner["properties"] = {
                key: self._translated(value, f"{name}.{key}") for key, value in schema["properties"].items()
            }
        if may_be_null and "type" in schema:
            inner["type"] = [schema["type"], "null"]
        return inner


class Contract:
    """All operations. `nullable` names properties that may be null against the schema."""

    def __init__(self, published: dict[str, Any], *, nullable: frozenset[str] = SEEN_AS_NULL) -> None:
        modules = [Module(name, module, nullable) for name, module in published.items()]
        self.operations = [
            Operation(name, operation, module)
            for module in modules
            for name, operation in module.published["operations"].items()
        ]

    @classmethod
    def kept(cls, *, nullable: frozenset[str] = SEEN_AS_NULL) -> "Contract":
        """The contract as the repository holds it."""
        files = (path for path in sorted(KEPT.glob("*.json")) if path.stem not in {"index", "scopes"})
        return cls({path.stem: _parts(json.loads(path.read_text())) for path in files}, nullable=nullable)

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation that a request means."""
        found = [operation for operation in self.operations if operation.pattern.fullmatch(f"{method} {path}")]
        return min(found, key=lambda operation: operation.name.count("{"), default=None)

    def request(self, method: str, path: str, query: Iterable[tuple[str, str]] = (), body: bytes = b"") -> list[str]:
        """What breaks the contract in a request; nothing where all is well."""
        operation = self.operation(method, path)
        if operation is None:
            return [f"nobody publishes {method} {path}"]
        return [*_path(operation, path), *_query(operation, list(query)), *_request_body(operation, body)]

    def response(self, method: str, path: str, status: int, content_type: str, body: bytes) -> list[str]:
        """What breaks the contract in an answer."""
        operation = self.operation(method, path)
        if operation is None and status != 404:
            return [f"nobody publishes {method} {path}"]
        if content_type.partition(";")[0] != "application/json":
            return [f"the answer is {content_type}"]
        try:
            value = json.loads(body)
        except ValueError as error:
            return [f"the answer is no JSON: {error}"]
        if status in GATEWAY_STATUSES and isinstance(value, dict) and "statusCode" in value:
            wrong = [] if value["statusCode"] == status else [f"status {status} calls itself {value['statusCode']}"]
            return wrong + _complaints(Draft202012Validator(GATEWAY_ANSWER), value)
        if operation is None:
            return ["a path that nobody publishes is refused by the gateway"]
        return _answer(operation, status, value)


def _parts(kept: dict[str, Any]) -> dict[str, Any]:
    """Operations by method and path, schemas by name."""
    operations = [part for key, part in kept.items() if key.startswith("operation ")]
    return {
        "operations": {f"{part['method']} {part['path']}": part for part in operations},
        "schemas": {key.removeprefix("schema "): part for key, part in kept.items() if key.startswith("schema ")},
    }


def nulls_against_the_schema(operation: Operation, value: Any) -> set[str]:
    """The properties of a good answer that are null although their schemas do not say so."""
    schemas = operation.module.published["schemas"]

    def walk(schema: dict[str, Any], value: Any, name: str) -> Iterator[str]:
        if value is None:
            yield from () if schema.get("nullable") else (name,)
        elif "$ref" in schema:
            yield from walk(schemas[schema["$ref"]], value, schema["$ref"])
        elif isinstance(value, list):
            for item in value:
                yield from walk(schema["items"], item, f"{name}[]")
        elif isinstance(value, dict):
            for key in value.keys() & schema.get("properties", {}).keys():
                yield from walk(schema["properties"][key], value[key], f"{name}.{key}")

    return set(walk(operation.published["responses"]["200"], value, ""))


def _answer(operation: Operation, status: int, value: Any) -> list[str]:
    responses = operation.published["responses"]
    schema = responses.get(str(status), {"$ref": PROBLEM} if status in PROBLEM_STATUSES else None)
    if schema is None:
        return [f"{operation.name} never answers {status}"]
    if schema == {"$ref": PROBLEM}:
        return _problem(operation, status, value)
    return _complaints(operation.module.validator(schema), value)


def _problem(operation: Operation, status: int, value: Any) -> list[str]:
    complaints = _complaints(operation.module.validator({"$ref": PROBLEM}), value)
    if not complaints and value["status"] != status:
        complaints.append(f"status {status} calls itself {value['status']}")
    return complaints


def _path(operation: Operation, path: str) -> Iterator[str]:
    template = operation.name.partition(" ")[2].split("/")
    known = operation.parameters("path")
    for part, text in zip(template, path.split("/"), strict=True):
        if part.startswith("{"):
            yield from _parameter(operation, known[part[1:-1]], [text])


def _query(operation: Operation, query: list[tuple[str, str]]) -> Iterator[str]:
    known = operation.parameters("query")
    for name in dict(query):
        if name not in known:
            yield f"{operation.name} has no parameter {name!r}"
        else:
            yield from _parameter(operation, known[name], [text for other, text in query if other == name])
    for name, parameter in known.items():
        if parameter.get("required") and name not in dict(query):
            yield f"{operation.name} needs the parameter {name!r}"


def _parameter(operation: Operation, parameter: dict[str, Any], texts: list[str]) -> Iterator[str]:
    schema, named = parameter["schema"], operation.module.published["schemas"]
    if schema.get("type") == "array":
        items = schema["items"]
        value: Any = [_read(text, named.get(items.get("$ref"), items)) for text in texts]
    elif len(texts) > 1:
        yield f"{parameter['name']} is there {len(texts)} times"
        return
    else:
        value = _read(texts[0], named.get(schema.get("$ref"), schema))
    for complaint in _complaints(operation.module.validator(schema), value):
        yield f"{parameter['name']}: {complaint}"


def _read(text: str, schema: dict[str, Any]) -> Any:
    """A parameter's text as the value it stands for; what stands for none stays text, which the schema refuses."""
    kind = schema.get("type")
    if kind == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if kind == "boolean" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return text


def _request_body(operation: Operation, body: bytes) -> list[str]:
    schema = operation.published.get("body")
    if schema is None:
        return [f"{operation.name} takes no body"] if body else []
    try:
        value = json.loads(body)
    except ValueError as error:
        return [f"the body is no JSON: {error}"]
    return _complaints(operation.module.validator(schema), value)


def _complaints(validator: Validator, value: Any) -> list[str]:
    return [
        f"{'/'.join(map(str, error.absolute_path)) or 'all of it'}: {error.message[:300]}"
        for found in validator.iter_errors(value)
        for error in _innermost(found)
    ]


def _innermost(error: ValidationError) -> Iterator[ValidationError]:
    """The only choices are something and null: what is neither is meant to be something."""
    if error.validator != "anyOf":
        yield error
    for inner in error.context:
        if inner.relative_schema_path[0] == 0:
            yield from _innermost(inner)

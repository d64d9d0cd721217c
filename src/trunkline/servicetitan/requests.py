"""A request to one operation, checked against the published contract before anything is sent.

ServiceTitan ignores query parameters and drops fields that it does not know, and answers as if all were well: a typing
mistake would return every customer there is. So nothing that is not published leaves this machine.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec

from trunkline.contract.operations import Operation, Parameter, details
from trunkline.contract.references import resolved
from trunkline.servicetitan import exact
from trunkline.servicetitan.bodies import wrong_in_body
from trunkline.servicetitan.catalog import choices, file_fields, maybe
from trunkline.servicetitan.errors import InvalidRequest

# ServiceTitan's reference of `ids` filters; 200 were answered with 400.
MOST_IDS = 50

_READERS: dict[str, Callable[[str], object]] = {"integer": int, "number": float, "GUID": UUID}

Query = list[tuple[str, str]]


class _Complaint(Exception):
    """What is wrong with a parameter: the rest of a sentence that begins with its name."""


@dataclass(frozen=True)
class PreparedRequest:
    """What goes out: `path` without the tenant filled in, `content` as JSON, `files` as a form."""

    operation: Operation
    path: str
    query: Query
    content: bytes | None = None
    files: dict[str, tuple[str, bytes]] | None = None


def prepare(operation: Operation, parameters: Mapping[str, Any], body: Any = None) -> PreparedRequest:
    """Check and write down a request. Parameters are named as published; `tenant` is not among them.

    Moments are `datetime` with a zone, or text in RFC 3339; lists become what the parameter takes. A body is what JSON
    can hold, with `datetime`, `Decimal` and `UUID` as well; files are bytes, or the `Path` of one.

    Raises:
        InvalidRequest: `errors` says for each parameter and each field of the body what is wrong with it.
    """
    pairs, errors = _written(operation, {name: value for name, value in parameters.items() if value is not None})
    schema = details(operation).body
    files = _files(schema, body)
    content = None if files or body is None else _as_json(body)
    errors |= wrong_in_body(operation, schema, body if content is None else msgspec.json.decode(content))
    if errors:
        first = next(iter(errors.values()))[0]
        more = f" And {len(errors) - 1} more." if len(errors) > 1 else ""
        raise InvalidRequest(f"{first}{more} Nothing was sent.", errors=errors)
    path = operation.path
    for parameter, name, text in pairs:
        if parameter.place == "path":
            path = path.replace(f"{{{name}}}", quote(text, safe=""))
    query = [(name, text) for parameter, name, text in pairs if parameter.place == "query"]
    return PreparedRequest(operation, path, query, content, files)


def _written(
    operation: Operation, given: dict[str, Any]
) -> tuple[list[tuple[Parameter, str, str]], dict[str, list[str]]]:
    """The parameters as they go out, and what is wrong with them by name."""
    known = {parameter.name: parameter for parameter in details(operation).parameters if parameter.name != "tenant"}
    errors = {
        name: [f"{operation.name} has no parameter {name}{maybe(name, known)}"] for name in given.keys() - known.keys()
    }
    pairs: list[tuple[Parameter, str, str]] = []
    for name, parameter in known.items():
        if name in given:
            try:
                pairs += [(parameter, *pair) for pair in _pairs(operation.module, name, parameter.schema, given[name])]
            except _Complaint as error:
                errors[name] = [f"{name} {error}."]
        elif parameter.place == "path" or parameter.required:
            errors[name] = [f"{operation.name} needs {name}."]
    return pairs, errors


def _as_json(body: Any) -> bytes:
    try:
        return exact.encode(body)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest(f"The body is nothing that JSON can hold ({error}). Nothing was sent.") from None


def _pairs(module: str, name: str, schema: dict[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    """What stands for `value` on the wire: names with texts. Raises `_Complaint`.

    How dictionaries and objects are written is not published; here it is as the framework in which ServiceTitan is
    written reads them.
    """
    schema = resolved(module, schema)
    several = isinstance(value, list | tuple | set | frozenset)
    match schema.get("type"):
        case "object":
            if not isinstance(value, Mapping):
                raise _Complaint("takes names with values")
            fields = schema.get("properties")
            for key, inner in value.items():
                if fields is None:
                    yield f"{name}[{key}]", str(inner)
                elif key in fields:
                    yield from _pairs(module, f"{name}.{key}", fields[key], inner)
                else:
                    raise _Complaint(f"has no {key}{maybe(key, fields).removesuffix('.')}")
        case "array":
            objects = resolved(module, schema["items"]).get("type") == "object"
            for number, one in enumerate(value if several else str(value).split(",")):
                yield from _pairs(module, f"{name}[{number}]" if objects else name, schema["items"], one)
        case "string" if several:
            _require_few(name, len(value))
            yield name, ",".join(_text(module, schema, one) for one in value)
        case _ if several:
            raise _Complaint("takes one value, not several")
        case _:
            _require_few(name, str(value).count(",") + 1)
            yield name, _text(module, schema, value)


def _require_few(name: str, number: int) -> None:
    if name == "ids" and number > MOST_IDS:
        raise _Complaint(f"takes at most {MOST_IDS} ids, not {number}: ask several times")


def _text(module: str, schema: dict[str, Any], value: Any) -> str:
    words = choices(module, schema)
    if words:
        text = str(value)
        if text not in words:
            raise _Complaint(f"is one of {', '.join(words)}, not {text}")
        return text
    kind, shape = schema.get("type"), schema.get("format")
    if kind == "boolean":
        return _switch(value)
    if shape in {"date-time", "date"}:
        return _moment(value, shape)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | UUID):
        raise _Complaint(f"takes {_article(kind)}, not {value!r}")
    text = str(value)
    if not text:
        raise _Complaint("is empty: leave it out instead")
    expected = "GUID" if shape == "guid" else kind or ""
    try:
        _READERS.get(expected, str)(text)
    except ValueError:
        raise _Complaint(f"takes {_article(expected)}, not {text!r}") from None
    return text


def _switch(value: Any) -> str:
    text = str(value).lower()
    if text not in {"true", "false"}:
        raise _Complaint(f"is true or false, not {value!r}")
    return text


def _moment(value: Any, shape: str) -> str:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _Complaint(f"takes a moment like 2026-03-02T15:00:00Z, not {value!r}") from None
    if isinstance(value, datetime):
        if shape == "date":
            return value.date().isoformat()
        if value.tzinfo is None:
            raise _Complaint(f"needs a time zone: write {value.isoformat()}Z if it is UTC")
        # Some feeds refuse +00:00 (seen by integrators): always Z.
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date) and shape == "date":
        return value.isoformat()
    raise _Complaint(f"takes a moment like 2026-03-02T15:00:00Z, not {value!r}")


def _article(kind: str | None) -> str:
    return {"integer": "a whole number", "number": "a number", "GUID": "a GUID"}.get(kind or "", "text")


def _files(schema: dict[str, Any] | None, body: Any) -> dict[str, tuple[str, bytes]] | None:
    """The files of a body that uploads some."""
    names = file_fields(schema)
    if not names or not isinstance(body, Mapping):
        return None
    files = {}
    for name, value in body.items():
        if name in names and isinstance(value, Path):
            files[name] = (value.name, value.read_bytes())
        elif name in names and isinstance(value, bytes):
            files[name] = (name, value)
    return files or None

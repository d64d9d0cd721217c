"""What clients send, held against the published schema: unknown fields are dropped, wrong ones refused by name."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from trunkline.contract.operations import Operation, details
from trunkline.contract.references import Schema, resolved
from trunkline.sandbox.servicetitan.exchange import Call, Problem, invalid
from trunkline.sandbox.servicetitan.invented import stamp

_SPAN = re.compile(r"(\d+\.)?\d\d:[0-5]\d:[0-5]\d(\.\d{1,7})?")
_ZONED = re.compile(r".*(Z|[+-]\d\d:\d\d)")


def body_of(call: Call, operation: Operation, *, partial: bool = False) -> Any:
    """The request's body as far as it is published, moments as ServiceTitan writes them; nothing where none is.

    `partial` lets fields be missing that are required.

    Raises:
        Problem: 400, which names the first field that is wrong.
    """
    schema = details(operation).body
    if schema is None:
        return {}
    try:
        given = msgspec.json.decode(call.body or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(400, "The request body is not valid JSON.") from None
    return _Reader(operation.module, partial=partial).read(schema, given, "")


class _Reader:
    def __init__(self, module: str, *, partial: bool) -> None:
        self._module, self._partial = module, partial

    def read(self, schema: Schema, given: Any, name: str) -> Any:
        """What is given, if it is in the schema; `name` is the way to it, as in ``items[0].price``."""
        schema = resolved(self._module, schema)
        if given is None and schema.get("nullable"):
            return None
        kind = schema.get("type", "object")
        if kind == "object":
            return self._object(schema, given, name)
        if kind == "array":
            if not isinstance(given, list):
                raise invalid(name or "body", "A list is expected.")
            return [self.read(schema["items"], each, f"{name}[{k}]") for k, each in enumerate(given)]
        return _scalar(schema, given, name)

    def _object(self, schema: Schema, given: Any, name: str) -> Any:
        if not isinstance(given, dict):
            raise invalid(name or "body", "An object is expected.")
        inside = schema.get("properties", {})
        if not inside:
            return given
        for needed in schema.get("required", ()):
            if needed not in given and not self._partial:
                raise invalid(_join(name, needed), f"The {needed} field is required.")
        return {key: self.read(inside[key], value, _join(name, key)) for key, value in given.items() if key in inside}


def _join(outer: str, name: str) -> str:
    return f"{outer}.{name}" if outer else name


def _scalar(schema: Schema, given: Any, name: str) -> Any:
    read = _READERS.get((schema["type"], schema.get("format", ""))) or _READERS[schema["type"], ""]
    try:
        found = read(given)
    except (ValueError, TypeError):
        raise invalid(name or "body", f"The value {str(given)[:50]!r} is not valid.") from None
    if "enum" in schema and found not in schema["enum"]:
        raise invalid(name or "body", f"The value {str(given)[:50]!r} is not valid.")
    return found


def _of(kind: type | tuple[type, ...]) -> Callable[[Any], Any]:
    def read(given: Any) -> Any:
        if not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool):
            raise TypeError
        return given

    return read


def _whole(bits: int) -> Callable[[Any], int]:
    def read(given: Any) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not -(2 ** (bits - 1)) <= given < 2 ** (bits - 1):
            raise ValueError
        return given

    return read


def _moment(given: Any) -> str:
    if not _ZONED.fullmatch(given):
        raise ValueError
    return stamp(datetime.fromisoformat(given).astimezone(UTC))


def _day(given: Any) -> str:
    return datetime.fromisoformat(given).date().isoformat()


def _span(given: Any) -> str:
    if not _SPAN.fullmatch(given):
        raise ValueError
    return str(given)


_READERS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("string", ""): _of(str),
    ("string", "date-time"): _moment,
    ("string", "date"): _day,
    ("string", "duration"): _span,
    ("string", "guid"): lambda given: str(UUID(_of(str)(given))),
    ("integer", ""): _whole(64),
    ("integer", "int32"): _whole(32),
    ("number", ""): _of((int, float)),
    ("boolean", ""): _of(bool),
}

"""Rows in any published shape: what is known of them, and for the rest what the field names suggest.

The same field of the same row is the same in a list, in an export feed and by itself, since what is made up depends on
the row and the field alone.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from trunkline.contract.references import Schema, resolved
from trunkline.sandbox.servicetitan.generic.shapes import properties
from trunkline.sandbox.servicetitan.generic.subject import Subject
from trunkline.sandbox.servicetitan.generic.words import UNSET, entity, rule
from trunkline.sandbox.servicetitan.invented import Row, mix, stamp

DEEPEST = 5
MISSING: Any = object()
"""Nothing is known, not even that there is nothing."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

_EMPTY = {"boolean": False, "number": 0.0}
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def render(module: str, schema: Schema, subject: Subject, given: Any = MISSING) -> Any:
    """A value in `schema`: what is `given` as far as it fits, and made up otherwise."""
    schema = resolved(module, schema)
    if "anyOf" in schema:
        return render(module, _choice(schema, subject), subject, given)
    if given is None and schema.get("nullable"):
        return None
    kind = schema.get("type", "object")
    if kind == "object":
        return _object(module, schema, subject, given)
    if kind == "array":
        return _array(module, schema, subject, given)
    found = _fitting(schema, given)
    return _scalar(schema, subject) if found is MISSING else found


def _object(module: str, schema: Schema, subject: Subject, given: Any) -> Any:
    known = given if isinstance(given, dict) else {}
    if given is MISSING and schema.get("nullable") and _left_out(subject):
        return None
    return {
        name: render(module, inner, subject.part(name), _known(name, known))
        for name, inner in properties(module, schema).items()
    }


def _known(name: str, known: Row) -> Any:
    """What is known under a name: itself, or an object of which only the id is known."""
    if name in known:
        return known[name]
    return {"id": known[f"{name}Id"]} if known.get(f"{name}Id") is not None else MISSING


def _array(module: str, schema: Schema, subject: Subject, given: Any) -> Any:
    if isinstance(given, list):
        return [render(module, schema["items"], subject.part(str(k)), each) for k, each in enumerate(given)]
    if given is MISSING and schema.get("nullable") and _left_out(subject):
        return None
    empty = subject.blank or len(subject.way) >= DEEPEST or subject.way[-1:] in {("customFields",), ("externalData",)}
    return [] if empty else [render(module, schema["items"], subject.part("0"))]


def _left_out(subject: Subject) -> bool:
    """Whether something that may be null is null."""
    if subject.blank or len(subject.way) >= DEEPEST or UNSET.fullmatch(subject.way[-1] if subject.way else ""):
        return True
    return entity(_reference(subject)) is None and subject.dice() % 4 == 0


def _reference(subject: Subject) -> str:
    """The name that tells what is referred to: the field's own, or for an id or a name that of the object around it."""
    names = [part for part in subject.way if not part.isdecimal()]
    inner = len(names) > 1 and names[-1] in {"id", "name", "number", "displayName"}
    return names[-2 if inner else -1] if names else ""


def _choice(schema: Schema, subject: Subject) -> Schema:
    """One of several schemas; the first of them may lead deeper, the others do not."""
    choices = schema["anyOf"]
    found: Schema = choices[1 + subject.dice() % (len(choices) - 1)]
    return found


def _fitting(schema: Schema, given: Any) -> Any:
    """What is given, if the schema allows it; amounts become text where the schema says so."""
    kind = schema["type"]
    if kind == "string" and isinstance(given, (int, float)) and not isinstance(given, bool):
        given = f"{given:.2f}" if isinstance(given, float) else str(given)
    if isinstance(given, bool) is not (kind == "boolean") or not isinstance(given, _KINDS[kind]):
        return MISSING
    if "enum" in schema and given not in schema["enum"]:
        return MISSING
    return _dated(given, schema.get("format")) if isinstance(given, str) else given


def _dated(given: str, wanted: str | None) -> str:
    """A day becomes its midnight where a moment belongs, and a moment its day."""
    if wanted == "date-time" and _DAY.fullmatch(given):
        return f"{given}T00:00:00.0000000Z"
    return given[:10] if wanted == "date" else given


def _scalar(schema: Schema, subject: Subject) -> Any:
    field = next((part for part in reversed(subject.way) if not part.isdecimal()), "")
    if schema.get("nullable") and _left_out(subject):
        return None
    if "enum" in schema:
        return schema["enum"][0 if subject.blank else subject.dice() % len(schema["enum"])]
    if subject.blank and schema["type"] in _EMPTY:
        return field in {"active", "isActive"} if schema["type"] == "boolean" else _EMPTY[schema["type"]]
    referred = _referred(schema, subject)
    return _by_name(schema, subject, field) if referred is MISSING else referred


def _by_name(schema: Schema, subject: Subject, field: str) -> Any:
    for make in rule(field):
        found = _fitting(schema, _whole_number(schema, make(subject)))
        if found is not MISSING and _well_formed(schema, field, found):
            return found
    return _FALLBACKS.get(schema.get("format", ""), _FALLBACKS[schema["type"]])(subject)


def _referred(schema: Schema, subject: Subject) -> Any:
    """The id or the name of another row, where the field's name, or that of the object around it, says so."""
    field = _reference(subject)
    meant = entity(field)
    if meant is None:
        return MISSING
    stem = re.sub(r"(Ids?|Names?|Numbers?|s)$", "", field)
    row_id = subject.row.get(f"{stem}Id") or meant.id_of(replace(subject, way=(stem,)))
    if schema["type"] == "integer":
        return row_id
    if (
        schema["type"] != "string"
        or schema.get("format") not in {None, "html", "multiline"}
        or subject.way[-1].lower().endswith("id")
    ):
        return MISSING
    row = subject.world.find(meant.table, row_id) or {}
    return str(row.get("name") or row.get("jobNumber") or row_id)


def _whole_number(schema: Schema, value: Any) -> Any:
    return int(value) if isinstance(value, float) and schema["type"] == "integer" else value


def _well_formed(schema: Schema, field: str, value: Any) -> bool:
    """A moment is one only where a moment belongs, and nothing else is."""
    wanted = schema.get("format")
    if isinstance(value, str) and _DAY.match(value):
        return wanted in {"date-time", "date"} or field.endswith("Date")
    return wanted not in {"date-time", "date", "duration", "guid"}


_FALLBACKS: dict[str, Callable[[Subject], Any]] = {
    "date-time": lambda subject: stamp(subject.moment),
    "date": lambda subject: stamp(subject.moment)[:10],
    "duration": lambda subject: f"{8 + subject.dice() % 8:02d}:00:00",
    "guid": lambda subject: str(UUID(int=mix(subject.rows.seed, subject.dice() % 2**32, 1) << 64 | subject.dice())),
    "string": lambda subject: "" if subject.blank else f"{subject.label} {subject.number}",
    "integer": lambda subject: 1 + subject.dice() % 9,
    "number": lambda subject: float(subject.dice() % 100),
    "boolean": lambda subject: subject.dice() % 4 == 0,
}

"""Answers as they should never be: cut off, or no longer what the contract says."""

from collections.abc import Callable
from typing import Any

import msgspec

from trunkline.contract.operations import Operation, details
from trunkline.contract.references import Schema, resolved

UNPUBLISHED = "Unpublished"
"""A word that stands in no enumeration."""
_DRIFTS = ("extra-fields", "null-required", "unknown-word")


def spoilt(operation: Operation, body: bytes, hits: Callable[[str], bool]) -> bytes:
    """The answer with the faults that hit it: drift in its rows, or two thirds of its bytes."""
    drifts = {kind for kind in _DRIFTS if hits(kind)}
    answer = details(operation).answer
    if drifts and body and answer and "content" not in answer:
        value = msgspec.json.decode(body)
        whole = resolved(operation.module, answer)
        if isinstance(value, dict) and "data" in value:
            value["data"] = _drifted(operation.module, whole["properties"]["data"], value["data"], drifts)
        else:
            value = _drifted(operation.module, whole, value, drifts)
        body = msgspec.json.encode(value)
    return body[: len(body) * 2 // 3] if hits("truncated") else body


def _drifted(module: str, schema: Schema, value: Any, drifts: set[str]) -> Any:
    schema = resolved(module, schema)
    if isinstance(value, list):
        return [_drifted(module, schema.get("items", {}), each, drifts) for each in value]
    if isinstance(value, dict):
        return _drifted_object(module, schema, value, drifts)
    return UNPUBLISHED if "enum" in schema and value is not None and "unknown-word" in drifts else value


def _drifted_object(module: str, schema: Schema, value: dict[str, Any], drifts: set[str]) -> dict[str, Any]:
    inside = schema.get("properties", {})
    found = {name: _drifted(module, inside.get(name, {}), each, drifts) for name, each in value.items()}
    if "null-required" in drifts:
        needed = (name for name in schema.get("required", ()) if not name.lower().endswith("id"))
        found |= {name: None for name in needed if not resolved(module, inside[name]).get("nullable")}
    if "extra-fields" in drifts:
        found["unpublishedField"] = {"since": "2026-03-02", "items": [1, 2]}
    return found

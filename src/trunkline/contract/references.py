"""References between published schemas: ``$ref`` in a schema is the name of another one in its module."""

from collections.abc import Mapping
from typing import Any

from trunkline.contract.operations import schemas

Schema = dict[str, Any]


def resolved(module: str, schema: Schema) -> Schema:
    """A schema with its reference followed; what stands beside the reference, as `nullable`, is kept."""
    while "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        named = schemas(module)[schema["$ref"]]
        schema = named | beside if beside else named
    return schema


def used(named: Mapping[str, Schema], *parts: Any) -> dict[str, Schema]:
    """Those of the schemas `named` that `parts` refer to, themselves or by way of others."""
    found: dict[str, Schema] = {}
    waiting: list[Any] = list(parts)
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = part.get("$ref")
            if isinstance(name, str) and name not in found:
                found[name] = named[name]
                waiting.append(named[name])
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return found

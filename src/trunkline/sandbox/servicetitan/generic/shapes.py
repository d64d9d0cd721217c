"""Reading the published schemas: what a reference leads to, and what an answer is made of."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from trunkline.contract.operations import Operation, details
from trunkline.contract.references import Schema, resolved

Wrapping = Literal["page", "feed", "data", "bare", "one", "nothing"]


def properties(module: str, schema: Schema) -> dict[str, Schema]:
    """The properties of an object, by name."""
    found: dict[str, Schema] = resolved(module, schema).get("properties", {})
    return found


@dataclass(frozen=True)
class Shape:
    """How an operation answers: `item` is the schema of one row, or of the whole answer where it has no rows."""

    module: str
    wrapping: Wrapping
    item: Schema

    @property
    def names(self) -> dict[str, Schema]:
        """The properties of one row."""
        return properties(self.module, self.item)


# Opportunities are published without answers; these are the fewest fields that rows can have.
_UNPUBLISHED: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "format": "int64"},
        "active": {"type": "boolean"},
        "jobId": {"type": "integer", "format": "int64"},
        "customerId": {"type": "integer", "format": "int64"},
        "createdOn": {"type": "string", "format": "date-time"},
        "modifiedOn": {"type": "string", "format": "date-time"},
    },
}


@cache
def shape(operation: Operation) -> Shape:
    """How `operation` answers when all is well."""
    module, answer = operation.module, details(operation).answer
    if operation.scope == "Opportunities":
        feed: Wrapping = "feed" if operation.exports else "page"
        return Shape(module, "one" if operation.path.endswith("{id}") else feed, _UNPUBLISHED)
    if answer is None:
        return Shape(module, "nothing", {})
    whole = resolved(module, answer)
    if whole.get("type") == "array":
        return Shape(module, "bare", whole["items"])
    inside = whole.get("properties", {})
    if "data" not in inside:
        return Shape(module, "one", answer)
    rows = resolved(module, inside["data"])["items"]
    return Shape(module, "feed" if "continueFrom" in inside else "page" if "page" in inside else "data", rows)


@cache
def status(operation: Operation) -> int:
    """The published status of a good answer."""
    return next((int(code) for code in details(operation).responses if code.startswith("2")), 200)

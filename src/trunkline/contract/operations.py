"""Every operation that ServiceTitan publishes, by name.

The index is read at the first use; what a module's operations take and answer only when one of them is looked at.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

import msgspec

View = Literal["View", "Modify"]

_PUBLISHED = files(__package__) / "published"


class Scope(msgspec.Struct, frozen=True):
    """A scope as the developer portal names it, and the module it belongs to."""

    name: str
    module: str


class Operation(msgspec.Struct, frozen=True):
    """One operation. `path` begins with the module, as in ``crm/v2/tenant/{tenant}/customers``.

    `scope` is the portal's name of what the app needs, `None` where nothing that the app is registered for covers it.
    `exports` marks export feeds; `empty` those that answer without a body.
    """

    name: str
    method: str
    path: str
    scope: str | None
    exports: bool
    empty: bool

    @property
    def module(self) -> str:
        """The first part of the path."""
        return self.path.partition("/")[0]

    @property
    def right(self) -> View:
        """What the scope must allow: reading is View; all else is Modify, also where it only reads by POST."""
        return "View" if self.method == "GET" else "Modify"


class Parameter(msgspec.Struct, frozen=True, rename={"place": "in"}):
    """One parameter in the path or in the query; `schema` is as OpenAPI 3.0 has it."""

    name: str
    place: Literal["path", "query"]
    schema: dict[str, Any]
    required: bool = False


class Details(msgspec.Struct, frozen=True):
    """What an operation takes and answers. Answers are schemas by status; `None` is an answer without a body."""

    parameters: tuple[Parameter, ...]
    responses: dict[str, dict[str, Any] | None]
    body: dict[str, Any] | None = None

    @property
    def answer(self) -> dict[str, Any] | None:
        """The schema of a good answer."""
        return next((schema for status, schema in self.responses.items() if status.startswith("2")), None)


@cache
def operations() -> Mapping[str, Operation]:
    """All of them, by name, in alphabetical order."""
    rows = msgspec.json.decode((_PUBLISHED / "index.json").read_bytes(), type=dict[str, dict[str, Any]])
    return MappingProxyType({name: msgspec.convert({"name": name, **row}, Operation) for name, row in rows.items()})


@cache
def scopes() -> tuple[Scope, ...]:
    """The scopes that the app is registered for."""
    rows = msgspec.json.decode((_PUBLISHED / "scopes.json").read_bytes(), type=dict[str, dict[str, str]])
    return tuple(Scope(name, row["module"]) for name, row in rows.items())


@cache
def details(operation: Operation) -> Details:
    """What `operation` takes and answers."""
    return msgspec.convert(_module(operation.module)[f"operation {operation.name}"], Details)


@cache
def schemas(module: str) -> Mapping[str, dict[str, Any]]:
    """A module's named schemas; ``$ref`` in a schema is such a name."""
    prefix = "schema "
    return {key.removeprefix(prefix): part for key, part in _module(module).items() if key.startswith(prefix)}


@cache
def _module(name: str) -> dict[str, dict[str, Any]]:
    return msgspec.json.decode((_PUBLISHED / f"{name}.json").read_bytes(), type=dict[str, dict[str, Any]])

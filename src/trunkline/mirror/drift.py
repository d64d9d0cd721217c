"""Where ServiceTitan's rows differ from the published contract: new fields, nulls, other types, new words.

Difference never stops a feed, so looking for it must cost next to nothing: the keys of a row and the types of its
values are its shape, and how a shape differs is remembered. Integrators report that "required" means
no more than that a key is usually there, that enums are open, and that fields come without notice.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from trunkline.contract.references import Schema, resolved
from trunkline.mirror.catalog import Resource
from trunkline.store.rows import Difference

MOST_SHAPES = 5000
MOST_KINDS = 50  # of one page: a list keyed by ids must not fill the database
LONGEST_WORD = 60

_TYPES: Mapping[str, frozenset[type]] = {
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "object": frozenset({dict}),
    "array": frozenset({list}),
}
_NAMES = {str: "text", int: "integer", float: "number", bool: "boolean", dict: "object", list: "list"}


Found = Counter[Difference]


class _Field(NamedTuple):
    types: frozenset[type] | None  # None: the contract leaves it open
    null: bool
    expected: str


class _Values:
    """What is below one field: an object, the items of a list, or a word of an enum."""

    def __init__(self, schema: Schema, module: str, known: dict[str, "_Shapes"]) -> None:
        self._words: frozenset[str] = frozenset(schema.get("enum", ()))
        self._items: _Values | None = None
        self._shapes: _Shapes | None = None
        if schema.get("type") == "array":
            items = _Values(_named(schema.get("items", {}), module), module, known)
            self._items = items if items.worth else None
        elif "properties" in schema:
            self._shapes = _shapes(schema, module, known)

    @property
    def worth(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._words) or self._items is not None or self._shapes is not None

    def look(self, value: Any, path: str, found: Found) -> None:
        """Note what differs; values of another type were noted already."""
        if self._shapes is not None:
            if type(value) is dict:
                self._shapes.look(value, f"{path}.", found)
        elif self._items is not None:
            if type(value) is list:
                for item in value:
                    self._items.look(item, f"{path}[]", found)
        elif type(value) is str and value not in self._words:
            found[Difference(path, "word", value[:LONGEST_WORD])] += 1


class _Shapes:
    """One object of the contract, and how the shapes of it that were seen differ."""

    def __init__(self) -> None:
        self._fields: dict[str, _Field] = {}
        self._required: frozenset[str] = frozenset()
        self._deep: list[tuple[str, _Values]] = []
        self._known: dict[tuple[object, ...], list[Difference]] = {}

    def learn(self, schema: Schema, module: str, known: dict[str, "_Shapes"]) -> None:
        """Take the schema in; apart from the constructor, since objects may contain themselves."""
        self._required = frozenset(schema.get("required", ()))
        for name, written in schema["properties"].items():
            field = _named(written, module)
            kind = field.get("type", "")
            null = bool(field.get("nullable")) or name not in self._required
            self._fields[name] = _Field(_TYPES.get(kind), null, kind)
            below = _Values(field, module, known)
            if below.worth:
                self._deep.append((name, below))

    def look(self, value: dict[str, Any], path: str, found: Found) -> None:
        """Note what differs in one object and in all below it."""
        shape = (*value, *map(type, value.values()))
        differences = self._known.get(shape)
        if differences is None:
            differences = self._examine(value)
            if len(self._known) < MOST_SHAPES:
                self._known[shape] = differences
        for name, kind, detail in differences:
            found[Difference(path + name, kind, detail)] += 1
        for name, below in self._deep:
            inner = value.get(name)
            if inner is not None:
                below.look(inner, path + name, found)

    def _examine(self, value: dict[str, Any]) -> list[Difference]:
        """What differs in one object itself: its shape alone decides that."""
        differences = [Difference(name, "missing") for name in self._required if name not in value]
        for name, inner in value.items():
            field = self._fields.get(name)
            if field is None:
                differences.append(Difference(name, "field"))
            elif inner is None:
                if not field.null:
                    differences.append(Difference(name, "null"))
            elif field.types is not None and type(inner) not in field.types:
                came = _NAMES.get(type(inner), "other")
                differences.append(Difference(name, "type", f"{came} instead of {field.expected}"))
        return differences


def _named(schema: Schema, module: str) -> Schema:
    """Follow a reference, but remember its name: it tells objects that contain themselves."""
    name = schema.get("$ref")
    return resolved(module, schema) | ({"x-name": name} if name else {})


def _shapes(schema: Schema, module: str, known: dict[str, _Shapes]) -> _Shapes:
    name = schema.get("x-name")
    if name in known:
        return known[name]
    made = _Shapes()
    if name:
        known[name] = made
    made.learn(schema, module, known)
    return made


class Contract:
    """What the contract says of one resource's rows, ready to be compared with."""

    def __init__(self, resource: Resource) -> None:
        self._shapes = _shapes(resource.item, resource.operation.module, {}) if "properties" in resource.item else None

    def compare(self, row: dict[str, Any], found: Found) -> None:
        """Note what differs in a row; nothing where the contract says nothing."""
        if self._shapes is not None:
            self._shapes.look(row, "", found)


def commonest(found: Found) -> Found:
    """As much of what was found on a page as is kept."""
    return Counter(dict(found.most_common(MOST_KINDS))) if len(found) > MOST_KINDS else found

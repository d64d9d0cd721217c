"""Operations by name, and which of them this app may use."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import Any

from trunkline.contract.operations import Operation, details, operations
from trunkline.contract.references import resolved
from trunkline.servicetitan.errors import NotRegistered, UnknownOperation

# Lists take pages of up to 5,000 rows (partner portal, "Timeouts and pagination"). Those of journal entries publish a
# lower limit; form submissions run out of memory in larger pages (seen by integrators).
LARGEST_PAGE = 5000
_SMALLER_PAGES = {
    "accounting.journal_entries.list": 500,
    "accounting.journal_entries.get_details": 500,
    "accounting.journal_entries.get_summary": 500,
    "forms.submissions.list": 500,
}


def largest_page(operation: Operation) -> int | None:
    """How many rows a page of this list may have; `None` where it has no pages."""
    if not any(parameter.name == "pageSize" for parameter in details(operation).parameters):
        return None
    return _SMALLER_PAGES.get(operation.name, LARGEST_PAGE)


def find(name: str) -> Operation:
    """The operation called `name`, as in ``crm.customers.list``.

    Raises:
        UnknownOperation: there is none; the message names those that sound alike.
    """
    found = operations().get(name)
    if found is None:
        raise UnknownOperation(f"ServiceTitan has no operation called {name}{maybe(name, operations())}")
    return found


def require_registered(operation: Operation) -> None:
    """See that a scope of ours covers `operation`.

    Raises:
        NotRegistered: none does.
    """
    if operation.scope is None:
        raise NotRegistered(
            f"{operation.name} is covered by no scope that this app is registered for: register one in the developer"
            " portal, and set allow_unregistered for the tenant."
        )


def meant_by(method: str, path: str) -> Operation | None:
    """The operation that a request to `path` means; `path` may still hold ``{tenant}``."""
    found = [one for one in operations().values() if one.method == method and _pattern(one.path).fullmatch(path)]
    return min(found, key=lambda operation: operation.path.count("{"), default=None)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


def choices(module: str, schema: dict[str, Any]) -> tuple[str, ...]:
    """The words that a published parameter or field takes, where only certain ones are."""
    return tuple(str(word) for word in resolved(module, schema).get("enum", ()) if word is not None)


def file_fields(schema: dict[str, Any] | None) -> frozenset[str]:
    """The fields of a body that are files."""
    fields = (schema or {}).get("properties", {}).items()
    return frozenset(name for name, field in fields if field.get("format") == "binary")


def maybe(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about a word that nobody knows: what may have been meant."""
    near = get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else "."

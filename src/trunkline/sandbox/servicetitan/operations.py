"""The operations that the sandbox serves: all that a scope of the app covers, and what answers them."""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from trunkline.contract.codes import granting
from trunkline.contract.operations import Operation, operations
from trunkline.sandbox.servicetitan import handmade
from trunkline.sandbox.servicetitan.exchange import Answer
from trunkline.sandbox.servicetitan.generic.answers import answer_of
from trunkline.sandbox.servicetitan.generic.plans import parameter_schema
from trunkline.sandbox.servicetitan.generic.shapes import status

HIDDEN = frozenset(
    {
        "accounting.payments.create", "jpm.jobs.complete", "jpm.jobs.create_message", "jpm.jobs.hold",
        "jpm.projects.create_message", "telecom.opt_outs.create", "telecom.opt_outs.find", "telecom.opt_outs.list",
    }
)  # fmt: skip
"""Operations that the portal does not show: apps may be refused them."""
_PARAMETERS = {"int64": "[0-9]{1,18}", "int32": "[0-9]{1,9}", "guid": "[0-9a-fA-F-]{36}"}


@dataclass(frozen=True)
class Route:
    """An operation on the wire: the paths that mean it, the scopes that open it, and how it answers."""

    operation: Operation
    pattern: re.Pattern[str]
    grants: frozenset[str]
    status: int
    answer: Answer


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The operation that serves `path`, with the path's parameters."""
    for route in _routes().get((method, path.count("/")), ()):
        if match := route.pattern.fullmatch(path):
            return route, match.groupdict()
    return None


@cache
def _routes() -> dict[tuple[str, int], list[Route]]:
    """By method and length of the path; words come before parameters that might be the same word."""
    found = defaultdict(list)
    for operation in sorted(operations().values(), key=lambda one: re.sub(r"\{\w+\}", "~", one.path)):
        if operation.scope:
            found[operation.method, operation.path.count("/") + 1].append(_route(operation))
    return found


def _route(operation: Operation) -> Route:
    pattern = re.sub(r"\{(\w+)\}", lambda found: _parameter(operation, found[1]), operation.path)
    answer = handmade.ANSWERS.get(operation.name) or answer_of(operation)
    return Route(operation, re.compile(f"/{pattern}"), frozenset(granting(operation)), status(operation), answer)


def _parameter(operation: Operation, name: str) -> str:
    schema = parameter_schema(operation, name)
    return f"(?P<{name}>{_PARAMETERS.get(str(schema.get('format')), '[^/]+')})"

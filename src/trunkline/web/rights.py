"""Who may do what: the roles, the rights that each has, and what is said to whoever lacks one. Pure.

A route names the right that it needs: `@get("/calls", right=Right.DESK)`. One that names none needs `ADMINISTRATION`:
what is new is closed until somebody decides otherwise.
"""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """As whom somebody came in. The values stand in cookies."""

    ADMINISTRATOR = "administrator"
    DISPATCHER = "dispatcher"


class Right(StrEnum):
    """What a route may need."""

    DESK = "desk"
    """Board, calls, lookup, decisions about numbers, health, and raw messages with their numbers masked."""
    WHOLE_NUMBERS = "whole-numbers"
    """Raw messages with their numbers whole."""
    MENDING = "mending"
    """Building calls anew of their messages, and parting joined ones."""
    ADMINISTRATION = "administration"
    """Settings, credentials, scopes, companies, files that hold our keys, and whatever nobody decided about."""


_HELD: Mapping[Role, frozenset[Right]] = {
    Role.ADMINISTRATOR: frozenset(Right),
    Role.DISPATCHER: frozenset({Right.DESK}),
}
_SENTENCES: Mapping[Right, str] = {
    Right.DESK: "This is for people who work at the desk.",
    Right.WHOLE_NUMBERS: "Numbers in raw messages are shown whole to administrators only.",
    Right.MENDING: "Only administrators build calls anew or show them apart.",
    Right.ADMINISTRATION: "This is for administrators only.",
}


def may(role: Role | None, right: Right) -> bool:
    """Whether the role has the right; nobody in particular has none."""
    return role is not None and right in _HELD[role]


def needed(options: Mapping[str, object]) -> Right:
    """The right that a route needs, from the options that it was declared with."""
    right = options.get("right")
    return right if isinstance(right, Right) else Right.ADMINISTRATION


def why_not(right: Right) -> str:
    """One sentence for whoever lacks the right."""
    return _SENTENCES[right]

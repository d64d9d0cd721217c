"""One request as an operation sees it, and what an operation may answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from trunkline.sandbox.servicetitan.choices import Choices
from trunkline.sandbox.servicetitan.world import World

T = TypeVar("T")

INVALID = "One or more validation errors occurred."
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_FIELD = re.compile(r"field `(\w+)`|\$\.(\w+)")


class Problem(Exception):
    """An application error: becomes problem details."""

    def __init__(self, status: int, title: str, errors: dict[str, list[str]] | None = None) -> None:
        super().__init__(title)
        self.status, self.title, self.errors = status, title, errors or {}


def invalid(field: str, complaint: str) -> Problem:
    """A request that is wrong in `field`."""
    return Problem(400, INVALID, {field: [complaint]})


@dataclass(frozen=True)
class Call:
    """One request: the path's parameters, the query, and the body."""

    world: World
    path: dict[str, str]
    query: dict[str, str]
    body: bytes
    content_type: str = ""

    @property
    def choices(self) -> Choices:
        """The answers to what is not known for certain."""
        return self.world.choices

    @property
    def id(self) -> int:
        """The record that the path names."""
        return int(self.path["id"])

    def is_set(self, name: str) -> bool:
        """Whether a switch in the query is on."""
        return self.query.get(name, "").lower() == "true"

    def body_as(self, shape: type[T]) -> T:
        """The body in that shape; fields that nobody knows are dropped, as ServiceTitan does."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=shape)
        except msgspec.ValidationError as error:
            found = _FIELD.search(str(error))
            raise invalid(found[1] or found[2] if found else "body", f"{error}.") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Problem(400, "The request body is not valid JSON.") from None


@dataclass(frozen=True)
class Content:
    """An answer that is no JSON, or comes with another status than the published one."""

    body: bytes = b""
    content_type: str = "application/octet-stream"
    status: int | None = None


Answer = Callable[[Call], bytes | Content]


def integer(name: str, text: str) -> int:
    """A whole number from the query."""
    if not _INTEGER.fullmatch(text):
        raise invalid(name, f"'{text}' is not valid.")
    return int(text)


def moment(name: str, text: str) -> datetime:
    """A date or date-time from the query; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(name, f"'{text}' is not valid.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    """One of a few words from the query."""
    if text not in choices:
        raise invalid(name, f"'{text}' is not valid.")
    return text


def encoded(answer: Any) -> bytes:
    """As JSON."""
    return msgspec.json.encode(answer)

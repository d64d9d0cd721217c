"""Aircall's envelope, whose proof is a token among its members: it is found and cut out before anything is believed."""

from json import JSONDecoder
from typing import Any

import msgspec

_BLANKS = " \t\n\r"
_DECODER = JSONDecoder()


class Envelope(msgspec.Struct, frozen=True):
    """`rest` is the body with the token emptied, every other byte as sent; `members` is what stands beside it."""

    token: str
    rest: bytes
    members: dict[str, Any]

    def __repr__(self) -> str:
        return f"Envelope({len(self.rest)} bytes)"


def open_envelope(body: bytes) -> Envelope:
    """The envelope in `body`.

    Raises:
        ValueError: it is no JSON object, has no token, or has a member twice: which to believe is a guess.
    """
    text = body.decode("utf-8")
    members: dict[str, Any] = {}
    where: tuple[int, int] | None = None
    place = _expect(text, _skip(text, 0), "{")
    while True:
        key, place = _value(text, place)
        if not isinstance(key, str) or key in members:
            raise ValueError("a member's name is missing, or there twice")
        begin = _skip(text, _expect(text, place, ":"))
        members[key], place = _value(text, begin)
        if key == "token":
            where = (begin, place)
        place = _skip(text, place)
        if text[place : place + 1] != ",":
            break
        place += 1
    if text[_expect(text, place, "}") :].strip(_BLANKS):
        raise ValueError("something stands behind the object")
    token = members.pop("token", None)
    if where is None or not isinstance(token, str) or not token.isascii():
        raise ValueError("there is no token")
    return Envelope(token, f'{text[: where[0]]}""{text[where[1] :]}'.encode(), members)


def _value(text: str, place: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, _skip(text, place))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _skip(text: str, place: int) -> int:
    while text[place : place + 1] in _BLANKS and place < len(text):
        place += 1
    return place


def _expect(text: str, place: int, sign: str) -> int:
    place = _skip(text, place)
    if text[place : place + 1] != sign:
        raise ValueError(f"a {sign} is missing")
    return place + 1

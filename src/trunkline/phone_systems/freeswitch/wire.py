"""The event socket's framing, and the two forms in which it writes an event.

A message is lines of ``Name: value``, an empty line, and as many bytes as `Content-Length` says, where it does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 16 * 1024 * 1024  # the list of channels has about a kilobyte a channel


class FramingLost(Exception):
    """The peer sends what cannot be an event socket; only a new connection helps."""


@dataclass(frozen=True)
class Message:
    """One message of the event socket."""

    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def kind(self) -> str:
        """Its content type, such as `command/reply`."""
        return self.headers.get("content-type", "")

    @property
    def reply(self) -> str:
        """What a command is answered: `+OK ...` or `-ERR ...`."""
        return self.headers.get("reply-text", "")


class Splitter:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._rest = b""
        self._headers: dict[str, str] | None = None  # of the message whose body is not here yet
        self._length = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes.

        Raises:
            FramingLost: a message has no end, or an impossible length.
        """
        self._rest += data
        while True:
            if self._headers is None and not self._read_head():
                return
            if self._headers is None or len(self._rest) < self._length:
                return
            headers, self._headers = self._headers, None
            body, self._rest = self._rest[: self._length], self._rest[self._length :]
            if headers:
                yield Message(headers, body)

    def _read_head(self) -> bool:
        self._rest = self._rest.lstrip(b"\r\n")  # empty lines between messages are nobody's
        head, end, rest = self._rest.partition(b"\n\n")
        if len(head) > LARGEST_HEAD:
            raise FramingLost("The peer sent a message without end; it does not speak the event socket's protocol.")
        if not end:
            return False
        self._headers = {name.lower(): value for name, value in _lines(head)}
        self._length = _length(self._headers.get("content-length", "0"))
        self._rest = rest
        return True


class Event:
    """One event, in whichever form it came. Names are as FreeSWITCH writes them; what is not there is empty."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def get(self, name: str) -> str:
        """The value of a header; of one with several values the first."""
        return text_of(self._values.get(name))

    def all(self, name: str) -> list[str]:
        """Every value of a header that has several."""
        value = self._values.get(name)
        return [text_of(one) for one in value] if isinstance(value, list) else [self.get(name)]

    def variable(self, name: str) -> str:
        """A channel variable."""
        return self.get(f"variable_{name}")

    def number(self, name: str) -> int:
        """A header that holds a whole number, 0 where it does not."""
        return whole(self.get(name))

    @property
    def name(self) -> str:
        """What kind of event it is; empty for what is no event."""
        return self.get("Event-Name")

    @property
    def values(self) -> Mapping[str, object]:
        """Everything it says."""
        return self._values


def read_event(body: bytes) -> Event:
    """The event in `body`: JSON, or lines whose values are percent-encoded. Lines that are none are passed over.

    Raises:
        ValueError: it is broken JSON.
    """
    if body.lstrip()[:1] == b"{":
        try:
            return Event(msgspec.json.decode(body, type=dict[str, object]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"its JSON cannot be read: {error}") from None
    head, _, inner = body.partition(b"\n\n")
    values: dict[str, object] = {}
    for name, value in _lines(head):
        values.setdefault(name, unquote(value, errors="replace"))
    length = whole(text_of(values.get("Content-Length")))
    if length:
        values["_body"] = inner[:length].decode("utf-8", errors="replace")
    return Event(values)


def text_of(value: object) -> str:
    """A header's value as text: JSON has text, and a list where a header has several values."""
    if isinstance(value, list):
        return text_of(value[0]) if value else ""
    return value if isinstance(value, str) else "" if value is None else str(value)


def whole(text: str) -> int:
    """A whole number of seconds or microseconds since 1970, 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _lines(head: bytes) -> Iterator[tuple[str, str]]:
    for line in head.decode("utf-8", errors="replace").split("\n"):
        name, colon, value = line.rstrip("\r").partition(":")
        if colon and name.strip():
            yield name.strip(), value.strip()


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > LARGEST_BODY:
        raise FramingLost("The peer announced an impossible length; it does not speak the event socket's protocol.")
    return int(text)

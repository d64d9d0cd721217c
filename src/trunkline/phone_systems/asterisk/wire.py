"""AMI's framing: lines of ``Key: Value``, a message ends with an empty line."""

from collections.abc import Iterator, Mapping

LARGEST_FRAME = 256 * 1024


class FramingLost(Exception):
    """The peer sends what cannot be AMI; only a new connection helps."""


class Frame:
    """One message. Keys are case-insensitive; where a key repeats, the first value counts, `all` gives the others."""

    __slots__ = ("_pairs", "_values")

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self._values: dict[str, str] = {}
        for key, value in pairs:
            self._values.setdefault(key, value)

    def get(self, key: str) -> str:
        """The value of `key` (lower case), or nothing."""
        return self._values.get(key, "")

    def all(self, key: str) -> list[str]:
        """Every value of a key that repeats."""
        return [value for name, value in self._pairs if name == key]

    @property
    def event(self) -> str:
        """The event's name; empty for answers to our own requests."""
        return self.get("event")


def read_frame(body: bytes) -> Frame:
    """The frame in `body`; lines without a colon are passed over, since one bad line must not cost the others."""
    pairs = []
    for line in body.decode("utf-8", errors="replace").split("\n"):
        key, colon, value = line.rstrip("\r").partition(":")
        if colon:
            pairs.append((key.strip().lower(), value.removeprefix(" ")))
    return Frame(pairs)


def write_frame(fields: Mapping[str, str]) -> bytes:
    """A request; line breaks in values would smuggle in further fields, so they are taken out."""
    lines = [f"{key}: {value}".replace("\r", " ").replace("\n", " ") for key, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Splitter:
    """Cuts a stream of bytes into the bodies of frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that `data` completes.

        Raises:
            FramingLost: a frame grew beyond all measure.
        """
        *frames, self._rest = (self._rest + data).split(b"\r\n\r\n")
        if len(self._rest) > LARGEST_FRAME:
            raise FramingLost("The peer sent a message without end; it does not speak AMI.")
        for frame in frames:
            if frame.strip():
                yield frame

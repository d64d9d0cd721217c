"""From the bytes of one connection to messages, one for each line."""

import re
from collections.abc import Callable
from datetime import date, datetime

from trunkline.phone_systems.base import RawMessage, Unreadable
from trunkline.phone_systems.delivery import fingerprint
from trunkline.phone_systems.smdr.notes import Note, Notebook, Repeats
from trunkline.phone_systems.smdr.segment import Segment

LONGEST_LINE = 4096
_ENDS = re.compile(rb"[\r\n\x0b\x0c]+")
# What a Telnet server says to a Telnet client: not a line's text.
_TELNET = re.compile(rb"\xff(?:[\xfb-\xfe].|\xfa.*?\xff\xf0|[\xf0-\xf9])", re.DOTALL)

Understand = Callable[[str, datetime], Segment | None]
Local = Callable[[datetime], date]


def text_of(body: bytes) -> str:
    """A line's text. Nobody documents the encoding: UTF-8 where it is that, else ISO 8859-1, which anything is."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1")


def without_telnet(data: bytes) -> bytes:
    """What a Telnet client shows of `data`."""
    return _TELNET.sub(b"", data)


class Receiver:
    """One connection's bytes. A line that came in halves is put together; NULs, form feeds, blank lines and headers are
    dropped; whatever else has an end is a message, whether it can be understood or not.
    """

    def __init__(self, understand: Understand, today: Local, notebook: Notebook, *, is_telnet: bool = False) -> None:
        self._understand = understand
        self._today = today
        self._notebook = notebook
        self._repeats = Repeats()
        self._is_telnet = is_telnet
        self._rest = b""

    def feed(self, data: bytes, now: datetime) -> list[RawMessage]:
        """The lines that `data` ends."""
        *lines, self._rest = _ENDS.split(self._rest + data)
        messages = [self._message(line, now) for line in lines]
        while len(self._rest) > LONGEST_LINE:
            messages.append(self._cut(self._rest[:LONGEST_LINE], now))
            self._rest = self._rest[LONGEST_LINE:]
        return [message for message in messages if message]

    def close(self, now: datetime) -> list[RawMessage]:
        """What is left when the connection ends: half a line, which says nothing safely."""
        rest, self._rest = self._clean(self._rest), b""
        message = self._cut(rest, now) if rest.strip() else None
        return [message] if message else []

    def _clean(self, line: bytes) -> bytes:
        told = without_telnet(line) if self._is_telnet else line
        return told.replace(b"\x00", b"")

    def _cut(self, rest: bytes, now: datetime) -> RawMessage:
        note = Note(cut=True)
        return RawMessage(rest, now, f"{self._today(now)}:{fingerprint(rest)}:cut", note.written())

    def _message(self, raw: bytes, now: datetime) -> RawMessage | None:
        body = self._clean(raw)
        line = text_of(body)
        if not line.strip():
            return None
        note, day = Note(), self._today(now)
        try:
            segment = self._understand(line, now)
        except Unreadable:
            pass  # it is kept, and says so when it is read
        else:
            if segment is None:
                return None
            note, day = self._notebook.note(segment, line), self._today(segment.started_at)
        again = self._repeats.count(day, line)
        note = Note(note.after_s, note.talked, note.of, again)
        return RawMessage(body, now, f"{day}:{fingerprint(body)}:{again}", note.written())

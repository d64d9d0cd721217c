"""What the lines before a line say about it: written down when it comes in, so that reading it later needs no memory.

SMDR lines are not whole: a transferred call is several lines, of which only the first says when it was answered, and
in most formats nothing says that they belong together. What is known of that while the connection stands goes into the
message's `kind`, beside the line as received.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlencode

import msgspec

if TYPE_CHECKING:
    from trunkline.phone_systems.smdr.segment import Segment

MOST_THREADS = 500
DAYS_COUNTED = 3
# How far a transferred part may begin from the end of the part before it: many PBXs print whole minutes.
_EARLIEST, _LATEST = timedelta(seconds=-60), timedelta(seconds=90)


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a line beside what it says.

    `after_s`: by how much this part began later than its line says. `talked`: somebody talked in the parts before.
    `of`: the key of the call that this line carries on. `again`: how many equal lines of its day came before it on its
    connection. `cut`: it has no end.
    """

    after_s: float = 0.0
    talked: bool = False
    of: str = ""
    again: int = 0
    cut: bool = False

    def written(self) -> str:
        """As a message's `kind`; nothing to say is an empty one."""
        told = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in self._told()}
        return urlencode({name: "1" if value == "True" else value for name, value in told.items()})

    def _told(self) -> list[tuple[str, object]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if getattr(self, name)]

    @classmethod
    def read(cls, kind: str) -> Self:
        """The note in a message's `kind`; what is no note says nothing."""
        try:
            return msgspec.convert(dict(parse_qsl(kind)), cls, strict=False)
        except (msgspec.ValidationError, ValueError):
            return cls()


@dataclass
class _Thread:
    """A call that another line may carry on."""

    key: str
    ends_at: datetime
    number: str | None = None
    total_s: float = 0.0
    talked: bool = False
    is_handed_on: bool = False
    notes: dict[str, Note] = field(default_factory=dict)


class Notebook:
    """Remembers the calls that may go on, over all connections; a line that is sent again gets the note it had."""

    def __init__(self) -> None:
        self._threads: OrderedDict[str, _Thread] = OrderedDict()

    def note(self, segment: "Segment", line: str) -> Note:
        """What the lines before say about this one; it is remembered for those after it."""
        return self._of_parts(segment, line) if segment.is_live else self._of_transfer(segment, line)

    def _of_parts(self, segment: "Segment", line: str) -> Note:
        thread = self._threads.get(segment.key)
        if thread is not None and line in thread.notes:
            return thread.notes[line]
        note = Note(after_s=thread.total_s, talked=thread.talked) if thread else Note()
        if thread is None and not segment.continues:
            return note
        thread = thread or _Thread(segment.key, segment.started_at)
        thread.notes[line] = note
        thread.total_s += segment.total_s
        thread.talked = thread.talked or segment.talk_s > 0
        self._keep(segment.key, thread)
        return note

    def _of_transfer(self, segment: "Segment", line: str) -> Note:
        if not segment.trunk:
            return Note()
        place = f"trunk {segment.trunk}"
        before = self._threads.get(place)
        if before is not None and line in before.notes:
            return before.notes[line]
        carries_on = before is not None and _carries_on(before, segment)
        note = Note()
        if before and carries_on:  # whole minutes may make it begin before the part before it ended
            after_s = max(0.0, (before.ends_at - segment.started_at).total_seconds())
            note = Note(after_s, before.talked, before.key)
        self._keep(
            place,
            _Thread(
                note.of or segment.key,
                segment.started_at + timedelta(seconds=note.after_s + segment.total_s),
                segment.number or (before.number if before and carries_on else None),
                talked=note.talked or segment.talk_s > 0,
                is_handed_on=segment.is_handed_on,
                notes={line: note},
            ),
        )
        return note

    def _keep(self, place: str, thread: _Thread) -> None:
        self._threads[place] = thread
        self._threads.move_to_end(place)
        while len(self._threads) > MOST_THREADS:
            self._threads.popitem(last=False)


def _carries_on(before: _Thread, segment: "Segment") -> bool:
    """Either side of a transfer may be the one that is marked."""
    is_marked = before.is_handed_on or segment.is_handed_on
    is_same_party = not before.number or not segment.number or before.number == segment.number
    return is_marked and is_same_party and _EARLIEST <= segment.started_at - before.ends_at <= _LATEST


class Repeats:
    """Counts equal lines of one day on one connection.

    A PBX that sends its buffer again does so on a new connection, where counting begins anew: what comes again gets the
    count it had, and is known; what is truly there twice on one connection is counted twice.
    """

    def __init__(self) -> None:
        self._days: OrderedDict[date, Counter[str]] = OrderedDict()

    def count(self, day: date, line: str) -> int:
        """How many lines equal to `line` came before it."""
        counter = self._days.setdefault(day, Counter())
        self._days.move_to_end(day)
        while len(self._days) > DAYS_COUNTED:
            self._days.popitem(last=False)
        counter[line] += 1
        return counter[line] - 1

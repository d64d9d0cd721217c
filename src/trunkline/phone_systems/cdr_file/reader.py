"""Rows of a file, one at a time: a million of them take no more memory than one.

A file to which a PBX adds rows is entered near the beginning of the window, by halving; one that somebody exported may
be in any order and is read from end to end.
"""

import codecs
import contextlib
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from trunkline.phone_systems.errors import NeedsFixing

HEADER_WITHIN = 10
LONGEST_ROW = 20  # lines: a quoted field may hold line ends
_DELIMITERS = ",;\t|"
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
_BLOCK = 1024 * 1024
_NEAR = 64 * 1024
_PROBED_LINES = 20
# Rows stand in the order in which calls ended; no call lasts longer.
_LONGEST_CALL = timedelta(days=1)


@dataclass(frozen=True)
class Found:
    """One row, or one line that is none and `why` (the end of a sentence)."""

    line: int
    row: dict[str, str] | None
    text: str
    why: str = ""


@dataclass(frozen=True)
class Layout:
    """How a file is written. `starts` gives when a row's call began, or raises ValueError."""

    needed: frozenset[str]
    widths: dict[int, tuple[str, ...]]
    is_appended: bool
    starts: Callable[[dict[str, str]], datetime]
    delimiter: str | None = None


def rows(path: Path, layout: Layout, since: datetime, until: datetime) -> Iterator[Found]:
    """The rows of calls that began from `since` to before `until`, and what is broken beside them.

    Raises:
        NeedsFixing: the file is not there, may not be read, or has no header that fits.
    """
    older = _rotated(path, since) if layout.is_appended else []
    for one in (*older, path):
        try:
            with one.open("rb") as file:
                yield from _File(one, file, layout).rows(since, until)
        except FileNotFoundError:
            # Between a rotation and the next call there is no file.
            if one == path and not older:
                raise NeedsFixing(f"There is no file {path} on this machine.") from None
        except OSError as error:
            raise NeedsFixing(f"The file {one} cannot be read: {error.strerror or error}.") from None


def _rotated(path: Path, since: datetime) -> list[Path]:
    """Files that were rotated away and were still written to within the window, the oldest first."""
    found: list[tuple[float, Path]] = []
    for one in path.parent.glob(f"{_escaped(path.name)}[.-]*"):
        with contextlib.suppress(OSError):  # it may be gone by now
            written_at = one.stat().st_mtime
            if one.suffix not in _COMPRESSED and one.is_file() and written_at >= since.timestamp():
                found.append((written_at, one))
    return [one for _, one in sorted(found)]


def _escaped(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


class _File:
    def __init__(self, path: Path, file: BinaryIO, layout: Layout) -> None:
        self._path = path
        self._file = file
        self._layout = layout
        start = file.read(_BLOCK // 16)
        self._is_wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
        self._delimiter = layout.delimiter or _delimiter(_decoded(start, is_wide=self._is_wide))
        self._names: tuple[str, ...] | None = None
        self._first_row = 1
        self._find_header()

    def rows(self, since: datetime, until: datetime) -> Iterator[Found]:
        is_near = True  # beside a row of the window, or before any row
        for found in self._read(since):
            if found.row is None:
                if is_near:
                    yield found
                continue
            try:
                started = self._layout.starts(found.row)
            except ValueError as error:
                if is_near:
                    yield Found(found.line, None, found.text, str(error))
                continue
            is_near = since <= started < until
            if is_near:
                yield found
            elif self._layout.is_appended and started >= until + _LONGEST_CALL:
                return

    # Where to begin ---------------------------------------------------------------------------------------------

    def _find_header(self) -> None:
        seen: list[str] = []
        for found in self._parsed(self._lines(0, 1)):
            names = tuple(_name(value) for value in found[2])
            if self._layout.needed <= set(names):
                self._names, self._first_row = names, found[0] + 1
                return
            seen = seen or list(names)
            if found[0] >= HEADER_WITHIN:
                break
        if seen and not self._layout.widths:
            missing = ", ".join(sorted(self._layout.needed - set(seen)))
            raise NeedsFixing(f"The file {self._path} has no header with the columns {missing}.")

    def _read(self, since: datetime) -> Iterator[Found]:
        offset, line = 0, 1
        if self._layout.is_appended and not self._is_wide:
            offset = self._near(since - _LONGEST_CALL)
            line = 1 + self._lines_before(offset)
        for number, text, values in self._parsed(self._lines(offset, line)):
            if number >= self._first_row:
                yield self._found(number, text, values)

    def _near(self, moment: datetime) -> int:
        """An offset before which all rows are older than `moment`."""
        low, high = 0, self._file.seek(0, io.SEEK_END)
        while high - low > _NEAR:
            middle = (low + high) // 2
            begins, started = self._probe(middle, high)
            if started is not None and started < moment:
                low = begins
            else:
                high = middle
        return low

    def _probe(self, offset: int, high: int) -> tuple[int, datetime | None]:
        """The first row behind `offset` that can be read: where it begins, and when its call began."""
        self._file.seek(offset)
        self._file.readline()
        for _ in range(_PROBED_LINES):
            begins = self._file.tell()
            line = self._file.readline()
            if not line or begins >= high:
                break
            text = _decoded(line)
            found = self._found(0, text, self._values(text))
            if found.row is not None:
                try:
                    return begins, self._layout.starts(found.row)
                except ValueError:
                    continue
        return offset, None

    def _lines_before(self, offset: int) -> int:
        self._file.seek(0)
        count = 0
        while (left := offset - self._file.tell()) > 0 and (block := self._file.read(min(_BLOCK, left))):
            count += block.count(b"\n")
        return count

    # Lines to rows ----------------------------------------------------------------------------------------------

    def _lines(self, offset: int, number: int) -> Iterator[tuple[int, str]]:
        self._file.seek(offset)
        if self._is_wide:
            yield from enumerate(codecs.getreader("utf-16")(self._file, "replace"), number)
            return
        for place, line in enumerate(self._file, number):
            if self._layout.is_appended and not line.endswith(b"\n"):
                return  # it is being written
            yield place, _decoded(line)

    def _parsed(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, list[str]]]:
        """Rows; one whose quotes do not close within a few lines is taken as one line, so that the rest goes on."""
        source = iter(lines)
        waiting: list[tuple[int, str]] = []
        while True:
            if waiting:
                number, text = waiting.pop(0)
            elif (following := next(source, None)) is not None:
                number, text = following
            else:
                return
            joined, taken = text, 0
            while joined.count('"') % 2 and taken < LONGEST_ROW:
                if taken == len(waiting):
                    if (following := next(source, None)) is None:
                        break
                    waiting.append(following)
                joined += waiting[taken][1]
                taken += 1
            if taken and not joined.count('"') % 2 and self._fits(self._values(joined)):
                text, waiting = joined, waiting[taken:]
            text = text.rstrip("\r\n")
            if text.strip():
                yield number, text, self._values(text)

    def _values(self, text: str) -> list[str]:
        source = io.StringIO(text.rstrip("\r\n"), newline="")
        try:
            return next(csv.reader(source, delimiter=self._delimiter), [])
        except csv.Error:
            return []

    def _fits(self, values: Sequence[str]) -> bool:
        return len(values) == len(self._names) if self._names else len(values) in self._layout.widths

    def _found(self, number: int, text: str, values: list[str]) -> Found:
        names = self._names or self._layout.widths.get(len(values))
        while self._names and len(values) > len(self._names) and not values[-1]:
            values = values[:-1]
        if names is None or len(names) != len(values):
            return Found(number, None, text, f"it has {len(values)} columns, which is not what such a file has")
        return Found(number, dict(zip(names, values, strict=True)), text)


def _name(value: str) -> str:
    return value.strip().lower()


def _decoded(data: bytes, *, is_wide: bool = False) -> str:
    """UTF-8, with or without its mark, where it is that; else ISO 8859-1, which anything is."""
    if is_wide:
        return data[: len(data) // 2 * 2].decode("utf-16", errors="replace")
    data = data.replace(b"\x00", b"").removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _delimiter(text: str) -> str:
    """What separates columns: what the first line that is not blank has most of."""
    first = next((line for line in text.splitlines() if any(sign in line for sign in _DELIMITERS)), "")
    return max(_DELIMITERS, key=first.count)

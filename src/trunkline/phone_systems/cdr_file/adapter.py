"""The adapter: options, and rows as messages. Asterisk's own adapter can have the same history beside its events."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal, Self
from zoneinfo import ZoneInfo

import httpx
import msgspec

from trunkline.phone_systems.base import HISTORY_KIND, Capability, Parsed, RawMessage, Unreadable
from trunkline.phone_systems.cdr_file.parse import Source, broken, events_of, identity
from trunkline.phone_systems.cdr_file.presets import MEANINGS, PRESETS, Preset
from trunkline.phone_systems.cdr_file.reader import Found, Layout, rows
from trunkline.phone_systems.delivery import fingerprint
from trunkline.phone_systems.options import read_options

PAGE = 500
SETTLES_S = 300.0  # how long Asterisk holds rows back where it writes them in batches


class CdrFileOptions(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where the file is, and how it is written.

    `time_zone` is an IANA name, as rows hold wall-clock time. `columns` says which column means what, by its name in
    the file, and goes over the preset. `fields` are the names of all columns of a file without a header. `extensions`
    is a regular expression for the numbers of our own phones.
    """

    path: str
    time_zone: str
    preset: Literal["asterisk", "freepbx", "freeswitch", "3cx", "generic"] = "generic"
    columns: dict[str, str] = {}
    fields: tuple[str, ...] = ()
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    date_order: Literal["mdy", "dmy", "ymd"] = "mdy"
    extensions: str = r"\d{2,6}"
    trunk_contexts: tuple[str, ...] = ()
    trunk_endpoints: tuple[str, ...] = ("trunk",)
    main_did: str | None = None
    outside_prefix: str = ""


class _Body(msgspec.Struct, omit_defaults=True):
    """A row as a message holds it: its columns, or - where it is no record - its text and why."""

    line: int
    row: dict[str, str] | None = None
    text: str = ""
    why: str = ""


class CdrFile:
    """The history in one file, told in the words of `system`."""

    def __init__(self, system: str, account: str, options: CdrFileOptions) -> None:
        try:
            preset = _preset(options)
            self._source = _source(system, account, preset, options)
        except ValueError as error:
            raise ValueError(f"Phone system {account}: {error}") from None
        self._path = Path(options.path)
        self._layout = Layout(
            frozenset({preset.columns[one] for one in _needed(preset)}),
            dict(preset.widths),
            preset.is_appended,
            self._source.starts,
            options.delimiter,
        )

    async def pages(self, since: datetime, until: datetime) -> AsyncIterator[list[RawMessage]]:
        """Pages of the rows of calls that began within the window (UTC).

        Raises:
            NeedsFixing: the file is not there, may not be read, or has no header that fits.
        """
        found = rows(self._path, self._layout, since, until)
        while page := await asyncio.to_thread(self._page, found):
            yield page

    def _page(self, found: Iterator[Found]) -> list[RawMessage]:
        now = datetime.now(UTC)
        return [self._message(one, now) for one in islice(found, PAGE)]

    def _message(self, found: Found, now: datetime) -> RawMessage:
        if found.row is None:
            body = _Body(found.line, text=found.text, why=found.why)
            delivery_id = f"{HISTORY_KIND}:broken:{fingerprint(found.text)}"
        else:
            body = _Body(found.line, row=found.row)
            own = identity(self._source, found.row)
            delivery_id = f"{HISTORY_KIND}:{own}:{fingerprint(*found.row.values())}"
        return RawMessage(msgspec.json.encode(body), now, delivery_id, HISTORY_KIND)

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The record in one row.

        Raises:
            Unreadable: it is no record; the sentence has the line's number.
        """
        try:
            body = msgspec.json.decode(message.body, type=_Body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(f"The row cannot be read: {error}.") from None
        if body.row is None:
            raise Unreadable(broken(body.line, body.why or "it is no record"))
        try:
            return list(events_of(self._source, body.row))
        except ValueError as error:
            raise Unreadable(broken(body.line, str(error))) from None


class CdrFileAdapter:
    """A phone system of which we have the file with its records, and nothing live."""

    system: ClassVar[str] = "cdr-file"
    capabilities: ClassVar[Capability] = Capability.HISTORY
    settles_s: ClassVar[float] = SETTLES_S

    def __init__(self, account: str, options: CdrFileOptions) -> None:
        self.account = account
        self._file = CdrFile(self.system, account, options)

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(CdrFileOptions, account, options))

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The record in one row.

        Raises:
            Unreadable: it is no record; the sentence has the line's number.
        """
        return self._file.parse(message)

    def history(self, http: httpx.AsyncClient, since: datetime, until: datetime) -> AsyncIterator[list[RawMessage]]:
        """Pages of the rows of calls that began from `since` to before `until`; nothing is asked over the network.

        Raises:
            NeedsFixing: the file is not there, may not be read, or has no header that fits.
        """
        return self._file.pages(since, until)


def _preset(options: CdrFileOptions) -> Preset:
    known = PRESETS[options.preset]
    unknown = sorted(set(options.columns) - MEANINGS)
    if unknown:
        raise ValueError(
            f"columns says what {unknown[0]!r} is, which means nothing; known: {', '.join(sorted(MEANINGS))}."
        )
    columns = {**known.columns, **{meaning: name.strip().lower() for meaning, name in options.columns.items()}}
    fields = tuple(name.strip().lower() for name in options.fields)
    preset = Preset(columns, {len(fields): fields} if fields else known.widths, known.is_appended, known.has_channels)
    missing = [one for one in _needed(preset) if one not in columns]
    if missing:
        raise ValueError(f"columns does not say which column is {missing[0]!r}.")
    absent = [columns[one] for one in _needed(preset) if fields and columns[one] not in fields]
    if absent:
        raise ValueError(f"fields does not have the column {absent[0]!r}.")
    return preset


def _needed(preset: Preset) -> tuple[str, ...]:
    """Without these there is no call; a begin may be split into date and time."""
    is_split = "date" in preset.columns and "start" not in preset.columns
    return (*(("date", "time") if is_split else ("start",)), "from", "to")


def _source(system: str, account: str, preset: Preset, options: CdrFileOptions) -> Source:
    usual = Source(system, account, preset)
    try:
        zone = ZoneInfo(options.time_zone)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"time_zone {options.time_zone!r} is no IANA time zone, as America/Toronto.") from None
    try:
        extensions = re.compile(options.extensions, re.ASCII)
    except re.error as error:
        raise ValueError(f"extensions is no regular expression: {error}.") from None
    return Source(
        system,
        account,
        preset,
        zone=zone,
        date_order=options.date_order,
        extensions=extensions,
        trunk_contexts=usual.trunk_contexts | frozenset(options.trunk_contexts),
        trunk_endpoints=frozenset(options.trunk_endpoints),
        main_did=options.main_did,
        outside_prefix=options.outside_prefix,
    )

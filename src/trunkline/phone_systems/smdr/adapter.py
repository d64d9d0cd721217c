"""The adapter: options, the formats, and the connection put together."""

import ipaddress
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

import msgspec

from trunkline.phone_systems.base import Capability, Deliver, Parsed, RawMessage, Report, Unreadable
from trunkline.phone_systems.options import read_options
from trunkline.phone_systems.smdr.connection import Allowed, Caller, Listener, Login
from trunkline.phone_systems.smdr.formats import FORMATS, mitel, panasonic
from trunkline.phone_systems.smdr.lines import Receiver, text_of
from trunkline.phone_systems.smdr.notes import Note, Notebook
from trunkline.phone_systems.smdr.segment import Pbx, Segment, events_of

_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
# Which port a PBX listens at where nobody has changed it.
DEFAULT_PORTS: Mapping[str, int] = {"panasonic": 2300, "mitel": 1752, "nec": 60010}


class SmdrOptions(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How one PBX is reached, and how it writes.

    `time_zone` is an IANA name, as lines hold wall-clock time. `stamp` says whether a line's time is the call's begin
    or end, where that differs from the usual. `columns` is, for Panasonic, a pattern (A, B, C) or a string of letters;
    for Mitel the name of a layout. `extensions`, `trunks` and `voicemail` are regular expressions for a whole word.
    `main_did` is for lines that do not say which number was dialled, or only its last digits; `outside_prefix` is what
    gets an outside line.
    """

    format: Literal["avaya", "mitel", "nec", "panasonic"]
    time_zone: str
    mode: Literal["listen", "connect"] = "connect"
    host: str = ""
    port: _Port | None = None
    allow: tuple[str, ...] = ()
    username: str = "SMDR"
    password: str = ""
    date_order: Literal["mdy", "dmy", "ymd"] = "mdy"
    stamp: Literal["start", "end"] | None = None
    columns: str | None = None
    extensions: str | None = None
    trunks: str | None = None
    voicemail: str | None = None
    main_did: str | None = None
    outside_prefix: str = ""

    def __repr__(self) -> str:
        return f"SmdrOptions(format={self.format!r}, mode={self.mode!r}, host={self.host!r}, port={self.port})"


class SmdrAdapter:
    """One PBX that prints a line for each finished call."""

    system: ClassVar[str] = "smdr"
    capabilities: ClassVar[Capability] = Capability.STREAM

    def __init__(self, account: str, options: SmdrOptions) -> None:
        self.account = account
        self._options = options
        try:
            self._port = _port(options)
            self._allowed = _networks(options.allow)
            self._pbx = _pbx(account, options)
        except ValueError as error:
            raise ValueError(f"Phone system {account}: {error}") from None
        self._read = FORMATS[options.format]

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(SmdrOptions, account, options))

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one line.

        Raises:
            Unreadable: it is cut, or not as the format has it.
        """
        note = Note.read(message.kind)
        if note.cut:
            raise Unreadable("The line has no end: the connection ended within it, or it is far too long.")
        line = text_of(message.body)
        segment = self.understand(line, message.received_at)
        return list(events_of(self._pbx, segment, note, line)) if segment else []

    def understand(self, line: str, received_at: datetime) -> Segment | None:
        """What one line says; `None` where it is about no call.

        Raises:
            Unreadable: it is not as the format has it.
        """
        return self._read(self._pbx, line, received_at) if line.strip() else None

    def today(self, moment: datetime) -> date:
        """The day it is at the PBX at `moment`."""
        return self._pbx.today(moment)

    async def run(self, deliver: Deliver, report: Report) -> None:
        """Stay connected until cancelled."""
        options, notebook = self._options, Notebook()
        login = Login(options.username, options.password) if options.password else None

        def new() -> Receiver:
            return Receiver(self.understand, self.today, notebook, is_telnet=login is not None)

        if options.mode == "listen":
            where = (options.host or "0.0.0.0", self._port)  # noqa: S104 - the PBX is another machine
            await Listener(where, self._allowed, new, deliver, report).run()
        else:
            await Caller((options.host, self._port), login, new, deliver, report).run()


def _port(options: SmdrOptions) -> int:
    port = options.port or (DEFAULT_PORTS.get(options.format) if options.mode == "connect" else None)
    if port is None:
        raise ValueError("port says where to listen or connect; give it.")
    if options.mode == "connect" and not options.host:
        raise ValueError("host is the PBX's address; give it, or set mode to listen.")
    if options.mode == "listen" and options.password:
        raise ValueError("password is for mode connect; a PBX that connects to us signs in nowhere.")
    return port


def _networks(allow: tuple[str, ...]) -> Allowed:
    try:
        return [ipaddress.ip_network(one) for one in allow]
    except ValueError:
        raise ValueError("allow is a list of addresses or networks, as 192.0.2.10 or 192.0.2.0/24.") from None


def _pbx(account: str, options: SmdrOptions) -> Pbx:
    usual = Pbx(account)
    if options.columns and options.format == "panasonic":
        panasonic.columns_of(options.columns)
    elif options.columns and options.format == "mitel" and options.columns not in mitel.LAYOUTS:
        raise ValueError(f"columns names a layout of Mitel's: {', '.join(mitel.LAYOUTS)}.")
    elif options.columns and options.format not in ("panasonic", "mitel"):
        raise ValueError(f"columns means nothing for {options.format}.")
    return Pbx(
        account,
        zone=_zone(options.time_zone),
        date_order=options.date_order,
        stamp=options.stamp,
        columns=options.columns,
        extensions=_pattern("extensions", options.extensions) or usual.extensions,
        trunks=_pattern("trunks", options.trunks) or usual.trunks,
        voicemail=_pattern("voicemail", options.voicemail),
        main_did=options.main_did,
        outside_prefix=options.outside_prefix,
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"time_zone {name!r} is no IANA time zone, as America/Toronto.") from None


def _pattern(option: str, text: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(text, re.ASCII) if text else None
    except re.error as error:
        raise ValueError(f"{option} is no regular expression: {error}.") from None

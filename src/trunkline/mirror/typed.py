"""From the JSON of a page to what COPY takes: rows of the resources that have a table of their own."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec

from trunkline.mirror.catalog import Resource
from trunkline.mirror.drift import Contract, Found, commonest
from trunkline.mirror.feeds import EPOCH, Feed, Numbers
from trunkline.mirror.landing import Landed, moment
from trunkline.servicetitan.answers import decode
from trunkline.servicetitan.models import Row
from trunkline.store.mirror import Staged
from trunkline.store.rows import Difference

# What JSON escapes inside of text; COPY reads quotes and backslashes as JSON writes them.
_ESCAPED = re.compile(rb'\\(?:["\\]|u00([0-9a-f]{2})|(.))')
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}

# Comparing with the contract takes longer than storing a row: of large pages the first is compared, and then one in
# so many; of its rows as few.
COMPARED_WHOLE = 500
COMPARED_EVERY = 10

Rows = Sequence[Row]

_encode_lines = msgspec.json.Encoder().encode_lines


class TypedLander:
    """Prepares pages of one resource for one tenant; `region` is how its local phone numbers are read."""

    def __init__(self, resource: Resource, feed: Feed, tenant_id: int, region: str) -> None:
        self._feed = feed
        self._tenant_id = tenant_id
        self._region = region
        self._contract = Contract(resource)
        self._decode = msgspec.json.Decoder(feed.item).decode
        self._decode_all = msgspec.json.Decoder(list[feed.item]).decode  # type: ignore[name-defined]
        self._where = f"{tenant_id}\t{resource.name}\t"
        self._large_pages = count()

    def land(self, page: bytes) -> Landed:
        """Prepare a page, a JSON array. Of a row that is on it several times the newest counts.

        Raises:
            UnexpectedAnswer: it is no JSON.
        """
        found = self._rows(page)
        drift = self._compare(page, len(found))
        rows = _latest([row for row in found if row is not None])
        if None in found:
            drift[Difference("id", "key")] += found.count(None)
        read = "" if self._feed.export else "".join(f"{self._where}{row.id}\n" for row in rows)
        return Landed(stage(self._feed, self._tenant_id, rows, self._region), read.encode(), commonest(drift))

    def _rows(self, page: bytes) -> Sequence[Row | None]:
        """The rows of a page, decoded at once, or else one by one as they were sent; `None` for one without an id."""
        try:
            return self._decode_all(page)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [self._row(raw) for raw in decode(page, list[msgspec.Raw])]

    def _compare(self, page: bytes, rows: int) -> Found:
        drift: Found = Counter()
        large = rows > COMPARED_WHOLE
        if large and next(self._large_pages) % COMPARED_EVERY:
            return drift
        for raw in decode(page, list[msgspec.Raw])[:: COMPARED_EVERY if large else 1]:
            if isinstance(row := decode(bytes(raw), object), dict):
                self._contract.compare(row, drift)
        return drift

    def _row(self, raw: msgspec.Raw) -> Row | None:
        try:
            return self._decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return salvaged(raw, self._feed.item)


def salvaged(raw: msgspec.Raw, item: type[Row]) -> Row | None:
    """A row of which some field has another type than ever: without that field, or `None` where it is the id.

    Raises:
        UnexpectedAnswer: it is no JSON.
    """
    sent = decode(bytes(raw), object)
    known = {}
    for field in msgspec.structs.fields(item):
        value = sent.get(field.encode_name) if isinstance(sent, dict) else None
        try:
            known[field.name] = msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError:
            if isinstance(value, int | float) and not isinstance(value, bool) and _takes_text(field.type):
                known[field.name] = str(value)
    return item(**known) if known.get("id") is not None else None


def _takes_text(kind: Any) -> bool:
    try:
        return bool(msgspec.convert("", kind) == "")
    except msgspec.ValidationError:
        return False


def stage(feed: Feed, tenant_id: int, rows: Rows, region: str) -> Staged:
    """Rows as lines for COPY, with the phone numbers that lead to their owners."""
    fixed, columns_of = tuple(value for _, value in feed.fixed), feed.row
    columns = ("tenant_id", "id", "active", "modified_on", *(name for name, _ in feed.fixed), *feed.columns)
    return Staged(
        table=feed.table,
        columns=columns,
        lines=_lines([
            (tenant_id, row.id, row.active, row.modified_on or EPOCH, *fixed, *columns_of(row)) for row in rows
        ]),
        rows=len(rows),
        newest=_newest([row.modified_on for row in rows if row.modified_on]),
        owner_kind=feed.owner_kind,
        phone_lines=_phone_lines(feed, feed.numbers, tenant_id, rows, region) if feed.numbers else b"",
    )  # fmt: skip


def _phone_lines(feed: Feed, numbers: Numbers, tenant_id: int, rows: Rows, region: str) -> bytes:
    return _lines([
        (tenant_id, number, feed.owner_kind, owner, row.id, certainty, feed.note(row))
        for row in rows
        if row.active and (owner := feed.owner(row))
        for number, certainty in numbers(row, region)
    ])  # fmt: skip


def _latest(rows: list[Row]) -> list[Row]:
    latest = {row.id: row for row in rows}
    if len(latest) < len(rows):
        # Without the Z, since fractions of a second have any number of digits: 10:00:00Z comes before 10:00:00.5Z.
        latest = {row.id: row for row in sorted(rows, key=lambda row: (row.modified_on or EPOCH).removesuffix("Z"))}
    return list(latest.values())


def _newest(sent: list[str]) -> str | None:
    # A text that is no time may stand behind all that are.
    newest = moment(max(sent, default=None)) or max(filter(None, map(moment, sent)), default=None)
    return newest.isoformat() if newest else None


def _lines(rows: Sequence[tuple[object, ...]]) -> bytes:
    """Lines for COPY in CSV format with `escape '\\'`; nothing is ``null``, text is in quotes.

    That is nearly what JSON makes of a list, and the encoder writes a page of those in a quarter of the time that it
    takes to put one together here.
    """
    if not rows:
        return b""
    # A line's end is nowhere inside of text; the last line is empty.
    text = b"\n".join([line[1:-1] for line in _encode_lines(rows).split(b"\n")])
    return _ESCAPED.sub(_unescaped, text) if b"\\" in text else text


def _unescaped(escape: re.Match[bytes]) -> bytes:
    """NULs, which PostgreSQL cannot hold, are left out."""
    code, letter = escape.groups()
    if code is not None:
        return bytes.fromhex(code.decode()).strip(b"\0")
    return escape[0] if letter is None else _LETTERS[letter]

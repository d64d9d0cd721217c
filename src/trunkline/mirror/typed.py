"""From the JSON of a page to what COPY takes: rows of the resources that have a table of their own."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from trunkline.mirror.catalog import Resource
from trunkline.mirror.drift import Contract, Found, commonest
from trunkline.mirror.feeds import EPOCH, Feed
from trunkline.mirror.landing import Landed
from trunkline.servicetitan.answers import decode
from trunkline.servicetitan.models import Row
from trunkline.store.mirror import Staged
from trunkline.store.rows import Difference

_NULL, _NEXT, _END = "\x1d", "\x1f", "\x1e"  # nothing; between two fields; between two rows
# How JSON writes these inside of text; an even number of backslashes before are text themselves.
_IN_TEXT = re.compile(rb"(?<!\\)((?:\\\\)*)\\u001[d-fD-F]")
_ESCAPES = (
    ("\\", "\\\\"), ("\0", ""), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"),
    (_NULL, "\\N"), (_NEXT, "\t"), (_END, "\n"),
)  # fmt: skip

# Comparing with the contract takes longer than storing a row: of large pages it sees some rows only.
COMPARED_WHOLE = 500
COMPARED_EVERY = 25

Rows = Sequence[Row]


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

    def land(self, page: Sequence[msgspec.Raw]) -> Landed:
        """Prepare a page. Of a row that is on it several times the newest counts.

        Raises:
            UnexpectedAnswer: it is no JSON.
        """
        compared = page if len(page) <= COMPARED_WHOLE else page[::COMPARED_EVERY]
        drift: Found = Counter()
        for raw in compared:
            if isinstance(row := decode(bytes(raw), object), dict):
                self._contract.compare(row, drift)
        found = self._rows(page)
        rows = _latest([row for row in found if row is not None])
        if None in found:
            drift[Difference("id", "key")] += found.count(None)
        read = "" if self._feed.export else "".join(f"{self._where}{row.id}\n" for row in rows)
        return Landed(stage(self._feed, self._tenant_id, rows, self._region), read.encode(), commonest(drift))

    def _rows(self, page: Sequence[msgspec.Raw]) -> list[Row | None]:
        sent = b"[" + b",".join(page) + b"]"
        if b"\\u001" in sent:
            sent = _IN_TEXT.sub(rb"\1", sent)
            page = msgspec.json.decode(sent, type=list[msgspec.Raw])
        try:
            return self._decode_all(sent)
        except msgspec.DecodeError:
            return [self._row(raw) for raw in page]

    def _row(self, raw: msgspec.Raw) -> Row | None:
        try:
            return self._decode(raw)
        except msgspec.DecodeError:
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
    tenant, fixed = str(tenant_id), tuple(value for _, value in feed.fixed)
    numbers, owner = feed.numbers, feed.owner
    columns = ("tenant_id", "id", "active", "modified_on", *(name for name, _ in feed.fixed), *feed.columns)
    return Staged(
        table=feed.table,
        columns=columns,
        lines=_lines((tenant, row.id, row.active, row.modified_on or EPOCH, *fixed, *feed.row(row)) for row in rows),
        rows=len(rows),
        newest=max((row.modified_on for row in rows if row.modified_on), default=None),
        owner_kind=feed.owner_kind,
        phone_lines=b""
        if numbers is None
        else _lines(
            (tenant, number, feed.owner_kind, owner(row), row.id, certainty, feed.note(row))
            for row in rows
            if row.active and owner(row)
            for number, certainty in numbers(row, region)
        ),
    )


def _latest(rows: list[Row]) -> list[Row]:
    latest = {row.id: row for row in rows}
    if len(latest) < len(rows):
        # Without the Z, since fractions of a second have any number of digits: 10:00:00Z comes before 10:00:00.5Z.
        latest = {row.id: row for row in sorted(rows, key=lambda row: (row.modified_on or EPOCH).removesuffix("Z"))}
    return list(latest.values())


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Lines for COPY in text format; nothing is null.

    Separators that no text holds make the escaping a matter of whole pages: field by field it took most of the time.
    """
    text = _END.join([_NEXT.join([_NULL if value is None else str(value) for value in row]) for row in rows])
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return text.encode() + b"\n" if text else b""

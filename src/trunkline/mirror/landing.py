"""From the JSON of a page to what COPY takes: rows of any resource, without what is private.

A row is kept as ServiceTitan sent it, byte for byte, unless something must be taken out of it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import msgspec

from trunkline.mirror.catalog import PRIVATE, Resource
from trunkline.mirror.drift import Contract, Found, commonest
from trunkline.servicetitan import exact
from trunkline.servicetitan.answers import decode, mended
from trunkline.store.mirror import Staged
from trunkline.store.rows import Difference, StagedRows

ONLY = "only"  # the id of a row that is its resource's only one

# Names of private fields, and escapes that could hide such a name or a NUL, which PostgreSQL cannot hold.
_SUSPICIOUS = re.compile(rb'"(?:' + b"|".join(name.encode() for name in sorted(PRIVATE)) + rb')"|\\u00', re.IGNORECASE)
_BLANKS = bytes.maketrans(b"\t\r\n", b"   ")  # in JSON these stand between values only


@dataclass(frozen=True)
class Landed:
    """A page ready to be stored, the rows it brought (for complete readings), and how they differ from the contract."""

    staged: StagedRows | Staged
    read: bytes
    drift: Found


class Landing(Protocol):
    """Prepares the pages of one resource."""

    def land(self, page: bytes) -> Landed:
        """Prepare a page, a JSON array."""


class Lander:
    """Prepares pages of one resource for one tenant."""

    def __init__(self, resource: Resource, tenant_id: int) -> None:
        self._resource = resource
        self._contract = Contract(resource)
        self._where = f"{tenant_id}\t{resource.name}\t".encode()

    def land(self, page: bytes) -> Landed:
        """Prepare a page, a JSON array. Of a row that is on it several times the newest counts.

        Raises:
            UnexpectedAnswer: it is no JSON.
        """
        drift: Found = Counter()
        lines: dict[bytes, tuple[datetime, bytes]] = {}
        newest: datetime | None = None
        for raw, row in self._rows(page):  # one at a time: decoded, a page takes many times its room
            self._contract.compare(row, drift)
            key = self._key(row)
            if key is None:
                drift[Difference(":".join(self._resource.key), "key")] += 1
                continue
            modified = moment(row.get(self._resource.modified))
            if modified is not None and (newest is None or modified > newest):
                newest = modified
            age = modified or datetime.min.replace(tzinfo=UTC)
            if key not in lines or age >= lines[key][0]:
                lines[key] = age, self._line(key, row, modified, raw)
        return Landed(
            StagedRows(
                self._resource.name,
                b"".join(line for _, line in lines.values()),
                len(lines),
                newest.isoformat() if newest else None,
            ),
            b"".join(self._where + key + b"\n" for key in lines),
            commonest(drift),
        )

    def _rows(self, page: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """The rows proper of a page, as sent and decoded."""
        nested = self._resource.nested
        for sent in decode(_as_text(page), list[msgspec.Raw]):
            raw = bytes(sent)
            row = _object(decode(raw, object))
            if nested is None:
                yield raw, row
                continue
            outer = {name: value for name, value in row.items() if name != nested}
            items = row.get(nested)
            for inner in items if isinstance(items, list) else ():
                unfolded = {**outer, **_object(inner)}
                yield exact.encode(unfolded), unfolded

    def _key(self, row: dict[str, Any]) -> bytes | None:
        """The row's id, as COPY takes it; `None` where a part of it is missing."""
        parts = [row.get(name) for name in self._resource.key]
        if not all(isinstance(part, str | int) and part != "" for part in parts):
            return None
        return _escaped(":".join(map(str, parts)).replace("\0", "").encode()) or ONLY.encode()

    def _line(self, key: bytes, row: dict[str, Any], modified: datetime | None, raw: bytes) -> bytes:
        active = b"f" if row.get("active") is False or row.get("isArchived") is True else b"t"
        when = modified.isoformat().encode() if modified else b"\\N"
        return b"%s%s\t%s\t%s\t%s\n" % (self._where, key, active, when, _escaped(cleaned(raw)))


def moment(value: object) -> datetime | None:
    """A date and time as ServiceTitan writes them; UTC where no zone is given, `None` for anything else."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def cleaned(raw: bytes) -> bytes:
    """JSON without private fields and NULs, at whatever depth; digits of numbers stay as they are."""
    return exact.encode(_clean(exact.decode(raw))) if _SUSPICIOUS.search(raw) else raw


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        named = ((name.replace("\0", ""), inner) for name, inner in value.items())
        return {name: _clean(inner) for name, inner in named if name.lower() not in PRIVATE}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value.replace("\0", "") if isinstance(value, str) else value


def _as_text(page: bytes) -> bytes:
    try:
        page.decode()
    except UnicodeDecodeError:
        return mended(page)
    return page


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _escaped(text: bytes) -> bytes:
    return text.translate(_BLANKS).replace(b"\\", b"\\\\")

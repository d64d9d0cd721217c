"""What the sandbox holds: base rows made on demand, and what clients and tests changed since."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeAlias

import msgspec

from trunkline.sandbox.servicetitan import tables
from trunkline.sandbox.servicetitan.choices import LENIENT, Choices
from trunkline.sandbox.servicetitan.external import ExternalData
from trunkline.sandbox.servicetitan.households import CONTACTS_EACH, FIRST_CUSTOMER, LOCATIONS_EACH
from trunkline.sandbox.servicetitan.invented import Row, number, stamp
from trunkline.sandbox.servicetitan.rows import JOBS_EACH, Rows

HELD_BACK = timedelta(minutes=15)  # changes appear in export feeds this late, unless recent ones are asked for
CACHED_BYTES = 1_000_000_000  # all pages of 200,000 customers take 600 million
# Tables written by hand that have the rows that clients make, and no others.
_WITHOUT_ROWS = ("leads", "tasks", "jobs/notes")
RowId: TypeAlias = int | str
"""Most ids are numbers; some are GUIDs, and a few tables are keyed by a word."""


@dataclass
class Feed:
    """One table: `of` gives the base rows that belong to customer *i*, `each` how many; small ones have `table`.

    The ids of customer *i*'s rows, divided by `scale`, are the id of the customer.
    """

    of: Callable[[int], list[Row]] | None = None
    each: Callable[[int], int] = lambda _: 1
    scale: int = 1
    table: list[Row] = field(default_factory=list)
    changes: list[tuple[datetime, Row]] = field(default_factory=list)
    latest: dict[RowId, Row] = field(default_factory=dict)
    added: int = 0
    base_count: int | None = None


Shape = Callable[[Row], Row]
"""From a row as it is kept to what clients see."""
Make = Callable[["World", str], list[Row]]
"""From the name of a table that nobody wrote by hand to its base rows."""


class World:
    """All data of one tenant. `make` makes the tables that are not written by hand, when they are first asked for."""

    def __init__(
        self,
        rows: Rows,
        page_size: int,
        make: Make = lambda _world, _name: [],
        choices: Choices = LENIENT,
    ) -> None:
        self.rows = rows
        self.page_size = page_size
        self.notes: dict[tuple[str, int], list[Row]] = {}
        self.external = ExternalData()
        self.choices = choices
        self._make = make
        self._pages: dict[tuple[str, int, int], bytes] = {}
        self._room = CACHED_BYTES
        self._ids = 900_000_000
        self.feeds = {
            "customers": Feed(of=lambda i: [rows.customer(i)]),
            "customers/contacts": Feed(
                of=rows.customer_contacts,
                each=lambda i: 1 + rows.has_second_number(i) + (i % 3 != 1),
                scale=CONTACTS_EACH,
            ),
            "locations": Feed(of=rows.locations, each=rows.location_count, scale=LOCATIONS_EACH),
            "locations/contacts": Feed(
                of=rows.location_contacts, each=lambda i: not rows.has_second_number(i), scale=CONTACTS_EACH
            ),
            "jobs": Feed(of=rows.jobs, each=lambda i: len(rows.job_statuses(i)), scale=JOBS_EACH),
            "appointments": Feed(of=rows.appointments, each=lambda i: len(rows.job_statuses(i)), scale=JOBS_EACH),
            "appointment-assignments": Feed(
                of=rows.assignments, each=lambda i: len(rows.job_statuses(i)), scale=JOBS_EACH
            ),
            "calls": Feed(of=rows.calls, each=rows.has_call),
            "technicians": Feed(table=rows.technicians()),
            "employees": Feed(table=rows.employees()),
            "business-units": Feed(table=tables.business_units(rows)),
            "job-types": Feed(table=tables.job_types(rows)),
            "tag-types": Feed(table=tables.tag_types(rows)),
            "campaigns": Feed(table=tables.campaigns(rows)),
        }
        self.handmade = frozenset({*self.feeds, *_WITHOUT_ROWS})

    def feed(self, name: str) -> Feed:
        """One table."""
        if name not in self.feeds:
            self.feeds[name] = Feed(table=[] if name in _WITHOUT_ROWS else self._make(self, name))
        return self.feeds[name]

    def template(self, name: str) -> Row:
        """A row of a table written by hand that has all its fields; empty where the table starts without rows."""
        feed = self.feed(name)
        rows = (row for i in range(LOCATIONS_EACH) for row in feed.of(i)) if feed.of else iter(feed.table)
        return next(rows, {})

    # Export feeds -------------------------------------------------------------------------------------------------

    def export(
        self, name: str, token: str | None, *, recent: bool, active: bool | None = None, shape: Shape | None = None
    ) -> bytes:
        """One page as JSON. A token is ``name:base:changes``; a date starts where rows of that date begin.

        Rows go out as they are kept, or in `shape`.

        Raises:
            ValueError: the token is neither.
        """
        base, seen = self._position(name, token)
        feed = self.feed(name)
        if base < self._base_size(feed):
            return self._base_page(name, feed, base, seen, active=active, shape=shape)
        until = datetime.now(UTC) - (timedelta(0) if recent else HELD_BACK)
        fresh = [row for changed, row in islice(feed.changes, seen, seen + self.page_size) if changed <= until]
        # With recent changes, the last few rows come again: clients must put up with repeats.
        repeated = [row for _, row in feed.changes[max(0, seen - 2) : seen]] if recent and fresh else []
        position = seen + len(fresh)
        return _export_page(
            [*repeated, *fresh],
            f"{name}:{base}:{position}",
            more=position < len(feed.changes) and len(fresh) == self.page_size,
            active=active,
            shape=shape,
        )

    def _base_size(self, feed: Feed) -> int:
        return self.rows.customers if feed.of else len(feed.table)

    def _position(self, name: str, token: str | None) -> tuple[int, int]:
        if not token:
            return 0, 0
        owner, _, rest = token.partition(":")
        if owner == name:
            base, _, seen = rest.partition(":")
            if base.isdecimal() and seen.isdecimal():
                return int(base), int(seen)
        moment = datetime.fromisoformat(token)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        feed = self.feed(name)
        seen_until = bisect_left(feed.changes, moment, key=lambda change: change[0])
        if feed.of:
            return self.rows.since(moment), seen_until
        return bisect_left(feed.table, stamp(moment.astimezone(UTC)), key=lambda row: row["modifiedOn"]), seen_until

    def _base_page(
        self, name: str, feed: Feed, base: int, seen: int, *, active: bool | None, shape: Shape | None
    ) -> bytes:
        as_kept = active is None and shape is None
        if as_kept and (cached := self._pages.get((name, base, seen))):
            return cached
        end = min(self._base_size(feed), base + self.page_size)
        data = [row for i in range(base, end) for row in feed.of(i)] if feed.of else feed.table[base:end]
        more = end < self._base_size(feed)
        token = f"{name}:{end}:{seen}"
        page = _export_page(data, token, more=more or seen < len(feed.changes), active=active, shape=shape)
        if as_kept and more and len(page) < self._room:  # the last page knows of changes: it is made anew
            self._pages[name, base, seen] = page
            self._room -= len(page)
        return page

    # Lists --------------------------------------------------------------------------------------------------------

    def all_rows(self, name: str) -> Iterator[Row]:
        """Every row in its present state."""
        feed = self.feed(name)
        latest = dict(feed.latest)
        base = (row for i in range(self.rows.customers) for row in feed.of(i)) if feed.of else iter(feed.table)
        for row in base:
            yield latest.pop(row["id"], row)
        yield from latest.values()

    def count(self, name: str) -> int:
        """How many rows there are, without making them."""
        feed = self.feed(name)
        if feed.base_count is None:
            feed.base_count = sum(map(feed.each, range(self.rows.customers))) if feed.of else len(feed.table)
        return feed.base_count + feed.added

    def find(self, name: str, row_id: RowId) -> Row | None:
        """One row in its present state."""
        feed = self.feed(name)
        return feed.latest.get(row_id) or self._base_row(feed, row_id)

    def _base_row(self, feed: Feed, row_id: RowId) -> Row | None:
        rows: Iterable[Row] = feed.table
        if feed.of and isinstance(row_id, int):
            i = row_id // feed.scale - FIRST_CUSTOMER
            rows = feed.of(i) if 0 <= i < self.rows.customers else []
        return next((row for row in rows if row["id"] == row_id), None)

    def contacts_of(self, owner: str, owner_id: int) -> list[Row]:
        r"""The active contacts of one row of `owner`, which is customers or locations."""
        field = f"{owner[:-1]}Id"
        return [
            row for row in self._near(f"{owner}/contacts", owner, owner_id) if row[field] == owner_id and row["active"]
        ]

    def locations_of(self, customer_id: int) -> list[Row]:
        """The houses of one customer."""
        return [row for row in self._near("locations", "customers", customer_id) if row["customerId"] == customer_id]

    def _near(self, name: str, owner: str, owner_id: int) -> list[Row]:
        """What belonged to the customer behind `owner_id` at first, and everything that was changed since."""
        feed = self.feeds[name]
        i = owner_id // self.feeds[owner].scale - FIRST_CUSTOMER
        base = feed.of(i) if feed.of and 0 <= i < self.rows.customers else []
        return list(({row["id"]: row for row in base} | feed.latest).values())

    # Changes ------------------------------------------------------------------------------------------------------

    def new_id(self) -> int:
        """An id that no row has."""
        self._ids += 1
        return self._ids

    def change(self, name: str, row_id: RowId, /, **fields: Any) -> Row:
        """Change a row as a user of ServiceTitan would; it shows up in the feed."""
        row = self.find(name, row_id)
        if row is None:
            raise KeyError(f"{name} has no row {row_id}")
        return self.put(name, {**row, **fields})

    def put(self, name: str, row: Row) -> Row:
        """Add or replace a row, modified now."""
        now = datetime.now(UTC)
        row = {**row, "modifiedOn": stamp(now)}
        feed = self.feed(name)
        if row["id"] not in feed.latest and self._base_row(feed, row["id"]) is None:
            feed.added += 1
        feed.latest[row["id"]] = row
        feed.changes.append((now, row))
        return row

    def merge(self, loser: int, winner: int) -> None:
        """Merge two customers as the user interface does: the loser becomes inactive and points to the winner."""
        self.change("customers", loser, active=False, mergedToId=winner)

    def add_note(self, kind: str, target: int, text: str, *, pinned: bool) -> Row:
        """Store a note; job notes have no id."""
        now = stamp(datetime.now(UTC))
        note = {"text": text, "isPinned": pinned, "createdById": 1, "createdOn": now, "modifiedOn": now}
        if kind == "job":
            self.put("jobs/notes", {"id": self.new_id(), "active": True, "jobId": target, **note})
        else:
            note = {"id": self.new_id(), **note}
        self.notes.setdefault((kind, target), []).append(note)
        return note

    # For demos and tests ------------------------------------------------------------------------------------------

    def callers(self, count: int) -> list[Row]:
        """Numbers worth calling from, with who owns them: mostly single customers, some shared, staff and strangers."""
        found: list[Row] = []
        i = 0
        while len(found) < count and i < 50 * count + 100:
            found.extend(self._caller(i % max(1, self.rows.customers), i))
            i += 1
        return found[:count]

    def _caller(self, i: int, turn: int) -> list[Row]:
        rows = self.rows
        if turn % 10 == 9:
            return [{"number": number(2 * rows.customers + 1000 + turn), "kind": "unknown", "customer_ids": []}]
        if turn % 25 == 13:
            return [{"number": rows.staff_number(1 + turn % 20), "kind": "staff", "customer_ids": []}]
        if not rows.is_active(i):
            return []
        neighbour = i + 1 < rows.customers and rows.shares_number(i + 1) and rows.is_active(i + 1)
        if neighbour or rows.shares_number(i):
            pair = [i, i + 1] if neighbour else [i - 1, i]
            return [
                {"number": rows.main_number(i), "kind": "shared", "customer_ids": [FIRST_CUSTOMER + k for k in pair]}
            ]
        return [{"number": rows.main_number(i), "kind": "single", "customer_ids": [FIRST_CUSTOMER + i]}]


def _export_page(rows: list[Row], token: str, *, more: bool, active: bool | None, shape: Shape | None) -> bytes:
    data = rows if active is None else [row for row in rows if row["active"] is active]
    if shape is not None:
        data = [shape(row) for row in data]
    return msgspec.json.encode({"hasMore": more, "continueFrom": token, "data": data})

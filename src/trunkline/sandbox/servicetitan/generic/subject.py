"""A row, or a part of one, of which something is to be made up."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER
from trunkline.sandbox.servicetitan.invented import Row, mix
from trunkline.sandbox.servicetitan.rows import JOBS_EACH, Rows

if TYPE_CHECKING:
    from trunkline.sandbox.servicetitan.world import World

BLANK = "_blank"
"""Marks rows that clients made: what they left out is empty, where rows of the sandbox have something."""


def numbered(table: str, k: int) -> int:
    """The id of row k of a table, counted from 1."""
    return 10_000_000 + crc32(table.encode()) % 1_000 * 10_000 + k


@lru_cache(maxsize=10_000)
def _hash(text: str) -> int:
    return crc32(text.encode())


@dataclass(frozen=True)
class Subject:
    """The row with what is known of it, and the way from the row to the part that is meant."""

    world: "World"
    table: str
    row: Row
    way: tuple[str, ...] = ()

    @property
    def rows(self) -> Rows:
        """The customers and what belongs to them."""
        return self.world.rows

    @property
    def blank(self) -> bool:
        """Whether what is not known is to stay empty."""
        return bool(self.row.get(BLANK))

    @cached_property
    def _seed(self) -> int:
        return _hash(f"{self.table}/{self.row['id']}")

    def dice(self) -> int:
        """A large number that is always the same for this part of this row."""
        return mix(self.rows.seed, self._seed, _hash("/".join(self.way)))

    @cached_property
    def number(self) -> int:
        """A small number that tells the rows of a table apart: the end of the id."""
        row_id = self.row["id"]
        return row_id % 10_000 if isinstance(row_id, int) else _hash(row_id) % 10_000

    @cached_property
    def household(self) -> int:
        """The customer whom the row concerns: the one that it names, or else one that has a job."""
        for field, scale in (("customerId", 1), ("jobId", JOBS_EACH), ("locationId", 1_000)):
            known = self.row.get(field)
            if isinstance(known, int) and 0 <= known // scale - FIRST_CUSTOMER < self.rows.customers:
                return known // scale - FIRST_CUSTOMER
        return 3 * (mix(self.rows.seed, self._seed, 0) % max(1, (self.rows.customers + 2) // 3))

    @cached_property
    def moment(self) -> datetime:
        """When the row was changed last."""
        return datetime.fromisoformat(self.row["modifiedOn"][:26] + "+00:00")

    @cached_property
    def noun(self) -> str:
        """What a row of the table is called."""
        words = self.table.rpartition("/")[2].replace("-", " ")
        return re.sub(r"s$", "", re.sub(r"ies$", "y", words)).capitalize()

    @property
    def label(self) -> str:
        """The field's name as people would write it."""
        field = next((part for part in reversed(self.way) if not part.isdecimal()), self.noun)
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", field).capitalize()

    @property
    def name(self) -> str:
        """What the row is called, or the thing in the row."""
        if len(self.way) > 1:
            return f"{replace(self, way=self.way[:-1]).label} {self.number}"
        known: Any = self.row.get("_name")
        return str(known) if known else f"{self.noun} {self.number}"

    def part(self, name: str) -> "Subject":
        """What stands under `name` in this part."""
        return replace(self, way=(*self.way, name))

"""Invented customers, their houses, and how to reach them. Row *i* is a pure function of the seed and *i*."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from trunkline.sandbox.servicetitan.invented import (
    CITIES,
    FIRST_NAMES,
    LAST_NAMES,
    REMARKS,
    STREETS,
    TAGS,
    Row,
    mix,
    number,
    stamp,
    written,
)

FIRST_CUSTOMER = 100_000
# From the id of a customer to the ids of what belongs to it.
CONTACTS_EACH, LOCATIONS_EACH = 10, 1000


@dataclass(frozen=True)
class Households:
    """All customers of one sandbox; `now` (UTC) is what "today" means."""

    customers: int
    seed: int
    now: datetime

    @cached_property
    def began(self) -> datetime:
        """Modification times of the base rows lie in the year that ends yesterday."""
        return self.now - timedelta(days=366)

    def modified(self, i: int) -> datetime:
        """Grows with *i*, so that the order of the feeds is the order of the rows."""
        return self.began + timedelta(days=365) * (i / max(1, self.customers))

    def since(self, moment: datetime) -> int:
        """The first customer modified at or after `moment`."""
        share = (moment - self.began) / timedelta(days=365)
        i = max(0, min(self.customers, int(share * self.customers) - 1))
        while i < self.customers and self.modified(i) < moment:
            i += 1
        return i

    def stamps(self, i: int) -> Row:
        """When the rows of customer i were made and changed last."""
        text = stamp(self.modified(i))
        return {"createdOn": text, "modifiedOn": text}

    def dice(self, i: int, salt: int) -> int:
        """A large number that is always the same for these two."""
        return mix(self.seed, i, salt)

    # What kind of customer row i is.

    def is_merged(self, i: int) -> bool:
        """Into the one before."""
        return i % 211 == 210

    def is_active(self, i: int) -> bool:
        """Neither merged nor closed."""
        return not self.is_merged(i) and i % 101 != 100

    def location_count(self, i: int) -> int:
        """Most have one house; some are landlords."""
        return 1 if i % 97 != 5 else 3 + self.dice(i, 1) % 38 if i % 970 != 5 else 200

    def shares_number(self, i: int) -> bool:
        """With the one before."""
        return i % 50 == 49

    def has_second_number(self, i: int) -> bool:
        """Of its own; of the others, the house has one."""
        return i % 2 == 0 and self.location_count(i) == 1

    def name(self, i: int) -> str:
        """A person's, or a landlord's."""
        if self.location_count(i) > 1:
            return f"{LAST_NAMES[self.dice(i, 2) % len(LAST_NAMES)]} Property Management {i}"
        return self.person(i, 3)

    def person(self, i: int, salt: int) -> str:
        """First and last name."""
        h = self.dice(i, salt)
        return f"{FIRST_NAMES[h % len(FIRST_NAMES)]} {LAST_NAMES[h // 32 % len(LAST_NAMES)]}"

    def main_number(self, i: int) -> str:
        """The number that customer i most likely calls from."""
        return number(2 * (i - 1 if self.shares_number(i) else i))

    def staff_number(self, j: int) -> str:
        """A colleague's."""
        return number(2 * self.customers + 100 + j)

    def tracking_number(self, k: int) -> str:
        """What callers dial who saw campaign k."""
        return number(2 * self.customers + 50 + k)

    # The rows themselves.

    def address(self, i: int, k: int = 0) -> Row:
        """Of house k."""
        h = self.dice(i * 256 + k, 5)
        city, state = CITIES[h % len(CITIES)]
        return {
            "street": f"{1 + h // 7 % 999} {STREETS[h // 11 % len(STREETS)]} Street",
            "unit": None,
            "city": city,
            "state": state,
            "zip": f"{10000 + h // 13 % 89999}",
            "country": None if h % 10 == 0 else "USA",
            "latitude": None,
            "longitude": None,
        }

    def customer(self, i: int) -> Row:
        """Customer i."""
        return {
            "id": FIRST_CUSTOMER + i,
            "active": self.is_active(i),
            "name": self.name(i),
            "type": "Commercial" if self.location_count(i) > 1 else "Residential",
            "address": self.address(i),
            "customFields": [],
            "balance": (self.dice(i, 6) % 90_000) / 100 if i % 9 == 0 else 0.0,
            "taxExempt": False,
            "tagTypeIds": [1 + self.dice(i, 7) % len(TAGS)] if i % 5 == 0 else [],
            "doNotMail": False,
            "doNotService": i % 83 == 7,
            "nationalAccount": False,
            "createdById": 1,
            "mergedToId": FIRST_CUSTOMER + i - 1 if self.is_merged(i) else None,
            "externalData": None,
            **self.stamps(i),
        }

    def location_id(self, i: int) -> int:
        """The first house."""
        return (FIRST_CUSTOMER + i) * LOCATIONS_EACH

    def locations(self, i: int) -> list[Row]:
        """All houses of customer i."""
        return [
            {
                "id": self.location_id(i) + k,
                "customerId": FIRST_CUSTOMER + i,
                "active": self.is_active(i),
                "name": self.name(i) if k == 0 else f"Unit {k + 1}",
                "address": self.address(i, k),
                "customFields": [],
                "createdById": 1,
                "taxExempt": False,
                "tagTypeIds": [],
                "externalData": None,
                "mergedToId": None,
                "zoneId": None,
                "taxZoneId": None,
                **self.stamps(i),
            }
            for k in range(self.location_count(i))
        ]

    def _contact(self, i: int, k: int, kind: str, value: str, phone: str, *, owner: Row) -> Row:
        return {
            "id": (FIRST_CUSTOMER + i) * CONTACTS_EACH + k,
            "type": kind,
            "value": value,
            "memo": None,
            "phoneSettings": {"phoneNumber": phone, "doNotText": kind == "MobilePhone" and i % 13 == 4},
            "preferences": {
                "jobRemindersEnabled": True,
                "marketingUpdatesEnabled": False,
                "invoiceStatementNotification": False,
            },
            "active": True,
            **owner,
            **self.stamps(i),
        }

    def customer_contacts(self, i: int) -> list[Row]:
        """Phones and e-mail of customer i; in every other remark, ServiceTitan did not make out the number."""
        owner = {"customerId": FIRST_CUSTOMER + i}
        main, second = self.main_number(i), number(2 * i + 1)
        dirty = REMARKS[self.dice(i, 8) % len(REMARKS)].format(written(main, self.dice(i, 9)))
        rows = [self._contact(i, 0, "MobilePhone", dirty, "" if dirty != main and i % 2 else main, owner=owner)]
        if self.has_second_number(i):
            rows.append(self._contact(i, 1, "Phone", written(second, i), second, owner=owner))
        if i % 3 != 1:
            rows.append(self._contact(i, 2, "Email", f"customer{i}@example.com", "", owner=owner))
        return rows

    def location_contacts(self, i: int) -> list[Row]:
        """The phone in the first house of customer i."""
        if self.has_second_number(i):
            return []
        second = number(2 * i + 1)
        owner = {"locationId": self.location_id(i)}
        return [self._contact(i, 3, "Phone", written(second, i + 1), second, owner=owner)]

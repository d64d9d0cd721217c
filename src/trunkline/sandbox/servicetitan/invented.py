"""What the sandbox's rows are made of: invented names, streets and phone numbers, and dice without memory.

Phone numbers take the lines 555-0100 to 555-0199, which are kept for fiction, in all area codes of the right form: some
71,000 numbers. Larger sandboxes go on with other exchanges, in an invented plan that only has to be of possible form.
"""

from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]

FIRST_NAMES = (
    "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gia", "Hugo", "Ida", "Jon", "Kay", "Leo",
    "Mia", "Ned", "Ola", "Pia", "Quin", "Rob", "Sue", "Tom", "Una", "Vic", "Wes", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Ashdown", "Birch", "Calder", "Dunmore", "Elmwood", "Fenwick", "Garrow",
    "Hollis", "Inglis", "Jarrow", "Kettle", "Larkin", "Marlow", "Norwood",
)  # fmt: skip
STREETS = (
    "Maple", "Cedar", "Birch", "Willow", "Juniper", "Harbour", "Station",
    "Orchard", "Mill", "Quarry", "Lake", "Spring", "Garden", "Chestnut",
)  # fmt: skip
CITIES = (("Northfield", "ON"), ("Easton Falls", "ON"), ("Westbrook", "NY"), ("Southgate", "NY"), ("Milltown", "OH"))
REMARKS = ("{} (cell)", "{} x12", "{} home", "{} - Pat's work", "{}", "{}", "{}", "{}")
JOB_TYPES = ("Drain cleaning", "Furnace tune-up", "Leak repair", "Water heater install", "AC repair")
UNITS = ("Plumbing Service", "Heating and Cooling", "Install")
TAGS = ("VIP", "Gate code", "Dog on site", "Prefers mornings", "Slow payer")
CAMPAIGNS = ("Web site", "Truck")
CALL_REASONS = ("New service call", "Price enquiry", "Complaint")

_AREA_CODES = [n for n in range(201, 990) if (n // 10) % 10 != 9 and n % 100 != 11]
_MASK = (1 << 64) - 1


def mix(seed: int, i: int, salt: int) -> int:
    """A well-mixed 64-bit number of three small ones (steps and finaliser of splitmix64)."""
    value = seed * 0xD1342543DE82EF95 + i * 0x9E3779B97F4A7C15 + salt * 0xF1357AEA2E62A9C5 & _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


def number(index: int) -> str:
    """The ten digits of the sandbox's phone number `index`."""
    area = _AREA_CODES[index % len(_AREA_CODES)]
    line = index // len(_AREA_CODES)
    exchange = 555 if line < 100 else 200 + (line // 100) % 355
    return f"{area}{exchange}{100 + line % 100:04d}"


def written(digits: str, style: int) -> str:
    """Ten digits as one person or another types them."""
    area, exchange, line = digits[:3], digits[3:6], digits[6:]
    return (f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}", f"{area}.{exchange}.{line}", digits)[style % 4]


def stamp(moment: datetime) -> str:
    """UTC with seven fractional digits, as ServiceTitan writes it."""
    return f"{moment.isoformat(timespec='microseconds')[:26]}0Z"


def half_hour(moment: datetime) -> datetime:
    """The half hour that `moment` lies in: nobody books a visit for 9:07."""
    return moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)


def today() -> datetime:
    """Now, in whole minutes."""
    return datetime.now(UTC).replace(second=0, microsecond=0)

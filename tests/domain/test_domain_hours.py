"""Business hours as people write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from trunkline.domain.hours import BusinessHours

TORONTO = ZoneInfo("America/Toronto")
HOURS = BusinessHours.parse("mon-fri 07:30-17:00, sat 08:00-12:00")


@pytest.mark.parametrize(
    ("moment", "opened"),
    [
        ("2026-03-02T07:30", "2026-03-02T07:30"),  # a Monday
        ("2026-03-06T16:59", "2026-03-06T07:30"),
        ("2026-03-07T11:59", "2026-03-07T08:00"),
        ("2026-03-02T07:29", None),
        ("2026-03-02T17:00", None),
        ("2026-03-07T12:00", None),
        ("2026-03-08T10:00", None),
    ],
)
def test_it_is_open_as_written(moment: str, opened: str | None) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=TORONTO).astimezone(UTC)
    expected = datetime.fromisoformat(opened).replace(tzinfo=TORONTO) if opened else None
    assert HOURS.opened_at(at, TORONTO) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "always",
        "mon",
        "mon 8-17",
        "mon-xyz 08:00-17:00",
        "fri-mon 08:00-17:00",
        "mon 17:00-08:00",
        "mon 08:00-25:00",
    ],
)
def test_what_is_no_business_hours_is_told_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"write (it|them)"):
        BusinessHours.parse(text)

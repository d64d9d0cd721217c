"""A vendor's JSON is read without relying on it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.loose import LONGEST_ID, LONGEST_S, Fields

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NOTHING: list[Any] = [None, "", "  ", True, [], {}, "soon", -1, 10**30, float("1e300"), float("inf"), float("nan")]


def of(held: Any) -> Fields:
    return Fields({"it": held})


@pytest.mark.parametrize(
    ("held", "text", "or_empty"),
    [(" x ", "x", "x"), (7, "7", "7"), ("", None, ""), (" ", None, ""), (True, None, None), (1.5, None, None)],
)
def test_text(held: Any, text: str | None, or_empty: str | None) -> None:
    assert (of(held).text("it"), of(held).text_or_empty("it")) == (text, or_empty)
    assert Fields({"that": "y", "it": held}).text("it", "that") == (text or "y")


def test_an_id_fits_a_key() -> None:
    assert of("x" * LONGEST_ID).id("it")
    assert of("x" * (LONGEST_ID + 1)).id("it") is None


@pytest.mark.parametrize("held", ["2026-03-02T15:00:00Z", "2026-03-02T10:00:00-05:00"])
def test_iso_times_are_utc(held: str) -> None:
    assert of(held).time("it") == of(held).time("it", zone=None) == AT


def test_a_time_without_a_zone_is_in_the_zone_that_is_said() -> None:
    assert of("2026-03-02 15:00:00").time("it") == AT
    assert of("2026-03-02 15:00:00").time("it", zone=None) is None


@pytest.mark.parametrize("held", [1772463600, 1772463600.0, "1772463600"])
def test_times_since_1970(held: Any) -> None:
    assert of(held).epoch("it") == AT
    assert of(int(held) * 1000).epoch("it", per_s=1000) == AT


@pytest.mark.parametrize(("held", "seconds"), [(60, 60.0), ("60.5", 60.5), (0, 0.0), (LONGEST_S, LONGEST_S)])
def test_lengths(held: Any, seconds: float) -> None:
    assert of(held).seconds("it") == seconds
    assert of(held).seconds("it", per_s=1000) == seconds / 1000


@pytest.mark.parametrize("held", NOTHING)
def test_what_is_none_is_not_there(held: Any) -> None:
    assert (of(held).epoch("it"), of(held).time("it"), of(held).seconds("it")) == (None, None, None)


@pytest.mark.parametrize(
    ("held", "flag"), [(True, True), (" TRUE", True), (False, False), ("false", False), ("", None), ("yes", None)]
)
def test_flags(held: Any, flag: bool | None) -> None:
    assert of(held).flag("it") is flag


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"7", b"[" * 5000])
def test_what_is_no_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^The body is no JSON.*\.$"):
        Fields.read(body, "The body")

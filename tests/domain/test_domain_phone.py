"""Phone numbers: whole, as E.164, or not at all."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain import phone
from trunkline.domain.caller import Certainty

JANE = "+14375550142"


@pytest.mark.parametrize(
    "text",
    ["4375550142", "(437) 555-0142", "437.555.0142", "+1 437 555 0142", "1-437-555-0142", "437-555-0142 x12",
     "437 555 0142 ext. 5", "\uff14\uff13\uff17\uff15\uff15\uff15\uff10\uff11\uff14\uff12"],
)  # fmt: skip
def test_a_north_american_number_is_read_in_all_its_forms(text: str) -> None:
    assert phone.parse(text) == JANE


@pytest.mark.parametrize(
    "text", [None, "", "201", "555-0142", "letters", "9" * 10_000, "\x00", "\U0001f600", "437-555-0142 (Jane's cell)"]
)
def test_what_is_not_one_whole_number_is_none(text: str | None) -> None:
    assert phone.parse(text) is None


_WHOLE = st.from_regex(r"\(?[2-9][0-9]{2}\)?[ .-]?[2-9][0-9]{2}[ .-]?[0-9]{4}", fullmatch=True)
_EXTENSION = st.from_regex(r" (x|ext\.?) ?[0-9]{1,6}", fullmatch=True)


@given(st.text(alphabet="0123456789 -().+", max_size=20) | st.builds(str.__add__, _WHOLE, _EXTENSION))
def test_the_fast_path_gives_what_the_library_gives(text: str) -> None:
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        expected = None
    else:
        possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
        expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if possible else None
    assert phone.parse(text) == expected


@given(st.integers(2_000_000, 9_999_999), st.integers(201, 989))
def test_a_number_never_matches_by_its_last_digits(line: int, area: int) -> None:
    assert phone.parse(str(line)) is None
    assert phone.parse(f"{area}{line}") in {f"+1{area}{line}", None}


@given(st.text(max_size=400))
def test_no_text_raises(text: str) -> None:
    assert all(number.startswith("+") for number, _ in phone.extract(text))
    assert phone.is_withheld(text) in {True, False}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("437-555-0142 (Jane's cell)", [(JANE, Certainty.KNOWN)]),
        ("437.555.0142 / 437 555 0143", [(JANE, Certainty.KNOWN), ("+14375550143", Certainty.KNOWN)]),
        ("call Bob at 437 555 0142", [(JANE, Certainty.MAYBE)]),
        ("437-555-0142 or 437-555-0142", [(JANE, Certainty.KNOWN)]),
        ("no phone", []),
    ],
)
def test_numbers_are_found_in_dirty_text(text: str, found: list[tuple[str, Certainty]]) -> None:
    assert phone.extract(text) == found


_REMARK = st.text(st.characters(codec="latin-1", exclude_categories=["Nd", "Cc"]), max_size=30)


@given(_WHOLE, _REMARK)
def test_a_number_with_a_remark_is_found_as_the_library_finds_it(number: str, remark: str) -> None:
    text = f"{number} {remark}"
    found = next(iter(phonenumbers.PhoneNumberMatcher(text, "US", leniency=phonenumbers.Leniency.POSSIBLE)))
    expected = phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164)
    assert phone.extract(text) == [(expected, Certainty.KNOWN)]


@pytest.mark.parametrize("text", [None, "", " Anonymous ", "RESTRICTED", "<unknown>", "+266696687", "s", "0000000000"])
def test_withheld_numbers_have_many_spellings(text: str | None) -> None:
    assert phone.is_withheld(text)


@pytest.mark.parametrize("word", ["ANONYMOUS", "RESTRICTED", "BLOCKED", "UNKNOWN", "UNAVAILABLE"])
def test_a_word_typed_on_a_keypad_is_no_number(word: str) -> None:
    keys = "".join("22233344455566677778889999"[ord(letter) - ord("A")] for letter in word)
    assert phone.is_withheld(f"+{keys}")
    assert phone.is_withheld(keys)


def test_numbers_are_shown_as_people_write_them() -> None:
    assert (phone.display(JANE), phone.display("+442079460018")) == ("(437) 555-0142", "+44 20 7946 0018")

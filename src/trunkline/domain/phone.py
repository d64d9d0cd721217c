"""Phone numbers: read into E.164, found in dirty text, shown to people.

Numbers are compared whole, as E.164, and never by suffix: the last seven digits of two houses in two cities are the
same often enough to pop the wrong customer. A number need only be *possible* (right length for its country), not
assigned. Extensions are dropped: they lead to a desk, not to a customer.
"""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import Leniency, NumberParseException, PhoneNumberFormat, PhoneNumberMatcher

from trunkline.domain.caller import Certainty

LONGEST_TEXT = 250  # no phone field is longer; the rest of an absurd text is not read

_NANP_REGIONS = frozenset({"US", "CA"})
_PUNCTUATION = str.maketrans("", "", " -().\u00a0")
_WORD_FIRST = re.compile(r"[^\d+]*[^\W\d_]")
_NANP_USUAL = re.compile(r"(?:\+?1[ .-]?)?\(?([2-9]\d\d)\)?[ .-]?([2-9]\d\d)[ .-]?(\d{4})", re.ASCII)
_NANP = re.compile(r"(?:\+?1)?([2-9]\d\d[2-9]\d{6})", re.ASCII)
_DIGIT = re.compile(r"\d")
_EXTENSION = re.compile(r" (?:x|ext\.?) ?[0-9]{1,5}")
# A number that opens the text, then a remark without any digit: much the commonest dirt.
_NANP_REMARK = re.compile(r"\(?([2-9][0-9]{2})\)?[ .-]?([2-9][0-9]{2})[ .-]?([0-9]{4})[ ][^\d#]*")

# How phone systems spell "the caller withheld the number"; compared in lower case, without blanks at the ends.
# Numbers among them are words on a keypad (ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE).
# Ten zeros are FreeSWITCH's.
WITHHELD = frozenset(
    {
        "",
        "*",
        "0000000000",
        "+2562533",
        "+266696687",
        "+7378742833",
        "+86282452253",
        "+8656696",
        "2562533",
        "266696687",
        "7378742833",
        "86282452253",
        "8656696",
        "<unknown>",
        "anonymous",
        "anonymous@anonymous.invalid",
        "blocked",
        "no number",
        "not available",
        "out of area",
        "p",
        "private",
        "restricted",
        "s",
        "unavailable",
        "unknown",
        "withheld",
    }
)


def is_withheld(text: str | None) -> bool:
    """Whether a phone system's caller number says that there is none."""
    return text is None or text.strip().lower().removeprefix("sip:") in WITHHELD


def parse(text: str | None, region: str = "US") -> str | None:
    """The one number in `text` as E.164, or `None` where it is not a whole phone number.

    `region` (ISO 3166) is the country in whose local form numbers without a country code are written.
    """
    if not text:
        return None
    if region in _NANP_REGIONS and (plain := _plain_nanp(text)):
        return plain
    if len(text) > LONGEST_TEXT or _WORD_FIRST.match(text):
        return None
    return _parse_slowly(text, region)


def _plain_nanp(text: str) -> str | None:
    """North American numbers as nearly everybody writes them; the library, which reads all others, takes 50 µs."""
    if usual := _NANP_USUAL.fullmatch(text):
        return f"+1{usual[1]}{usual[2]}{usual[3]}"
    plain = _NANP.fullmatch(text.translate(_PUNCTUATION))
    if plain is None and (extension := _EXTENSION.search(text)) and extension.end() == len(text):
        plain = _NANP.fullmatch(text[: extension.start()].translate(_PUNCTUATION))
    return f"+1{plain[1]}" if plain else None


@lru_cache(maxsize=4096)
def _parse_slowly(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    return _e164(number)


def _e164(number: phonenumbers.PhoneNumber) -> str | None:
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def extract(text: str | None, region: str = "US") -> list[tuple[str, Certainty]]:
    """All numbers in a dirty phone field, each once, in order.

    A field that is one number, with or without an extension, is `KNOWN`; so is a number that opens the field and is
    followed by a remark ("437-555-0142 (Jane's cell)"), and each of several numbers with nothing but separators between
    them. A number inside a sentence is `MAYBE`: it may be somebody else's.
    """
    if not text:
        return []
    if region in _NANP_REGIONS and (usual := _NANP_USUAL.fullmatch(text) or _NANP_REMARK.fullmatch(text)):
        return [(f"+1{usual[1]}{usual[2]}{usual[3]}", Certainty.KNOWN)]
    if not _DIGIT.search(text):  # most memos
        return []
    if (whole := parse(text, region)) is not None:
        return [(whole, Certainty.KNOWN)]
    return list(_search(text[:LONGEST_TEXT], region))


@lru_cache(maxsize=4096)
def _search(text: str, region: str) -> tuple[tuple[str, Certainty], ...]:
    found: dict[str, Certainty] = {}
    only_separators_so_far = True
    end = 0
    for match in PhoneNumberMatcher(text, region, leniency=Leniency.POSSIBLE):
        between = text[end : match.start]
        only_separators_so_far = only_separators_so_far and not any(letter.isalnum() for letter in between)
        number = _e164(match.number)
        if number is not None and number not in found:
            found[number] = Certainty.KNOWN if only_separators_so_far else Certainty.MAYBE
        end = match.end
    return tuple(found.items())


@lru_cache(maxsize=4096)
def display(number: str) -> str:
    """An E.164 number as people write it: ``(437) 555-0142`` in North America, ``+44 20 7946 0018`` elsewhere."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return number
    form = PhoneNumberFormat.NATIONAL if parsed.country_code == 1 else PhoneNumberFormat.INTERNATIONAL
    return str(phonenumbers.format_number(parsed, form))

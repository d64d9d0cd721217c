"""What phone systems that ask us who calls share: how they name the number, and how they prove who they are."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import unquote

from trunkline.phone_systems.delivery import Delivery, Refused, any_holds

SHORTEST_KEY = 24  # a key is the only proof there is: nobody may guess it
DISPLAY_SIGNS = 60
_UNFILLED = re.compile(r"\[\w+\]|\[\[\w+\].*\]")
_DIGITS = re.compile(r"\d+")
_PLAIN = str.maketrans(
    {
        "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2018": "'", "\u2019": "'", "\u201c": "'", "\u201d": "'",
        '"': "'", "\\": "/", "\u2026": "...", "\u20ac": "EUR", "\u0152": "OE", "\u0153": "oe", "\u0141": "L",
        "\u0142": "l", "\u0110": "D", "\u0111": "d", "\u0131": "i", "\u1e9e": "SS",
    }
)  # fmt: skip


def check_keys(account: str, name: str, keys: Sequence[str]) -> None:
    """Refuse keys that could be guessed; `name` is the option's.

    Raises:
        ValueError: with one sentence that names the option.
    """
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ValueError(f"Phone system {account}: each of {name} needs at least {SHORTEST_KEY} signs.")


def check_bearer(delivery: Delivery, keys: Sequence[str], *, or_basic: bool = False) -> None:
    """Hold the header `Authorization` against `keys`; with `or_basic` a key may be Basic's password, for any user.

    Raises:
        Refused: it is missing, given twice, of another kind, or holds no such key.
    """
    scheme, _, given = delivery.header("authorization").partition(" ")
    if or_basic and scheme.lower() == "basic":
        given = _password(given)
    elif scheme.lower() != "bearer":
        raise Refused("The header authorization holds no key.")
    if not any_holds(given, keys):
        raise Refused("The key is none of this account.")


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Refused("The header authorization cannot be read.") from None


def asked_number(delivery: Delivery) -> str:
    """The number in `?number=...`, with the plus that a query string turns into a blank, and 00 as a plus.

    Raises:
        Refused: there is none, or there are two.
    """
    pairs = [pair.partition("=") for pair in delivery.query.split("&")]
    found = [unquote(value) for name, _, value in pairs if name == "number"]
    if len(found) != 1:
        raise Refused("The question needs one number.", status=400)
    return with_plus(found[0])


def with_plus(text: str) -> str:
    """A number that begins with 00, or with the blank that stands for a plus in a query string, with its plus.

    Ten digits after a blank are left alone: a national number is likelier than a country code.
    """
    number = text.strip()
    if number.startswith("00") and len(number) > len("00") + 10:
        return f"+{number.removeprefix('00')}"
    was_plus = text.startswith(" ") and len("".join(_DIGITS.findall(number))) > 10
    return f"+{number}" if was_plus and not number.startswith("+") else number


def is_unfilled(text: str) -> bool:
    """Whether a value is still its variable, as `[Number]` or `[[Begin].ToString("O")]`, since there was nothing."""
    return _UNFILLED.fullmatch(text.strip()) is not None


def for_display(label: str) -> str:
    """One line of at most 60 signs that every phone's font has: those of Latin-1, others by their likeness."""
    plain = "".join(_likeness(sign) for sign in label.translate(_PLAIN))
    return " ".join(plain.split())[:DISPLAY_SIGNS].rstrip()


def _likeness(sign: str) -> str:
    if sign.isspace() or unicodedata.category(sign).startswith("C"):
        return " "
    if ord(sign) < 256:
        return sign
    base = "".join(one for one in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(one))
    return base if base.isascii() else "" if not base else "?"

"""Reading Dialpad's claims, of which every field may be missing and some come in several types."""

from collections.abc import Mapping
from typing import Any

from trunkline.domain.events import Party, PartyKind

_MS = 1000.0
_LONGEST_MS = 31 * 86_400 * _MS
_TEXT_KEYS = ("text", "summary", "content", "name", "title", "value")


def as_text(value: object, *, keep_empty: bool = False) -> str | None:
    """Text, or a whole number as text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if text or keep_empty else None


def as_number(value: object) -> float | None:
    """A number, or digits as a number; `None` for anything else, and for what is too large to be meant."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e18 else None
    text = as_text(value)
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 18 else None


def as_seconds(value: object) -> float | None:
    """Seconds from milliseconds; `None` where there are none, and for more than a month."""
    number = as_number(value)
    return number / _MS if number and 0 < number < _LONGEST_MS else None


def is_true(value: object) -> bool:
    """One account was seen to send the word instead of the value."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def as_mapping(value: object) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_party(target: Mapping[str, Any], kind: PartyKind) -> Party:
    """A target or contact as a party."""
    return Party(
        kind,
        name=as_text(target.get("name")),
        provider_id=as_text(target.get("id")),
        email=as_text(target.get("email")),
    )


def links_in(value: object, *, voicemail: bool = False) -> list[str]:
    """Addresses in a text, a list of texts, or a list of details of which each says what it records."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        details = as_mapping(item)
        if details and (details.get("recording_type") == "voicemail") != voicemail:
            continue
        link = as_text(details.get("url") if details else item)
        if link and link.startswith(("https://", "http://")):
            found.append(link)
    return [] if voicemail and not isinstance(value, list) else found


def texts_in(value: object) -> list[str]:
    """What people wrote or said: a text, a text with its speaker, or a list of such; the shape is not documented."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        details = as_mapping(item)
        text = next((given for key in _TEXT_KEYS if (given := as_text(details.get(key)))), None)
        text = text if details else (as_text(item) if isinstance(item, str) else None)
        speaker = as_text(details.get("speaker"))
        if text:
            found.append(f"{speaker}: {text}" if speaker else text)
    return found


def unique(links: list[str]) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(links))

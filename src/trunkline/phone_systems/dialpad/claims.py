"""Reading what Dialpad's claims hold in several shapes."""

from trunkline.domain.events import Party, PartyKind
from trunkline.phone_systems.loose import Fields

_TEXT_KEYS = ("text", "summary", "content", "name", "title", "value")


def as_party(target: Fields, kind: PartyKind) -> Party:
    """A target or contact as a party."""
    return Party(kind, name=target.text("name"), provider_id=target.text("id"), email=target.text("email"))


def links_in(value: object, *, voicemail: bool = False) -> list[str]:
    """Addresses in a text, a list of texts, or a list of details of which each says what it records."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        details = Fields(item)
        if details and (details.text("recording_type") == "voicemail") != voicemail:
            continue
        link = details.text("url") if details else item
        if isinstance(link, str) and link.strip().startswith(("https://", "http://")):
            found.append(link.strip())
    return [] if voicemail and not isinstance(value, list) else found


def texts_in(value: object) -> list[str]:
    """What people wrote or said: a text, a text with its speaker, or a list of such; the shape is not documented."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        details = Fields(item)
        text = details.text(*_TEXT_KEYS) if details else item.strip() if isinstance(item, str) else None
        speaker = details.text("speaker")
        if text:
            found.append(f"{speaker}: {text}" if speaker else text)
    return found


def unique(links: list[str]) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(links))

"""Raw messages as people may see them: secrets never, telephone numbers only where they are asked for."""

import re

HIDDEN = "(hidden)"

# Names under which vendors send what proves who they are, in JSON, forms, URLs and header-like lines.
_PROVING = r"[\w-]*(?:token|secret|passw(?:or)?d|signature|authorization|api[_-]?key|credential)[\w-]*"
_SECRETS = (
    re.compile(rf'("{_PROVING}"\s*:\s*")((?:[^"\\]|\\.)*)', re.IGNORECASE),
    re.compile(rf"(\b{_PROVING}=)([^&\s\"]+)", re.IGNORECASE),
    re.compile(rf"^({_PROVING}:[ \t]*)(\S.*)$", re.IGNORECASE | re.MULTILINE),
)
# Seven digits and more, as people and machines write numbers; ids are hidden with them rather than numbers missed.
# Dates and what follows the colon or the point of a time are neither.
_NUMBER = re.compile(r"(?<!\d)(?<!\d\.)(?!(?<=\d:)\d\d(?!\d))(?!\d{4}-\d\d-\d\d)\+?\d(?:[ ().-]{0,2}\d){6,}")
_KEPT = 2


def without_secrets(text: str) -> str:
    """`text` with the values of everything that is named like a secret taken out."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: f"{found[1]}{HIDDEN}", text)
    return text


def without_numbers(text: str) -> str:
    """`text` with every run of seven digits and more shortened to its last two."""
    return _NUMBER.sub(lambda found: f"…{found[0][-_KEPT:]}", text)

"""What differs from shop to shop, and what channels are: the outside party's, a colleague's, or plumbing."""

import re
from dataclasses import dataclass, field

from trunkline.domain.events import EndReason, Party, PartyKind

# FreeSWITCH's words for why a channel ended. What is not here says nothing that we know.
REASONS = {
    "NORMAL_CLEARING": EndReason.NORMAL,
    "ATTENDED_TRANSFER": EndReason.NORMAL,
    "BLIND_TRANSFER": EndReason.NORMAL,
    "MANAGER_REQUEST": EndReason.NORMAL,
    "NO_ANSWER": EndReason.NO_ANSWER,
    "NO_USER_RESPONSE": EndReason.NO_ANSWER,
    "ALLOTTED_TIMEOUT": EndReason.NO_ANSWER,
    "PROGRESS_TIMEOUT": EndReason.NO_ANSWER,
    "USER_NOT_REGISTERED": EndReason.NO_ANSWER,
    "SUBSCRIBER_ABSENT": EndReason.NO_ANSWER,
    "USER_BUSY": EndReason.BUSY,
    "CALL_REJECTED": EndReason.REJECTED,
    "LOSE_RACE": EndReason.ELSEWHERE,
    "PICKED_OFF": EndReason.ELSEWHERE,
    "ORIGINATOR_CANCEL": EndReason.CANCELLED,
    "UNALLOCATED_NUMBER": EndReason.FAILED,
    "NO_ROUTE_DESTINATION": EndReason.FAILED,
    "INVALID_NUMBER_FORMAT": EndReason.FAILED,
    "INVALID_GATEWAY": EndReason.FAILED,
    "GATEWAY_DOWN": EndReason.FAILED,
    "DESTINATION_OUT_OF_ORDER": EndReason.FAILED,
    "NETWORK_OUT_OF_ORDER": EndReason.FAILED,
    "NORMAL_TEMPORARY_FAILURE": EndReason.FAILED,
    "NORMAL_CIRCUIT_CONGESTION": EndReason.FAILED,
    "RECOVERY_ON_TIMER_EXPIRE": EndReason.FAILED,
    "INCOMPATIBLE_DESTINATION": EndReason.FAILED,
    "MEDIA_TIMEOUT": EndReason.FAILED,
    "SYSTEM_SHUTDOWN": EndReason.FAILED,
}
TRANSFERS = frozenset({"BLIND_TRANSFER", "ATTENDED_TRANSFER"})
OUTSIDE = Party(PartyKind.EXTERNAL)

_DIALLED = re.compile(r"\+?[0-9]{3,20}")
_CHANNEL = re.compile(r"([^/]*)/([^/]*)/?(.*)", re.DOTALL)
# mod_callcenter's agents and the phone that a bridge dials are called this where nobody gave them a name.
_NO_NAMES = frozenset({"", "outbound call", "unknown", "anonymous"})


def reason(cause: str) -> EndReason | None:
    """Why a channel ended; `None` where nothing is said."""
    return REASONS.get(cause, EndReason.UNKNOWN) if cause else None


def dialled_number(*candidates: str) -> str | None:
    """The first of `candidates` that is a number people dial."""
    return next((text for text in candidates if _DIALLED.fullmatch(text)), None)


def name_of(name: str, number: str) -> str | None:
    """A display name that says more than the number does."""
    return None if name.lower() in _NO_NAMES or name == number else name


@dataclass(frozen=True)
class Channel:
    """One leg as a message shows it. `is_dialled`: FreeSWITCH called it; else it called FreeSWITCH."""

    uuid: str
    name: str
    is_dialled: bool
    context: str = ""
    gateway: str = ""
    numbers: tuple[str, ...] = ()  # what its extension may be, the surest first
    display: str = ""

    @property
    def is_plumbing(self) -> bool:
        """Whether it only joins parts of the dialplan."""
        return self.name.startswith("loopback/")

    @property
    def user(self) -> str:
        """The user in its name: `sofia/internal/101@192.0.2.44` is `101`'s."""
        match = _CHANNEL.match(self.name)
        last = (match[3] or match[2]).rpartition("/")[2] if match else ""
        return last.removeprefix("sip:").partition("@")[0]


@dataclass(frozen=True)
class Shop:
    """Which gateways, profiles and contexts lead outside, how extensions look, and what takes messages."""

    account: str
    trunk_profiles: frozenset[str] = frozenset({"external"})
    trunk_gateways: frozenset[str] = frozenset()  # none: all
    trunk_contexts: frozenset[str] = frozenset({"public"})
    extension: re.Pattern[str] = field(default=re.compile(r"[0-9]{2,6}"))
    voicemail_apps: tuple[str, ...] = ("voicemail",)

    def is_outside(self, channel: Channel) -> bool:
        """Whether a channel leads to the outside. Its context tells only where it came in: a dialled one has its
        caller's."""
        match = _CHANNEL.match(channel.name)
        profile = match[2] if match else ""
        gateway = channel.gateway or (match[3].partition("/")[0] if match and profile == "gateway" else "")
        if gateway and (not self.trunk_gateways or gateway in self.trunk_gateways):
            return True
        return profile in self.trunk_profiles or (not channel.is_dialled and channel.context in self.trunk_contexts)

    def agent(self, channel: Channel) -> Party:
        """The colleague at the other end of a channel; outside, at a mobile phone."""
        candidates = (*channel.numbers, channel.user)
        extension = next((text for text in candidates if self.extension.fullmatch(text)), None)
        return Party(
            PartyKind.AGENT,
            extension,
            name_of(channel.display, extension or channel.user),
            provider_id=channel.user or None,
        )

    def takes_messages(self, app: str, data: str) -> bool:
        """Whether a dialplan application lets the caller leave a message; `check` is a colleague's own box."""
        whole = f"{app} {data} "
        return not data.startswith("check") and any(whole.startswith(f"{one} ") for one in self.voicemail_apps)

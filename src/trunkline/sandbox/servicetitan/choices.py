"""What nobody outside ServiceTitan knows for certain, as switches: a client must live with every setting.

The *lenient* mode lets each doubtful case end well for the client, the *strict* one badly.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Literal

import msgspec

Mode = Literal["lenient", "strict"]


@dataclass(frozen=True)
class Choices:
    """One answer to each open question; these are the lenient ones."""

    missing_app_key: Literal[401, 403] = 401
    """The status where the app key is missing or wrong."""
    foreign_tenant: Literal[401, 403] = 403
    """The status where a token is used at another tenant."""
    partial_call_update: bool = True
    """Whether the update of a call may leave out fields; what is left out stays as it is."""
    absent_recording: Literal[200, 204, 400, 404] = 404
    """The status where a call has no recording or voicemail; the first two come without a body."""
    phone_with_country_code: bool = True
    """Whether customers are found by numbers of eleven digits and by ``+1...`` too."""
    duplicate_bookings: bool = True
    """Whether a booking's external id may come twice."""
    longest_note: int = 0
    """The most characters that a note may have; 0 is no limit."""
    hidden_operations: bool = True
    """Whether the operations that the portal does not show are open to apps."""
    spaced_statuses: bool = False
    """Whether job statuses of two words are written with a blank, as in ``In Progress``."""
    missing_campaign: Literal[400, 422] = 400
    """The status where a job is booked without a campaign."""


LENIENT = Choices()
STRICT = Choices(
    missing_app_key=403,
    foreign_tenant=401,
    partial_call_update=False,
    absent_recording=400,
    phone_with_country_code=False,
    duplicate_bookings=False,
    longest_note=4_000,
    hidden_operations=False,
    spaced_statuses=True,
    missing_campaign=422,
)


def choose(mode: Mode, switches: Iterable[str] = ()) -> Choices:
    """The mode's choices, some of them changed by texts like ``missing-app-key=403``.

    Raises:
        ValueError: with one sentence that says what is possible.
    """
    found = STRICT if mode == "strict" else LENIENT
    kinds = {field.name.replace("_", "-"): field for field in fields(Choices)}
    for switch in switches:
        name, _, text = switch.partition("=")
        if name not in kinds:
            raise ValueError(f"There is no switch {name!r}; choose one of {', '.join(kinds)}.")
        try:
            value = msgspec.convert(text, kinds[name].type, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"{switch!r} does not do: {error}.") from None
        found = replace(found, **{kinds[name].name: value})
    return found

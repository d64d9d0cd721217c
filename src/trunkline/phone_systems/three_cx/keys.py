"""Keys for calls that have none; the package says how they join."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from trunkline.domain import phone

STEP_S = 5
EARLY_S, LATE_S = 5, 2
LONGEST_CLAIM_S = 120
LIVE = "live:"  # what keys of calls that Call Control tells of begin with
SAME_RING = timedelta(seconds=40)
_REMEMBERED = timedelta(hours=1)


def who(number: str) -> str:
    """One spelling of an outside number: E.164 where it can be read, else its digits."""
    return phone.parse(number) or "".join(sign for sign in number if sign.isdigit()) or number.strip().lower()


def ring_key(number: str, began_at: datetime) -> str:
    """The key of a ring of `number`."""
    return _key(who(number), _step(began_at.timestamp()))


def call_key(number: str, agent: str, began_at: datetime) -> str:
    """The key of a call that began in this second; where the number is withheld, with the agent instead."""
    whose = f"withheld@{agent}" if phone.is_withheld(number) else who(number)
    return f"call:{whose}:{int(began_at.timestamp())}"


def claims(number: str, began_at: datetime, rang_s: float, agent: str = "") -> tuple[str, ...]:
    """The keys of the rings that belong to a call that began then and rang so long.

    Where the number is withheld, those of the phone `agent`: what rings there is told by its time alone. None where
    nobody's phone is known either.
    """
    if not phone.is_withheld(number):
        return _claims(who(number), began_at, rang_s)
    return _claims(f"withheld@{agent}", began_at, rang_s) if agent else ()


def claims_inside(one: str, other: str, began_at: datetime, rang_s: float) -> tuple[str, ...]:
    """The same for a call between the extensions of two colleagues, whichever of them dialled."""
    return _claims("~".join(sorted((one, other))), began_at, rang_s) if one and other else ()


def _claims(whose: str, began_at: datetime, rang_s: float) -> tuple[str, ...]:
    first = began_at.timestamp()
    last = first + min(max(rang_s, 0.0), LONGEST_CLAIM_S)
    return tuple(_key(whose, step) for step in range(_step(first - EARLY_S), _step(last + LATE_S) + 1))


def live_key(call_id: str, number: str | None, since: datetime) -> str:
    """The key of a call that Call Control tells of; `number` is `None` between colleagues.

    The PBX counts calls anew after a restart, so its id alone would in time be another call's, too.
    """
    whose = "inside" if number is None else "withheld" if phone.is_withheld(number) else who(number)
    return f"{LIVE}{call_id}:{whose}:{since:%Y%m%d}"


def handovers(number: str, began_at: datetime, ended_at: datetime | None) -> tuple[str, ...]:
    """What joins the records of two agents in turn: one begins in the second, or next to it, in which another ends."""
    if phone.is_withheld(number):
        return ()
    seconds = {int(began_at.timestamp())}
    if ended_at is not None:
        end = int(ended_at.timestamp())
        seconds |= {end - 1, end, end + 1}
    return tuple(f"handover:{who(number)}:{second}" for second in sorted(seconds))


def _step(seconds: float) -> int:
    return int(seconds // STEP_S)


def _key(whose: str, step: int) -> str:
    return f"ring:{whose}:{step * STEP_S}"


@dataclass
class _Ring:
    began_at: datetime
    last_asked_at: datetime
    is_over: bool = False


class Rings:
    """Which numbers ring now. It only saves people from seeing one ring twice: nothing is lost when it is forgotten."""

    def __init__(self) -> None:
        self._rings: dict[str, _Ring] = {}

    def asked(self, number: str, at: datetime) -> datetime:
        """Somebody asked about `number`: when the ring began to which that belongs."""
        self._rings = {one: ring for one, ring in self._rings.items() if at - ring.last_asked_at < _REMEMBERED}
        ring = self._rings.get(who(number))
        if ring is None or ring.is_over or at - ring.last_asked_at > SAME_RING:
            ring = self._rings[who(number)] = _Ring(at, at)
        ring.last_asked_at = at
        return ring.began_at

    def over(self, number: str) -> None:
        """The call is over: who calls next from `number` calls anew."""
        if ring := self._rings.get(who(number)):
            ring.is_over = True

    def began_at(self, number: str) -> datetime | None:
        """When `number` last began to ring, within the last hour or so."""
        ring = self._rings.get(who(number))
        return ring.began_at if ring else None

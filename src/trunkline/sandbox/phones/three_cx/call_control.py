"""Calls as 3CX's Call Control tells of them: who takes part, one participant for each extension of a call.

A step is one participant as it is from then on, or its end. The same steps are played over a WebSocket by
:class:`~trunkline.sandbox.phones.three_cx.switchboard.Switchboard`, and stand in an inbox as :class:`ThreeCxListener`
says them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from trunkline.sandbox.phones.speaker import Dialled, Said
from trunkline.sandbox.phones.three_cx.speaker import SPEAKER

TRUNK, QUEUE = "10000", "800"
TYPES = {"201": "Wextension", "202": "Wextension", "203": "Wextension", QUEUE: "Wqueue"}
_NAMES = {"201": "Dana Desk", "202": "Sam Second", "203": "Rita Rings"}


@dataclass(frozen=True)
class Step:
    """The participant `name` of the extension `dn`, `after_s` seconds from the call's begin; `held` is `None` where it
    is gone."""

    after_s: float
    dn: str
    name: int
    held: dict[str, Any] | None


@dataclass
class _Stage:
    """One call on its way. Its ids are its own."""

    call: Dialled
    is_withheld: bool = False
    steps: list[Step] = field(default_factory=list)

    def _outside(self) -> dict[str, Any]:
        number = "anonymous" if self.is_withheld else self.call.caller
        name = "" if self.is_withheld else self.call.name
        return {
            "party_dn": TRUNK,
            "party_dn_type": "Wexternalline",
            "party_caller_id": number,
            "party_caller_name": name,
        }

    @staticmethod
    def _inside(dn: str) -> dict[str, Any]:
        kind = TYPES[dn]
        return {"party_dn": dn, "party_dn_type": kind, "party_caller_id": dn, "party_caller_name": _NAMES.get(dn, "")}

    def put(
        self,
        after_s: float,
        dn: str,
        status: str,
        *,
        place: int = 0,
        party: str = "",
        consults: bool = False,
        **more: Any,
    ) -> None:
        """The participant number `place` of `dn`; `party` is a colleague, else it talks to the outside."""
        call_id = self.call.serial * 10 + consults
        held = {
            "id": self._name(dn, place),
            "status": status,
            "dn": dn,
            **(self._inside(party) if party else self._outside()),
            "party_did": "" if party else self.call.did,
            "device_id": f"sip:{dn}@127.0.0.1:5060",
            "direct_control": False,
            "originated_by_dn": "",
            "originated_by_type": "None",
            "referred_by_dn": "",
            "referred_by_type": "None",
            "callid": call_id,
            "legid": int(dn) % 100 + place,
            **more,
        }
        self.steps.append(Step(after_s, dn, held["id"], held))

    def remove(self, after_s: float, *dns: str, place: int = 0) -> None:
        """Participants leave."""
        self.steps += [Step(after_s, dn, self._name(dn, place), None) for dn in dns]

    def _name(self, dn: str, place: int) -> int:
        return self.call.serial * 10_000 + int(dn) * 10 + place


def _answered(stage: _Stage) -> None:
    stage.put(0.5, "201", "Ringing")
    stage.put(6, "201", "Connected")
    stage.remove(66, "201")


def _missed(stage: _Stage) -> None:
    stage.put(0.5, "201", "Ringing")
    stage.remove(20, "201")


def _blind_transfer(stage: _Stage) -> None:
    stage.put(0.5, "201", "Ringing")
    stage.put(6, "201", "Connected")
    stage.put(30, "202", "Ringing", referred_by_dn="201", referred_by_type="Wextension")
    stage.remove(30.2, "201")
    stage.put(34, "202", "Connected", referred_by_dn="201", referred_by_type="Wextension")
    stage.remove(89, "202")


def _attended_transfer(stage: _Stage) -> None:
    """The consultation is a call of its own, whose second phone gets the caller in the end."""
    stage.put(0.5, "201", "Ringing")
    stage.put(6, "201", "Connected")
    stage.put(20, "201", "Dialing", place=1, party="202", consults=True, party_did="")
    stage.put(20.2, "202", "Ringing", party="201", consults=True)
    stage.put(24, "202", "Connected", party="201", consults=True)
    stage.put(24, "201", "Connected", place=1, party="202", consults=True)
    stage.put(30, "202", "Connected", consults=True)
    stage.remove(30.1, "201")
    stage.remove(30.1, "201", place=1)
    stage.remove(89, "202")


def _ring_group(stage: _Stage) -> None:
    stage.put(0.2, QUEUE, "Connected")
    for dn in ("201", "202", "203"):
        stage.put(0.5, dn, "Ringing")
    stage.put(7, "202", "Connected")
    stage.remove(7.1, QUEUE, "201", "203")
    stage.remove(70, "202")


def _outbound(stage: _Stage) -> None:
    stage.put(0.3, "201", "Dialing", originated_by_dn="201", originated_by_type="Wextension", party_did="")
    stage.put(8, "201", "Connected", originated_by_dn="201", originated_by_type="Wextension", party_did="")
    stage.remove(60, "201")


def _internal(stage: _Stage) -> None:
    stage.put(0.3, "201", "Dialing", party="202")
    stage.put(0.5, "202", "Ringing", party="201")
    stage.put(5, "202", "Connected", party="201")
    stage.put(5, "201", "Connected", party="202")
    stage.remove(30, "201", "202")


_SCRIPTS: Mapping[str, Callable[[_Stage], None]] = {
    "answered": _answered,
    "missed": _missed,
    "blind_transfer": _blind_transfer,
    "attended_transfer": _attended_transfer,
    "ring_group": _ring_group,
    "outbound": _outbound,
    "internal": _internal,
    "withheld": _answered,
}


def steps_of(scenario: str, call: Dialled) -> list[Step]:
    """A call from its begin to its end, in the order in which it happens."""
    stage = _Stage(call, is_withheld=scenario == "withheld")
    _SCRIPTS[scenario](stage)
    return stage.steps


class ThreeCxListener:
    """3CX V20 heard over Call Control alone: what stands in an inbox then."""

    system: ClassVar[str] = "3cx"
    scenarios: ClassVar[Sequence[str]] = tuple(_SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset()

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """The template's key is needed all the same."""
        return SPEAKER.options(SPEAKER.secret, address=address)

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """Every step, with what a connection that was there from the begin knew."""
        memory = _Memory(call)
        return [Said(step.after_s, memory.body(step), "stream") for step in steps_of(scenario, call)]

    def strange(self, call: Dialled) -> list[Said]:
        """A status, a type and an event that nobody has documented."""
        stage = _Stage(call)
        stage.put(0.5, "201", "Levitating")
        stage.put(1.0, "202", "Ringing", party_dn_type="Wtelepathy", referred_by_type=7, legid=None)
        stage.put(2.0, "202", "Dreaming", party_caller_name=["?"], mood={})
        memory = _Memory(call)
        nothing = {
            "told": "participant",
            "dn": "201",
            "id": "9",
            "event": {"event": {"event_type": 7}},
            "is_gone": True,
        }
        return [
            *(Said(step.after_s, memory.body(step), "stream") for step in stage.steps),
            Said(3, _json(nothing), "stream"),
        ]

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """The call log's record of the same call."""
        return SPEAKER.history(scenario, call)


class _Memory:
    """What a connection remembers of one call, or of two that become one."""

    def __init__(self, call: Dialled) -> None:
        self._call = call
        self._sequence = 0
        self._seats: dict[tuple[str, int], dict[str, Any]] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._dials: set[tuple[str, int]] = set()

    def body(self, step: Step) -> bytes:
        """The message of one step."""
        place = (step.dn, step.name)
        before = self._seats.pop(place, None)
        held = step.held or before or {}
        known = self._known(held)
        joins = self._joins(known, held)
        told: dict[str, object] = {"told": "participant", "dn": step.dn, "id": str(step.name), "participant": held}
        told |= {"event": self._event(step), "dn_type": TYPES[step.dn], "call": dict(known)}
        if step.held is not None:
            self._seats[place] = held
            if held["status"] == "Dialing":
                self._dials.add(place)
            if before:
                told["before"] = before["status"].lower()
        if place in self._dials:
            told["dials"] = True
        if step.held is None:
            told["is_gone"] = True
        elif not before:
            moment = self._call.at + timedelta(seconds=step.after_s)
            told["rings_since"] = moment.isoformat().replace("+00:00", "Z")
        return _json({**told, **({"joins": joins} if joins else {})})

    def _event(self, step: Step) -> dict[str, Any]:
        self._sequence += 1
        return frame(self._sequence, step)

    def _known(self, held: Mapping[str, Any]) -> dict[str, Any]:
        call_id = held["callid"]
        if call_id not in self._calls:
            is_inside = held["party_dn_type"] != "Wexternalline"
            number = held["party_caller_id"]
            whose = "inside" if is_inside else "withheld" if number == "anonymous" else number
            way = "internal" if is_inside else "outbound" if held["status"] == "Dialing" else "inbound"
            key = f"live:{call_id}:{whose}:{self._call.at:%Y%m%d}"
            self._calls[call_id] = {"key": key, **({} if is_inside else {"number": number}), "direction": way}
        return self._calls[call_id]

    def _joins(self, known: dict[str, Any], held: Mapping[str, Any]) -> list[str]:
        if "number" in known or held["party_dn_type"] != "Wexternalline":
            return []
        known["number"] = held["party_caller_id"]
        return [one["key"] for one in self._calls.values() if one is not known and one.get("number") == known["number"]]


def frame(sequence: int, step: Step) -> dict[str, Any]:
    """The event of a step as it is sent: which participant, and nothing of its state."""
    event = {
        "event_type": 0 if step.held else 1,
        "entity": f"/callcontrol/{step.dn}/participants/{step.name}",
        "attached_data": None,
    }
    return {"sequence": sequence, "event": event}


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


LISTENER = ThreeCxListener()

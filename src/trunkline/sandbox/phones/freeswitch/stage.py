"""What calls are played with: legs, and what FreeSWITCH says of them."""

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import quote

from trunkline.sandbox.phones.speaker import Dialled, Said

PHONES = {"201": "Dana Desk", "202": "Sam Second", "203": "Rita Rings"}
_CORE = "0b6e3f4c-0000-4000-8000-000000000001"

Fields = dict[str, object]


@dataclass
class Leg:
    """One channel; times are seconds from the call's begin, `None` for what has not happened."""

    uuid: str
    call: str
    name: str
    direction: str
    number: str  # of who calls
    label: str
    dialled: str
    context: str
    began: float
    extension: str = ""
    origin: "Leg | None" = None
    peer: "Leg | None" = None
    rang: float | None = None
    answered: float | None = None
    bridged: float | None = None
    routes: list[tuple[float, str]] = field(default_factory=list)
    peers: list["Leg"] = field(default_factory=list)
    apps: list[tuple[float, str, str]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    transfer_source: str = ""


def as_json(fields: Fields) -> bytes:
    """JSON as FreeSWITCH writes it: no blanks."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


class Stage:
    """One call on its way; `now` is in seconds from its begin."""

    def __init__(self, call: Dialled) -> None:
        self.call = call
        self.now = 0.0
        self.said: list[Said] = []
        self._legs = 0
        self._sequence = 9000

    # Legs -------------------------------------------------------------------------------------------------------

    def trunk(self, number: str | None = None, label: str | None = None) -> Leg:
        """A caller comes in from the carrier."""
        number = self.call.caller if number is None else number
        label = self.call.name if label is None else label
        uuid = self._uuid()
        name = f"sofia/external/{number}@198.51.100.7"
        leg = Leg(uuid, uuid, name, "inbound", number, label, self.call.did, "public", self.now)
        leg.variables = {"sip_req_user": self.call.did, "sip_gateway_name": "carrier"}
        return self._appear(leg)

    def phone(self, extension: str, dials: str) -> Leg:
        """A colleague dials."""
        uuid = self._uuid()
        name = f"sofia/internal/{extension}@pbx.example.com"
        leg = Leg(uuid, uuid, name, "inbound", extension, PHONES[extension], dials, "default", self.now, extension)
        leg.variables = {"user_name": extension}
        return self._appear(leg)

    def rings(self, origin: Leg, extension: str) -> Leg:
        """FreeSWITCH dials a colleague's phone, and the phone says that it rings."""
        leg = self._dial(origin, f"sofia/internal/{extension}@192.0.2.44:5060", extension)
        leg.extension = extension
        leg.variables = {"dialed_user": extension}
        self._appear(leg)
        leg.rang = self.now
        self.tell("CHANNEL_PROGRESS", leg)
        return leg

    def dials_out(self, origin: Leg, number: str) -> Leg:
        """FreeSWITCH dials a number by the carrier."""
        leg = self._dial(origin, f"sofia/external/{number}", number)
        leg.variables = {"sip_gateway_name": "carrier"}
        return self._appear(leg)

    def _dial(self, origin: Leg, name: str, dialled: str) -> Leg:
        return Leg(
            self._uuid(), origin.call, name, "outbound", origin.number, origin.label, dialled, origin.context, self.now,
            origin=origin, peer=origin,
        )  # fmt: skip

    def _appear(self, leg: Leg) -> Leg:
        leg.routes.append((self.now, leg.dialled))
        self.tell("CHANNEL_CREATE", leg)
        return leg

    def _uuid(self) -> str:
        self._legs += 1
        return f"{'abcdef'[self._legs - 1] * 8}-0000-4000-8000-{self.call.serial:012d}"

    # What happens to them ---------------------------------------------------------------------------------------

    def answers(self, *legs: Leg) -> None:
        """Channels are answered."""
        for leg in legs:
            leg.answered = self.now
            self.tell("CHANNEL_ANSWER", leg)

    def bridges(self, first: Leg, second: Leg) -> None:
        """Two channels are joined."""
        for leg, peer in ((first, second), (second, first)):
            leg.peer, leg.bridged = peer, self.now if leg.bridged is None else leg.bridged
        first.peers.append(second)
        ends: Fields = {"Bridge-A-Unique-ID": first.uuid, "Bridge-B-Unique-ID": second.uuid}
        self.tell("CHANNEL_BRIDGE", first, ends)

    def runs(self, leg: Leg, app: str, data: str) -> None:
        """The dialplan does something with a channel."""
        leg.apps.append((self.now, app, data))
        self.tell("CHANNEL_EXECUTE", leg, {"Application": app, "Application-Data": data})

    def hangs_up(self, *legs: Leg, cause: str = "NORMAL_CLEARING") -> None:
        """Channels end; for those that called FreeSWITCH a record is posted."""
        for leg in legs:
            self.tell("CHANNEL_HANGUP_COMPLETE", leg, {"Hangup-Cause": cause})
        for leg in legs:
            if leg.direction == "inbound":
                self.said.append(Said(self.now + 0.5, as_json(self.record(leg, cause))))

    def transferred(self, leg: Leg, dialled: str) -> None:
        """A caller is sent to another number: his channel is routed anew."""
        leg.routes.append((self.now, dialled))
        leg.context = "default"

    # What is said of it -----------------------------------------------------------------------------------------

    def tell(self, event: str, leg: Leg, more: Fields | None = None) -> None:
        """One event of a channel."""
        fields = {**self._head(event), **self._channel(leg), **(more or {}), **self._variables(leg)}
        self.said.append(Said(self.now, as_json(fields)))

    def micros(self, after_s: float | None) -> str:
        """A moment as FreeSWITCH writes it; 0 for what has not happened."""
        if after_s is None:
            return "0"
        at = self.call.at + timedelta(seconds=after_s)
        return str(int(at.timestamp()) * 1_000_000 + at.microsecond)

    def _head(self, event: str) -> Fields:
        self._sequence += 1
        return {
            "Event-Name": event,
            "Core-UUID": _CORE,
            "FreeSWITCH-Hostname": "pbx",
            "Event-Date-Timestamp": self.micros(self.now),
            "Event-Sequence": str(self._sequence),
        }

    def _channel(self, leg: Leg) -> Fields:
        fields: Fields = {
            "Channel-Name": leg.name,
            "Unique-ID": leg.uuid,
            "Call-Direction": leg.direction,
            "Channel-Call-UUID": leg.call,
            "Answer-State": "ringing" if leg.answered is None else "answered",
            **self._profile("Caller", leg),
        }
        if leg.peer is not None:
            fields["Other-Type"] = "originator" if leg.peer is leg.origin else "originatee"
            fields |= self._profile("Other-Leg", leg.peer)
        return fields

    def _profile(self, prefix: str, leg: Leg) -> Fields:
        told: Fields = {
            "Direction": leg.direction,
            "Caller-ID-Name": leg.label,
            "Caller-ID-Number": leg.number,
            "Destination-Number": leg.routes[-1][1] if leg.routes else leg.dialled,
            "Unique-ID": leg.uuid,
            "Source": "mod_sofia",
            "Context": leg.context,
            "Channel-Name": leg.name,
            "Channel-Created-Time": self.micros(leg.began),
            "Channel-Answered-Time": self.micros(leg.answered),
            "Channel-Bridged-Time": self.micros(leg.bridged),
        }
        if leg.direction == "outbound" and leg.extension:
            told |= {"Callee-ID-Name": PHONES[leg.extension], "Callee-ID-Number": leg.extension}
        if leg.transfer_source:
            told["Transfer-Source"] = leg.transfer_source
        return {f"{prefix}-{name}": value for name, value in told.items()}

    @staticmethod
    def _variables(leg: Leg) -> Fields:
        return {f"variable_{name}": value for name, value in {"call_uuid": leg.call, **leg.variables}.items()}

    def record(self, leg: Leg, cause: str) -> Fields:
        """What mod_json_cdr tells of a leg that is over now."""
        variables = {
            "direction": leg.direction,
            "uuid": leg.uuid,
            "call_uuid": leg.call,
            "channel_name": leg.name,
            **leg.variables,
            "hangup_cause": cause,
            "start_uepoch": self.micros(leg.began),
            "answer_uepoch": self.micros(leg.answered),
            "bridge_uepoch": self.micros(leg.bridged),
            "end_uepoch": self.micros(self.now),
            "duration": str(int(self.now - leg.began)),
            "billsec": str(int(self.now - leg.answered)) if leg.answered is not None else "0",
            **({"bridge_uuid": leg.peers[-1].uuid} if leg.peers else {}),
        }
        return {
            "core-uuid": _CORE,
            "switchname": "pbx",
            "channel_data": {"state": "CS_REPORTING", "direction": leg.direction, "state_number": "11"},
            "variables": {name: quote(value, safe="") for name, value in variables.items()},
            "app_log": {
                "applications": [
                    {"app_name": app, "app_data": data, "app_stamp": self.micros(at)} for at, app, data in leg.apps
                ]
            },
            "callflow": [self._route(leg, place) for place in reversed(range(len(leg.routes)))],
        }

    def _route(self, leg: Leg, place: int) -> Fields:
        at, dialled = leg.routes[place]
        until = leg.routes[place + 1][0] if place + 1 < len(leg.routes) else None
        peers = [peer for peer in leg.peers if peer.began >= at and (until is None or peer.began < until)]
        profile = self._json_profile(replace(leg, dialled=dialled))
        if peers:
            profile["originatee"] = {"originatee_caller_profiles": [self._json_profile(peer) for peer in peers[::-1]]}
        bridged = min((peer.bridged for peer in peers if peer.bridged is not None), default=None)
        return {
            "dialplan": "XML",
            "profile_index": str(place + 1),
            "caller_profile": profile,
            "times": {
                "created_time": self.micros(leg.began),
                "profile_created_time": self.micros(at),
                "progress_time": "0",
                "progress_media_time": "0",
                "answered_time": self.micros(leg.answered),
                "bridged_time": self.micros(bridged),
                "hangup_time": self.micros(self.now if until is None else None),
                "transfer_time": self.micros(until),
            },
        }

    @staticmethod
    def _json_profile(leg: Leg) -> Fields:
        return {
            "username": leg.number,
            "dialplan": "XML",
            "caller_id_name": leg.label,
            "caller_id_number": leg.number,
            **({"callee_id_name": PHONES[leg.extension], "callee_id_number": leg.extension}
               if leg.direction == "outbound" and leg.extension else {}),
            "destination_number": leg.dialled,
            "uuid": leg.uuid,
            "source": "mod_sofia",
            "context": leg.context,
            "chan_name": leg.name,
        }  # fmt: skip

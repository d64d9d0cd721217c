"""Call records of mod_json_cdr: one for each leg that called FreeSWITCH, and for those it dialled where
`log-b-leg` is on. A record comes when its leg is over, which is the end of the call only where nobody took it over.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from urllib.parse import parse_qsl, unquote

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import Unreadable
from trunkline.phone_systems.freeswitch.parse import DIALS, SYSTEM, moment, routed
from trunkline.phone_systems.freeswitch.shop import (
    OUTSIDE,
    TRANSFERS,
    Channel,
    Shop,
    dialled_number,
    name_of,
    reason,
)
from trunkline.phone_systems.freeswitch.wire import text_of, whole

_Object = Mapping[str, object]


def unpacked(body: bytes) -> bytes:
    """The JSON of a record, however it is wrapped: as it is, as the form field `cdr`, or that in base64.

    Raises:
        Unreadable: the field is given twice, or is no base64.
    """
    if not body.startswith(b"cdr="):
        return body
    if body.startswith((b"cdr=%7B", b"cdr=%7b", b"cdr={")):
        fields = [value for name, value in parse_qsl(body.decode("utf-8", errors="replace")) if name == "cdr"]
        if len(fields) != 1:
            raise Unreadable("The form has the field cdr more than once.")
        return fields[0].encode()
    try:  # a plus belongs to base64 here, since the module does not encode it again
        return base64.b64decode(unquote(body[4:].decode("ascii")).rstrip("\r\n\0"), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("The form field cdr is neither JSON nor base64.") from None


def is_record(values: _Object) -> bool:
    """Whether a JSON object is a call record."""
    return isinstance(values.get("variables"), dict) or "callflow" in values


def parse_record(shop: Shop, values: _Object) -> list[CallEvent]:
    """The record as a `RECORD` and what goes with it. A leg that handed its call on, or that FreeSWITCH dialled, tells
    of itself alone.

    Raises:
        Unreadable: it does not say which call it is about, or when that was.
    """
    record = _Record(shop, values)
    if not record.uuid:
        raise Unreadable("The call record has no uuid.")
    if record.channel.is_plumbing:
        return []
    if record.start is None or record.end is None:
        raise Unreadable("The call record does not say when its call began and ended.")
    if record.origin:
        return list(_dialled_leg(record, record.start, record.end))
    return [*_calling_leg(record, record.start, record.end), *_parts(record, record.end)]


class _Record:
    """One record, its profiles - one for each time the call was routed anew - the oldest first."""

    def __init__(self, shop: Shop, values: _Object) -> None:
        self.shop = shop
        self._values = values
        self._variables = _object(values.get("variables"))
        flow = values.get("callflow")
        parts = [_object(part) for part in (flow if isinstance(flow, list) else [flow])]
        parts.sort(key=lambda part: whole(text_of(_object(part.get("times")).get("profile_created_time"))))
        self._times = [_object(part.get("times")) for part in parts]
        self.profiles = [_object(part.get("caller_profile")) for part in parts]

    def get(self, name: str) -> str:
        """A channel variable; the module percent-encodes them."""
        return unquote(text_of(self._variables.get(name)), errors="replace")

    @property
    def first(self) -> _Object:
        """The caller as he came in."""
        return self.profiles[0]

    @cached_property
    def origin(self) -> list[_Object]:
        """The leg for which FreeSWITCH dialled this one."""
        return _others(self.first, "originator")

    @cached_property
    def uuid(self) -> str:
        return self.get("uuid") or text_of(self.first.get("uuid"))

    @cached_property
    def call_key(self) -> str:
        origin = text_of(self.origin[0].get("uuid")) if self.origin else ""
        return self.get("call_uuid") or origin or self.uuid

    @cached_property
    def channel(self) -> Channel:
        name = self.get("channel_name") or text_of(self.first.get("chan_name"))
        gateway = self.get("sip_gateway_name") or self.get("sip_gateway")
        is_dialled = bool(self.origin) or self.get("direction") == "outbound"
        return _channel(self.first, name=name, gateway=gateway, is_dialled=is_dialled, surest=self.get("dialed_user"))

    @cached_property
    def start(self) -> datetime | None:
        return self._moment("start", "created")

    @cached_property
    def end(self) -> datetime | None:
        return self._moment("end", "hangup")

    @property
    def rang(self) -> datetime | None:
        """When the phone said that it rings."""
        return self.at("progress") or self.at("progress_media")

    @property
    def talk(self) -> datetime | None:
        """When people began to talk; being answered by a menu, or hearing early media, is not that."""
        answered, bridged = self.at("answered"), self.at("bridged")
        return max(answered, bridged) if answered and bridged else None

    @property
    def cause(self) -> str:
        return self.get("hangup_cause")

    def at(self, name: str) -> datetime | None:
        """The first time that something happened, in any profile."""
        return min((one for one in (moment(self._time(times, name)) for times in self._times) if one), default=None)

    def apps(self) -> Iterator[tuple[str, str, datetime | None]]:
        """The dialplan applications that ran, what they were told, and when."""
        listed = _object(self._values.get("app_log")).get("applications")
        for app in map(_object, listed if isinstance(listed, list) else []):
            name, data = (unquote(text_of(app.get(key)), errors="replace") for key in ("app_name", "app_data"))
            yield name, data, moment(whole(text_of(app.get("app_stamp"))))

    def tell(self, kind: EventKind, at: datetime, **fields: object) -> CallEvent:
        values = {"leg_key": self.uuid, **fields}
        return CallEvent(
            system=SYSTEM,
            account=self.shop.account,
            call_key=self.call_key,
            kind=kind,
            occurred_at=at,
            vendor_kind="cdr",
            **values,  # type: ignore[arg-type]
        )

    def _moment(self, variable: str, time: str) -> datetime | None:
        exact, second = whole(self.get(f"{variable}_uepoch")), whole(self.get(f"{variable}_epoch"))
        return moment(exact) or moment(second * 1_000_000) or self.at(time)

    @staticmethod
    def _time(times: _Object, name: str) -> int:
        return whole(text_of(times.get(f"{name}_time")))


def _calling_leg(record: _Record, start: datetime, end: datetime) -> list[CallEvent]:
    told = _who(record)
    itself = {**told, "party": OUTSIDE if record.shop.is_outside(record.channel) else record.shop.agent(record.channel)}
    left = record.tell(EventKind.LEFT, end, reason=reason(record.cause))
    if record.cause in TRANSFERS:  # the call goes on without this leg, so this is not how it began or ended
        return [record.tell(EventKind.UNKNOWN, start, **itself), left]
    whole_call = record.tell(
        EventKind.RECORD,
        start,
        leg_key=None,
        reason=reason(record.cause),
        ring_s=_seconds(start, record.talk),
        talk_s=_seconds(record.talk, end),
        total_s=_seconds(start, end),
        **told,
    )
    return [whole_call, record.tell(EventKind.STARTED, start, **itself), left]


def _who(record: _Record) -> dict[str, object]:
    """Direction, outside party and colleague, seen from the leg that called."""
    shop, channel = record.shop, record.channel
    talked = _talked_to(record)
    if shop.is_outside(channel):
        number = text_of(record.first.get("caller_id_number"))
        return {
            "direction": Direction.INBOUND,
            "external_number": number,
            "external_name": name_of(text_of(record.first.get("caller_id_name")), number),
            "did": dialled_number(text_of(record.first.get("destination_number")), record.get("sip_req_user")),
            "party": shop.agent(talked) if talked else None,
        }
    dialled = record.get(DIALS) or text_of(record.profiles[-1].get("destination_number"))
    is_inside = not shop.is_outside(talked) if talked else bool(shop.extension.fullmatch(dialled))
    if record.get(DIALS) or not is_inside:
        outside = dialled_number(dialled)
        outbound = {"direction": Direction.OUTBOUND, "external_number": outside} if outside else {}
        return {**outbound, "party": shop.agent(channel)}
    return {"direction": Direction.INTERNAL, "party": shop.agent(talked) if talked else None}


def _talked_to(record: _Record) -> Channel | None:
    """The leg with which people began to talk: that of the oldest profile that has one."""
    for profile in record.profiles:
        others = _others(profile, "originatee")
        if others:
            return _channel(others[-1], is_dialled=True)
    return None


def _parts(record: _Record, end: datetime) -> Iterator[CallEvent]:
    """What else the record of a leg that called tells."""
    legs = {text_of(other.get("uuid")) for profile in record.profiles for other in _others(profile, "originatee")}
    for leg in sorted(legs | {record.get("bridge_uuid")}):
        if leg:
            yield record.tell(EventKind.UNKNOWN, end, leg_key=leg)  # whichever call it is known from
    box = record.get("voicemail_file_path") or None
    recordings = [record.get("record_path")]
    for app, data, at in record.apps():
        if record.shop.takes_messages(app, data):
            yield record.tell(EventKind.VOICEMAIL, at or end, party=Party(PartyKind.VOICEMAIL), media_url=box)
        for told in routed(app, data):
            yield record.tell(EventKind.ROUTED, at or end, **told)
        if app == "record_session" and "${" not in data:
            recordings.append(data)
    for path in dict.fromkeys(recordings):
        if path:
            yield record.tell(EventKind.RECORDING, end, media_url=path)


def _dialled_leg(record: _Record, start: datetime, end: datetime) -> Iterator[CallEvent]:
    shop, channel = record.shop, record.channel
    caller = _channel(record.origin[0], is_dialled=False)
    told: dict[str, object] = {"party": shop.agent(channel)}
    if shop.is_outside(channel):
        number = dialled_number(text_of(record.first.get("destination_number")), channel.user)
        told = {"party": OUTSIDE, "direction": Direction.OUTBOUND, "external_number": number}
        if caller.is_plumbing or shop.is_outside(caller):
            told = {"party": Party(PartyKind.UNKNOWN if caller.is_plumbing else PartyKind.AGENT, provider_id=number)}
    rang, talk = record.rang, record.talk
    if rang:
        yield record.tell(EventKind.RINGING, rang, **told)
    if talk:
        yield record.tell(EventKind.ANSWERED, talk, **told)
    if talk or record.at("answered"):
        yield record.tell(EventKind.LEFT, end, reason=reason(record.cause))
    elif rang:
        yield record.tell(EventKind.RING_ENDED, end, reason=reason(record.cause) or EndReason.UNKNOWN, **told)


def _channel(profile: _Object, *, is_dialled: bool, name: str = "", gateway: str = "", surest: str = "") -> Channel:
    def get(key: str) -> str:
        return text_of(profile.get(key))

    numbers = ("callee_id_number", "destination_number") if is_dialled else ("username", "caller_id_number")
    return Channel(
        get("uuid"),
        name or get("chan_name"),
        is_dialled,
        get("context"),
        gateway,
        (surest if is_dialled else "", *(get(number) for number in numbers)),
        get("callee_id_name" if is_dialled else "caller_id_name"),
    )


def _others(profile: _Object, role: str) -> list[_Object]:
    listed = _object(profile.get(role)).get(f"{role}_caller_profiles")
    return [one for one in map(_object, listed if isinstance(listed, list) else []) if one]


def _object(value: object) -> _Object:
    return value if isinstance(value, dict) else {}


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())

"""Aircall: one webhook event for each thing that happens to a call, proved by a token in the body."""

import base64
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote

import httpx
import msgspec
from aiolimiter import AsyncLimiter

from trunkline.domain import phone
from trunkline.domain.events import CallEvent, EventKind
from trunkline.phone_systems.aircall import content
from trunkline.phone_systems.aircall.calls import MEDIA, CallTold, moment
from trunkline.phone_systems.aircall.envelope import open_envelope
from trunkline.phone_systems.aircall.subscription import Subscription
from trunkline.phone_systems.base import (
    HISTORY_KIND,
    Capability,
    LinkState,
    Originated,
    Parsed,
    RawMessage,
    Recording,
    history_record,
)
from trunkline.phone_systems.delivery import Answer, Delivery, Refused, any_holds, fingerprint
from trunkline.phone_systems.errors import GivenUp, NeedsFixing
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.media_fetch import fetch_media
from trunkline.phone_systems.options import read_options
from trunkline.phone_systems.vendor_api import FixedCredentials, VendorApi

NAME = "Aircall"
API_BASE = "https://api.aircall.io/v1"
# 60 a minute, of which a burst must not take more than its share.
PACE = (5, 5.5)
PER_PAGE = 50
MOST_PAGES = 200  # of one question; Aircall lists no more than 10,000 calls
# Aircall tries again for up to twelve hours, and the time in the body may stay that of the first try.
LATE_S = 24 * 3600.0
_SIGNED_LINKS = (*MEDIA, "asset")


class AircallOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`api_id` and `api_token` are an API key; `auth_tokens` prove deliveries and are learnt from Aircall as well.

    `number_id` is the number from which calls are set up where none is asked for.
    """

    api_id: str
    api_token: str
    auth_tokens: list[str] = []
    number_id: int | None = None
    api_base: str = API_BASE

    def __repr__(self) -> str:
        return f"AircallOptions({len(self.auth_tokens)} tokens, api_base={self.api_base!r})"


class _Page(msgspec.Struct):
    calls: list[msgspec.Raw] = []
    meta: dict[str, Any] = {}


class AircallAdapter:
    """One Aircall account."""

    system: ClassVar[str] = "aircall"
    capabilities: ClassVar[Capability] = (
        Capability.WEBHOOK | Capability.SUBSCRIPTION | Capability.HISTORY | Capability.ORIGINATE | Capability.RECORDINGS
    )
    acknowledgement: ClassVar[Answer] = Answer(200)
    check_every_s: ClassVar[float] = 50.0
    settles_s: ClassVar[float] = 120.0  # the whole call is there about thirty seconds after its end

    def __init__(self, account: str, options: AircallOptions) -> None:
        self.account = account
        if not all(token and token.isascii() for token in options.auth_tokens):
            raise ValueError(f"Phone system {account}: one of auth_tokens is empty, or no token.")
        self._options = options
        self._api_base = options.api_base.rstrip("/")
        key = base64.b64encode(f"{options.api_id}:{options.api_token}".encode()).decode()
        self._api = VendorApi(NAME, self._api_base, FixedCredentials(authorization=f"Basic {key}"), AsyncLimiter(*PACE))
        self._order = Subscription(self._api)

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(AircallOptions, account, options))

    # Deliveries -------------------------------------------------------------------------------------------------

    def verify(self, delivery: Delivery) -> RawMessage:
        """Prove who sent `delivery`; the message is its body without the token.

        Raises:
            Refused: its token is missing or wrong, or it is too old; 503 before any token is known.
        """
        try:
            envelope = open_envelope(delivery.body)
        except ValueError:
            raise Refused("The body is no JSON object with one token.", status=400) from None
        tokens = (*self._options.auth_tokens, *self._order.tokens)
        if not tokens:
            raise Refused("The token of Aircall's webhook is not known yet; try again.", status=503)
        if not any_holds(envelope.token, tokens):
            raise Refused("The token is not one of this account.")
        stamp = envelope.members.get("timestamp")
        if stamp is not None:
            delivery.check_age(str(stamp), late_s=LATE_S)
        return RawMessage(envelope.rest, delivery.received_at, delivery_id=fingerprint(envelope.rest))

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one delivery, or in one record of the history; none where it is about no call.

        Raises:
            Unreadable: it is no JSON object, or a call without an id.
        """
        told = Fields.read(message.body, "Aircall's message")
        whose = (self.system, self.account)
        if message.kind == HISTORY_KIND:
            return [*CallTold(whose, self._api_base, "", told, message.received_at).remembered()]
        event = told.text("event") or ""
        data = told.inner("data")
        at = moment(told, "timestamp") or message.received_at
        if event in content.EVENTS:
            return [*self._content(event, data, at)]
        if not event.startswith("call."):
            return []
        return [*CallTold(whose, self._api_base, event, data, at).told()]

    def _content(self, event: str, data: Fields, at: datetime) -> list[CallEvent]:
        call, text = content.call_of(data), content.text_of(data)
        if call is None or text is None:
            return []
        return [CallEvent(self.system, self.account, call, EventKind.CONTENT, at, vendor_kind=event, text=text)]

    # REST -------------------------------------------------------------------------------------------------------

    async def supervise(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """See that Aircall has an active webhook for `address`, and learn the token that will prove its deliveries.

        Raises:
            PhoneSystemError: it could not be done, or not be seen.
        """
        return await self._order.see_to(http, address)

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """Pages of calls that began from `since` to before `until`, the oldest first.

        Raises:
            PhoneSystemError: the history could not be read to its end.
        """
        begin, page, seen = int(since.timestamp()), 1, set[str]()
        while True:
            answer = await self._page(http, begin, int(until.timestamp()), page)
            calls = [(bytes(raw), Fields(msgspec.json.decode(raw))) for raw in answer.calls]
            fresh = [(raw, call) for raw, call in calls if call.text("id") not in seen]
            seen.update(key for _, call in fresh if (key := call.text("id")))
            yield [_remembered(raw, call, until) for raw, call in fresh if _is_wanted(call, until)]
            if not answer.meta.get("next_page_link") or not calls:
                return
            page += 1
            if page > MOST_PAGES:
                begin, page = _later(begin, calls[-1][1]), 1

    async def _page(self, http: httpx.AsyncClient, begin: int, end: int, page: int) -> _Page:
        wanted = {"from": begin, "to": end, "order": "asc", "page": page, "per_page": PER_PAGE}
        answer = await self._api.ask(http, "GET", "/calls", params=wanted)
        try:
            return msgspec.json.decode(answer.content, type=_Page)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise GivenUp(f"{NAME} answered with something that is no list of calls.") from None

    async def originate(
        self, http: httpx.AsyncClient, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Start a call to `number` on the phone of `agent` (an Aircall user's id), from our number `caller_id`.

        Raises:
            PhoneSystemError: nothing was set up, or nobody knows.
        """
        if not (agent.isascii() and agent.isdigit()):
            raise NeedsFixing(f"{NAME} knows its users by a number; {agent!r} is none.")
        line = await self._number(http, caller_id) if caller_id else self._options.number_id
        if line is None:
            raise NeedsFixing("Set number_id to the Aircall number from which calls are set up.")
        await self._api.ask(http, "POST", f"/users/{agent}/calls", json={"number_id": line, "to": number})
        return Originated()

    async def _number(self, http: httpx.AsyncClient, caller_id: str) -> int:
        page = 1
        while True:
            asked = {"page": page, "per_page": PER_PAGE}
            answer = Fields(await self._api.json(http, "GET", "/numbers", params=asked))
            for number in answer.each("numbers"):
                line = number.held.get("id")
                if isinstance(line, int) and phone.parse(number.text("digits")) == caller_id:
                    return line
            if not answer.inner("meta").text("next_page_link") or page >= MOST_PAGES:
                raise NeedsFixing(f"{caller_id} is none of the numbers of this Aircall account.")
            page += 1

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """Fetch a recording or voicemail: the call is asked for anew, since links to media live for ten minutes.

        The link leads to another host, which is not given our key.

        Raises:
            PhoneSystemError: it cannot be had.
        """
        asked = re.fullmatch(re.escape(self._api_base) + r"/calls/([^/?#]+)#(\w+)", url)
        if asked is None or asked[2] not in MEDIA:
            raise GivenUp("The address is not that of a recording of this Aircall account.")
        answer = await self._api.json(http, "GET", f"/calls/{quote(asked[1], safe='')}")
        link = Fields(answer).inner("call").text(asked[2])
        if link is None:
            raise GivenUp(f"{NAME} has no {asked[2]} of this call any more.")
        return await fetch_media(NAME, http, link)


def _remembered(raw: bytes, call: Fields, at: datetime) -> RawMessage:
    """Links are signed anew for each question; that changes nothing about the call."""
    lasting = {key: bool(value) if key in _SIGNED_LINKS else value for key, value in call.held.items()}
    return history_record(raw, call.text("id"), at, content=msgspec.json.encode(lasting, order="sorted"))


def _is_wanted(call: Fields, until: datetime) -> bool:
    """Calls in progress are listed, too. Whether one of the very moment `to` is listed is not documented."""
    began = moment(call, "started_at")
    return moment(call, "ended_at") is not None and (began is None or began < until)


def _later(begin: int, call: Fields) -> int:
    """Where to ask on from, after as many calls as Aircall lists for one question.

    Raises:
        GivenUp: that is no later.
    """
    began = moment(call, "started_at")
    if began is None or int(began.timestamp()) <= begin:
        raise GivenUp(f"{NAME} does not list all calls of one moment.")
    return int(began.timestamp())

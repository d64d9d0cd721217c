"""The adapter: options, and its parts - CRM template, call log, API - put together."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import ClassVar, Literal, Self

import httpx
import msgspec

from trunkline.domain import phone
from trunkline.domain.caller import MatchKind
from trunkline.domain.events import CallEvent
from trunkline.domain.label import SEPARATOR, states
from trunkline.phone_systems.base import (
    HISTORY_KIND,
    LOOKUP_KIND,
    STREAM_KIND,
    Caller,
    Capability,
    Deliver,
    Originated,
    Parsed,
    Question,
    RawMessage,
    Recording,
    Report,
    SetUpFile,
    Unreadable,
)
from trunkline.phone_systems.caller_id import asked_number, check_bearer, check_keys, is_unfilled, with_plus
from trunkline.phone_systems.delivery import Answer, Delivery, Refused, fingerprint
from trunkline.phone_systems.errors import NotSetUp
from trunkline.phone_systems.options import read_options
from trunkline.phone_systems.three_cx import call_log, crm
from trunkline.phone_systems.three_cx.api import Api
from trunkline.phone_systems.three_cx.connection import Connection
from trunkline.phone_systems.three_cx.floor import Floor
from trunkline.phone_systems.three_cx.keys import Rings
from trunkline.phone_systems.three_cx.live import parse_live
from trunkline.phone_systems.three_cx.template import crm_template

_KINDS = (crm.JOURNAL_KIND, crm.CONTACT_KIND)
_ADDRESS = re.compile(r"https?://[^/\s]+")
_NANP, _NANP_SIGNS = "+1", 12
_SAME_S = 10  # a body without a time of its own is the same delivery again within so many seconds


class ThreeCxOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`secrets` are keys that the CRM template sends; several are accepted, so that they can be changed without a gap.

    `pbx_url`, `client_id` and `client_secret` are those of an API client of the PBX, needed for its call log, click to
    call, recordings, and Call Control, which is listened to with `call_control`. `platform_extensions` are the
    extensions of queues, ring groups and menus: nobody's phone. `dials` is how numbers are handed to the PBX: as people
    dial them in North America, or in E.164.
    """

    secrets: tuple[str, ...]
    pbx_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    call_control: bool = False
    platform_extensions: tuple[str, ...] = ()
    dials: Literal["national", "e164"] = "national"

    def __repr__(self) -> str:
        return f"ThreeCxOptions({len(self.secrets)} secrets, pbx_url={self.pbx_url!r})"


class ThreeCxAdapter:
    """3CX by its CRM template, by its API where that is set up, and by Call Control where that is switched on."""

    system: ClassVar[str] = crm.SYSTEM
    capabilities: ClassVar[Capability] = (
        Capability.WEBHOOK
        | Capability.STREAM
        | Capability.CALLER_ID
        | Capability.HISTORY
        | Capability.ORIGINATE
        | Capability.RECORDINGS
    )
    acknowledgement: ClassVar[Answer] = Answer(200, b"{}", "application/json")
    settles_s: ClassVar[float] = 300.0

    def __init__(self, account: str, options: ThreeCxOptions) -> None:
        self.account = account
        if not options.secrets:
            raise ValueError(f"Phone system {account}: give at least one of secrets.")
        check_keys(account, "secrets", options.secrets)
        if options.pbx_url is not None and not _ADDRESS.match(options.pbx_url):
            raise ValueError(f"Phone system {account}: pbx_url must be a whole address, as https://pbx.example.com.")
        self._options = options
        self._platform = frozenset(options.platform_extensions)
        self._rings = Rings()
        self._made_api: Api | None = None
        if options.call_control and (missing := self._missing()):
            raise ValueError(f"Phone system {account}: call_control needs the options {missing}, too.")

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(ThreeCxOptions, account, options))

    def set_up_file(self, base_url: str) -> SetUpFile:
        """The CRM template, filled in with our address and the first key."""
        body = crm_template(base_url=base_url, account=self.account, key=self._options.secrets[0])
        return SetUpFile(f"trunkline-{self.account}.xml", "application/xml", body)

    def verify(self, delivery: Delivery) -> RawMessage:
        """Prove who sent `delivery`: 3CX signs nothing, but sends the key that its template holds.

        Raises:
            Refused: the key is missing or wrong, or a template of ours sends nothing to this address.
        """
        check_bearer(delivery, self._options.secrets)
        if delivery.kind not in _KINDS:
            raise Refused("3CX posts to the addresses call and contact only.", status=404)
        body, moment = delivery.body, str(int(delivery.received_at.timestamp()) // _SAME_S)
        with suppress(Unreadable):  # what cannot be read is kept, and told of when it is parsed
            fields = crm.read_fields(body)
            moment = "" if crm.is_timed(fields) else moment
            body = self._joined(delivery.kind, with_plus(fields.get("number", "")), body)
        name = fingerprint(delivery.kind, delivery.body, moment)
        return RawMessage(body, delivery.received_at, delivery_id=name, kind=delivery.kind)

    def _joined(self, kind: str, number: str, body: bytes) -> bytes:
        """A contact's body says which ring it belongs to; a journal ends its ring."""
        began_at = self._rings.began_at(number)
        if kind == crm.CONTACT_KIND and began_at is not None:
            return crm.with_ring(body, began_at)
        if kind == crm.JOURNAL_KIND:
            self._rings.over(number)
        return body

    def question(self, delivery: Delivery) -> Question:
        """Who calls from `?number=`; that 3CX asks tells of a ring, except of a withheld number.

        Raises:
            Refused: the key is missing or wrong, or there is no number.
        """
        check_bearer(delivery, self._options.secrets)
        number = asked_number(delivery)
        if phone.is_withheld(number) or is_unfilled(number):
            return Question(number)
        began_at = self._rings.asked(number, delivery.received_at)
        return Question(number, crm.lookup_message(number, began_at, delivery.received_at))

    def tell(self, question: Question, caller: Caller | None) -> Answer:
        """A contact, or none: `{"contacts":[...]}`. Who is uncertain has no first name, but the whole label as last."""
        contact = _contact(question, caller) if caller and caller.label else None
        body = msgspec.json.encode({"contacts": [contact] if contact else []})
        return Answer(200, body, "application/json")

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one message: a lookup, a journal, a contact, a call of the call log, or of Call Control.

        Raises:
            Unreadable: it cannot be read.
        """
        if message.kind == STREAM_KIND:
            return parse_live(self.account, self._platform, message)
        return list(self._events(message))

    def _events(self, message: RawMessage) -> list[CallEvent]:
        if message.kind == HISTORY_KIND:
            return call_log.parse_call(self.account, self._platform, message)
        if message.kind == LOOKUP_KIND:
            return crm.parse_lookup(self.account, message)
        if message.kind == crm.CONTACT_KIND:
            return crm.parse_contact(self.account, message)
        return crm.parse_journal(self.account, message)

    async def run(self, deliver: Deliver, report: Report) -> None:
        """Listen to Call Control until cancelled; without the option `call_control` there is nothing to listen to."""
        if not self._options.call_control:
            await asyncio.Event().wait()
        await Connection(self._api, Floor(self._rings, self._platform), deliver, report).run()

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """The calls of the call log, day by day.

        Raises:
            PhoneSystemError: options are missing, or the log could not be read to its end.
        """
        async for begin, end, rows in self._api.call_log(http, since, until):
            now = datetime.now(UTC)
            yield [call_log.as_message(call, now) for call in call_log.rows_of_calls(rows, begin, end)]

    async def originate(
        self, http: httpx.AsyncClient, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Ring the extension `agent`, then call `number`; which number of ours is shown, the PBX decides.

        Raises:
            PhoneSystemError: options are missing, nothing was set up, or nobody knows.
        """
        is_national = self._options.dials == "national" and number.startswith(_NANP) and len(number) == _NANP_SIGNS
        await self._api.make_call(http, agent, number.removeprefix(_NANP) if is_national else number)
        return Originated()

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """Fetch a recording from the PBX.

        Raises:
            PhoneSystemError: options are missing, or it cannot be had.
        """
        return await self._api.recording(http, url)

    @property
    def _api(self) -> Api:
        if self._made_api is None:
            url, client, secret = self._options.pbx_url, self._options.client_id, self._options.client_secret
            if not (url and client and secret):
                raise NotSetUp(f"To ask its 3CX, phone system {self.account} needs the options {self._missing()}.")
            self._made_api = Api(url, client, secret)
        return self._made_api

    def _missing(self) -> str:
        """Which options of the API client are not there."""
        options = self._options
        named = {"pbx_url": options.pbx_url, "client_id": options.client_id, "client_secret": options.client_secret}
        return ", ".join(name for name, value in named.items() if not value)


def _contact(question: Question, caller: Caller) -> dict[str, str]:
    customer = caller.card.match.customer
    if customer is None or caller.card.match.kind is not MatchKind.SINGLE:
        name = {"id": f"number-{question.number.lstrip('+')}", "first": "", "last": caller.label, "company": ""}
    else:
        first, _, last = customer.name.partition(" ")
        company = SEPARATOR.join(states(customer))
        name = {"id": str(customer.id), "first": first, "last": last, "company": company}
    return {**name, "url": caller.url or ""}

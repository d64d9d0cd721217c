"""The CRM template, as a 3CX runs it against our addresses."""

import json
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, Response, route
from litestar.params import FromPath

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Outcome
from trunkline.domain.caller import CallerCard, Candidate, CustomerFacts, Match, MatchKind
from trunkline.phone_systems.base import Caller, RawMessage
from trunkline.phone_systems.delivery import Answer, Delivery, Refused
from trunkline.phone_systems.three_cx import ThreeCxAdapter, crm_template
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.speaker import Dialled
from trunkline.sandbox.phones.three_cx import SPEAKER
from trunkline.sandbox.phones.three_cx.template import CrmTemplate

KEY = "not-a-real-secret-<&>-0000001"
ACCOUNT = "front desk"
JANE = CustomerFacts(id=7, name="Jane Example", has_membership=True)
CARD = CallerCard("+14375550142", Match(MatchKind.SINGLE, (Candidate(JANE, 20),), 1))


@dataclass
class Bridge:
    """Our side: the addresses of one account, its adapter, its inbox."""

    adapter: ThreeCxAdapter = field(default_factory=lambda: ThreeCxAdapter.configure(ACCOUNT, {"secrets": [KEY]}))
    knows: frozenset[str] = frozenset({"+14375550142"})
    inbox: list[RawMessage] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)

    def app(self) -> Litestar:
        @route("/{room:str}/{account:str}", http_method=["GET"])
        async def asked(
            request: Request[Any, Any, Any], room: FromPath[str], account: FromPath[str]
        ) -> Response[bytes]:
            assert (room, account) == ("caller-id", ACCOUNT)
            return self._answer(await self._delivery(request, ""))

        @route("/hooks/{account:str}/{kind:str}", http_method=["POST"])
        async def posted(
            request: Request[Any, Any, Any], account: FromPath[str], kind: FromPath[str]
        ) -> Response[bytes]:
            assert account == ACCOUNT
            return self._answer(await self._delivery(request, kind))

        return Litestar([asked, posted], openapi_config=None)

    async def _delivery(self, request: Request[Any, Any, Any], kind: str) -> Delivery:
        headers = tuple((name.decode().lower(), value.decode()) for name, value in request.scope["headers"])
        query = request.scope["query_string"].decode()
        made = Delivery(await request.body(), datetime.now(UTC), headers, query, kind, request.method)
        self.deliveries.append(made)
        return made

    def _answer(self, delivery: Delivery) -> Response[bytes]:
        try:
            answer = self._taken(delivery)
        except Refused as error:
            answer = Answer(error.status, str(error).encode())
        return Response(answer.body, status_code=answer.status, media_type=answer.media_type)

    def _taken(self, delivery: Delivery) -> Answer:
        if delivery.method == "POST":
            self.inbox.append(self.adapter.verify(delivery))
            return self.adapter.acknowledgement
        question = self.adapter.question(delivery)
        self.inbox += [question.message] if question.message else []
        known = question.number in self.knows
        return self.adapter.tell(
            question, Caller(CARD, "Jane Example - MEMBER", "https://x.example/1") if known else None
        )


@asynccontextmanager
async def pbx(bridge: Bridge) -> AsyncIterator[tuple[CrmTemplate, httpx.AsyncClient]]:
    async with served(bridge.app()) as url, httpx.AsyncClient() as http:
        yield CrmTemplate(crm_template(base_url=f"{url}/", account=ACCOUNT, key=KEY)), http


def values(call: Dialled, template: CrmTemplate) -> dict[str, str | datetime]:
    """3CX's variables for the speaker's call `answered`."""
    fields = SPEAKER.journal("answered", call, SPEAKER.parts("answered")[0])
    return {
        "CallType": fields["callType"],
        "CallDirection": fields["direction"],
        "Number": template.number(call.caller),
        "Name": fields["name"],
        "Agent": fields["agent"],
        "AgentFirstName": fields["agentFirst"],
        "AgentLastName": fields["agentLast"],
        "AgentEmail": fields["agentEmail"],
        "Duration": fields["duration"],
        "CallStartTimeUTC": call.at,
        "CallEndTimeUTC": call.at + timedelta(seconds=66),
        "Summary": fields["summary"],
        "Transcription": "",
        "RecordingUrl": "",
    }


async def test_a_whole_call_by_the_template() -> None:
    bridge = Bridge()
    call = Dialled((datetime.now(UTC) - timedelta(seconds=1)).replace(microsecond=0))
    async with pbx(bridge) as (template, http):
        found = await template.run(http, "", {"Number": template.number(call.caller)})
        created = {"Number": template.number(call.caller), "FirstName": "Jane", "LastName": "Example"}
        await template.run(http, "CreateContactRecordFromClient", created)
        await template.run(http, "ReportCall", values(call, template))
    assert found == {
        "ContactUrl": "https://x.example/1",
        "FirstName": "Jane",
        "LastName": "Example",
        "CompanyName": "MEMBER",
        "PhoneBusiness": "+14375550142",
        "EntityId": "7",
        "EntityType": "Customers",
    }
    (told,) = in_memory(bridge.adapter, list(enumerate(bridge.inbox)))
    assert (told.outcome, told.external_number, told.external_name) == (
        Outcome.ANSWERED,
        "+14375550142",
        "JANE EXAMPLE",
    )
    assert told.notes == ("3CX contact created: Jane Example",)
    assert told.answered_by is not None
    assert told.answered_by.name == "Dana Desk"


async def test_the_speaker_plays_what_the_template_posts() -> None:
    bridge = Bridge()
    call = Dialled(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
    async with pbx(bridge) as (template, http):
        await template.run(http, "ReportCall", values(call, template))
    (delivery,) = bridge.deliveries
    played = next(said for said in SPEAKER.play("answered", call) if said.kind == "call")
    assert (delivery.body, delivery.kind) == (played.body, played.kind)


@pytest.mark.parametrize("raw", ["+14375550142", "0014375550142"])
async def test_a_number_arrives_whole_though_a_plus_is_a_blank_in_an_address(raw: str) -> None:
    bridge = Bridge()
    async with pbx(bridge) as (template, http):
        for number in (template.number(raw), template.number(raw).replace("+", "%2B"), f"%20{raw[-11:]}"):
            assert await template.run(http, "", {"Number": number})
    assert len(bridge.deliveries) == 3


async def test_an_unknown_caller_is_no_contact() -> None:
    bridge = Bridge()
    async with pbx(bridge) as (template, http):
        assert await template.run(http, "", {"Number": "4375550149"}) is None
    assert len(bridge.inbox) == 1


async def test_the_administrator_may_switch_parts_on_and_off() -> None:
    bridge = Bridge()
    call = Dialled(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
    async with pbx(bridge) as (template, http):
        contact = {"Number": "+14375550142", "CallDirection": "Inbound"}
        await template.run(http, "CreateContactRecord", contact)
        template.settings["ReportCallEnabled"] = "False"
        await template.run(http, "ReportCall", values(call, template))
        assert not bridge.deliveries
        template.settings["CreateContactEnabled"] = "True"
        await template.run(http, "CreateContactRecord", {**contact, "CallDirection": "Outbound"})
        assert not bridge.deliveries
        await template.run(http, "CreateContactRecord", contact)
    assert [delivery.kind for delivery in bridge.deliveries] == ["contact"]


async def test_another_key_is_refused() -> None:
    bridge = Bridge()
    async with pbx(bridge) as (template, http):
        template.settings["ApiKey"] = "not-a-real-secret-0000002"
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            await template.run(http, "", {"Number": "+14375550142"})


async def test_a_name_cannot_make_the_template_send_its_key() -> None:
    bridge = Bridge()
    call = Dialled(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
    async with pbx(bridge) as (template, http):
        await template.run(http, "ReportCall", {**values(call, template), "Name": "[ApiKey]", "Summary": "[[ApiKey]]"})
    (delivery,) = bridge.deliveries
    assert KEY not in json.dumps(json.loads(delivery.body))


# Its grammar ------------------------------------------------------------------------------------------------------

_KNOWN = {
    "Crm": {"Name", "Version", "Country", "SupportsEmojis"},
    "Number": {"Prefix", "MaxLength"},
    "Connection": {"MaxConcurrentRequests"},
    "Parameters": set(),
    "Parameter": {"Name", "Type", "Parent", "Editor", "Title", "Default"},
    "Authentication": {"Type"},
    "Scenarios": set(),
    "Scenario": {"Id", "Type"},
    "Request": {"Url", "RequestType", "RequestEncoding", "ResponseType", "MessagePasses", "SkipIf"},
    "Headers": set(),
    "PostValues": set(),
    "Value": {"Key", "Passes", "Type"},
    "Rules": set(),
    "Rule": {"Type"},
    "Variables": set(),
    "Variable": {"Name", "Path"},
    "Filter": set(),
    "Outputs": {"AllowEmpty"},
    "Output": {"Type", "Passes", "Value"},
}
_WORDS = {
    "Prefix": {"AsIs", "Off", "Plus", "Zeros"},
    "RequestType": {"Get", "Post"},
    "RequestEncoding": {"UrlEncoded", "Json"},
    "ResponseType": {"Json", "Xml"},
    "AllowEmpty": {"true", "false"},
    "SupportsEmojis": {"true", "false"},
}


def elements(xml: bytes) -> Iterator[ET.Element]:
    return ET.fromstring(xml).iter()  # noqa: S314 - our own


def test_it_has_the_words_that_3cx_knows_and_no_others() -> None:
    for element in elements(crm_template(base_url="https://bridge.example.com", account="main", key=KEY)):
        assert set(element.attrib) <= _KNOWN[element.tag], element.tag
        for name, words in _WORDS.items():
            assert element.attrib.get(name, next(iter(words))) in words


def test_it_has_the_scenarios_that_3cx_knows() -> None:
    xml = crm_template(base_url="https://bridge.example.com", account="main", key=KEY)
    found = {one.attrib["Id"]: one.attrib["Type"] for one in elements(xml) if one.tag == "Scenario"}
    names = ["", "ReportCall", "CreateContactRecord", "CreateContactRecordFromClient"]
    assert found == dict.fromkeys(names, "REST")


def test_it_holds_the_key_once_and_no_address_but_ours() -> None:
    xml = crm_template(base_url="https://bridge.example.com/", account="a/b?c", key=KEY)
    assert [one.attrib["Default"] for one in elements(xml) if one.attrib.get("Name") == "ApiKey"] == [KEY]
    assert KEY.replace("<&>", "&lt;&amp;&gt;").encode() in xml
    assert xml.count(b"0000001") == 1
    urls = [one.attrib["Url"] for one in elements(xml) if one.tag == "Request"]
    assert urls[0] == "[BaseUrl]/caller-id/a%2Fb%3Fc?number=[Number]"
    assert set(urls[1:]) == {"[BaseUrl]/hooks/a%2Fb%3Fc/call", "[BaseUrl]/hooks/a%2Fb%3Fc/contact"}


def test_only_times_are_worked_out_twice() -> None:
    xml = crm_template(base_url="https://bridge.example.com", account="main", key=KEY)
    twice = [one.attrib["Key"] for one in elements(xml) if one.attrib.get("Passes") == "2"]
    assert twice == ["startUtc", "endUtc"]


@pytest.mark.parametrize("place", ["base_url", "key"])
def test_what_3cx_would_take_for_a_variable_is_refused(place: str) -> None:
    given = {"base_url": "https://bridge.example.com", "account": "main", "key": KEY, place: "x[ApiKey]"}
    with pytest.raises(ValueError, match="bracket"):
        crm_template(**given)

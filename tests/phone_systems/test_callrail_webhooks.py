"""CallRail's webhooks are seen to, although its API of integrations is hardly documented."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from rest_lookalike import Asked, Lookalike, Said

from trunkline.phone_systems.base import LinkState
from trunkline.phone_systems.callrail import CallRailAdapter
from trunkline.phone_systems.callrail.webhooks import FIELDS, NEEDED
from trunkline.phone_systems.errors import NeedsFixing, OutcomeUnknown
from trunkline.sandbox.phones.callrail import ACCOUNT_ID, COMPANY_ID
from trunkline.sandbox.phones.rest import served

ADDRESS = "https://bridge.example.com/hooks/callrail"
OTHERS = "https://elsewhere.example.com/calls"
INTEGRATIONS = f"/v3/a/{ACCOUNT_ID}/integrations"
ANOTHER_COMPANY = f"COM{2:032x}"
EVERY_KIND = {name: [f"{ADDRESS}/{kind}"] for kind, name in FIELDS.items()}


@dataclass
class CallRail:
    """Integrations of companies. `knows` are the fields of webhooks; an order with others is refused or, where
    `is_lenient`, taken without them. `may_write` is what the key is allowed."""

    integrations: list[dict[str, Any]] = field(default_factory=list)
    companies: tuple[str, ...] = (COMPANY_ID,)
    knows: frozenset[str] = frozenset(FIELDS.values())
    is_lenient: bool = False
    may_write: bool = True
    is_hidden: bool = False

    def __post_init__(self) -> None:
        self.rest = Lookalike(
            'Token token="not-a-real-key"',
            [
                ("GET", f"/v3/a/{ACCOUNT_ID}/companies.json", self._companies),
                ("GET", rf"{INTEGRATIONS}\.json", self._listed),
                ("POST", rf"{INTEGRATIONS}\.json", self._saved),
                ("PUT", rf"{INTEGRATIONS}/\d+\.json", self._saved),
            ],
        )

    @property
    def orders(self) -> list[Any]:
        """The bodies of what was made or changed."""
        return [one.body for one in self.rest.asked if one.method != "GET"]

    def _companies(self, asked: Asked) -> Said:
        gone = {"id": f"COM{9:032x}", "status": "disabled"}
        return Said(body={"companies": [gone, *({"id": one, "status": "active"} for one in self.companies)]})

    def _listed(self, asked: Asked) -> Said:
        if self.is_hidden:
            return Said(404, {"error": "not found"})
        number = int(asked.params["page"])
        whole = [one for one in self.integrations if one["company_id"] == asked.params["company_id"]]
        return Said(body={"integrations": whole[number - 1 : number], "total_pages": len(whole)})

    def _saved(self, asked: Asked) -> Said:
        if not self.may_write:
            return Said(403, {"error": "forbidden"})
        wanted = asked.body
        known = {name: held for name, held in wanted["config"].items() if name in self.knows}
        if known != wanted["config"] and not self.is_lenient:
            return Said(422, {"error": "unknown attribute"})
        if asked.method == "POST":
            self.integrations.append({"id": len(self.integrations) + 1, **wanted, "config": known})
        else:
            number = int(asked.path.rpartition("/")[2].removesuffix(".json"))
            (order,) = (one for one in self.integrations if one["id"] == number)
            order.update(wanted, config=known)
        return Said(body={})


def order(config: object, **more: Any) -> dict[str, Any]:
    """The integration of a company that calls these addresses."""
    return {"id": 1, "company_id": COMPANY_ID, "type": "Webhooks", "state": "active", "config": config, **more}


@asynccontextmanager
async def asking(callrail: CallRail, **options: Any) -> AsyncIterator[tuple[CallRailAdapter, httpx.AsyncClient]]:
    """The adapter, asking this look-alike."""
    async with served(callrail.rest) as url, httpx.AsyncClient() as http:
        given = {"secrets": ["not-a-real-secret"], "account_id": ACCOUNT_ID, "api_token": "not-a-real-key"}
        yield CallRailAdapter.configure("main", {**given, "api_base": f"{url}/v3", **options}), http


async def supervised(callrail: CallRail, *, times: int = 1, **options: Any) -> LinkState:
    """How it stands after so many looks."""
    async with asking(callrail, **options) as (made, http):
        for _ in range(times):
            link = await made.supervise(http, ADDRESS)
    return link


def by_hand(kinds: Iterable[str]) -> str:
    """How a sentence ends that says what to enter."""
    return ", ".join(f"{ADDRESS}/{kind}" for kind in kinds) + "."


@pytest.mark.parametrize("options", [{}, {"company_id": COMPANY_ID}])
async def test_webhooks_that_are_not_there_are_made_once(options: dict[str, Any]) -> None:
    callrail = CallRail([{"id": 1, "company_id": COMPANY_ID, "type": "Analytics"}])
    assert await supervised(callrail, times=2, **options) == LinkState("connected")
    assert callrail.orders == [
        {"company_id": COMPANY_ID, "type": "Webhooks", "config": EVERY_KIND, "state": "active"},
    ]


@pytest.mark.parametrize(
    "config",
    [
        EVERY_KIND,
        {"urls": [[address.upper() for address in EVERY_KIND["pre_call_webhook"]], *EVERY_KIND.values()]},
        {name: f"{one[0].replace('-', '_')}/?since=2026" for name, one in EVERY_KIND.items()},
        {"pre_call_webhook": f"{ADDRESS}/", "post_call_webhook": ""},
        [f"{ADDRESS}/Call-Routing-Complete", *(f"{ADDRESS}/{kind}" for kind in FIELDS if kind != "routing-complete")],
    ],
)
@pytest.mark.parametrize(
    "more", [{}, {"state": None, "type": None, "name": "webhooks"}, {"state": "new", "enabled": 1}]
)
async def test_addresses_are_known_wherever_and_however_they_stand(config: object, more: dict[str, Any]) -> None:
    callrail = CallRail([{"id": 7, "company_id": COMPANY_ID, "type": "Chat"}, order(config, **more)])
    assert await supervised(callrail) == LinkState("connected")
    assert callrail.orders == []


async def test_what_is_missing_is_entered_beside_what_others_entered() -> None:
    config = {"pre_call_webhook": [OTHERS], "post_call_webhook": f"{ADDRESS}/post-call", "signing_key": "k"}
    callrail = CallRail([order(config)], knows=frozenset({*FIELDS.values(), "signing_key"}))
    assert await supervised(callrail, times=2) == LinkState("connected")
    assert len(callrail.orders) == 1
    (now,) = callrail.integrations
    assert now["config"] == {
        **EVERY_KIND,
        "pre_call_webhook": [OTHERS, f"{ADDRESS}/pre-call"],
        "post_call_webhook": f"{ADDRESS}/post-call",
        "signing_key": "k",
    }


async def test_other_names_of_fields_are_taken_from_what_is_there() -> None:
    plural = {f"{name}s": [] for name in FIELDS.values()}
    callrail = CallRail([order(plural)], knows=frozenset(plural))
    assert await supervised(callrail) == LinkState("connected")
    assert callrail.integrations[0]["config"] == {f"{name}s": held for name, held in EVERY_KIND.items()}


@pytest.mark.parametrize("off", [{"state": "disabled"}, {"state": None, "status": "Inactive"}, {"active": False}])
async def test_webhooks_that_were_switched_off_are_switched_on(off: dict[str, Any]) -> None:
    callrail = CallRail([order(EVERY_KIND, **off)], companies=(ANOTHER_COMPANY, COMPANY_ID))
    if "state" in off:
        assert (await supervised(callrail)).state == "connected"
    else:  # a word that we do not know how to say
        with pytest.raises(NeedsFixing):
            await supervised(callrail)
    assert callrail.orders[0] == {"config": EVERY_KIND, "state": "active"}


async def test_webhooks_that_are_switched_off_later_are_switched_on_again() -> None:
    callrail = CallRail()
    async with asking(callrail) as (made, http):
        await made.supervise(http, ADDRESS)
        callrail.integrations[0]["state"] = "disabled"
        assert await made.supervise(http, ADDRESS) == LinkState("connected")
    assert callrail.integrations[0]["state"] == "active"


@pytest.mark.parametrize("is_lenient", [False, True])
async def test_where_some_events_cannot_be_ordered_the_needed_ones_are(is_lenient: bool) -> None:
    callrail = CallRail(knows=frozenset(FIELDS[kind] for kind in NEEDED), is_lenient=is_lenient)
    link = await supervised(callrail, times=3)
    assert link.state == "connected"
    assert str(link.detail).endswith(by_hand(kind for kind in FIELDS if kind not in NEEDED))
    assert len(callrail.orders) == (1 if is_lenient else 2)


@pytest.mark.parametrize(
    "callrail",
    [
        CallRail(knows=frozenset()),
        CallRail(knows=frozenset(), is_lenient=True),
        CallRail(may_write=False),
        CallRail([order([OTHERS])]),
        CallRail([order({}, id=None)]),
        CallRail(companies=()),
    ],
)
async def test_what_cannot_be_ordered_is_to_be_entered_by_hand(callrail: CallRail) -> None:
    async with asking(callrail) as (made, http):
        for _ in range(2):
            with pytest.raises(NeedsFixing, match="Enter at CallRail") as said:
                await made.supervise(http, ADDRESS)
        assert str(said.value).endswith(by_hand(NEEDED))
        assert len(callrail.orders) <= 2  # an order that came to nothing is not sent again


async def test_of_several_companies_those_that_call_us_are_seen_to() -> None:
    callrail = CallRail([order(EVERY_KIND, company_id=ANOTHER_COMPANY)], companies=(COMPANY_ID, ANOTHER_COMPANY))
    assert await supervised(callrail) == LinkState("connected")
    with pytest.raises(NeedsFixing, match=r"company_id.*Enter at CallRail"):
        await supervised(CallRail(companies=(COMPANY_ID, ANOTHER_COMPANY)))
    assert callrail.orders == []


async def test_webhooks_that_are_not_shown_are_no_trouble() -> None:
    link = await supervised(CallRail(is_hidden=True), company_id=COMPANY_ID)
    assert (link.state, bool(link.detail)) == ("connected", True)


async def test_what_nobody_knows_the_outcome_of_is_looked_at_again() -> None:
    callrail = CallRail()
    async with asking(callrail, company_id=COMPANY_ID) as (made, http):
        callrail.rest.faults = [Said(body={"integrations": []}), Said(is_cut=True)]
        with pytest.raises(OutcomeUnknown):
            await made.supervise(http, ADDRESS)
        assert await made.supervise(http, ADDRESS) == LinkState("connected")
    assert len(callrail.orders) == 1


async def test_refused_credentials_are_for_a_person_to_mend() -> None:
    with pytest.raises(NeedsFixing, match="credentials"):
        await supervised(CallRail(), api_token="another")

"""Seeing to CallRail's webhooks: one integration of each company holds an address for each kind of event.

How the API spells that integration is hardly documented. So it is known by its type, and an address wherever it
stands in it; what is added is looked for afterwards; and what cannot be added is named, to be entered by hand.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import msgspec

from trunkline.phone_systems.base import LinkState
from trunkline.phone_systems.callrail.api import CallRailApi
from trunkline.phone_systems.errors import GivenUp, NeedsFixing
from trunkline.phone_systems.loose import Fields

# The last part of our address, and the field in which the integration holds the addresses for such events.
FIELDS: Mapping[str, str] = {
    "pre-call": "pre_call_webhook",
    "post-call": "post_call_webhook",
    "routing-complete": "call_routing_complete_webhook",
    "call-modified": "call_modified_webhook",
    "outbound-post-call": "outbound_post_call_webhook",
    "outbound-call-modified": "outbound_call_modified_webhook",
}
# Without these no call is seen while it rings, or none ends; the others add to what the history brings anyway.
NEEDED = ("pre-call", "post-call")
_ALIASES: Mapping[str, str] = {"call-routing-complete": "routing-complete"}
_SWITCHED_OFF = frozenset({"disabled", "inactive", "paused", "off"})


class Company(msgspec.Struct, frozen=True):
    """A company and its webhooks, which may be switched off; `kinds` are those of its events that reach us."""

    id: str
    webhooks: Fields
    is_ours: bool
    kinds: frozenset[str]

    @property
    def lacks(self) -> list[str]:
        """What does not reach us."""
        return [kind for kind in FIELDS if kind not in self.kinds]

    @property
    def can_be_changed(self) -> bool:
        """Whether there is none yet, or one of a shape that we know."""
        known = self.webhooks.id("id") is not None and isinstance(self.webhooks.held.get("config"), dict)
        return known or not self.webhooks


class Webhooks:
    """Those of one account. With `company_id` only that company's are looked at."""

    def __init__(self, api: CallRailApi, company_id: str | None) -> None:
        self._api = api
        self._company_id = company_id
        self._hopeless: dict[str, list[str]] = {}  # what an order did not bring is not ordered again and again

    async def see_to(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """Look whether our addresses are entered, and enter those that are missing.

        Raises:
            PhoneSystemError: calls do not reach us, or it could not be seen.
        """
        try:
            found = [await self._company(http, one, address) for one in await self._companies(http)]
        except GivenUp:
            return LinkState("connected", "CallRail does not show its webhooks to us; look there that all are entered.")
        ours = [company for company in found if company.is_ours]
        if not ours and len(found) > 1:
            raise NeedsFixing(
                f"None of CallRail's companies calls us; name one in company_id. {_by_hand(NEEDED, address)}"
            )
        seen = [await self._completed(http, company, address) for company in ours or found]
        needed = [kind for kind in NEEDED if any(kind in company.lacks for company in seen)]
        if needed or not seen:
            raise NeedsFixing(f"CallRail does not tell us of all calls. {_by_hand(needed or NEEDED, address)}")
        lacking = [kind for kind in FIELDS if any(kind in company.lacks for company in seen)]
        return LinkState("connected", _by_hand(lacking, address) if lacking else None)

    async def _companies(self, http: httpx.AsyncClient) -> list[str]:
        if self._company_id is not None:
            return [self._company_id]
        companies = await self._api.companies(http)
        return [company_id for one in companies if _is_on(one) and (company_id := one.id("id", "resource_id"))]

    async def _company(self, http: httpx.AsyncClient, company_id: str, address: str) -> Company:
        orders = [one for one in await self._api.integrations(http, company_id) if _is_webhooks(one)]
        kinds = frozenset(_kinds(_texts([one.held for one in orders if _is_on(one)]), address))
        ours = [one for one in orders if any(_kinds(_texts(one.held), address))]
        return Company(company_id, next(iter((*ours, *orders)), Fields({})), bool(ours), kinds)

    async def _completed(self, http: httpx.AsyncClient, company: Company, address: str) -> Company:
        """The company with what could be ordered: all that is missing, or else what is needed."""
        for wanted in (FIELDS, NEEDED):
            kinds = [one for one in wanted if one in company.lacks and one not in self._hopeless.get(company.id, ())]
            if not kinds or not company.can_be_changed:
                break
            try:
                await self._api.save_integration(http, company.webhooks.id("id"), _wanted(company, kinds, address))
            except (GivenUp, NeedsFixing):  # other names than we know, or a key that may only read
                continue
            company = await self._company(http, company.id, address)
        self._hopeless[company.id] = company.lacks
        return company


def _wanted(company: Company, kinds: Iterable[str], address: str) -> dict[str, Any]:
    """The integration with our addresses, beside all that others have entered: what is left out might be taken away."""
    config = dict(company.webhooks.inner("config").held)
    for kind in kinds:
        known = FIELDS[kind].removesuffix("_webhook")
        name = next((name for name in config if name.startswith(known)), FIELDS[kind])
        held = config.get(name) or []
        listed = held if isinstance(held, list) else [held]
        is_there = kind in _kinds(_texts(listed), address)
        config[name] = listed if is_there else [*listed, f"{address}/{kind}"]
    given = {"config": config, "state": "active"}
    return given if company.webhooks else {"company_id": company.id, "type": "Webhooks", **given}


def _is_webhooks(order: Fields) -> bool:
    return any(isinstance(held, str) and held.lower().startswith("webhook") for held in order.held.values())


def _is_on(thing: Fields) -> bool:
    """Whether it works; what does not say so is taken to."""
    is_off = any(thing.held.get(name) is False for name in ("active", "enabled"))
    return not is_off and (thing.text("state", "status") or "").lower() not in _SWITCHED_OFF


def _kinds(texts: Iterable[str], address: str) -> Iterator[str]:
    """The kinds of events whose addresses are among `texts`; one address without a last part is for them all."""
    ours = _plain(address)
    for text in texts:
        whose, _, last = _plain(text).rpartition("/")
        if _plain(text) == ours:
            yield from FIELDS
        elif whose == ours:
            yield _kind(last)


def _plain(address: str) -> str:
    """`address` as it can be compared: hosts know no case, and nor do we in the last part."""
    return address.strip().partition("?")[0].rstrip("/").lower()


def _kind(word: str) -> str:
    kind = word.lower().replace("_", "-")
    return _ALIASES.get(kind, kind)


def _texts(held: object) -> Iterator[str]:
    """All texts in JSON, however deep."""
    if isinstance(held, str):
        yield held
    elif isinstance(held, Mapping | list):
        for item in held.values() if isinstance(held, Mapping) else held:
            yield from _texts(item)


def _by_hand(kinds: Sequence[str], address: str) -> str:
    entries = ", ".join(f"{address}/{kind}" for kind in kinds)
    return f"Enter at CallRail, in Settings, Integrations, Webhooks: {entries}."

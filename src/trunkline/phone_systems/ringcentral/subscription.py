"""The order for deliveries: made, renewed, and made anew where RingCentral has stopped it."""

from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from trunkline.phone_systems.base import LinkState
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, PhoneSystemError
from trunkline.phone_systems.ringcentral.rest import Rest, decoded
from trunkline.phone_systems.ringcentral.shop import Shop

FILTER = "/restapi/v1.0/account/~/telephony/sessions"
LIFE_S = 630_720_000  # twenty years: the longest it takes for webhooks
RENEW_BEFORE = timedelta(days=1)

_ORDERS = "/restapi/v1.0/subscription"
_EXTENSIONS = "/restapi/v1.0/account/~/extension"
_MACHINES = {"Department": "queue", "IvrMenu": "menu"}


class _Mode(msgspec.Struct, rename="camel"):
    transport_type: str | None = None
    address: str | None = None


class _Blacklisted(msgspec.Struct, rename="camel"):
    reason: str | None = None


class _DisabledFilter(msgspec.Struct):
    filter: str | None = None
    reason: str | None = None
    message: str | None = None


class _Order(msgspec.Struct, rename="camel"):
    id: str
    status: str = ""
    event_filters: list[str] = []
    disabled_filters: list[_DisabledFilter] | None = None
    expiration_time: datetime | None = None
    delivery_mode: _Mode | None = None
    blacklisted_data: _Blacklisted | None = None

    @property
    def is_alive(self) -> bool:
        """RingCentral never resumes an order that it suspended or blacklisted."""
        return self.status.lower() == "active"

    @property
    def is_whole(self) -> bool:
        """RingCentral writes the account's number in place of our `~`."""
        return any(
            one.partition("?")[0].endswith("/telephony/sessions") and "/extension/" not in one
            for one in self.event_filters
        )


class _Orders(msgspec.Struct):
    records: list[_Order] = []


class _Extension(msgspec.Struct, rename="camel"):
    id: str | int
    type: str = ""
    name: str | None = None
    extension_number: str | int | None = None


class _Extensions(msgspec.Struct):
    records: list[_Extension] = []


class Subscription:
    """The one order of one account."""

    def __init__(self, rest: Rest, shop: Shop, verification_token: str) -> None:
        self._rest = rest
        self._shop = shop
        self._verification_token = verification_token
        self._made = ""  # the order we made last, however its address is written there
        self._has_current_token = False  # no answer says which token an order has: it is given once after each start

    async def supervise(self, http: httpx.AsyncClient, address: str) -> LinkState:
        """See that deliveries are ordered, and that queues and menus are known.

        Raises:
            PhoneSystemError: deliveries are not ordered, or it cannot be seen.
        """
        listed = decoded(await self._rest.light.ask(http, "GET", _ORDERS), _Orders).records
        ours = [one for one in listed if one.id == self._made or _is_webhook_at(one.delivery_mode, address)]
        alive = sorted((one for one in ours if one.is_alive), key=_expires_at)
        dead = [one for one in ours if not one.is_alive]
        kept = alive.pop() if alive else None
        for one in (*dead, *alive):  # a second order would deliver everything twice
            await self._cancel(http, one)
        if kept is None:
            kept = await self._order(http, address)
            told = (
                f"RingCentral had stopped deliveries{_why(dead)}; they are ordered anew"
                if dead
                else "Deliveries are ordered"
            )
        elif self._has_current_token and kept.is_whole and not _ends_soon(kept):
            told = "Deliveries are ordered"
        else:
            kept = await self._renew(http, kept, address)
            told = "Deliveries are ordered"
        self._made, self._has_current_token = kept.id, True
        _check_filters(kept)
        until = f" until {kept.expiration_time:%Y-%m-%d}" if kept.expiration_time else ""
        return LinkState("connected", f"{told}{until}.{await self._unlisted(http)}")

    def _wanted(self, address: str) -> dict[str, object]:
        mode = {"transportType": "WebHook", "address": address, "verificationToken": self._verification_token}
        return {"eventFilters": [FILTER], "deliveryMode": mode, "expiresIn": LIFE_S}

    async def _order(self, http: httpx.AsyncClient, address: str) -> _Order:
        try:
            answer = await self._rest.medium.ask(http, "POST", _ORDERS, json=self._wanted(address))
        except GivenUp as error:  # an address that cannot be reached today may be reached tomorrow
            raise NeedsFixing(str(error)) from None
        return decoded(answer, _Order)

    async def _renew(self, http: httpx.AsyncClient, order: _Order, address: str) -> _Order:
        try:
            answer = await self._rest.medium.ask(http, "PUT", f"{_ORDERS}/{order.id}", json=self._wanted(address))
        except GivenUp:  # it cannot be changed, or is gone meanwhile; it may still deliver, so it goes last
            made = await self._order(http, address)
            await self._cancel(http, order)
            return made
        return decoded(answer, _Order)

    async def _cancel(self, http: httpx.AsyncClient, order: _Order) -> None:
        try:
            await self._rest.medium.ask(http, "DELETE", f"{_ORDERS}/{order.id}")
        except GivenUp:  # it is gone already
            return

    async def _unlisted(self, http: httpx.AsyncClient) -> str:
        """A sentence that names queues and menus which the settings do not: their pick-up would count as an answer."""
        asked = {"type": list(_MACHINES), "status": "Enabled", "perPage": "1000"}
        try:
            answer = await self._rest.medium.ask(http, "GET", _EXTENSIONS, params=asked)
            found = decoded(answer, _Extensions).records
        except PhoneSystemError as error:
            return f" Which queues and menus there are could not be seen. {error}"
        missing = [
            f"{one.extension_number or one.id} {one.name or ''} ({_MACHINES[one.type]})".replace("  ", " ")
            for one in found
            if one.type in _MACHINES and not self._shop.machine(one.id, one.extension_number, one.name)
        ]
        return f" Not in the settings, and so taken for people: {', '.join(missing)}." if missing else ""


def _is_webhook_at(mode: _Mode | None, address: str) -> bool:
    return mode is not None and (mode.transport_type or "").lower() == "webhook" and mode.address == address


def _expires_at(order: _Order) -> datetime:
    moment = order.expiration_time or datetime.max.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ends_soon(order: _Order) -> bool:
    return _expires_at(order) - datetime.now(UTC) < RENEW_BEFORE


def _why(dead: list[_Order]) -> str:
    reasons = [one.blacklisted_data.reason if one.blacklisted_data else None for one in dead]
    told = [": ".join(part for part in (one.status, reason) if part) for one, reason in zip(dead, reasons, strict=True)]
    return f" ({'; '.join(told)})"


def _check_filters(order: _Order) -> None:
    for one in order.disabled_filters or ():
        raise NeedsFixing(f"RingCentral orders no telephony events for us: {one.message or one.reason or 'no reason'}.")

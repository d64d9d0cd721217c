"""Bookings: new callers on ServiceTitan's Calls screen, where somebody makes customer and job of them."""

from datetime import datetime

import msgspec

from trunkline.servicetitan.client import ServiceTitan

_SOURCE = "Trunkline"
_PATH = "crm/v2/tenant/{{tenant}}/booking-provider/{provider}/bookings"
_PAGE_SIZE = 200


class Booking(msgspec.Struct, frozen=True, rename="camel"):
    """A booking as read back; `created_on` is UTC, `external_id` ours."""

    id: int
    external_id: str
    created_on: datetime
    summary: str | None = None


class _Created(msgspec.Struct):
    id: int


async def add_booking(
    client: ServiceTitan, provider_id: int, *, name: str, number: str, summary: str, external_id: str
) -> int | None:
    """Book a new caller and return the booking's id, where ServiceTitan tells it.

    `provider_id` is the id of a booking provider tag, `number` E.164, `summary` plain text. Whether ServiceTitan
    refuses an `external_id` that it has already is not known. Published as ``crm.booking_provider.create``.

    Raises:
        OutcomeUnknown: the booking may stand there: look with :func:`bookings_with`.
        RetryLater, NeedsFixing, GivenUp: it does not.
    """
    # ServiceTitan finds North American numbers by their ten digits; what it makes of a country code is not known.
    contact = {"type": "Phone", "value": number.removeprefix("+1")}
    booking = {
        "source": _SOURCE,
        "name": name,
        "summary": summary,
        "contacts": [contact],
        "isFirstTimeClient": True,
        "externalId": external_id,
    }
    created = await client.post(_PATH.format(provider=provider_id), booking, _Created)
    return created.id if created else None


async def bookings_with(client: ServiceTitan, provider_id: int, external_id: str) -> list[Booking]:
    """The provider's bookings that have the external id.

    Published as ``crm.booking_provider.list``; raises as :meth:`ServiceTitan.get`.
    """
    pages = client.pages(_PATH.format(provider=provider_id), Booking, {"externalId": external_id}, page_size=_PAGE_SIZE)
    # How the filter compares is not published.
    return [booking async for page in pages for booking in page if booking.external_id == external_id]

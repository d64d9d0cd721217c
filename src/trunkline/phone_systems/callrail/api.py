"""CallRail's REST API: calls in pages, making a call, fetching a recording, integrations of companies."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from aiolimiter import AsyncLimiter

from trunkline.phone_systems.base import Recording
from trunkline.phone_systems.errors import GivenUp
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.media_fetch import fetch_media, is_vendors, whole
from trunkline.phone_systems.vendor_api import FixedCredentials, VendorApi

NAME = "CallRail"
OWN_DOMAIN = "callrail.com"
PAGE_SIZE = 250
PER_HOUR = 400  # allowed are 1,000 in an hour and 10,000 in a day; this keeps both
MORE_FIELDS = "agent_email,call_summary,call_type,note,tags,transcription"
_LONGEST_LINK = 64 * 1024


class CallRailApi:
    """One account."""

    def __init__(self, account_id: str, company_id: str | None, token: str, api_base: str) -> None:
        self._account = f"/a/{account_id}"
        self._calls = f"{self._account}/calls.json"
        self._company_id = company_id
        self._signed = f'Token token="{token}"'
        self._base = httpx.URL(api_base)
        pace = AsyncLimiter(PER_HOUR, 3600)
        self._api = VendorApi(NAME, api_base, FixedCredentials(authorization=self._signed), pace)

    async def calls(self, http: httpx.AsyncClient, since: datetime, until: datetime) -> AsyncIterator[list[Fields]]:
        """Pages of calls that began on the days from `since` to `until`, and around them, the oldest first.

        Raises:
            PhoneSystemError: they could not be read to their end.
        """
        day = timedelta(days=1)  # days are those of the company's time zone
        asked = {
            "start_date": (since.astimezone(UTC) - day).date().isoformat(),
            "end_date": (until.astimezone(UTC) + day).date().isoformat(),
            "sort": "start_time",
            "order": "asc",
            "per_page": str(PAGE_SIZE),
            **({"company_id": self._company_id} if self._company_id else {}),
        }
        number, last = 1, 1
        more: Mapping[str, str] = {"fields": MORE_FIELDS}
        while number <= last:
            try:
                page = await self._page(http, {**asked, **more, "page": str(number)})
            except GivenUp:
                if not more:
                    raise
                more = {}  # fields that this account does not have; the rest is worth more than they are
                continue
            yield page.each("calls")
            last = int(page.seconds("total_pages") or 1)
            number += 1

    async def _page(self, http: httpx.AsyncClient, asked: Mapping[str, str]) -> Fields:
        return Fields(await self._api.json(http, "GET", self._calls, params=asked))

    async def make_call(self, http: httpx.AsyncClient, asked: Mapping[str, str]) -> str | None:
        """Make a call; its id, where CallRail tells it.

        Raises:
            PhoneSystemError: nothing was made, or nobody knows.
        """
        return Fields(await self._api.json(http, "POST", self._calls, json=asked)).id("id", "resource_id")

    async def companies(self, http: httpx.AsyncClient) -> list[Fields]:
        """The companies of the account.

        Raises:
            PhoneSystemError: they could not be read to their end.
        """
        return await self._all(http, "companies")

    async def integrations(self, http: httpx.AsyncClient, company_id: str) -> list[Fields]:
        """What a company is connected with, its webhooks among it.

        Raises:
            PhoneSystemError: it could not be read to its end.
        """
        return await self._all(http, "integrations", company_id=company_id)

    async def save_integration(
        self, http: httpx.AsyncClient, integration_id: str | None, wanted: Mapping[str, Any]
    ) -> None:
        """Change an integration, or make one.

        Raises:
            PhoneSystemError: nothing was changed, or nobody knows.
        """
        method, place = ("PUT", f"/{quote(integration_id, safe='')}") if integration_id else ("POST", "")
        await self._api.ask(http, method, f"{self._account}/integrations{place}.json", json=wanted)

    async def _all(self, http: httpx.AsyncClient, what: str, **asked: str) -> list[Fields]:
        found: list[Fields] = []
        number, last = 1, 1
        while number <= last:
            params = {**asked, "per_page": str(PAGE_SIZE), "page": str(number)}
            page = Fields(await self._api.json(http, "GET", f"{self._account}/{what}.json", params=params))
            found += page.each(what)
            last = int(page.seconds("total_pages") or 1)
            number += 1
        return found

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """The sound at `url`, or where the answer there says that it is.

        Raises:
            PhoneSystemError: it cannot be had, or the address is not CallRail's.
        """
        if not is_vendors(url, OWN_DOMAIN, self._base):
            raise GivenUp("The address of the recording is not CallRail's; our key was not sent there.")
        found = await fetch_media(NAME, http, url, {"authorization": self._signed})
        if found.media_type != "application/json":
            return found
        link = await _link(found)
        if not link.startswith("https://") and not is_vendors(link, OWN_DOMAIN, self._base):
            raise GivenUp("CallRail's answer does not say where the recording is.")
        return await fetch_media(NAME, http, link)


async def _link(found: Recording) -> str:
    try:
        url = Fields(msgspec.json.decode(await whole(NAME, found, most=_LONGEST_LINK))).text("url")
    except (msgspec.DecodeError, UnicodeDecodeError):
        url = None
    return url or ""

"""Twilio's REST API: calls and recordings in pages, making a call, fetching a recording."""

import base64
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import httpx
from aiolimiter import AsyncLimiter

from trunkline.phone_systems.base import Recording
from trunkline.phone_systems.errors import GivenUp
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.media_fetch import fetch_media, is_vendors
from trunkline.phone_systems.vendor_api import FixedCredentials, VendorApi

NAME = "Twilio"
OWN_DOMAIN = "twilio.com"
PAGE_SIZE = 1000
EACH_S = 0.2  # Twilio limits requests at a time, not in an hour, and tells no number
UNFINISHED = ("queued", "ringing", "in-progress")
_SOUNDS = (".mp3", ".wav")


class TwilioApi:
    """One account."""

    def __init__(self, account_sid: str, user: str, password: str, api_base: str) -> None:
        self._signed = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        self._account = f"/Accounts/{account_sid}"
        self._base = httpx.URL(api_base)
        self._api = VendorApi(NAME, api_base, FixedCredentials(authorization=self._signed), AsyncLimiter(1, EACH_S))

    async def calls(self, http: httpx.AsyncClient, since: datetime, until: datetime) -> AsyncIterator[list[Fields]]:
        """Pages of legs that were created on the days from `since` to `until`, and perhaps around them.

        Raises:
            PhoneSystemError: they could not be read to their end.
        """
        asked = _days("StartTime", since, until)
        async for page in self._pages(http, "calls", asked):
            yield page

    async def unfinished(self, http: httpx.AsyncClient) -> set[str]:
        """The ids of all legs that are not over.

        Raises:
            PhoneSystemError: they could not be read to their end.
        """
        return {
            sid
            for status in UNFINISHED
            async for page in self._pages(http, "calls", {"Status": status})
            for row in page
            if (sid := row.id("sid"))
        }

    async def recordings(self, http: httpx.AsyncClient, since: datetime) -> Mapping[str, Sequence[Fields]]:
        """The recordings made since the day of `since`, by the id of the leg.

        Raises:
            PhoneSystemError: they could not be read to their end.
        """
        found: dict[str, list[Fields]] = defaultdict(list)
        async for page in self._pages(http, "recordings", {"DateCreated>": since.astimezone(UTC).date().isoformat()}):
            for recording in page:
                if (leg := recording.id("call_sid")) and recording.text("status") == "completed":
                    found[leg].append(recording)
        return found

    async def _pages(self, http: httpx.AsyncClient, what: str, asked: Mapping[str, str]) -> AsyncIterator[list[Fields]]:
        params: dict[str, str] | None = {**asked, "PageSize": str(PAGE_SIZE)}
        path: str | None = f"{self._account}/{what.capitalize()}.json"
        read: set[str] = set()
        while path:
            if path in read:
                raise GivenUp(f"Twilio's list of {what} leads back to a page that was read already.")
            read.add(path)
            page = Fields(await self._api.json(http, "GET", path, params=params))
            yield page.each(what)
            further = page.text("next_page_uri")
            path, params = (str(self._base.join(further)) if further else None), None

    async def make_call(self, http: httpx.AsyncClient, form: Mapping[str, str | list[str]]) -> str | None:
        """Make a call; its id, where Twilio tells it.

        Raises:
            PhoneSystemError: nothing was made, or nobody knows.
        """
        made = await self._api.json(http, "POST", f"{self._account}/Calls.json", data=form)
        return Fields(made).id("sid")

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """The sound at `url`, as MP3 where the address does not say otherwise.

        Raises:
            PhoneSystemError: it cannot be had, or the address is not Twilio's.
        """
        if not is_vendors(url, OWN_DOMAIN, self._base):
            raise GivenUp("The address of the recording is not Twilio's; our credentials were not sent there.")
        address = url if url.endswith(_SOUNDS) else f"{url}.mp3"
        return await fetch_media(NAME, http, address, {"authorization": self._signed})

    def media_url(self, recording: Fields) -> str | None:
        """Where a recording of the list is, written as callbacks write it."""
        url = recording.text("media_url")
        if url is None and (uri := recording.text("uri")):
            url = str(self._base.join(uri)).removesuffix(".json")
        return url


def _days(name: str, since: datetime, until: datetime) -> dict[str, str]:
    """Bounds as whole days: Twilio counts from midnight, UTC, of the days named."""
    first, last = since.astimezone(UTC).date(), until.astimezone(UTC).date() + timedelta(days=1)
    return {f"{name}>": first.isoformat(), f"{name}<": last.isoformat()}

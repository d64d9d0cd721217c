"""Zoom's REST API: a token for the account, the call history, recordings and their transcripts."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import httpx
from aiolimiter import AsyncLimiter

from trunkline.phone_systems.base import Recording
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, RetryLater
from trunkline.phone_systems.loose import Fields
from trunkline.phone_systems.media_fetch import fetch_media, is_vendors, whole
from trunkline.phone_systems.vendor_api import TIMEOUT_S, Token, TokenCredentials, VendorApi

NAME = "Zoom"
OWN_DOMAIN = "zoom.us"
PAGE_SIZE = 300
LONGEST_TRANSCRIPT = 1024 * 1024  # hours of talk; what comes by webhook may be no longer
LONGEST_SPAN = timedelta(days=28)  # at most a month; which month is meant is not documented
EACH_S = 0.25  # the history is in Zoom's class of heavy requests; how many are allowed differs by plan


class ZoomApi:
    """One account."""

    def __init__(self, account_id: str, client_id: str, client_secret: str, api_base: str, login_base: str) -> None:
        self._account_id = account_id
        self._login = httpx.BasicAuth(client_id, client_secret)
        self._login_url = f"{login_base.rstrip('/')}/oauth/token"
        self._credentials = TokenCredentials(self._sign_in)
        self._pace = AsyncLimiter(1, EACH_S)
        self._api = VendorApi(NAME, api_base, self._credentials, self._pace)
        self._base = httpx.URL(api_base)

    def call_history(self, http: httpx.AsyncClient, since: datetime, until: datetime) -> AsyncIterator[list[Fields]]:
        """Pages of rows of calls that began from `since` to before `until`.

        Raises:
            PhoneSystemError: it could not be read to its end.
        """
        return self._listed(http, "call_history", ("call_history", "call_logs"), since, until)

    def recordings(self, http: httpx.AsyncClient, since: datetime, until: datetime) -> AsyncIterator[list[Fields]]:
        """Pages of recordings that began from `since` to before `until`, each with the address of its transcript.

        Raises:
            PhoneSystemError: they could not be read to their end.
        """
        return self._listed(http, "recordings", ("recordings",), since, until)

    async def _listed(
        self, http: httpx.AsyncClient, what: str, names: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Fields]]:
        """Zoom's own bounds may be whole days."""
        begin = since
        while begin < until:
            end = min(begin + LONGEST_SPAN, until)
            async for page in self._pages(http, what, begin, end):
                rows = page.each(*names)
                yield [row for row in rows if begin <= (row.time("start_time", "date_time") or begin) < end]
            begin = end

    async def _pages(self, http: httpx.AsyncClient, what: str, begin: datetime, end: datetime) -> AsyncIterator[Fields]:
        asked = {"from": _stamp(begin), "to": _stamp(end), "page_size": str(PAGE_SIZE)}
        tokens: set[str] = set()
        token: str | None = ""
        while token is not None:
            if token in tokens:
                raise GivenUp("A list of Zoom's leads back to a page that was read already.")
            tokens.add(token)
            params = {**asked, "next_page_token": token} if token else asked
            page = Fields(await self._api.json(http, "GET", f"/phone/{what}", params=params))
            yield page
            token = page.text("next_page_token")

    async def transcript(self, http: httpx.AsyncClient, url: str) -> str:
        """The file that the address of a recording's transcript leads to.

        Raises:
            PhoneSystemError: it cannot be had, is not ready yet, or the address is not Zoom's.
        """
        async with self._pace:
            found = await self.recording(http, url)
        return (await whole(NAME, found, most=LONGEST_TRANSCRIPT)).decode("utf-8-sig", "replace")

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """What a download address leads to.

        Raises:
            PhoneSystemError: it cannot be had, or the address is not Zoom's.
        """
        if not is_vendors(url, OWN_DOMAIN, self._base):
            raise GivenUp("The address of the recording is not Zoom's; our token was not sent there.")
        signed = await self._credentials.headers(http, fresh=False)
        try:
            return await fetch_media(NAME, http, url, signed)
        except NeedsFixing:  # the token may have been revoked before its time
            return await fetch_media(NAME, http, url, await self._credentials.headers(http, fresh=True))

    async def _sign_in(self, http: httpx.AsyncClient) -> Token:
        asked = {"grant_type": "account_credentials", "account_id": self._account_id}
        try:
            answer = await http.post(self._login_url, params=asked, auth=self._login, timeout=TIMEOUT_S)
        except httpx.HTTPError:
            raise RetryLater("Zoom cannot be reached to sign in.") from None
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            raise RetryLater(f"Zoom cannot sign us in at the moment ({answer.status_code}).")
        if not answer.is_success:
            raise NeedsFixing("Zoom refuses to sign in: check account_id, client_id and client_secret.")
        return _token(answer)


def _token(answer: httpx.Response) -> Token:
    try:
        given = Fields(answer.json())
    except ValueError:
        given = Fields({})
    text = given.text("access_token")
    if text is None:
        raise RetryLater("Zoom's answer to our signing in holds no token.")
    return Token(text, given.seconds("expires_in") or 3600.0)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

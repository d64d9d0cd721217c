"""3CX's own API (V20): signing in, the call log, Call Control, click to call, recordings."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from aiolimiter import AsyncLimiter
from websockets.asyncio.client import ClientConnection, connect

from trunkline.phone_systems.base import Recording
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, RetryLater
from trunkline.phone_systems.media_fetch import fetch_media
from trunkline.phone_systems.three_cx.call_log import Row
from trunkline.phone_systems.vendor_api import RENEW_BEFORE_S, TIMEOUT_S, Token, TokenCredentials, VendorApi

NAME = "3CX"
PAGE = 500
# What an administrator has to change where Call Control is not open to us.
NOT_ALLOWED = (
    "3CX refuses Call Control ({status}): give the API client access to the Call Control API and to its extensions,"
    " and see whether the licence includes it."
)
WINDOW = timedelta(days=1)  # one report gives 20,000 segments at most
MARGIN = timedelta(hours=2)  # a call's segments may begin so long after the call
_REQUESTS, _PER_S = 4, 1.0  # the PBX has calls to handle
_REPORT = (
    "/xapi/v1/ReportCallLogData/Pbx.GetCallLogData(periodFrom={since},periodTo={until},sourceType=0,sourceFilter='',"
    "destinationType=0,destinationFilter='',callsType=0,callTimeFilterType=0,callTimeFilterFrom='0:00:0',"
    "callTimeFilterTo='0:00:0',hidePcalls=true)"
)
SOCKET_TIMEOUT_S = 10.0
# A makecall's `finalstatus` is a number in some versions, a word in others.
_REFUSED = {"0", "-1", "rejected", "failed"}


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 60.0


class Api:
    """One PBX, asked as its API client."""

    def __init__(self, base_url: str, client_id: str, client_secret: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._form = {"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"}
        self._credentials = TokenCredentials(self._sign_in)
        self._api = VendorApi(NAME, base_url, self._credentials, AsyncLimiter(_REQUESTS, _PER_S))

    async def _sign_in(self, http: httpx.AsyncClient) -> Token:
        try:
            answer = await http.post(f"{self._base_url}/connect/token", data=self._form, timeout=TIMEOUT_S)
        except httpx.HTTPError:
            raise RetryLater("3CX cannot be reached to sign in.") from None
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            raise RetryLater(f"3CX does not let us sign in now ({answer.status_code}).")
        if not answer.is_success:
            raise NeedsFixing(f"3CX refuses client_id and client_secret ({answer.status_code}).")
        try:
            token = msgspec.json.decode(answer.content, type=_Token, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise GivenUp("3CX answered our signing in with something else than a token.") from None
        # Some PBXs give tokens for a minute only; one refused is replaced at once, so each may be used for a while.
        return Token(token.access_token, max(token.expires_in, RENEW_BEFORE_S * 1.5))

    async def call_log(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[tuple[datetime, datetime, list[Row]]]:
        """For each day of the time asked for, its begin and end, and the segments in and near it.

        Raises:
            PhoneSystemError: it could not be read to its end.
        """
        begin = since
        while begin < until:
            end = min(begin + WINDOW, until)
            yield begin, end, await self._segments(http, begin - MARGIN, end + MARGIN)
            begin = end

    async def _segments(self, http: httpx.AsyncClient, since: datetime, until: datetime) -> list[Row]:
        """All pages. The log comes newest first; told to sort otherwise, some versions leave segments out."""
        path = _REPORT.format(since=_stamp(since), until=_stamp(until))
        found: list[Row] = []
        while True:
            page = await self._api.json(http, "GET", path, params={"$top": PAGE, "$skip": len(found)})
            rows = page.get("value") if isinstance(page, dict) else None
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise GivenUp("3CX answered without a list of calls.")
            if not rows:
                return found
            found += rows

    async def signed(self, http: httpx.AsyncClient, *, fresh: bool = False) -> Mapping[str, str]:
        """The headers with the token of now; `fresh` after it was refused.

        Raises:
            PhoneSystemError: signing in failed.
        """
        return await self._credentials.headers(http, fresh=fresh)

    async def open_socket(self, signed: Mapping[str, str]) -> ClientConnection:
        """Call Control's WebSocket. A peer that is silent is asked whether it is there, by the library.

        Raises:
            OSError, TimeoutError, WebSocketException: it cannot be opened.
        """
        url = f"ws{self._base_url.removeprefix('http')}/callcontrol/ws"
        return await connect(url, additional_headers=signed, open_timeout=SOCKET_TIMEOUT_S, close_timeout=1.0)

    async def now(self, http: httpx.AsyncClient, path: str) -> Any:
        """What Call Control has at `path` now; `None` where there is nothing any more. Not paced: the PBX asked us to.

        Raises:
            PhoneSystemError: it cannot be read.
        """
        answer = await self._once(http, path, fresh=False)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            answer = await self._once(http, path, fresh=True)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NeedsFixing(NOT_ALLOWED.format(status=answer.status_code))
        if not answer.is_success:
            raise RetryLater(f"3CX has trouble with Call Control ({answer.status_code}).")
        try:
            return msgspec.json.decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise RetryLater("3CX answered for Call Control with something that is not JSON.") from None

    async def _once(self, http: httpx.AsyncClient, path: str, *, fresh: bool) -> httpx.Response:
        signed = await self.signed(http, fresh=fresh)
        try:
            return await http.get(f"{self._base_url}{path}", headers=dict(signed), timeout=SOCKET_TIMEOUT_S)
        except httpx.HTTPError:
            raise RetryLater("3CX did not answer for Call Control.") from None

    async def make_call(self, http: httpx.AsyncClient, agent: str, number: str) -> None:
        """Ring `agent`, then call `number`.

        Raises:
            PhoneSystemError: nothing was set up, or nobody knows.
        """
        path = f"/callcontrol/{quote(agent, safe='')}/makecall"
        answer = await self._api.json(http, "POST", path, json={"destination": number})
        if isinstance(answer, Mapping) and str(answer.get("finalstatus")).lower() in _REFUSED:
            raise GivenUp(f"3CX did not set up the call: {_reason(answer)}.")

    async def recording(self, http: httpx.AsyncClient, url: str) -> Recording:
        """What stands at `url`, at this PBX only.

        Raises:
            PhoneSystemError: it cannot be had.
        """
        address = self._api.address(url)
        try:
            return await fetch_media(NAME, http, address, await self._credentials.headers(http, fresh=False))
        except NeedsFixing:  # the token may have been replaced
            return await fetch_media(NAME, http, address, await self._credentials.headers(http, fresh=True))


def _reason(answer: Mapping[str, Any]) -> str:
    text = answer.get("reasontext") or answer.get("reason")
    return str(text)[:200].strip().rstrip(".") if text else "it gives no reason"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

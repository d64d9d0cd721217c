"""Asking a phone system's REST API: signed in, no faster than the vendor allows, errors classed by what to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

import httpx
import msgspec
import stamina
from aiolimiter import AsyncLimiter

from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, PhoneSystemError, RetryLater

ATTEMPTS = 4
PATIENCE = timedelta(minutes=3)
LONGEST_WAIT_S = 120.0
TIMEOUT_S = 20.0
RENEW_BEFORE_S = 60.0


class Credentials(Protocol):
    """What signs a request."""

    async def headers(self, http: httpx.AsyncClient, *, fresh: bool) -> Mapping[str, str]:
        """The headers to send; `fresh` after the vendor refused those given before.

        Raises:
            PhoneSystemError: signing in failed.
        """


class FixedCredentials:
    """A key that does not change."""

    def __init__(self, **headers: str) -> None:
        self._headers = headers

    async def headers(self, http: httpx.AsyncClient, *, fresh: bool) -> Mapping[str, str]:
        """The same headers each time."""
        return self._headers


class Token(msgspec.Struct, frozen=True):
    """A bearer token and how long it lives."""

    text: str
    life_s: float

    def __repr__(self) -> str:
        return f"Token(life_s={self.life_s})"


class TokenCredentials:
    """A bearer token that `sign_in` gets, kept until shortly before its end."""

    def __init__(self, sign_in: Callable[[httpx.AsyncClient], Awaitable[Token]]) -> None:
        self._sign_in = sign_in
        self._token: Token | None = None
        self._signed_in_at = 0.0
        self._turn = asyncio.Lock()

    async def headers(self, http: httpx.AsyncClient, *, fresh: bool) -> Mapping[str, str]:
        """The token's header."""
        asked_at = time.monotonic()
        async with self._turn:
            age_s = time.monotonic() - self._signed_in_at
            is_refused = fresh and self._signed_in_at < asked_at  # unless another request has signed in since
            if self._token is None or is_refused or age_s > self._token.life_s - RENEW_BEFORE_S:
                self._token = await self._sign_in(http)
                self._signed_in_at = time.monotonic()
            return {"authorization": f"Bearer {self._token.text}"}


class VendorApi:
    """One account at one vendor, whom sentences call `name`. At most `pace` requests go out.

    `penalty_s` is for a vendor that punishes each request during a penalty: how long to be silent after a 429 that does
    not say; nothing is asked meanwhile, by anybody. `explain` takes the vendor's own words out of a refusal.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        credentials: Credentials,
        pace: AsyncLimiter,
        *,
        penalty_s: float | None = None,
        explain: Callable[[httpx.Response], str | None] = lambda answer: None,
    ) -> None:
        self._name = name
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._pace = pace
        self._penalty_s = penalty_s
        self._explain = explain
        self._silent_until = 0.0

    async def ask(self, http: httpx.AsyncClient, method: str, path: str, **request: Any) -> httpx.Response:
        """Send one request; `path` begins with a slash, or is a whole address that the vendor gave for a next page.

        Raises:
            PhoneSystemError: classed; what only a retry can mend has been retried.
        """
        async for attempt in stamina.retry_context(_wait, attempts=ATTEMPTS, timeout=PATIENCE, wait_max=30.0):
            with attempt:
                answer = await self._once(http, method, path, request, fresh=False)
                if answer.status_code == httpx.codes.UNAUTHORIZED:
                    answer = await self._once(http, method, path, request, fresh=True)
                self._check(method, answer)
        return answer

    async def json(self, http: httpx.AsyncClient, method: str, path: str, **request: Any) -> Any:
        """As :meth:`ask`; the answer's JSON."""
        answer = await self.ask(http, method, path, **request)
        try:
            return msgspec.json.decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise GivenUp(f"{self._name} answered with something that is not JSON.") from None

    async def _once(
        self, http: httpx.AsyncClient, method: str, path: str, request: Mapping[str, Any], *, fresh: bool
    ) -> httpx.Response:
        signed = await self._credentials.headers(http, fresh=fresh)
        given = {**request, "headers": {**signed, **request.get("headers", {})}}
        async with self._pace:
            if (silent_s := self._silent_until - time.monotonic()) > 0:
                await asyncio.sleep(silent_s)
            try:
                return await http.request(method, self.address(path), timeout=TIMEOUT_S, **given)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
                raise RetryLater(f"{self._name} cannot be reached.") from None
            except httpx.HTTPError:
                raise self._cut_off(method, f"{self._name} did not answer to the end.") from None

    def address(self, path: str) -> str:
        """Where `path` of :meth:`ask` is; our credentials go to the vendor's own host only.

        Raises:
            GivenUp: an address leads elsewhere.
        """
        if path.startswith("/"):
            return f"{self._base_url}{path}"
        try:
            own, given = httpx.URL(self._base_url), httpx.URL(path)
        except httpx.InvalidURL:
            raise GivenUp(f"{self._name} gave an address that is none; it was not asked.") from None
        if (given.scheme, given.netloc) != (own.scheme, own.netloc):
            raise GivenUp(f"{self._name} gave an address on another host; it was not asked.")
        return path

    def _check(self, method: str, answer: httpx.Response) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status == httpx.codes.TOO_MANY_REQUESTS:
            wait_s = _retry_after_s(answer)
            if self._penalty_s is not None:
                wait_s = self._penalty_s if wait_s is None else wait_s
                self._silent_until = time.monotonic() + wait_s
            raise RetryLater(f"{self._name} asks for fewer requests (429).", retry_after_s=wait_s)
        words = self._explain(answer)
        said = f" It says: {words.rstrip('.')}." if words else ""
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NeedsFixing(f"{self._name} refuses our credentials ({status}): check key, rights and licence.{said}")
        if answer.is_server_error:
            raise self._cut_off(method, f"{self._name} has trouble ({status}).")
        raise GivenUp(f"{self._name} refuses the request ({status}).{said}")

    @staticmethod
    def _cut_off(method: str, sentence: str) -> PhoneSystemError:
        return RetryLater(sentence) if method == "GET" else OutcomeUnknown(sentence)


def _wait(error: Exception) -> bool | float:
    """Whether to try again by itself, and after how long; what the vendor puts off for longer is left to the caller."""
    if not isinstance(error, RetryLater):
        return False
    if error.retry_after_s is None:
        return True
    return error.retry_after_s <= LONGEST_WAIT_S and error.retry_after_s


def _retry_after_s(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None

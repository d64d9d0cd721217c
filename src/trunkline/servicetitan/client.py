"""One tenant's ServiceTitan: authentication, limits, retries, paging and export feeds.

Reads are retried by error class with jitter. A write is sent again only after 429. Where it cannot have been committed
(no connection was made, or ServiceTitan says no) the error says so; all else about it is :class:`OutcomeUnknown`.

Sources: ServiceTitan's developer pages "OAuth 2.0", "Environments", "APIs, App Keys & Client Keys" and
"Transactional & Export APIs".
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar, cast

import httpx
import msgspec
import stamina

from trunkline.contract.operations import details
from trunkline.servicetitan import exact
from trunkline.servicetitan.answers import decode, error_of
from trunkline.servicetitan.catalog import LARGEST_PAGE, find, largest_page, meant_by, require_registered
from trunkline.servicetitan.errors import (
    InvalidRequest,
    OutcomeUnknown,
    RateLimited,
    RetryLater,
    ServerTrouble,
    UnexpectedAnswer,
    Unreachable,
)
from trunkline.servicetitan.requests import PreparedRequest, Query, prepare
from trunkline.servicetitan.sign_in import Credentials, SignIn

T = TypeVar("T")

READ_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
# The server gives up after 100 s; bulk reads wait a little longer than that.
BULK_TIMEOUT = httpx.Timeout(110.0, connect=5.0)
ATTEMPTS = 5
SMALL_PAGE = 200
LARGE_ANSWER = 1 << 18


class RequestLimiter(Protocol):
    """Holds the 60 requests a second of one app and tenant, across all processes."""

    def turn(self, tenant_id: int) -> AbstractAsyncContextManager[None]:
        """Enter when the next request may go; leave when it was answered."""


@dataclass(frozen=True)
class Environment:
    """Where to ask for tokens, and where for data."""

    token_url: str
    api_url: str

    @classmethod
    def at(cls, base_url: str) -> Self:
        """Both under one base URL, as a sandbox serves them."""
        base = base_url.rstrip("/")
        return cls(f"{base}/connect/token", base)

    @classmethod
    def named(cls, name: str) -> Self:
        """`production`, `integration`, or a base URL."""
        if name.startswith(("http://", "https://")):
            return cls.at(name)
        infix = {"production": "", "integration": "-integration"}[name]
        return cls(f"https://auth{infix}.servicetitan.io/connect/token", f"https://api{infix}.servicetitan.io")


class Page(msgspec.Struct, Generic[T], rename="camel"):
    """One page of a list."""

    data: list[T]
    has_more: bool = False
    total_count: int | None = None


class ExportPage(msgspec.Struct, Generic[T], rename="camel"):
    """One page of an export feed; `continue_from` goes on from here, also when `has_more` is false."""

    data: list[T]
    has_more: bool = False
    continue_from: str | None = None


class RawPage(msgspec.Struct, rename="camel"):
    """A page of a list or of an export feed whose rows are not taken apart: `data` should be a JSON array."""

    data: msgspec.Raw
    has_more: bool = False
    continue_from: str | None = None


class ServiceTitan:
    """One tenant's API. `http` is shared by all tenants; paths are like ``crm/v2/tenant/{tenant}/customers``.

    `allow_unregistered` lets :meth:`call` use operations that no scope of this app covers.
    """

    def __init__(
        self,
        environment: Environment,
        tenant_id: int,
        credentials: Credentials,
        *,
        limiter: RequestLimiter,
        http: httpx.AsyncClient,
        allow_unregistered: bool = False,
        sign_in: SignIn | None = None,
    ) -> None:
        self.tenant_id = tenant_id
        self._environment = environment
        self._credentials = credentials
        self._limiter = limiter
        self._http = http
        self._allow_unregistered = allow_unregistered
        self._sign_in = sign_in or SignIn(environment.token_url, credentials, http)

    async def call(self, name: str, /, body: Any = None, **parameters: Any) -> Any:
        """Do the operation called `name`, as in ``await client.call("crm.customers.list", phone="437-555-0142")``.

        Parameters are named as ServiceTitan publishes them, `body` is what JSON can hold; both are checked before
        anything is sent. Returns decoded JSON - numbers with a fraction as `Decimal` -, bytes of a file, or `None`
        where there is no body. Answers are not held to the contract: fields come and go without notice.

        Raises:
            UnknownOperation, NotRegistered, InvalidRequest: nothing was sent.
            RetryLater, OutcomeUnknown, NeedsFixing, GivenUp: as :meth:`get` and :meth:`post`.
        """
        prepared = self.prepare(name, body, parameters)
        content = await self._perform(prepared)
        answer = details(prepared.operation).answer
        if answer is not None and answer.get("format") == "binary":
            return content or None
        if not content.strip() and (prepared.operation.method != "GET" or answer is None):
            return None
        return await _decode_any(content)

    def prepare(self, name: str, body: Any, parameters: Mapping[str, Any]) -> PreparedRequest:
        """The request that :meth:`call` would send; raises as that does before it sends anything."""
        operation = find(name)
        if not self._allow_unregistered:
            require_registered(operation)
        return prepare(operation, parameters, body)

    async def call_pages(self, name: str, /, **parameters: Any) -> AsyncIterator[list[Any]]:
        """The rows of every page of the list or export feed called `name`; raises as :meth:`call`.

        Rows may shift between the pages of a list while data change: expect repeats.
        """
        operation = find(name)
        size = largest_page(operation)
        if not operation.exports and size is None:
            raise InvalidRequest(f"{name} has no pages: call it once.")
        if not operation.exports:
            parameters = {"page": 1, "pageSize": size, **parameters}
        while True:
            page = await self.call(name, **parameters)
            if not isinstance(page, dict) or not isinstance(page.get("data"), list):
                raise UnexpectedAnswer(f"ServiceTitan's answer to {name} is no page of rows.")
            yield page["data"]
            if not page.get("hasMore"):
                return
            following = {"from": page.get("continueFrom")} if operation.exports else {"page": parameters["page"] + 1}
            parameters = {**parameters, **following}

    async def _perform(self, prepared: PreparedRequest) -> bytes:
        operation = prepared.operation
        if operation.method == "GET":
            return await self._read(prepared.path, prepared.query, bulk=operation.exports or _is_large(prepared))
        return await self._write(
            operation.method, prepared.path, params=prepared.query, content=prepared.content, files=prepared.files
        )

    def behind(self, limiter: RequestLimiter) -> Self:
        """The same ServiceTitan, with the same token, whose requests go in the turn of another `limiter`."""
        return type(self)(
            self._environment,
            self.tenant_id,
            self._credentials,
            limiter=limiter,
            http=self._http,
            allow_unregistered=self._allow_unregistered,
            sign_in=self._sign_in,
        )

    async def granted(self) -> frozenset[str]:
        """The codes of the scopes that the tenant's token grants, as in ``tn.crm.customers:r``.

        Raises:
            BadCredentials, RetryLater: there is no token.
        """
        return await self._sign_in.granted()

    async def get(
        self, path: str, answer: type[T], params: Mapping[str, Any] | None = None, *, bulk: bool = False
    ) -> T:
        """Read `path` as `answer`.

        Raises:
            RetryLater: also after several tries.
            NeedsFixing: credentials or scopes are wrong.
            GivenUp: the request is wrong, or the answer is.
        """
        return decode(await self._read(path, params, bulk=bulk), answer)

    async def _read(self, path: str, params: Mapping[str, Any] | Query | None, *, bulk: bool) -> bytes:
        timeout = BULK_TIMEOUT if bulk else READ_TIMEOUT
        async for attempt in stamina.retry_context(on=_wait_before_retry, attempts=ATTEMPTS, timeout=None):
            with attempt:
                return (await self._send("GET", path, params=params, timeout=timeout)).content
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def post(self, path: str, body: object, answer: type[T]) -> T | None:
        """Write `body`; `None` where the answer is empty.

        Raises:
            OutcomeUnknown: the write may have happened.
            RetryLater, NeedsFixing, GivenUp: it has not.
        """
        content = await self._write("POST", path, content=msgspec.json.encode(body))
        try:
            return decode(content, answer) if content.strip() else None
        except UnexpectedAnswer as error:
            raise OutcomeUnknown(
                "ServiceTitan took a write, and its answer cannot be read; we look whether it arrived."
            ) from error

    async def _write(self, method: str, path: str, **request: Any) -> bytes:
        async for attempt in stamina.retry_context(on=_wait_where_limited, attempts=ATTEMPTS, timeout=None):
            with attempt:
                return (await self._send(method, path, timeout=READ_TIMEOUT, **request)).content
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def pages(
        self, path: str, item: type[T], params: Mapping[str, Any] | None = None, *, page_size: int = LARGEST_PAGE
    ) -> AsyncIterator[list[T]]:
        """All pages of a list. Rows may shift between pages while data change: expect repeats."""
        number = 1
        while True:
            query = {**(params or {}), "page": number, "pageSize": page_size}
            page = await self.get(path, cast("type[Page[T]]", Page[item]), query, bulk=True)  # type: ignore[valid-type]
            yield page.data
            if not page.has_more:
                return
            number += 1

    async def export(
        self,
        path: str,
        answer: type[T],
        params: Mapping[str, Any] | None = None,
        *,
        continue_from: str | None = None,
        include_recent_changes: bool = False,
    ) -> T:
        """One page of an export feed, from the beginning or from a token or date, as `answer`: an :class:`ExportPage`
        or :class:`RawPage`; raises as :meth:`get`.
        """
        params = {**(params or {}), "includeRecentChanges": "true" if include_recent_changes else "false"}
        if continue_from is not None:
            params["from"] = continue_from
        content = await self._read(path, params, bulk=True)
        return await asyncio.to_thread(decode, content, answer)  # thousands of rows: other calls go on meanwhile

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        token = await self._sign_in.token()
        response = await self._exchange(method, path, token, **request)
        if response.status_code == httpx.codes.UNAUTHORIZED:  # revoked early, or the clock is off: once is worth a try
            token = await self._sign_in.token(refused=token)
            response = await self._exchange(method, path, token, **request)
        if response.is_success:
            return response
        refused = meant_by(method, path) if response.status_code == httpx.codes.FORBIDDEN else None
        raise error_of(response, writing=method != "GET", operation=refused)

    async def _exchange(self, method: str, path: str, token: str, **request: Any) -> httpx.Response:
        url = f"{self._environment.api_url}/{path.format(tenant=self.tenant_id)}"
        headers = {
            "Authorization": f"Bearer {token}",
            "ST-App-Key": self._credentials.app_key,
        }
        if not request.get("files"):  # a form names its own type
            headers["Content-Type"] = "application/json"
        try:
            async with self._limiter.turn(self.tenant_id):
                return await self._http.request(method, url, headers=headers, **request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable("ServiceTitan cannot be reached; we keep trying.") from error
        except httpx.RequestError as error:
            if method == "GET":
                raise Unreachable("The connection to ServiceTitan broke; we keep trying.") from error
            raise OutcomeUnknown("ServiceTitan's reply to a write was lost; we look whether it arrived.") from error


async def _decode_any(content: bytes) -> Any:
    if len(content) > LARGE_ANSWER:  # thousands of rows: other calls go on meanwhile
        return await asyncio.to_thread(_decode_exact, content)
    return _decode_exact(content)


def _decode_exact(content: bytes) -> Any:
    """JSON with fractions as they were written: money is not rounded."""
    try:
        return exact.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnexpectedAnswer(f"ServiceTitan's answer cannot be read ({error}).") from None


def _is_large(prepared: PreparedRequest) -> bool:
    return any(name == "pageSize" and int(size) > SMALL_PAGE for name, size in prepared.query)


def _wait_where_limited(error: Exception) -> bool | float:
    """Repeat a write only where it came too early, after as long as ServiceTitan asks."""
    return error.retry_after_s if isinstance(error, RateLimited) else False


def _wait_before_retry(error: Exception) -> bool | float:
    """Retry what may succeed later; after 429 as long as ServiceTitan asks, else with stamina's jittered backoff."""
    if isinstance(error, RateLimited):
        return error.retry_after_s
    return isinstance(error, ServerTrouble | Unreachable | RetryLater)

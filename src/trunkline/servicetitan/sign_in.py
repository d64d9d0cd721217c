"""Signing in: one token for all requests of a tenant, renewed before it ends.

Source: ServiceTitan's developer pages "OAuth 2.0" and "Make your first API call".
"""

import asyncio
import base64
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from trunkline.servicetitan.answers import decode, error_of
from trunkline.servicetitan.errors import BadCredentials, Unreachable

RENEW_EARLY_S = 60.0
TIMEOUT = httpx.Timeout(20.0, connect=5.0)
REFUSALS = frozenset({400, 401, 403})  # of a client id or secret: which one it is, is published nowhere


@dataclass(frozen=True)
class Credentials:
    """What the developer portal and the tenant gave us; never shown."""

    client_id: str
    client_secret: str = field(repr=False)
    app_key: str = field(repr=False)


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float
    scope: str | None = None


class SignIn:
    """The token of one client id at one environment."""

    def __init__(self, token_url: str, credentials: Credentials, http: httpx.AsyncClient) -> None:
        self._token_url = token_url
        self._credentials = credentials
        self._http = http
        self._token: _Token | None = None
        self._renew_at = 0.0
        self._renewing = asyncio.Lock()

    async def token(self, *, refused: str | None = None) -> str:
        """A token that is valid, other than the one that was `refused`; fetched by one caller while the others wait.

        Raises:
            BadCredentials: client id or secret were refused.
            RetryLater: the sign-in cannot be reached, or has trouble.
        """
        async with self._renewing:
            known = self._token
            if known is None or known.access_token == refused or time.monotonic() >= self._renew_at:
                self._token = None
                known = self._token = await self._fetch()
                self._renew_at = time.monotonic() + max(0.0, known.expires_in - RENEW_EARLY_S)
            return known.access_token

    async def granted(self) -> frozenset[str]:
        """The codes of the scopes that the present token grants, as in ``tn.crm.customers:r``; raises as `token`.

        They stand in the token itself and beside it; what cannot be read grants nothing that we know of.
        """
        token = await self.token()
        beside = self._token.scope if self._token else None
        return frozenset((beside or "").split()) | _claimed(token)

    async def _fetch(self) -> _Token:
        try:
            response = await ask_for_token(self._token_url, self._credentials, self._http)
        except httpx.RequestError as error:
            raise Unreachable("ServiceTitan's sign-in cannot be reached; we keep trying.") from error
        if response.status_code in REFUSALS:
            raise BadCredentials(
                "ServiceTitan refused the client id or secret: check both, that neither has a blank at its end, and"
                " that they belong to this environment.",
                status=response.status_code,
            )
        if not response.is_success:
            raise error_of(response, writing=False)
        return decode(response.content, _Token)


async def ask_for_token(token_url: str, credentials: Credentials, http: httpx.AsyncClient) -> httpx.Response:
    """Ask once, and return what was answered, whatever that is; raises as `http` does."""
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
    }
    return await http.post(token_url, data=form, timeout=TIMEOUT)


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JSON web token, unverified: ServiceTitan decides, they only tell people beforehand.

    Empty where the token is none that can be read: what it looks like is no promise.
    """
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any])
    except (ValueError, msgspec.DecodeError):
        return {}


def _claimed(token: str) -> frozenset[str]:
    scope = claims_of(token).get("scope", "")
    codes = scope.split() if isinstance(scope, str) else scope
    return frozenset(code for code in codes if isinstance(code, str)) if isinstance(codes, list) else frozenset()

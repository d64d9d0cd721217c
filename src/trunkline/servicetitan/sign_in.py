"""Signing in: one token for all requests of a tenant, renewed before it ends.

Source: ServiceTitan's developer pages "OAuth 2.0" and "Make your first API call".
"""

import asyncio
import base64
import time
from dataclasses import dataclass, field

import httpx
import msgspec

from trunkline.servicetitan.answers import decode, error_of
from trunkline.servicetitan.errors import BadCredentials, Unreachable

RENEW_EARLY_S = 60.0
TIMEOUT = httpx.Timeout(20.0, connect=5.0)


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


class _Claims(msgspec.Struct):
    scope: list[str] | str = msgspec.field(default_factory=list)


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
        form = {
            "grant_type": "client_credentials",
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
        }
        try:
            response = await self._http.post(self._token_url, data=form, timeout=TIMEOUT)
        except httpx.RequestError as error:
            raise Unreachable("ServiceTitan's sign-in cannot be reached; we keep trying.") from error
        if response.status_code in {400, 401, 403}:
            raise BadCredentials(
                "ServiceTitan refused the client id or secret: check both, that neither has a blank at its end, and"
                " that they belong to this environment.",
                status=response.status_code,
            )
        if not response.is_success:
            raise error_of(response, writing=False)
        return decode(response.content, _Token)


def _claimed(token: str) -> frozenset[str]:
    """The `scope` claim of a JSON web token, unverified: ServiceTitan decides, this only tells people beforehand."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=_Claims)
    except (ValueError, msgspec.DecodeError):
        return frozenset()
    return frozenset(claims.scope.split() if isinstance(claims.scope, str) else claims.scope)

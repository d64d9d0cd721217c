"""RingCentral's REST API: one account, its limits by group of requests, its errors in plain words."""

import base64
from datetime import datetime
from typing import TypeVar

import httpx
import msgspec
from aiolimiter import AsyncLimiter

from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, RetryLater
from trunkline.phone_systems.vendor_api import FixedCredentials, Token, TokenCredentials, VendorApi

NAME = "RingCentral"
# A refusal for haste lasts a minute, and each request during it starts it anew.
PENALTY_S = 60.0

# What its error codes mean to whoever set it up.
_ERRORS = {
    "SUB-524": "it could not make a TLS connection to our address: the certificate must be valid, with its whole chain",
    "SUB-525": "our address did not answer its test as it must: is it reachable from the internet, with this account?",
    "CMN-401": "the app in its developer console lacks a permission",
    "CMN-408": "the user who made the JWT lacks a permission: it must be an administrator",
    "OAU-213": "the token is no longer valid",
}

T = TypeVar("T")


class SignIn(msgspec.Struct, frozen=True):
    """What signs us in: the app's id and secret, and the JWT that a user made for it."""

    client_id: str
    client_secret: str
    jwt: str

    def __repr__(self) -> str:
        return f"SignIn(client_id={self.client_id!r})"


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float


class _Problem(msgspec.Struct, rename="camel"):
    error_code: str | None = None
    message: str | None = None
    error_description: str | None = msgspec.field(name="error_description", default=None)
    error: str | None = None


class Rest:
    """`light`, `medium` and `heavy` are RingCentral's groups of requests; `media` is the host of recordings.

    RingCentral counts requests in a sliding minute. A limiter lets `n` go at once and `60 n / t` more in each minute,
    so both together stay within 50, 40, 10 and 5.
    """

    def __init__(self, sign_in: SignIn, api_base: str, media_base: str) -> None:
        basic = base64.b64encode(f"{sign_in.client_id}:{sign_in.client_secret}".encode()).decode()
        self._jwt = sign_in.jwt
        self._auth = VendorApi(
            NAME,
            api_base,
            FixedCredentials(authorization=f"Basic {basic}"),
            AsyncLimiter(2, 40),
            penalty_s=PENALTY_S,
            explain=explain,
        )
        credentials, heavy = TokenCredentials(self._sign_in), AsyncLimiter(3, 26)

        def group(base: str, pace: AsyncLimiter) -> VendorApi:
            return VendorApi(NAME, base, credentials, pace, penalty_s=PENALTY_S, explain=explain)

        self.light = group(api_base, AsyncLimiter(10, 15))
        self.medium = group(api_base, AsyncLimiter(10, 20))
        self.heavy = group(api_base, heavy)
        self.media = group(media_base, heavy)

    async def _sign_in(self, http: httpx.AsyncClient) -> Token:
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._jwt}
        try:
            granted = decoded(await self._auth.ask(http, "POST", "/restapi/oauth/token", data=form), _Granted)
        except OutcomeUnknown as error:  # a token that nobody got does no harm
            raise RetryLater(str(error)) from None
        except GivenUp as error:
            raise NeedsFixing(
                f"RingCentral does not sign us in: check the app's id and secret, and the JWT. {error}"
            ) from None
        return Token(granted.access_token, granted.expires_in)


def decoded(answer: httpx.Response, kind: type[T]) -> T:
    """The answer's JSON as `kind`.

    Raises:
        GivenUp: it is something else.
    """
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise GivenUp("RingCentral answered with something that cannot be read.") from None


def explain(answer: httpx.Response) -> str | None:
    """What RingCentral says about a refusal: its code, and what that means."""
    try:
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    code = problem.error_code or problem.error
    meaning = _ERRORS.get(code or "") or problem.message or problem.error_description
    return ", ".join(part for part in (code, meaning) if part) or None


def stamp(moment: datetime) -> str:
    """A moment as RingCentral takes it in a query: UTC, in milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

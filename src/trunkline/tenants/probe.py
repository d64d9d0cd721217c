"""Whether a tenant's ServiceTitan can be reached with its credentials; if not, precisely what is wrong.

What ServiceTitan answers to a wrong app key or a tenant that is not connected is published nowhere, so both statuses
that are told of (401 and 403) are understood, and what each scope opens is tried rather than read from the token.
"""

import asyncio
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import httpx
import msgspec

from trunkline.contract.operations import operations
from trunkline.servicetitan.client import Environment, Page, ServiceTitan
from trunkline.servicetitan.errors import (
    AppKeyRefused,
    BadCredentials,
    NotFound,
    ScopeMissing,
    ServiceTitanError,
)
from trunkline.servicetitan.sign_in import REFUSALS, Credentials, ask_for_token, claims_of
from trunkline.settings import ServiceTitanSettings

LONGEST_S = 30.0

ENVIRONMENTS: Mapping[str, Environment] = {
    name: Environment.named(name) for name in ("production", "integration")
}  # fmt: skip
_OTHER = {"production": "integration", "integration": "production"}

# One cheap reading for each scope that the mirror needs, by the names in the published contract.
_READINGS = (
    "crm.customers.list", "crm.locations.list", "jpm.jobs.list", "jpm.appointments.list", "jpm.job_types.list",
    "dispatch.appointment_assignments.list", "settings.employees.list", "settings.technicians.list",
    "settings.business_units.list", "settings.tag_types.list", "marketing.campaigns.list", "telecom.calls.list",
)  # fmt: skip
_KEY = re.compile(r"\b(app|application|subscription)[ -]?key\b", re.IGNORECASE)


class Finding(StrEnum):
    """What a test of the connection came to."""

    GOOD = "good"
    BAD_CREDENTIALS = "bad_credentials"
    WRONG_ENVIRONMENT = "wrong_environment"
    WRONG_TENANT = "wrong_tenant"
    WRONG_APP_KEY = "wrong_app_key"
    NOT_CONNECTED = "not_connected"
    SCOPE_MISSING = "scope_missing"
    NO_ANSWER = "no_answer"


class Outcome(msgspec.Struct, frozen=True):
    """A finding, and one sentence about it that says what to do."""

    finding: Finding
    sentence: str

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to mend."""
        return self.finding is Finding.GOOD


class _Granted(msgspec.Struct):
    access_token: str


async def probe(
    own: ServiceTitanSettings,
    client: ServiceTitan,
    http: httpx.AsyncClient,
    environments: Mapping[str, Environment] = ENVIRONMENTS,
) -> Outcome:
    """Sign in, then read one row under each scope. `client` is made of `own`; `environments` are those with a name."""
    try:
        async with asyncio.timeout(LONGEST_S):
            here = environments.get(own.environment) or Environment.named(own.environment)
            token = await _sign_in(here, own, http)
            if token is None:
                return await _why_refused(own, http, environments)
            if (named := _tenant_of(token)) not in {None, str(client.tenant_id)}:
                return Outcome(
                    Finding.WRONG_TENANT,
                    f"These credentials belong to tenant {named}, not to {client.tenant_id}: correct the tenant id, or"
                    " take the client id and secret that were generated for it.",
                )
            return await _try_scopes(client)
    except (TimeoutError, httpx.RequestError, ServiceTitanError) as error:
        detail = f": {error}" if isinstance(error, ServiceTitanError) else ", or not in time."
        return Outcome(Finding.NO_ANSWER, f"ServiceTitan did not answer as it should{detail}")


async def _sign_in(environment: Environment, own: ServiceTitanSettings, http: httpx.AsyncClient) -> str | None:
    """A token, or `None` where the client id or secret is refused."""
    credentials = Credentials(own.client_id, own.client_secret.get_secret_value(), own.app_key.get_secret_value())
    answer = await ask_for_token(environment.token_url, credentials, http)
    if answer.status_code in REFUSALS:
        return None
    try:
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=_Granted).access_token
    except (httpx.HTTPStatusError, msgspec.DecodeError, UnicodeDecodeError):
        raise ServiceTitanError(f"its sign-in says {answer.status_code}; try again later.") from None


async def _why_refused(
    own: ServiceTitanSettings, http: httpx.AsyncClient, environments: Mapping[str, Environment]
) -> Outcome:
    other = _OTHER.get(own.environment)
    if other is not None:
        try:
            belongs_there = await _sign_in(environments[other], own, http) is not None
        except (httpx.RequestError, ServiceTitanError):
            belongs_there = False
        if belongs_there:
            return Outcome(
                Finding.WRONG_ENVIRONMENT,
                f"The client id and secret belong to {other}, not to {own.environment}: change the environment, or take"
                f" those of {own.environment}.",
            )
    return Outcome(
        Finding.BAD_CREDENTIALS,
        "ServiceTitan knows no such client id, or the client secret is not its own: copy both again from the developer"
        " portal, or generate a new secret there.",
    )


def _tenant_of(token: str) -> str | None:
    """The tenant that a token is for, where it says so."""
    tenant = claims_of(token).get("tenant")
    return str(tenant) if isinstance(tenant, str | int) and not isinstance(tenant, bool) else None


async def _try_scopes(client: ServiceTitan) -> Outcome:
    readings = [operations()[name] for name in _READINGS]
    answers = await asyncio.gather(*(_refusal(client, reading.path) for reading in readings))
    refusals = [answer for answer in answers if answer is not None]
    if any(isinstance(one, AppKeyRefused) or _KEY.search(str(one)) for one in refusals):
        return Outcome(
            Finding.WRONG_APP_KEY,
            "ServiceTitan refuses the app key: copy it again from the app's page in the developer portal.",
        )
    if len(refusals) == len(readings):
        return Outcome(
            Finding.NOT_CONNECTED,
            "The tenant has not connected the app: an administrator there allows it under Settings, Integrations, API"
            " Application Access.",
        )
    if refusals:
        names = ", ".join(
            sorted({reading.scope or reading.name for reading, one in zip(readings, answers, strict=True) if one})
        )
        return Outcome(
            Finding.SCOPE_MISSING,
            f"The app may not read {names}: add that to its scopes in the developer portal, then let the tenant's"
            " administrator upgrade to the new version.",
        )
    return Outcome(
        Finding.GOOD, "The connection works: ServiceTitan lets us in, and every scope that we read is there."
    )


async def _refusal(client: ServiceTitan, path: str) -> ServiceTitanError | None:
    """Why one row cannot be read; some gateways know no operation where its scope is missing (404)."""
    try:
        await client.get(path, Page[dict[str, Any]], {"page": 1, "pageSize": 1})
    except (AppKeyRefused, ScopeMissing, NotFound) as error:
        return error
    except BadCredentials as error:
        raise ServiceTitanError(str(error)) from None
    return None

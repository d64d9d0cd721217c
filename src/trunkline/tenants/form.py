"""What a person types to set a tenant up, and what is wrong with it."""

from collections.abc import Mapping
from uuid import UUID

import msgspec
from pydantic import SecretStr, ValidationError

from trunkline.domain.credentials import TypedCredentials, looks_secret, mistakes
from trunkline.secret_sources import as_sentence
from trunkline.settings import ServiceTitanSettings, TenantSettings
from trunkline.tenants.tenant import Tenant


class Mistaken(Exception):
    """What was typed cannot be used: `sentences` gives one for each field, by its name in :class:`TenantForm`."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        super().__init__(" ".join(sentences.values()))
        self.sentences = sentences


_SECRETS = {"client_secret": "client secret", "app_key": "app key"}


class TenantForm(msgspec.Struct, frozen=True):
    """A tenant as it is typed, fields as in :class:`trunkline.settings.TenantSettings`."""

    tenant_id: str = ""
    name: str = ""
    timezone: str = "America/New_York"
    region: str = "US"
    links_base: str = "https://go.servicetitan.com"
    environment: str = "production"
    client_id: str = ""
    client_secret: str = ""
    app_key: str = ""
    application_guid: str = ""
    booking_provider: str = ""

    def __repr__(self) -> str:
        return f"TenantForm({self.tenant_id!r}, {self.name!r})"

    def shown(self) -> "TenantForm":
        """What may be shown again: no secret, not even one that was typed into another field."""
        hidden = [name for name, value in msgspec.structs.asdict(self).items() if looks_secret(value)]
        return msgspec.structs.replace(self, **dict.fromkeys((*hidden, *_SECRETS), ""))

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantForm":
        """What a tenant's form shows at first: all but the secrets, which nobody sees again."""
        known = tenant.settings
        return cls(
            str(known.id), known.name, known.timezone, known.region, known.links_base,
            known.servicetitan.environment, known.servicetitan.client_id,
            application_guid=str(known.servicetitan.application_guid or ""),
            booking_provider=str(known.servicetitan.booking_provider or ""),
        )  # fmt: skip


def checked(form: TenantForm, tenants: Mapping[int, Tenant], *, present: Tenant | None = None) -> TenantSettings:
    """The tenant that was typed; `present` is the one that it changes, whose secrets stay where none were typed.

    Raises:
        Mistaken: something in it cannot be right.
    """
    others = [tenant for tenant in tenants.values() if present is None or tenant.id != present.id]
    typed = TypedCredentials(form.environment, form.client_id, form.client_secret, form.app_key)
    environments = {one.settings.servicetitan.client_id: one.settings.servicetitan.environment for one in others}
    wrong: dict[str, str] = {field.value: sentence for field, sentence in mistakes(typed, environments).items()}
    wrong |= _plain_mistakes(form, present)
    if wrong:
        raise Mistaken(wrong)
    old = present.settings.servicetitan if present else None
    client_secret = SecretStr(form.client_secret) if form.client_secret or old is None else old.client_secret
    app_key = SecretStr(form.app_key) if form.app_key or old is None else old.app_key
    try:
        return TenantSettings(
            id=int(form.tenant_id),
            name=form.name.strip(),
            timezone=form.timezone,
            region=form.region,
            links_base=form.links_base.rstrip("/"),
            servicetitan=ServiceTitanSettings(
                environment=form.environment,
                client_id=form.client_id,
                client_secret=client_secret,
                app_key=app_key,
                application_guid=_guid(form),
                booking_provider=int(form.booking_provider.strip() or 0) or None,
            ),
        )
    except ValidationError as error:
        raise Mistaken(dict(map(_sentence, error.errors(include_input=False)))) from None


def _guid(form: TenantForm) -> UUID | None:
    text = form.application_guid.strip()
    return UUID(text) if text else None


def _is_id(text: str) -> bool:
    number = text.strip()
    return number.isascii() and number.isdigit() and 0 < int(number) < 2**63


def _plain_mistakes(form: TenantForm, present: Tenant | None) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if not _is_id(form.tenant_id):
        wrong["tenant_id"] = "The tenant id is a whole number, as ServiceTitan shows it."
    if not form.name.strip():
        wrong["name"] = "The name is empty."
    if not form.links_base.startswith(("https://", "http://")):
        wrong["links_base"] = "The address of ServiceTitan's pages begins with https://."
    try:
        _guid(form)
    except ValueError:
        wrong["application_guid"] = "The application GUID is 32 hexadecimal digits, as the developer portal shows it."
    if form.booking_provider.strip() and not _is_id(form.booking_provider):
        wrong["booking_provider"] = "The booking provider is the id of its tag in ServiceTitan, a whole number."
    for field in ("tenant_id", "name", "timezone", "region", "links_base", "application_guid", "booking_provider"):
        if looks_secret(getattr(form, field)):
            wrong[field] = "This looks like a secret: it belongs into another field."
    for field, name in _SECRETS.items():
        if not getattr(form, field) and (present is None or present.trouble):
            wrong[field] = f"The {name} is empty."
    return wrong


_WORDS = {"region": "The region is a country code of two capital letters, like US or CA."}


def _sentence(problem: object) -> tuple[str, str]:
    assert isinstance(problem, dict)  # noqa: S101 - pydantic's own form
    field = str(problem["loc"][-1] if problem["loc"] else "name")
    message = str(problem["msg"]).removeprefix("Value error, ")
    return field, _WORDS.get(field, as_sentence(message))

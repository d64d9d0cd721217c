"""Settings: from `trunkline.toml` in the data directory, and from the environment, which wins.

Secrets never stand in the file. It names where they are instead (:mod:`trunkline.secret_sources`).
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from trunkline.domain.credentials import TypedCredentials, mistakes
from trunkline.domain.hours import BusinessHours
from trunkline.secret_sources import as_sentence, read_secret

DEFAULT_PORT = 8040
DEFAULT_DATA_DIR = Path(".trunkline")


class SettingsError(Exception):
    """The settings cannot be used; the message says which one, and what to write instead."""


def _resolve_secret(value: object) -> object:
    return read_secret(value) if isinstance(value, str) else value


Secret = Annotated[SecretStr, BeforeValidator(_resolve_secret)]


class ServiceTitanSettings(BaseModel):
    """How to reach one tenant. `environment` is production, integration, or the base URL of a sandbox.

    `allow_unregistered` switches on operations that no scope of this app covers. `application_guid` is the app's own id
    in the developer portal, under which decisions about numbers are kept in ServiceTitan. `booking_provider` is the id
    of the booking provider tag under which callers whom somebody named are booked.
    """

    model_config = ConfigDict(extra="forbid")

    environment: str = "production"
    client_id: str
    client_secret: Secret
    app_key: Secret
    allow_unregistered: bool = False
    application_guid: UUID | None = None
    booking_provider: int | None = Field(default=None, gt=0, lt=2**63)

    @model_validator(mode="after")
    def _not_mistyped(self) -> Self:
        secrets = (self.client_secret.get_secret_value(), self.app_key.get_secret_value())
        if found := mistakes(TypedCredentials(self.environment, self.client_id, *secrets)):
            raise ValueError(next(f"{field}: {sentence}"[:-1] for field, sentence in found.items()))
        return self


class PhoneSystemSettings(BaseModel):
    """One phone system: `account` is our name for it, `system` the adapter; all else goes to the adapter.

    With `learn` its messages are stored and shown beside what was understood of them, but make no calls. `in_front_of`
    names those that its calls come to next. `quiet_alarm_min` minutes without a message within `hours` are an alarm.
    """

    model_config = ConfigDict(extra="allow")

    account: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    system: str
    learn: bool = False
    in_front_of: list[str] = []
    hours: str = "mon-fri 08:00-17:00"
    quiet_alarm_min: int | None = Field(default=None, ge=1)

    @field_validator("hours")
    @classmethod
    def _readable_hours(cls, value: str) -> str:
        BusinessHours.parse(value)
        return value

    def options(self) -> dict[str, Any]:
        """What the adapter is configured with, secrets resolved."""
        return {name: _resolve_option(name, value) for name, value in (self.model_extra or {}).items()}


_SECRET_OPTION = re.compile(r"secret|password|token|signing")


def _resolve_option(name: str, value: object) -> object:
    if not _SECRET_OPTION.search(name):
        return value
    return [_resolve_secret(one) for one in value] if isinstance(value, list) else _resolve_secret(value)


class TenantSettings(BaseModel):
    """One company. `id` is ServiceTitan's tenant id; `region` an ISO country code for local phone numbers."""

    model_config = ConfigDict(extra="forbid")

    id: int = Field(gt=0)
    name: str
    timezone: str = "America/New_York"
    region: str = Field(default="US", pattern=r"^[A-Z]{2}$")
    links_base: str = "https://go.servicetitan.com"
    servicetitan: ServiceTitanSettings
    phone_systems: list[PhoneSystemSettings] = []

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no time zone; write one like America/Toronto") from error
        return value


class NetworkSettings(BaseModel):
    """Tenants that share phone systems. `dids` gives numbers that callers dial their tenant."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    tenants: list[int] = Field(min_length=1)
    dids: dict[str, int] = {}
    phone_systems: list[PhoneSystemSettings] = []

    @model_validator(mode="after")
    def _dids_lead_to_members(self) -> Self:
        if strangers := sorted(set(self.dids.values()) - set(self.tenants)):
            raise ValueError(f"dids names the tenant {strangers[0]}, which is not in the network")
        return self


class Settings(BaseSettings):
    """All settings of one installation."""

    model_config = SettingsConfigDict(env_prefix="TRUNKLINE_", env_nested_delimiter="__", extra="forbid")

    data_dir: Path = DEFAULT_DATA_DIR
    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    host: str = "127.0.0.1"
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    allowed_hosts: list[str] = []
    access_token: SecretStr | None = None
    dispatcher_token: SecretStr | None = None
    tenants: list[TenantSettings] = []
    networks: list[NetworkSettings] = []
    mirror_interval_s: float = Field(default=60.0, gt=0)
    settle_s: float = Field(default=105.0, gt=0)
    history_every_s: float = Field(default=900.0, ge=1)
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+(/[^\s?#]*[^/\s?#])?$")

    @property
    def phone_systems(self) -> list[PhoneSystemSettings]:
        """All of them, whoever's they are."""
        owned = [system for tenant in self.tenants for system in tenant.phone_systems]
        return owned + [system for network in self.networks for system in network.phone_systems]

    @property
    def postgres_dir(self) -> Path:
        """Where the embedded server keeps its data."""
        return self.data_dir / "postgres"

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [tenant.id for tenant in self.tenants]
        if len(set(ids)) != len(ids):
            raise ValueError("two tenants have the same id")
        accounts = [system.account for system in self.phone_systems]
        if len(set(accounts)) != len(accounts):
            raise ValueError("two phone systems have the same account name")
        for system in self.phone_systems:
            if strangers := sorted({*system.in_front_of} - {*accounts} | ({system.account} & {*system.in_front_of})):
                raise ValueError(f"{system.account} cannot be in front of {strangers[0]}: name another phone system")
        names = [network.name for network in self.networks]
        if len(set(names)) != len(names):
            raise ValueError("two networks have the same name")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values first, then the environment, then the file."""
        data_dir = Path(os.environ.get("TRUNKLINE_DATA_DIR", DEFAULT_DATA_DIR))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, data_dir / "trunkline.toml")


def load(data_dir: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: with one sentence per setting that cannot be used.
    """
    if data_dir is not None:
        os.environ["TRUNKLINE_DATA_DIR"] = str(data_dir)
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem) for problem in error.errors(include_input=False))) from None
    except ValueError as error:
        raise SettingsError(f"trunkline.toml cannot be read: {error}") from None


def _sentence(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"Setting {where}: {message[:1].lower()}{message[1:]}." if where else as_sentence(message)

"""Tenants in the database: added, changed, paused, erased, with their secrets encrypted; every process hears of it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr
from tenants_kit import FORM, OTHER, TENANT, changed, rows

from trunkline.settings import ServiceTitanSettings, Settings, TenantSettings
from trunkline.store.database import Database
from trunkline.tenants.form import Mistaken, TenantForm
from trunkline.tenants.registry import CannotChange, TenantRegistry
from trunkline.tenants.safe import new_key
from trunkline.tenants.tenant import Tenant

SECRETS = ("example-secret", "example-app-key")


def in_file(settings: Settings, tenant_id: int = TENANT) -> Settings:
    """The settings with a tenant in the file."""
    own = ServiceTitanSettings(client_id="cid.file", client_secret=SecretStr("cs1.x"), app_key=SecretStr("ak1.x"))
    return settings.model_copy(
        update={"tenants": [TenantSettings(id=tenant_id, name="Filed Example", servicetitan=own)]}
    )


async def test_a_tenant_comes_back_as_it_was_added(settings: Settings, database: Database) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    tenant = (await registry.read())[TENANT]
    own = tenant.settings.servicetitan
    assert (tenant.settings.name, tenant.settings.timezone, tenant.settings.region) == (
        "Example Plumbing", "America/Toronto", "CA",
    )  # fmt: skip
    assert (own.environment, own.client_id) == ("integration", "cid.example")
    assert own.client_secret.get_secret_value() == "cs1.example-secret"
    assert own.app_key.get_secret_value() == "ak1.example-app-key"
    assert str(own.application_guid) == FORM.application_guid
    assert own.booking_provider == 1234
    assert TenantForm.of(tenant) == changed(client_secret="", app_key="")
    assert tenant.runs
    assert not tenant.in_file


async def test_no_secret_stands_in_the_database_nor_is_shown_when_printed(
    settings: Settings, database: Database
) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    stored = str(await rows(database, "select to_jsonb(t) from ops.tenants t"))
    shown = repr(await registry.read()) + repr(FORM)
    assert "Example Plumbing" in stored
    for secret in SECRETS:
        assert secret not in stored + shown


async def test_what_was_mistyped_is_told_by_field_and_nothing_is_stored(settings: Settings, database: Database) -> None:
    registry = TenantRegistry(settings, database)
    wrong = TenantForm(
        tenant_id="cid.example", name=" ", timezone="Mars/Base", region="Canada", links_base="go",
        environment="production", client_id="cs1.example-secret", client_secret="cid.example", app_key="",
        application_guid="mine", booking_provider="-1",
    )  # fmt: skip
    with pytest.raises(Mistaken) as caught:
        await registry.add(wrong)
    assert set(caught.value.sentences) == {
        "tenant_id", "name", "links_base", "client_id", "client_secret", "app_key", "application_guid",
        "booking_provider",
    }  # fmt: skip
    with pytest.raises(Mistaken) as caught:
        await registry.add(changed(timezone="Mars/Base", region="Canada"))
    assert set(caught.value.sentences) == {"timezone", "region"}
    assert "'Mars/Base' is no time zone; write one like America/Toronto." in caught.value.sentences["timezone"]
    assert await registry.read() == {}


async def test_an_id_is_taken_once_in_the_file_or_in_the_database(settings: Settings, database: Database) -> None:
    registry = TenantRegistry(in_file(settings, OTHER), database)
    await registry.add(FORM)
    with pytest.raises(Mistaken, match=f"There is a tenant with the id {TENANT} already"):
        await registry.add(FORM)
    with pytest.raises(Mistaken, match=r"stands in trunkline\.toml"):
        await registry.add(changed(tenant_id=str(OTHER)))


async def test_a_client_id_of_another_environment_is_told_before_it_is_sent(
    settings: Settings, database: Database
) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    with pytest.raises(Mistaken) as caught:
        await registry.add(changed(tenant_id=str(OTHER), environment="production"))
    assert set(caught.value.sentences) == {"environment"}
    await registry.add(changed(tenant_id=str(OTHER), name="Enterprise Example"))  # one pair may serve several tenants


async def test_secrets_that_are_not_typed_stay_and_others_are_replaced(settings: Settings, database: Database) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    await registry.set_paused(TENANT, paused=True)
    await registry.change(
        TENANT,
        changed(
            name="Renamed Example", client_secret="cs1.replaced", app_key="", application_guid="", booking_provider=""
        ),
    )
    tenant = (await registry.read())[TENANT]
    own = tenant.settings.servicetitan
    assert tenant.settings.name == "Renamed Example"
    assert own.client_secret.get_secret_value() == "cs1.replaced"
    assert own.app_key.get_secret_value() == "ak1.example-app-key"
    assert (own.application_guid, own.booking_provider) == (None, None)
    assert tenant.paused


async def test_a_tenant_in_the_file_is_read_from_it_and_cannot_be_changed(
    settings: Settings, database: Database
) -> None:
    await TenantRegistry(settings, database).add(FORM)
    registry = TenantRegistry(in_file(settings), database)
    assert [(one.settings.name, one.in_file) for one in (await registry.read()).values()] == [("Filed Example", True)]
    for attempt in (
        registry.change(TENANT, FORM), registry.set_paused(TENANT, paused=True), registry.remove(TENANT),
    ):  # fmt: skip
        with pytest.raises(CannotChange, match=r"stands in trunkline\.toml: change it there"):
            await attempt
    with pytest.raises(CannotChange, match="There is no tenant with the id 7"):
        await registry.set_paused(7, paused=True)


async def test_secrets_whose_key_is_lost_stop_their_tenant_and_say_so_until_they_are_entered_again(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    monkeypatch.setenv("TRUNKLINE_SECRET_KEY", new_key())
    tenant = (await registry.read())[TENANT]
    assert not tenant.runs
    assert tenant.trouble is not None
    assert "set TRUNKLINE_SECRET_KEY to the key they were stored with, or enter them again" in tenant.trouble
    with pytest.raises(Mistaken) as caught:
        await registry.change(TENANT, changed(client_secret=""))
    assert set(caught.value.sentences) == {"client_secret"}
    await registry.change(TENANT, FORM)
    assert (await registry.read())[TENANT].runs


async def test_secrets_that_changed_places_between_rows_are_not_used(settings: Settings, database: Database) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    await registry.add(changed(tenant_id=str(OTHER), name="Other Example"))
    async with database.connection() as connection:
        await connection.execute(
            "update ops.tenants a set client_secret = b.client_secret from ops.tenants b"
            " where a.tenant_id <> b.tenant_id"
        )
    for tenant in (await registry.read()).values():
        assert not tenant.runs
        assert "belongs to another tenant or field" in str(tenant.trouble)


@pytest.mark.parametrize("by_environment", [False, True])
async def test_rotating_the_key_encrypts_everything_anew_and_the_old_key_opens_nothing(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, *, by_environment: bool
) -> None:
    old, new = new_key(), new_key()
    if by_environment:
        monkeypatch.setenv("TRUNKLINE_SECRET_KEY", old)
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    file = Path(settings.data_dir) / "secret.key"
    old = old if by_environment else file.read_text().strip()
    if by_environment:
        monkeypatch.setenv("TRUNKLINE_SECRET_KEY", f"{new},{old}")
    assert await registry.rotate_key() == 1
    if by_environment:
        monkeypatch.setenv("TRUNKLINE_SECRET_KEY", new)
    assert (await registry.read())[
        TENANT
    ].settings.servicetitan.client_secret.get_secret_value() == "cs1.example-secret"
    monkeypatch.setenv("TRUNKLINE_SECRET_KEY", old)
    assert not (await registry.read())[TENANT].runs


async def test_a_rotation_that_cannot_read_a_secret_changes_nothing(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = TenantRegistry(settings, database)
    await registry.add(FORM)
    before = await rows(database, "select client_secret, app_key from ops.tenants")
    monkeypatch.setenv("TRUNKLINE_SECRET_KEY", new_key())
    with pytest.raises(CannotChange, match="cannot be read with this key"):
        await registry.rotate_key()
    assert await rows(database, "select client_secret, app_key from ops.tenants") == before


async def test_another_process_hears_of_every_change(settings: Settings, database: Database) -> None:
    heard: asyncio.Queue[Mapping[int, Tenant]] = asyncio.Queue()
    here, there = TenantRegistry(settings, database), TenantRegistry(settings, database)
    following = asyncio.create_task(there.follow(heard.put))
    async with asyncio.timeout(20):
        assert await heard.get() == {}
        await here.add(FORM)
        assert (await heard.get())[TENANT].runs
        await here.set_paused(TENANT, paused=True)
        assert not (await heard.get())[TENANT].runs
        await here.set_paused(TENANT, paused=False)
        assert (await heard.get())[TENANT].runs
        await here.remove(TENANT)
        while TENANT in await heard.get():
            pass
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)

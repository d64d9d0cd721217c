"""The settings: companies, their credentials, and the networks they form. A secret goes in here and never comes out."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from litestar import Controller, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import Body, PathParameter
from litestar.response import Redirect, Template

from trunkline.tenants.form import Mistaken, TenantForm
from trunkline.tenants.probe import Outcome
from trunkline.tenants.registry import CannotChange, TenantRegistry
from trunkline.tenants.tenant import Tenant
from trunkline.web.office import Office, TheOffice
from trunkline.web.ports import SettingsDesk
from trunkline.web.rendering import page
from trunkline.web.words import progress, zones

TenantId = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]
Typed = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]

_HERE = "Settings"


@dataclass(frozen=True)
class Listed:
    """A company as the list shows it: `percent` is how much of its first full copy is there."""

    tenant: Tenant
    percent: int


class SettingsPages(Controller):
    """All of it works without scripts, and no route here names a right: they are for those who administer."""

    path = "/settings"
    include_in_schema = False

    @get("/")
    async def companies(self, office: TheOffice) -> Template:
        """All companies and networks."""
        return await _companies(office)

    @get("/companies/new")
    async def new(self, office: TheOffice) -> Template:
        """The form for one more."""
        return _form(office, None, TenantForm(), {})

    @post("/companies")
    async def add(self, office: TheOffice, data: Typed) -> Template | Redirect:
        """Set one up."""
        form = _typed(data)
        try:
            tenant = await _desk(office).registry.add(form)
        except (Mistaken, CannotChange) as error:
            return _form(office, None, form, _sentences(error))
        return Redirect(_address(tenant.id), status_code=303)

    @get("/companies/{tenant_id:int}")
    async def company(self, office: TheOffice, tenant_id: TenantId) -> Template:
        """One company: what it is, and what can be done with it."""
        return await _company(office, await _found(office, tenant_id))

    @get("/companies/{tenant_id:int}/change")
    async def change_form(self, office: TheOffice, tenant_id: TenantId) -> Template:
        """The form with what is known; the secrets' fields are empty."""
        tenant = await _found(office, tenant_id)
        return _form(office, _not_in_file(tenant), TenantForm.of(tenant), {})

    @post("/companies/{tenant_id:int}/change")
    async def change(self, office: TheOffice, tenant_id: TenantId, data: Typed) -> Template | Redirect:
        """Take what was typed; secrets that were left empty stay."""
        present = _not_in_file(await _found(office, tenant_id))
        form = _typed(data)
        try:
            await _desk(office).registry.change(tenant_id, form)
        except (Mistaken, CannotChange) as error:
            return _form(office, present, form, _sentences(error))
        return Redirect(_address(tenant_id), status_code=303)

    @post("/companies/{tenant_id:int}/pause")
    async def pause(self, office: TheOffice, tenant_id: TenantId) -> Redirect:
        """Let nothing of it run."""
        return await _set_paused(office, tenant_id, paused=True)

    @post("/companies/{tenant_id:int}/resume")
    async def resume(self, office: TheOffice, tenant_id: TenantId) -> Redirect:
        """Let it run again."""
        return await _set_paused(office, tenant_id, paused=False)

    @post("/companies/{tenant_id:int}/test", status_code=200)
    async def test(self, office: TheOffice, tenant_id: TenantId) -> Template:
        """Try its connection, and say precisely what is wrong."""
        tenant = await _found(office, tenant_id)
        return await _company(office, tenant, outcome=await _desk(office).test(tenant))

    @post("/companies/{tenant_id:int}/remove", status_code=200)
    async def remove(self, office: TheOffice, tenant_id: TenantId, data: Typed) -> Template:
        """Erase it, once its name was typed."""
        tenant = _not_in_file(await _found(office, tenant_id))
        if data.get("name", "").strip() != tenant.settings.name:
            problem = f"Nothing was erased: type the company's name, {tenant.settings.name}, exactly as it stands here."
            return await _company(office, tenant, problem=problem)
        try:
            counts = await _desk(office).registry.remove(tenant_id)
        except CannotChange as error:
            return await _company(office, tenant, problem=str(error))
        return page("settings_erased.html", None, {"here": _HERE, "name": tenant.settings.name, "counts": counts})


def _desk(office: Office) -> SettingsDesk:
    if office.settings is None:
        raise NotFoundException("There are no settings here.")
    return office.settings


def _address(tenant_id: int) -> str:
    return f"/settings/companies/{tenant_id}"


async def _found(office: Office, tenant_id: int) -> Tenant:
    tenants = await _registry(office).read()
    if tenant_id not in tenants:
        raise NotFoundException(f"No company with the tenant id {tenant_id} is set up here.")
    return tenants[tenant_id]


def _registry(office: Office) -> TenantRegistry:
    return _desk(office).registry


def _not_in_file(tenant: Tenant) -> Tenant:
    if tenant.in_file:
        sentence = "This company stands in trunkline.toml: change it there, and start Trunkline again."
        raise HTTPException(sentence, status_code=HTTPStatus.CONFLICT)
    return tenant


async def _set_paused(office: Office, tenant_id: int, *, paused: bool) -> Redirect:
    _not_in_file(await _found(office, tenant_id))
    await _registry(office).set_paused(tenant_id, paused=paused)
    return Redirect(_address(tenant_id), status_code=303)


async def _companies(office: Office) -> Template:
    tenants = (await _registry(office).read()).values()
    listed = [Listed(tenant, await _percent(office, tenant.id)) for tenant in tenants]
    networks = list(office.networks.values())
    return page("settings.html", None, {"here": _HERE, "listed": listed, "networks": networks})


async def _percent(office: Office, tenant_id: int) -> int:
    return progress(await office.progress(tenant_id))


async def _company(
    office: Office, tenant: Tenant, *, outcome: Outcome | None = None, problem: str | None = None
) -> Template:
    context = {
        "here": _HERE,
        "one": tenant,
        "percent": await _percent(office, tenant.id),
        "outcome": outcome,
        "problem": problem,
        "phones": await office.phones.inspector.phones(tenant.id) if office.phones else None,
        "networks": [network for network in office.networks.values() if tenant.id in network.names],
    }
    return page("settings_company.html", None, context, status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK)


def _typed(data: dict[str, str]) -> TenantForm:
    return TenantForm(**{name: data[name] for name in TenantForm.__struct_fields__ if name in data})


def _sentences(error: Mistaken | CannotChange) -> dict[str, str]:
    return dict(error.sentences) if isinstance(error, Mistaken) else {"form": str(error)}


def _form(office: Office, present: Tenant | None, form: TenantForm, mistakes: dict[str, str]) -> Template:
    """The form with all that was typed but the secrets: those are typed again."""
    _desk(office)
    status = HTTPStatus.BAD_REQUEST if mistakes else HTTPStatus.OK
    context = {"here": _HERE, "present": present, "form": form.shown(), "mistakes": mistakes, "zones": zones()}
    return page("settings_form.html", None, context, status=status)

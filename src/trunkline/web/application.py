"""The web application, put together from what it is handed."""

from collections.abc import Mapping, Sequence

from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig

from trunkline import __version__
from trunkline.web.api import Api
from trunkline.web.board import BoardStream
from trunkline.web.caller_id import caller_id
from trunkline.web.guard import Gate, Guard, add_security_headers
from trunkline.web.hooks import hooks as hooks_door
from trunkline.web.numbers import NumberApi, NumberPages
from trunkline.web.office import Office
from trunkline.web.pages import Pages, healthz
from trunkline.web.phones import PhoneApi, PhonePages
from trunkline.web.ports import (
    Desk,
    Feed,
    Health,
    Hook,
    NetworkInfo,
    Numbers,
    PhoneDesk,
    Progress,
    Scopes,
    SettingsDesk,
    TenantInfo,
)
from trunkline.web.problems import HANDLERS
from trunkline.web.rendering import STATIC, engine, environment
from trunkline.web.rights import Right, Role
from trunkline.web.settings_pages import SettingsPages
from trunkline.web.tokens import Keeper

A_YEAR_S = 365 * 24 * 3600


def create_web(
    *,
    desk: Desk,
    feed: Feed,
    numbers: Numbers,
    tenants: Mapping[int, TenantInfo],
    progress: Progress,
    health: Health,
    scopes: Scopes,
    hooks: Mapping[str, Hook],
    networks: Mapping[str, NetworkInfo] | None = None,
    settings_desk: SettingsDesk | None = None,
    phones: PhoneDesk | None = None,
    access_token: str | None = None,
    dispatcher_token: str | None = None,
    allowed_hosts: Sequence[str] = (),
) -> Litestar:
    """The application. Without `access_token` it answers to loopback names and `allowed_hosts` only, and whoever may
    come in has every right; with it, `dispatcher_token` lets people in who may do what dispatchers do.

    `tenants`, `networks` and `hooks` may change while it runs.
    """
    tokens = {Role.ADMINISTRATOR: access_token, Role.DISPATCHER: dispatcher_token}
    keeper = Keeper({role: token for role, token in tokens.items() if token}) if access_token else None
    gate = Gate(keeper, allowed_hosts)
    templates = environment()
    templates.globals["tenants"] = tenants.values()
    office = Office(
        desk=desk,
        numbers=numbers,
        tenants=tenants,
        networks=networks if networks is not None else {},
        make_board=lambda tenant: BoardStream(desk, feed, tenant, templates),
        progress=progress,
        health=health,
        scopes=scopes,
        hooks=hooks,
        settings=settings_desk,
        keeper=keeper,
        phones=phones,
    )
    static = create_static_files_router(
        path="/static",
        directories=[STATIC],
        cache_control=CacheControlHeader(public=True, max_age=A_YEAR_S, immutable=True),
        include_in_schema=False,
        opt={"right": Right.DESK},
    )
    return Litestar(
        route_handlers=[
            Pages,
            SettingsPages,
            NumberPages,
            PhonePages,
            Api,
            NumberApi,
            PhoneApi,
            hooks_door,
            caller_id,
            healthz,
            static,
        ],
        state=State({"office": office, "gate": gate}),
        dependencies={"office": Provide(lambda: office, sync_to_thread=False)},
        middleware=[DefineMiddleware(Guard, gate=gate)],
        before_send=[add_security_headers],
        exception_handlers=HANDLERS,
        template_config=TemplateConfig(instance=engine(templates)),
        compression_config=CompressionConfig(backend="gzip", exclude=["/stream", "/api/", "/hooks/"]),
        openapi_config=OpenAPIConfig(
            title="Trunkline",
            version=__version__,
            openapi_router=Router("/api", route_handlers=[], include_in_schema=False, opt={"right": Right.DESK}),
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        logging_config=None,
    )

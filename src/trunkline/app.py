"""The composition root: settings become pool, adapters, services and web application."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import httpx
import structlog
import uvicorn
from litestar import Litestar

from trunkline.calls.account import PhoneAccount
from trunkline.calls.desk import CallDesk
from trunkline.calls.feed import LiveFeed
from trunkline.calls.identify import Identification
from trunkline.calls.intake import Inbox
from trunkline.calls.sweeper import Sweeper
from trunkline.calls.tracker import Tracker
from trunkline.domain.logging_plan import plan
from trunkline.logbook.notes import ServiceTitanNotes
from trunkline.logbook.service import Logbook
from trunkline.mirror.sync import MirrorSync
from trunkline.numbers.book import NumberBook
from trunkline.numbers.keeper import Keeper
from trunkline.phone_systems.base import LinkState, StreamAdapter, WebhookAdapter
from trunkline.phone_systems.registry import adapter
from trunkline.resources import Refusal, behind, client_for, mirror_lock, opened
from trunkline.settings import Settings
from trunkline.store import mirror as mirror_rows
from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.embedded import EmbeddedPostgres
from trunkline.store.locks import AdvisoryLock, LockLost
from trunkline.web.application import create_web
from trunkline.web.guard import TokenNeeded, require_token_unless_loopback
from trunkline.web.ports import Hook, TenantInfo

log = structlog.get_logger(__name__)

HOUSEKEEPING_S = 10.0
REVIVAL_S = 1.0
RESTART_S = 1.0
# Board streams never end by themselves; a browser opens them again.
GRACE_S = 2


@dataclass(frozen=True)
class Service:
    """The running service, as tests, benches and the demo see it."""

    base_url: str
    database: Database
    desk: CallDesk
    logbook: Logbook
    syncs: dict[int, MirrorSync]


async def serve_until_stopped(settings: Settings, postgres: EmbeddedPostgres | None) -> None:
    """Serve until SIGINT or SIGTERM, then put everything down in order.

    Raises:
        Refusal: a setting, the port or the database stands in the way.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with running(settings, postgres) as service:
            # What was made up to here stays: no ring shall wait while the collector walks through it again.
            gc.collect()
            gc.freeze()
            print(f"Trunkline: {service.base_url}", flush=True)  # noqa: T201 - the command's output
            await stop.wait()
    finally:
        if postgres is not None:
            await asyncio.to_thread(postgres.stop)


@asynccontextmanager
async def running(settings: Settings, postgres: EmbeddedPostgres | None = None) -> AsyncIterator[Service]:
    """The service while the body runs. `postgres` is used where the settings name no database.

    Raises:
        Refusal: as :func:`serve_until_stopped`.
    """
    token = settings.access_token.get_secret_value() if settings.access_token else None
    try:
        require_token_unless_loopback(settings.host, token)
    except TokenNeeded as error:
        raise Refusal(str(error)) from None
    accounts = _accounts(settings)
    if settings.database_url is None:
        postgres = postgres or EmbeddedPostgres(settings.postgres_dir)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listen(settings.host, settings.port))
        database = await stack.enter_async_context(opened(settings, postgres))
        http = await stack.enter_async_context(httpx.AsyncClient(http2=False))
        clients = {tenant.id: client_for(tenant, database, http) for tenant in settings.tenants}
        zones = {tenant.id: tenant.timezone for tenant in settings.tenants}

        logbook = Logbook(
            database,
            lambda tenant_id: ServiceTitanNotes(clients[tenant_id]),
            lambda tenant_id: partial(plan, timezone=zones[tenant_id]),
            followed=frozenset(account.name for account in accounts),
            settle_s=settings.settle_s,
        )
        identification = Identification(database, zones)
        with contextlib.suppress(DatabaseUnavailable):
            await identification.open()
        tracker = Tracker(database, identification, logbook.start_soon)
        desk = CallDesk(database, Inbox(database), tracker, identification)
        feed = LiveFeed(database)
        guids = {t.id: t.servicetitan.application_guid for t in settings.tenants if t.servicetitan.application_guid}
        numbers = NumberBook(database, identification.card, guids.__contains__, tracker.identify_anew)
        syncs = {
            tenant.id: MirrorSync(database, behind(clients[tenant.id], tenant, database), region=tenant.region)
            for tenant in settings.tenants
        }
        await logbook.open()
        stack.push_async_callback(logbook.close)
        stack.push_async_callback(desk.close)

        background = await stack.enter_async_context(_Background())
        background.keep("live feed", feed.run)
        if postgres is not None:
            background.keep("embedded PostgreSQL", partial(_keep_alive, postgres))
        regions = {tenant.id: tenant.region for tenant in settings.tenants}
        sweeper = Sweeper(database, tracker, {(a.tenant_id, a.name): a for a in accounts}, regions, logbook.start_soon)
        background.keep("housekeeping", partial(_keep_house, sweeper, logbook))
        for tenant_id, sync in syncs.items():
            held = mirror_lock(database, tenant_id)
            background.keep(f"mirror {tenant_id}", partial(_alone, held, partial(sync.run, settings.mirror_interval_s)))
        for tenant in settings.tenants:
            if (guid := guids.get(tenant.id)) is not None:
                held = AdvisoryLock(database.url, f"numbers {tenant.id}")
                keeper = Keeper(database, behind(clients[tenant.id], tenant, database), guid)
                work = partial(keeper.run, numbers.changed(tenant.id))
                background.keep(f"numbers {tenant.id}", partial(_alone, held, work))
        for account in accounts:
            if isinstance(account.adapter, StreamAdapter):
                held = AdvisoryLock(database.url, f"phone system {account.tenant_id} {account.name}")
                follow = partial(_follow, account, account.adapter, desk, sweeper)
                background.keep(f"phone system {account.name}", partial(_alone, held, follow))

        web = create_web(
            desk=desk,
            feed=feed,
            numbers=numbers,
            tenants=[TenantInfo(t.id, t.name, t.timezone, t.links_base, t.region) for t in settings.tenants],
            progress=partial(_progress, database),
            hooks={
                account.name: Hook(account.adapter, partial(desk.receive, account, patient=False))
                for account in accounts
                if isinstance(account.adapter, WebhookAdapter)
            },
            access_token=token,
            allowed_hosts=settings.allowed_hosts,
        )
        await stack.enter_async_context(_served(web, listener))
        host, port = listener.getsockname()[:2]
        yield Service(f"http://{f'[{host}]' if ':' in host else host}:{port}", database, desk, logbook, syncs)


def _accounts(settings: Settings) -> list[PhoneAccount]:
    try:
        return [
            PhoneAccount(tenant.id, one.account, tenant.region, adapter(one.system, one.account, one.options()))
            for tenant in settings.tenants
            for one in tenant.phone_systems
        ]
    except ValueError as error:
        raise Refusal(str(error)) from None


@contextlib.contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """Bind before anything else starts: a port that is taken is the commonest mistake."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Refusal(f"Cannot listen on {host}:{port}: {reason}; choose another with --port.") from None
        yield listener


async def _progress(database: Database, tenant_id: int) -> list[mirror_rows.FeedState]:
    async with database.connection() as connection:
        return list((await mirror_rows.feed_states(connection, tenant_id)).values())


async def _follow(account: PhoneAccount, stream: StreamAdapter, desk: CallDesk, sweeper: Sweeper) -> None:
    # What is left from before is older than the list of live calls that the phone system gives first.
    await sweeper.sweep_messages(older_than_s=0)

    async def report(link: LinkState) -> None:
        with contextlib.suppress(DatabaseUnavailable):  # the next change is told again
            await desk.set_connection(account, link)

    await stream.run(partial(desk.receive, account), report)


async def _alone(lock: AdvisoryLock, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` in one process of all."""
    async with lock.held():
        await work()


async def _keep_alive(postgres: EmbeddedPostgres) -> None:
    down = False
    while True:
        await asyncio.sleep(REVIVAL_S)
        try:
            if await asyncio.to_thread(postgres.revive):
                log.warning("the embedded PostgreSQL had died and was started again")
            down = False
        except Exception as error:  # noqa: BLE001 - a full disk, most likely: it may be better a second later
            if not down:
                log.warning("the embedded PostgreSQL does not start; trying again", reason=type(error).__name__)
            down = True


async def _keep_house(sweeper: Sweeper, logbook: Logbook) -> None:
    age_s = 0.0  # at the start all that is left over is some crash's; to take up a living process's work is harmless
    while True:
        with contextlib.suppress(DatabaseUnavailable):
            await sweeper.sweep(older_than_s=age_s)
            await logbook.adopt_orphans()
            age_s = HOUSEKEEPING_S
        await asyncio.sleep(HOUSEKEEPING_S)


class _Background:
    """Tasks that run as long as the service; one that fails is logged and started anew."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "_Background":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` until the service stops."""
        self._tasks.append(asyncio.create_task(self._again_and_again(name, work), name=name))

    @staticmethod
    async def _again_and_again(name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except (LockLost, DatabaseUnavailable) as error:
                log.warning("started anew", task=name, reason=str(error))
            except Exception:
                log.exception("failed and is started anew", task=name)
            await asyncio.sleep(RESTART_S)


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the composition root decides what stops when."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _served(web: Litestar, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        cast("Any", web),
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if task.done():
            await task
            raise Refusal("The web server did not start.")
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task

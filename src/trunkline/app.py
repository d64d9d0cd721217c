"""The composition root: settings become pool, adapters, services and web application."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import httpx
import structlog
import uvicorn
from litestar import Litestar

from trunkline.calls.desk import CallDesk
from trunkline.calls.feed import LiveFeed
from trunkline.calls.identify import Identification
from trunkline.calls.inspector import Inspector
from trunkline.calls.intake import Inbox, Refusals
from trunkline.calls.joiner import Joiner
from trunkline.calls.lines import PhoneLines
from trunkline.calls.sweeper import Sweeper
from trunkline.calls.tracker import Tracker
from trunkline.features import scope_report
from trunkline.following import Following
from trunkline.logbook.service import Logbook
from trunkline.mirror.catalog import TYPED
from trunkline.mirror.health import health
from trunkline.mirror.surface import lay_out
from trunkline.numbers.book import NumberBook
from trunkline.resources import Refusal, opened, test_connection
from trunkline.roster import Background, Roster
from trunkline.settings import Settings
from trunkline.store import mirror as mirror_rows
from trunkline.store.database import Database, DatabaseUnavailable
from trunkline.store.embedded import EmbeddedPostgres
from trunkline.tenancy import Tenancy
from trunkline.tenants.registry import TenantRegistry
from trunkline.web.application import create_web
from trunkline.web.ports import PhoneDesk, SettingsDesk
from trunkline.web.tokens import UnsafeTokens, check_tokens

log = structlog.get_logger(__name__)

HOUSEKEEPING_S = 10.0
REVIVAL_S = 1.0
# Board streams never end by themselves; a browser opens them again.
GRACE_S = 2


@dataclass(frozen=True)
class Service:
    """The running service, as tests, benches and the demo see it."""

    base_url: str
    database: Database
    desk: CallDesk
    logbook: Logbook


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
    access_token = settings.access_token.get_secret_value() if settings.access_token else None
    dispatcher_token = settings.dispatcher_token.get_secret_value() if settings.dispatcher_token else None
    try:
        check_tokens(settings.host, access_token, dispatcher_token)
    except UnsafeTokens as error:
        raise Refusal(str(error)) from None
    if settings.database_url is None:
        postgres = postgres or EmbeddedPostgres(settings.postgres_dir)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listen(settings.host, settings.port))
        database = await stack.enter_async_context(opened(settings, postgres))
        await lay_out(database)
        http = await stack.enter_async_context(httpx.AsyncClient(http2=False))
        background = Background()
        roster = Roster()
        registry = TenantRegistry(settings, database)
        refusals = Refusals(database)
        logbook = Logbook(
            database,
            roster.notes,
            roster.planner,
            followed=roster.followed,
            settle_s=settings.settle_s,
        )
        identification = Identification(database, roster.timezones)
        in_front = {one.account: one.in_front_of for one in settings.phone_systems if one.in_front_of}
        feed = LiveFeed(database)
        tracker = Tracker(database, identification, logbook.start_soon, in_front, feed.telling)
        joiner = Joiner(database, tracker, roster.accounts, in_front)
        inspector = Inspector(database, tracker, roster.accounts)
        desk = CallDesk(database, Inbox(database), tracker, identification, joiner)
        sweeper = Sweeper(database, tracker, roster.accounts, roster.regions, logbook.start_soon)
        following = Following(
            settings, database, http, roster, background, desk=desk, sweeper=sweeper, refusals=refusals
        )
        tenancy = Tenancy(
            settings, database, http, roster, registry=registry, background=background, following=following
        )
        tenancy.open(await registry.read())
        with contextlib.suppress(DatabaseUnavailable):
            await identification.open()
        numbers = NumberBook(database, identification.card, roster.is_remembering, tracker.identify_anew)
        await logbook.open()
        stack.push_async_callback(logbook.close)
        stack.push_async_callback(desk.close)

        await stack.enter_async_context(background)
        background.keep("live feed", feed.run)
        if postgres is not None:
            background.keep("embedded PostgreSQL", partial(_keep_alive, postgres))
        background.keep("housekeeping", partial(_keep_house, sweeper, logbook, refusals))
        tenancy.start(numbers)
        background.keep("tenants", tenancy.run)

        web = create_web(
            desk=desk,
            feed=feed,
            numbers=numbers,
            tenants=roster.infos,
            networks=roster.networks,
            progress=partial(_progress, database),
            scopes=lambda tenant_id: scope_report(database, roster.tenants[tenant_id].settings),
            health=partial(health, database, round_s=settings.mirror_interval_s),
            hooks=roster.hooks,
            settings_desk=SettingsDesk(registry, partial(test_connection, database=database, http=http)),
            phones=PhoneDesk(
                inspector, joiner, PhoneLines(database, inspector, http), roster.asking, settings.public_url
            ),
            access_token=access_token,
            dispatcher_token=dispatcher_token,
            allowed_hosts=settings.allowed_hosts,
        )
        await stack.enter_async_context(_served(web, listener))
        host, port = listener.getsockname()[:2]
        yield Service(f"http://{f'[{host}]' if ':' in host else host}:{port}", database, desk, logbook)


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
    """How far that has come which a ringing phone needs; the health page tells of all else."""
    async with database.connection() as connection:
        states = await mirror_rows.feed_states(connection, tenant_id)
    return [states[resource.name] for resource in TYPED if resource.name in states]


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


async def _keep_house(sweeper: Sweeper, logbook: Logbook, refusals: Refusals) -> None:
    age_s = 0.0  # at the start all that is left over is some crash's; to take up a living process's work is harmless
    while True:
        with contextlib.suppress(DatabaseUnavailable):
            await sweeper.sweep(older_than_s=age_s)
            await logbook.adopt_orphans()
            await refusals.write_down()
            age_s = HOUSEKEEPING_S
        await asyncio.sleep(HOUSEKEEPING_S)


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

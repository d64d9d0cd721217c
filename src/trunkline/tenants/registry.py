"""Who the tenants are now: those of the settings file, and those in the database, as they come and go."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec
import structlog
from psycopg import AsyncConnection
from pydantic import SecretStr

from trunkline.settings import ServiceTitanSettings, Settings, TenantSettings
from trunkline.store import tenants as rows
from trunkline.store.database import Database
from trunkline.store.locks import AdvisoryLock
from trunkline.tenants.form import Mistaken, TenantForm, checked
from trunkline.tenants.keys import KeyStore, KeyTrouble
from trunkline.tenants.safe import Safe, Unreadable
from trunkline.tenants.tenant import Tenant

log = structlog.get_logger(__name__)

OnChange = Callable[[Mapping[int, Tenant]], Awaitable[None]]

STANDSTILL_S = 60.0


class CannotChange(Exception):
    """What was asked for cannot be done; the message says why in one sentence."""


def mirror_lock(database: Database, tenant_id: int) -> AdvisoryLock:
    """Who holds it copies this tenant's feeds; nobody else does meanwhile."""
    return AdvisoryLock(database.url, f"mirror {tenant_id}")


class TenantRegistry:
    """Reads, follows and changes the tenants. Secrets are encrypted on their way into the database.

    Every method that reads or changes may raise `DatabaseUnavailable`.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._keys = KeyStore(settings.data_dir)
        self._in_file = {tenant.id: Tenant(tenant, in_file=True) for tenant in settings.tenants}

    async def read(self) -> dict[int, Tenant]:
        """All tenants by id: the file's in its order, then the database's by name. Where both have one, the file's."""
        async with self._database.connection() as connection:
            found = await rows.read(connection)
        if not found:
            return dict(self._in_file)
        safe, trouble = await self._safe_or_trouble()
        stored = {row.tenant_id: _tenant(row, safe, trouble) for row in found}
        return {**self._in_file, **{key: one for key, one in stored.items() if key not in self._in_file}}

    async def follow(self, on_change: OnChange) -> None:
        """Tell `on_change` who the tenants are, now and after each change by whatever process, until cancelled."""
        changed = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(changed))
            while True:
                await changed.wait()
                changed.clear()
                await on_change(await self.read())

    async def _listen(self, changed: asyncio.Event) -> None:
        async for _ in self._database.listen(rows.CHANNEL, on_connect=changed.set):
            changed.set()

    async def add(self, form: TenantForm) -> Tenant:
        """Set a tenant up.

        Raises:
            Mistaken: something typed cannot be right.
            CannotChange: the secrets cannot be encrypted.
        """
        settings = checked(form, await self.read())
        if settings.id in self._in_file:
            raise Mistaken({"tenant_id": "A tenant with this id stands in trunkline.toml."})
        async with self._database.transaction() as connection:
            try:
                await rows.add(connection, await self._sealed(connection, settings))
            except rows.TenantExists as error:
                raise Mistaken({"tenant_id": str(error)}) from None
        log.info("a tenant was added", tenant_id=settings.id)
        return Tenant(settings)

    async def change(self, tenant_id: int, form: TenantForm) -> Tenant:
        """Change a tenant; secrets that were not typed stay. Raises as :meth:`add`."""
        tenants = await self.read()
        present = self._changeable(tenants, tenant_id)
        settings = checked(msgspec.structs.replace(form, tenant_id=str(tenant_id)), tenants, present=present)
        async with self._database.transaction() as connection:
            await rows.change(connection, await self._sealed(connection, settings))
        log.info("a tenant was changed", tenant_id=tenant_id)
        return Tenant(settings, paused=present.paused)

    async def set_paused(self, tenant_id: int, *, paused: bool) -> None:
        """Pause a tenant - nothing of it runs - or let it run again.

        Raises:
            CannotChange: there is none, or it stands in trunkline.toml.
        """
        self._changeable(await self.read(), tenant_id)
        async with self._database.connection() as connection:
            await rows.set_paused(connection, tenant_id, paused=paused)
        log.info("a tenant was paused" if paused else "a tenant was resumed", tenant_id=tenant_id)

    async def remove(self, tenant_id: int) -> dict[str, int]:
        """Erase a tenant, its secrets, its mirror, its calls and their log; says how many rows each table lost.

        Raises:
            CannotChange: as :meth:`set_paused`, or a process goes on copying its data.
        """
        await self.set_paused(tenant_id, paused=True)
        try:
            async with (
                asyncio.timeout(STANDSTILL_S),
                mirror_lock(self._database, tenant_id).held(),
                self._database.transaction() as connection,
            ):
                counts = await rows.erase(connection, tenant_id)
        except TimeoutError:
            raise CannotChange(
                "A process still copies this tenant's data: it is paused now; remove it once that has stopped."
            ) from None
        log.info("a tenant was erased", tenant_id=tenant_id, rows=counts)
        return counts

    async def erase_rest(self, tenant_id: int) -> None:
        """Delete what arrived for a tenant while it was being erased, unless it was added again since."""
        async with self._database.transaction() as connection:
            await rows.lock(connection)
            if tenant_id not in {row.tenant_id for row in await rows.read(connection)}:
                await rows.erase(connection, tenant_id)

    async def rotate_key(self) -> int:
        """Encrypt all secrets anew with a new key; returns of how many tenants.

        A key that stands in the environment is not ours to make: then with the first that stands there.

        Raises:
            CannotChange: a key or a secret cannot be used; nothing was changed.
        """
        try:
            async with self._database.transaction() as connection:
                await rows.lock(connection)
                old = await asyncio.to_thread(self._keys.read)
                safe = await asyncio.to_thread(self._keys.add if self._keys.is_ours else self._keys.safe)
                found = await rows.read(connection)
                for row in found:
                    await rows.change(connection, _resealed(row, safe))
            if self._keys.is_ours:  # not before all else is committed
                async with self._database.transaction() as connection:
                    await rows.lock(connection)
                    await asyncio.to_thread(self._keys.drop, old)
        except (KeyTrouble, Unreadable) as error:
            raise CannotChange(str(error)) from None
        return len(found)

    def _changeable(self, tenants: Mapping[int, Tenant], tenant_id: int) -> Tenant:
        if tenant_id in self._in_file:
            raise CannotChange("This tenant stands in trunkline.toml: change it there, and start Trunkline again.")
        if tenant_id not in tenants:
            raise CannotChange(f"There is no tenant with the id {tenant_id}.")
        return tenants[tenant_id]

    async def _safe_or_trouble(self) -> tuple[Safe | None, str]:
        try:
            return await asyncio.to_thread(self._keys.safe), ""
        except KeyTrouble as error:
            return None, str(error)

    async def _sealed(self, connection: AsyncConnection, settings: TenantSettings) -> rows.TenantRow:
        await rows.lock(connection)
        try:
            safe = await asyncio.to_thread(partial(self._keys.safe, make=True))
        except KeyTrouble as error:
            raise CannotChange(str(error)) from None
        own = settings.servicetitan
        return rows.TenantRow(
            tenant_id=settings.id,
            name=settings.name,
            timezone=settings.timezone,
            region=settings.region,
            links_base=settings.links_base,
            environment=own.environment,
            client_id=own.client_id,
            client_secret=safe.seal(settings.id, "client_secret", own.client_secret.get_secret_value()),
            app_key=safe.seal(settings.id, "app_key", own.app_key.get_secret_value()),
            application_guid=own.application_guid,
            booking_provider=own.booking_provider,
        )


def _tenant(row: rows.TenantRow, safe: Safe | None, trouble: str) -> Tenant:
    secrets = dict.fromkeys(rows.SECRET_FIELDS, "")
    if safe is not None:
        try:
            secrets = {name: safe.open(row.tenant_id, name, getattr(row, name)) for name in rows.SECRET_FIELDS}
        except Unreadable as error:
            trouble = str(error)
    # It was checked when it was stored; what is checked more strictly since then must not stop the service.
    settings = TenantSettings.model_construct(
        id=row.tenant_id,
        name=row.name,
        timezone=row.timezone,
        region=row.region,
        links_base=row.links_base,
        servicetitan=ServiceTitanSettings.model_construct(
            environment=row.environment,
            client_id=row.client_id,
            client_secret=SecretStr(secrets["client_secret"]),
            app_key=SecretStr(secrets["app_key"]),
            application_guid=row.application_guid,
            booking_provider=row.booking_provider,
        ),
        phone_systems=[],
    )
    return Tenant(settings, paused=row.paused, trouble=trouble or None)


def _resealed(row: rows.TenantRow, safe: Safe) -> rows.TenantRow:
    again = {name: safe.reseal(row.tenant_id, name, getattr(row, name)) for name in rows.SECRET_FIELDS}
    return msgspec.structs.replace(row, **again)

"""Where pages are prepared. Those of a long reading go to a process of its own: preparing a million rows in this one
would keep a ring from the interpreter again and again, and use one core where there are several.
"""

import asyncio

import structlog

from trunkline.mirror.catalog import BY_NAME, Resource
from trunkline.mirror.landing import Landed
from trunkline.mirror.workbench import Gone, Landers, Workbench

log = structlog.get_logger(__name__)

LARGE_PAGE = 2**18  # bytes; less is not worth the way to another process
IDLE_S = 30.0  # then the process ends: its memory is for others


class Workshop:
    """Prepares pages of one tenant; `region` is how its local phone numbers are read."""

    def __init__(self, tenant_id: int, region: str) -> None:
        self._tenant_id = tenant_id
        self._region = region
        self._landers = Landers(tenant_id, region)
        self._bench: Workbench | None = None
        self._ending: asyncio.TimerHandle | None = None

    async def land(self, resource: Resource, page: bytes | memoryview, *, more: bool) -> Landed:
        """Prepare a page, a JSON array; `more` says that others of this reading follow.

        Raises:
            UnexpectedAnswer: it is no JSON.
        """
        if more and BY_NAME.get(resource.name) is resource and len(page) >= LARGE_PAGE and (bench := self.ready()):
            try:
                return await bench.land(resource.name, page)
            except Gone:  # somebody killed it: the next page gets another one
                log.warning("the process that prepares pages has died; this page is prepared without it")
                if bench is self._bench:
                    self.close()
        return await asyncio.to_thread(self._landers.of(resource).land, bytes(page))

    def ready(self) -> Workbench | None:
        """The process, once it has come up. Begins one where there is none; nobody waits for it."""
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(IDLE_S, self.close)
        if self._bench is None:
            self._bench = Workbench(self._tenant_id, self._region)
        return self._bench if self._bench.has_come_up() else None

    def close(self) -> None:
        """End the process, once it has finished; the next large page begins another."""
        if self._bench is not None:
            self._bench.close()
            self._bench = None

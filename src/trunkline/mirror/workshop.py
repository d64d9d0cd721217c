"""Where pages are prepared. Those of a long reading go to a process of its own: preparing a million rows in this one
would keep a ring from the interpreter again and again, and use one core where there are several.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing.connection import wait
from typing import Protocol

import structlog

from trunkline.mirror.catalog import RESOURCES, Resource
from trunkline.mirror.landing import Landed, Lander
from trunkline.mirror.typed import TypedLander

log = structlog.get_logger(__name__)

LARGE_PAGE = 2**18  # bytes; less is not worth the way to another process
NICER = 10
IDLE_S = 30.0  # then the process ends: its memory is for others

_BY_NAME = {resource.name: resource for resource in RESOURCES}


class Landing(Protocol):
    """Prepares the pages of one resource."""

    def land(self, page: bytes) -> Landed:
        """Prepare a page, a JSON array."""


class Workshop:
    """Prepares pages of one tenant; `region` is how its local phone numbers are read."""

    def __init__(self, tenant_id: int, region: str) -> None:
        self._tenant_id = tenant_id
        self._region = region
        self._landers: dict[str, Landing] = {}
        self._process: ProcessPoolExecutor | None = None
        self._begun: Future[int] | None = None  # done once the process has come up
        self._ending: asyncio.TimerHandle | None = None

    async def land(self, resource: Resource, page: bytes, *, more: bool) -> Landed:
        """Prepare a page, a JSON array; `more` says that others of this reading follow.

        Raises:
            UnexpectedAnswer: it is no JSON.
        """
        if more and _BY_NAME.get(resource.name) is resource and len(page) >= LARGE_PAGE and self.has_come_up():
            try:
                return await self._land_outside(resource, page)
            except BrokenProcessPool:  # somebody killed it: the next page gets another one
                log.warning("the process that prepares pages has died; this page is prepared without it")
                self.close()
        if resource.name not in self._landers:
            self._landers[resource.name] = lander(resource, self._tenant_id, self._region)
        return await asyncio.to_thread(self._landers[resource.name].land, page)

    def has_come_up(self) -> bool:
        """Whether the process is there. Begins one where there is none; nobody waits for it to come up."""
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(IDLE_S, self.close)
        if self._process is None:
            # Not forked: this process has threads and connections, of which a copy is of no use.
            context = multiprocessing.get_context("spawn")
            self._process = ProcessPoolExecutor(1, mp_context=context, initializer=_begin)
            self._begun = self._process.submit(os.getpid)
        return self._begun is not None and self._begun.done()

    async def _land_outside(self, resource: Resource, page: bytes) -> Landed:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._process, _land, resource.name, self._tenant_id, self._region, page)

    def close(self) -> None:
        """End the process, once it has finished; the next large page begins another."""
        if self._process is not None:
            self._process.shutdown(wait=False)
            self._process = None


def lander(resource: Resource, tenant_id: int, region: str) -> Landing:
    """What prepares the resource's pages."""
    if resource.feed is None:
        return Lander(resource, tenant_id)
    return TypedLander(resource, resource.feed, tenant_id, region)


# In the other process ------------------------------------------------------------------------------------------------

_kept = lru_cache(maxsize=None)(lambda name, tenant_id, region: lander(_BY_NAME[name], tenant_id, region))


def _begin() -> None:
    """Let whoever serves calls go first; leave Ctrl+C to the parent, and end with it, however it ends."""
    os.nice(NICER)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)


def _land(name: str, tenant_id: int, region: str, page: bytes) -> Landed:
    landing: Landing = _kept(name, tenant_id, region)
    return landing.land(page)

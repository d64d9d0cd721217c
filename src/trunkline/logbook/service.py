"""The durable part: a DBOS workflow per ended call, started once however often it is asked for.

DBOS keeps its own tables in the same PostgreSQL (schema `dbos`). A process takes the lowest free executor number
(an advisory lock that dies with it), so that a process started after a crash takes up the crashed one's workflows.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID

from trunkline.faultpoints import fault_point
from trunkline.logbook.writer import Notes, Planner, Verdict, Writer
from trunkline.store.database import Database
from trunkline.store.executor import ExecutorSlot, living_executors

log = structlog.get_logger(__name__)

# Workflows are resumed by version; ours is the shape of the workflow below, not the version of the package.
WORKFLOW_VERSION = "2"
LONGEST_WAIT_S = 60.0
CONCURRENT_ATTEMPTS = 8
# How many calls may be between their start and the end of their first attempt. Starting a workflow costs more than an
# attempt: when a thousand calls end at once, as after an outage, starting them all would keep the first from its log.
CONCURRENT_STARTS = 2 * CONCURRENT_ATTEMPTS
# Webhooks overtake one another: what happened before a call's end may arrive after it.
GRACE_S = 2.0
FAREWELL_S = 5.0
LONGEST_TURN_S = 5.0
RESUME_S = 1.0  # where a stop came between

_EXECUTOR = "trunkline-"

_running: "Logbook | None" = None


@DBOS.workflow(max_recovery_attempts=None)
async def _log_call(tenant_id: int, call_id: int) -> None:
    """Attempts, and the waits between them. An attempt is no step of its own: it keeps its own books, so that one made
    again changes nothing, and what DBOS would note of each costs half as much as the attempt.
    """
    attempts = 0
    while (wait_s := await _attempt(tenant_id, call_id, attempts)) is not None:
        attempts += 1
        await DBOS.sleep_async(wait_s)


async def _attempt(tenant_id: int, call_id: int, attempts: int) -> float | None:
    """One attempt; returns the seconds until the next one, or `None` where all is done."""
    if _running is None:
        return RESUME_S
    return _running.wait_after(await _running.attempt(tenant_id, call_id), attempts)


class Logbook:
    """The logbook of one process. Only one may be open in a process at a time (DBOS is a process-wide thing).

    `database` must be a pool with more than :data:`CONCURRENT_ATTEMPTS` connections.
    """

    def __init__(
        self,
        database: Database,
        notes: Callable[[int], Notes],
        planner: Callable[[int], Planner],
        **writer_options: Any,
    ) -> None:
        self._database = database
        self._writer = Writer(database, notes, planner, **writer_options)
        self._free = asyncio.Semaphore(CONCURRENT_ATTEMPTS)
        self._closing = False
        self._stack = AsyncExitStack()
        self._turns = asyncio.Semaphore(CONCURRENT_STARTS)
        self._starting: dict[int, asyncio.Task[None]] = {}
        self._first_attempts: dict[int, asyncio.Event] = {}

    async def open(self) -> None:
        """Start DBOS and take up what an earlier process left unfinished."""
        global _running  # noqa: PLW0603 - DBOS finds workflows by name, not by object
        if _running is not None:
            raise RuntimeError("A logbook is already open in this process.")
        slot = await self._stack.enter_async_context(ExecutorSlot(self._database.url).held())
        config: DBOSConfig = {
            "name": "trunkline",
            "system_database_url": self._database.url,
            "application_version": WORKFLOW_VERSION,
            "executor_id": f"{_EXECUTOR}{slot}",
            "log_level": "WARNING",
            "sys_db_pool_size": CONCURRENT_ATTEMPTS,
        }
        _running = self
        DBOS(config=config)
        DBOS.launch()

    async def close(self) -> None:
        """Stop; attempts under way are finished first."""
        global _running  # noqa: PLW0603 - see open()
        for task in self._starting.values():
            task.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)
        _running = None
        await self._finish_attempts()
        # Workflows that wait for their next attempt are cut off here and go on with the next process: no news.
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=0)
        # DBOS made its threads the loop's own, and has just shut them down.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        await self._stack.aclose()

    async def _finish_attempts(self) -> None:
        """Let attempts end that are under way; one that hangs is cut off, and resolved by the next process."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                for _ in range(CONCURRENT_ATTEMPTS):
                    await self._free.acquire()

    async def start(self, tenant_id: int, call_id: int) -> None:
        """See to it that the ended call is logged; asking again changes nothing."""
        await fault_point("logbook.before_start")
        with SetWorkflowID(f"log{WORKFLOW_VERSION}-{tenant_id}-{call_id}"):
            await DBOS.start_workflow_async(_log_call, tenant_id, call_id)
        await fault_point("logbook.after_start")

    async def start_soon(self, tenant_id: int, call_id: int) -> None:
        """As :meth:`start`, a moment later and in turn; the next ring must not wait for it. What fails here, or is cut
        off by a stop, the sweeper takes up.
        """
        if call_id not in self._starting:
            task = self._starting[call_id] = asyncio.create_task(self._start_in_turn(tenant_id, call_id))
            task.add_done_callback(lambda _: self._starting.pop(call_id))

    async def _start_in_turn(self, tenant_id: int, call_id: int) -> None:
        await asyncio.sleep(GRACE_S)
        async with self._turns:
            attempted = self._first_attempts[call_id] = asyncio.Event()
            try:
                await self.start(tenant_id, call_id)
                async with asyncio.timeout(LONGEST_TURN_S):
                    await attempted.wait()
            except TimeoutError:
                pass  # ServiceTitan is slow, or the call was logged before: others have their turn
            except Exception as error:  # noqa: BLE001 - the sweeper asks again
                log.warning("a call's logging starts later", call_id=call_id, reason=type(error).__name__)
            finally:
                del self._first_attempts[call_id]

    async def adopt_orphans(self) -> int:
        """Take up the workflows of processes that died and were not followed by one with their number."""
        pending = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        async with self._database.connection() as connection:
            living = {f"{_EXECUTOR}{number}" for number in await living_executors(connection)}
        orphans = [workflow for workflow in pending if workflow.executor_id not in living]
        for workflow in orphans:
            await DBOS.resume_workflow_async(workflow.workflow_id)
        return len(orphans)

    async def attempt(self, tenant_id: int, call_id: int) -> Verdict:
        """One attempt, when its turn comes; whatever goes wrong is a reason to try later, never to forget the call."""
        async with self._free:
            if self._closing:
                return Verdict(retry_in_s=RESUME_S)
            try:
                return await self._writer.attempt(tenant_id, call_id)
            except Exception:
                log.exception("a call could not be logged and is tried again", tenant_id=tenant_id, call_id=call_id)
                return Verdict(retry_in_s=LONGEST_WAIT_S)
            finally:
                if (first := self._first_attempts.get(call_id)) is not None:
                    first.set()

    def wait_after(self, verdict: Verdict, attempts: int) -> float | None:
        """Seconds to the next attempt: during an outage they double up to a minute, with jitter."""
        if verdict.retry_in_s is None or not verdict.outage:
            return verdict.retry_in_s
        longest = min(LONGEST_WAIT_S, verdict.retry_in_s * 2.0 ** min(attempts, 10))
        return longest * random.uniform(0.5, 1.0)

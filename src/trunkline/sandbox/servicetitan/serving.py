"""The sandbox on a port of this machine."""

import asyncio
import contextlib
import socket
from typing import Any, Self

import uvicorn

from trunkline.sandbox.servicetitan.server import Sandbox, SandboxOptions
from trunkline.sandbox.servicetitan.world import World


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the loop, and stops when told to instead of at the next tick."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told_to_stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_stop.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Without uvicorn's pause for clients that still read: those of a sandbox have gone before."""
        for server in self.servers:
            server.close()
        unfinished = list(self.server_state.tasks)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def stop(self) -> None:
        """Answer nobody any more."""
        self.should_exit = self.force_exit = True
        self._told_to_stop.set()


class SandboxServer:
    """A sandbox on a free port of this machine, inside the running event loop: ``async with SandboxServer() as s``."""

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.sandbox = Sandbox(options or SandboxOptions())
        self._server = _Server(_config(self.sandbox, "127.0.0.1", 0))
        self._task: asyncio.Task[None] | None = None

    @property
    def world(self) -> World:
        return self.sandbox.world

    @property
    def base_url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve())
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.005)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.stop()
        if self._task:
            await self._task


def _config(sandbox: Sandbox, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(sandbox, host=host, port=port, log_level="critical", access_log=False, lifespan="off")


def run(options: SandboxOptions, *, host: str, port: int) -> None:
    """Serve until stopped; says where on standard output once it listens."""
    server = uvicorn.Server(_config(Sandbox(options), host, port))

    async def serve() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started:
            if task.done():
                return
            await asyncio.sleep(0.005)
        bound = server.servers[0].sockets[0].getsockname()[1]
        print(f"ServiceTitan sandbox: http://{host}:{bound}", flush=True)  # noqa: T201 - the command's output
        await task

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())

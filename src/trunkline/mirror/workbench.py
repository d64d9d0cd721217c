"""A process beside this one that prepares pages. What goes to it and comes back is pickled, but for large parts: those
follow as they are, so that a page is copied no more often than the socket copies it.
"""

import asyncio
import gc
import os
import pickle
import socket
import struct
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from trunkline.mirror.catalog import BY_NAME, Resource
from trunkline.mirror.landing import Landed, Lander, Landing
from trunkline.mirror.typed import TypedLander

NICER = 10
_LARGE = 2**12  # bytes
_LENGTHS = struct.Struct("!QQ")  # of what is pickled, and how many large parts follow
_LENGTH = struct.Struct("!Q")


class Gone(Exception):
    """The process has ended, whoever ended it; or there was none to be had."""


class Workbench:
    """Prepares pages of one tenant in a process of its own, one after the other.

    The process comes up meanwhile. It ends with :meth:`close`, with this object, and with the process that made it,
    however that ends.
    """

    def __init__(self, tenant_id: int, region: str) -> None:
        self._hands = ThreadPoolExecutor(1, "workbench")  # they wait for the process
        self._process = self._hands.submit(_Process, tenant_id, region)

    def has_come_up(self) -> bool:
        """Whether pages can be prepared at once, or never."""
        return self._process.done()

    async def land(self, resource: str, page: bytes | memoryview) -> Landed:
        """Prepare a page, a JSON array, of the resource of that name.

        Raises:
            Gone: there is no process.
            UnexpectedAnswer: the page is no JSON.
        """
        ask = self._process.result().ask
        landed: Landed = await asyncio.get_running_loop().run_in_executor(self._hands, ask, (resource, page))
        return landed

    def close(self) -> None:
        """End the process, once it has finished."""
        self._hands.submit(self._end)
        self._hands.shutdown(wait=False)

    def _end(self) -> None:
        if self._process.exception() is None:
            self._process.result().end()


class _Process:
    def __init__(self, tenant_id: int, region: str) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: S603 - this very module
                    [sys.executable, "-P", "-m", __name__],
                    stdin=theirs.fileno(),
                    process_group=0,  # Ctrl+C is for us
                )
            except OSError as error:
                self._socket.close()
                raise Gone(str(error)) from error
        self.end = weakref.finalize(self, _stop, self._socket, process)
        try:
            self.ask((tenant_id, region))
        except Gone:
            self.end()
            raise

    def ask(self, question: object) -> Any:
        """Blocks until the answer is there; raises :class:`Gone`, and what was raised over there."""
        try:
            _send(self._socket, question)
            answer = _receive(self._socket)
        except (OSError, EOFError) as error:
            raise Gone(str(error)) from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _stop(ours: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    ours.close()
    process.kill()  # it has nothing to lose
    process.wait()


class Landers:
    """What prepares the pages of one tenant; `region` is how its local phone numbers are read."""

    def __init__(self, tenant_id: int, region: str) -> None:
        self._tenant_id = tenant_id
        self._region = region
        self._made: dict[str, Landing] = {}

    def of(self, resource: Resource) -> Landing:
        """What prepares the resource's pages, the same each time: it remembers what it has seen."""
        if resource.name not in self._made:
            self._made[resource.name] = self._make(resource)
        return self._made[resource.name]

    def _make(self, resource: Resource) -> Landing:
        if resource.feed is None:
            return Lander(resource, self._tenant_id)
        return TypedLander(resource, resource.feed, self._tenant_id, self._region)


class _Packing(pickle.Pickler):
    """Leaves large parts out and keeps them in `large`."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file)
        self.large: list[bytes | memoryview] = []

    def persistent_id(self, part: object) -> int | None:
        if isinstance(part, memoryview) or (isinstance(part, bytes) and len(part) >= _LARGE):
            self.large.append(part)
            return len(self.large) - 1
        return None


class _Unpacking(pickle.Unpickler):
    def __init__(self, file: BytesIO, large: list[bytes]) -> None:
        super().__init__(file)
        self._large = large

    def persistent_load(self, part: int) -> bytes:
        return self._large[part]


def _send(to: socket.socket, message: object) -> None:
    packed = BytesIO()
    packing = _Packing(packed)
    packing.dump(message)
    to.sendall(_LENGTHS.pack(packed.tell(), len(packing.large)) + packed.getbuffer())
    for part in packing.large:
        to.sendall(_LENGTH.pack(len(part)))
        to.sendall(part)


def _receive(from_: socket.socket) -> Any:
    packed, count = _LENGTHS.unpack(_bytes(from_, _LENGTHS.size))
    message = BytesIO(_bytes(from_, packed))
    large = [_bytes(from_, *_LENGTH.unpack(_bytes(from_, _LENGTH.size))) for _ in range(count)]
    return _Unpacking(message, large).load()


def _bytes(from_: socket.socket, length: int) -> bytes:
    """So many bytes, as a rule put in their place by the kernel at once."""
    got = from_.recv(length, socket.MSG_WAITALL)
    while len(got) < length:
        more = from_.recv(length - len(got), socket.MSG_WAITALL)
        if not more:
            raise EOFError
        got += more
    return got


# In the other process ------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer until whoever asks is gone."""
    os.nice(NICER)  # whoever serves calls goes first
    gc.freeze()
    gc.disable()  # what pages are made of never refers to itself; looking for that took a tenth of the time
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as asking:
        landers = Landers(*_receive(asking))
        _send(asking, None)
        while True:
            name, page = _receive(asking)
            _send(asking, _landed(landers.of(BY_NAME[name]), page))


def _landed(landing: Landing, page: bytes) -> Landed | Exception:
    try:
        return landing.land(page)
    except Exception as error:  # noqa: BLE001 - it is raised where the page came from
        return error


if __name__ == "__main__":
    try:
        main()
    except (OSError, EOFError):
        os._exit(0)

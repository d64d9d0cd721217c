"""The connection to an older PBX, in both directions: signing in, staying connected, and what people read meanwhile."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from smdr_kit import adapter

from trunkline.phone_systems import streams
from trunkline.phone_systems.base import LinkState, RawMessage
from trunkline.phone_systems.smdr import SmdrAdapter
from trunkline.phone_systems.smdr import connection as connection_module
from trunkline.sandbox.phones.smdr import pbx_server, print_to

ENOUGH_S = 20
FIRST = "2024/06/10 10:31:10,00:00:13,7,14375550142,I,200,14375550100,,0,1000143,1,E201,Front Desk,T9002,LINE 1.2,11,0"
SECOND = "2024/06/10 10:31:10,00:02:21,0,14375550142,I,200,14375550100,,0,1000143,0,E205,Dispatch,T9002,LINE 1.2,0,0"
PANASONIC = "06/10/24 10:22AM   105 01 <I>14375550142            0'12 00:01'33               "


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(streams, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(connection_module, "PROMPT_TIMEOUT_S", 0.3)


@dataclass
class Office:
    """Who receives what an adapter delivers, each delivery id once, as the inbox does."""

    messages: dict[str, RawMessage] = field(default_factory=dict)
    states: list[LinkState] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, messages: Sequence[RawMessage]) -> None:
        for message in messages:
            assert message.delivery_id is not None
            self.messages.setdefault(message.delivery_id, message)
        self.changed.set()

    async def report(self, state: LinkState) -> None:
        self.states.append(state)
        self.changed.set()

    @property
    def bodies(self) -> list[str]:
        return [message.body.decode() for message in self.messages.values()]

    async def until(self, count: int = 0, *, state: str = "", says: str = "") -> None:
        """Wait for so many messages, or for a state whose sentence holds `says`."""
        async with asyncio.timeout(ENOUGH_S):
            while not (len(self.messages) >= count and (not state or self._is(state, says))):
                self.changed.clear()
                await self.changed.wait()

    def _is(self, state: str, says: str) -> bool:
        return bool(self.states) and self.states[-1].state == state and says in (self.states[-1].detail or "")


@asynccontextmanager
async def running(made: SmdrAdapter) -> AsyncIterator[Office]:
    """An adapter at work."""
    office = Office()
    task = asyncio.create_task(made.run(office.deliver, office.report))
    try:
        yield office
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


def listening(**options: object) -> tuple[SmdrAdapter, int]:
    """An adapter to which the PBX connects."""
    port = free_port()
    return adapter("avaya", mode="listen", host="127.0.0.1", port=port, **options), port


# The PBX connects to us -----------------------------------------------------------------------------------------------


async def test_listening_takes_what_the_pbx_sends_in_any_pieces() -> None:
    made, port = listening()
    async with running(made) as office:
        await office.until(state="connecting", says=f"Waiting for the phone system to connect to port {port}.")
        await print_to(port, FIRST[:30].encode(), f"{FIRST[30:]}\r\n{SECOND}\r".encode(), b"\n\x00")
        await office.until(2, state="disconnected", says="waiting for it to come back.")
    assert office.bodies == [FIRST, SECOND]
    assert [state.state for state in office.states] == ["connecting", "connected", "disconnected"]


async def test_the_pbx_comes_back_and_sends_its_buffer_again() -> None:
    made, port = listening()
    async with running(made) as office:
        await office.until(state="connecting")
        await print_to(port, f"{FIRST}\r\n".encode())
        await office.until(1, state="disconnected")
        await print_to(port, f"{FIRST}\r\n{SECOND}\r\n".encode())
        await office.until(2)
    assert office.bodies == [FIRST, SECOND]
    assert [message.kind for message in office.messages.values()] == ["", "after_s=31&talked=1"]


async def test_half_a_line_at_the_end_is_kept() -> None:
    made, port = listening()
    async with running(made) as office:
        await office.until(state="connecting")
        await print_to(port, f"{FIRST}\r\n{SECOND[:40]}".encode())
        await office.until(2, state="disconnected")
        await print_to(port, f"{SECOND}\r\n".encode())
        await office.until(3)
    assert office.bodies == [FIRST, SECOND[:40], SECOND]


async def test_whom_the_list_does_not_name_is_hung_up_on() -> None:
    made, port = listening(allow=["192.0.2.0/24"])
    async with running(made) as office:
        await office.until(state="connecting")
        with contextlib.suppress(OSError):
            await print_to(port, f"{FIRST}\r\n".encode())
        await office.until(state="disconnected", says="127.0.0.1 connected, but the option allow does not name it")
    assert office.messages == {}


async def test_whom_the_list_names_is_heard() -> None:
    made, port = listening(allow=["192.0.2.0/24", "127.0.0.1"])
    async with running(made) as office:
        await office.until(state="connecting")
        await print_to(port, f"{FIRST}\r\n".encode())
        await office.until(1)


async def test_a_port_that_is_taken_is_told_and_tried_again() -> None:
    made, port = listening()
    async with pbx_server(port=port), running(made) as office:
        await office.until(state="disconnected", says=f"Nothing can be received at 127.0.0.1:{port}")
    async with running(made) as office:
        await office.until(state="connecting")


async def test_two_connections_at_a_time_are_both_heard() -> None:
    made, port = listening()
    async with running(made) as office:
        await office.until(state="connecting")
        _, held = await asyncio.open_connection("127.0.0.1", port)
        held.write(f"{FIRST}\r\n".encode())
        await office.until(1, state="connected")
        await print_to(port, f"{SECOND}\r\n".encode())
        await office.until(2)
        assert office.states[-1].state == "connected"
        held.close()
        await held.wait_closed()
        await office.until(state="disconnected")


async def test_trouble_in_the_house_reaches_whoever_runs_the_listener() -> None:
    made, port = listening()
    office = Office()

    async def deliver(messages: Sequence[RawMessage]) -> None:
        raise RuntimeError("no room")

    task = asyncio.create_task(made.run(deliver, office.report))
    await office.until(state="connecting")
    with contextlib.suppress(OSError):
        await print_to(port, f"{FIRST}\r\n".encode())
    async with asyncio.timeout(ENOUGH_S):
        with pytest.raises(RuntimeError, match="no room"):
            await task


# We connect to the PBX ------------------------------------------------------------------------------------------------


async def test_connecting_reads_lines_and_comes_back() -> None:
    async with pbx_server() as pbx:
        made = adapter("avaya", host="127.0.0.1", port=pbx.port)
        async with running(made) as office:
            async with asyncio.timeout(ENOUGH_S):
                await pbx.connected.wait()
            await pbx.send(f"{FIRST}\r\n".encode())
            await office.until(1, state="connected")
            pbx.hang_up()
            await office.until(state="disconnected", says="closed the connection; trying again.")
            async with asyncio.timeout(ENOUGH_S):
                await pbx.connected.wait()
            await pbx.send(f"{FIRST}\r\n{SECOND}\r\n".encode())
            await office.until(2)
        assert office.bodies == [FIRST, SECOND]
        assert pbx.signed_in == 2


async def test_nobody_at_home_is_told_until_somebody_is() -> None:
    port = free_port()
    made = adapter("avaya", host="127.0.0.1", port=port)
    async with running(made) as office:
        await office.until(
            state="disconnected",
            says=f"The phone system at 127.0.0.1:{port} does not answer (connection refused); trying again.",
        )
        async with pbx_server(port=port):
            await office.until(state="connected")


async def test_signing_in_over_telnet_keeps_prompts_and_password_out_of_the_lines() -> None:
    async with pbx_server("not-a-real-secret") as pbx:
        made = adapter("panasonic", host="127.0.0.1", port=pbx.port, password="not-a-real-secret")
        async with running(made) as office:
            async with asyncio.timeout(ENOUGH_S):
                await pbx.connected.wait()
            await pbx.send(f"  Date     Time\r\n\xff\xf9{PANASONIC}\r\n".encode("latin-1"))
            await office.until(1, state="connected")
        assert office.bodies == [PANASONIC]


async def test_a_wrong_password_is_told_without_it() -> None:
    async with pbx_server("not-a-real-secret") as pbx:
        made = adapter("panasonic", host="127.0.0.1", port=pbx.port, password="another")
        async with running(made) as office:
            await office.until(state="disconnected", says="refused the sign-in: check username and password.")
        assert office.messages == {}
        assert not any("another" in (state.detail or "") for state in office.states)
        assert pbx.signed_in == 0


async def test_an_impossible_host_is_trouble_like_any_other() -> None:
    made = adapter("avaya", host="." * 80, port=1150)
    async with running(made) as office:
        await office.until(state="disconnected", says="trying again.")

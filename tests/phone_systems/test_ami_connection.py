"""The connection to Asterisk: signing in, staying connected, and what people read while it does not work."""

import asyncio
import contextlib
import hashlib
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from stream_kit import ENOUGH_S, Follower, PatientClock, at_work, patient_clock

from trunkline.calls.account import PhoneAccount
from trunkline.calls.desk import CallDesk
from trunkline.calls.identify import Identification
from trunkline.calls.intake import Inbox
from trunkline.calls.tracker import Tracker
from trunkline.phone_systems.asterisk import AsteriskAdapter
from trunkline.phone_systems.asterisk import connection as connection_module
from trunkline.phone_systems.asterisk.wire import LARGEST_FRAME
from trunkline.phone_systems.base import RawMessage
from trunkline.phone_systems.streams import FIRST_PAUSE_S, LONGEST_PAUSE_S
from trunkline.sandbox.asterisk import AmiServer
from trunkline.store.database import Database

USER, SECRET = "trunkline", "ami-example"
CHALLENGE = "840415273"
BANNER = b"Asterisk Call Manager/11.0.0\r\n"

Fields = dict[str, str]


def frame(**fields: str) -> bytes:
    """A frame as Asterisk writes it."""
    return ("".join(f"{key}: {value}\r\n" for key, value in fields.items()) + "\r\n").encode()


def hangup(linkedid: str) -> bytes:
    """An event that is worth keeping."""
    return frame(Event="Hangup", Channel="PJSIP/trunk-00000001", Uniqueid=linkedid, Linkedid=linkedid, Cause="16")


@dataclass
class Peer:
    """One connection at the server's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    asked: list[Fields] = field(default_factory=list)

    async def request(self) -> Fields:
        """The next request, with keys in lower case."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        request = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
        self.asked.append(request)
        return request

    def answer(self, request: Fields, response: str = "Success", **fields: str) -> None:
        """Answer `request`."""
        self.writer.write(frame(Response=response, ActionID=request["actionid"], **fields))

    async def sign_in(self) -> None:
        """Let the client in, up to its being connected."""
        self.writer.write(BANNER)
        while True:
            request = await self.request()
            if request["action"] == "Challenge":
                self.answer(request, Challenge=CHALLENGE)
            elif request["action"] == "CoreShowChannels":
                self.answer(request)
                self.writer.write(frame(Event="CoreShowChannelsComplete", ActionID=request["actionid"]))
                return
            else:
                self.answer(request)

    async def gone(self) -> None:
        """Return when the client has left, whatever it still says."""
        while await self.reader.read(65536):
            pass


Behaviour = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Plays one behaviour for each connection, one after another, the last one again and again."""

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self._behaviours = list(behaviours)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._busy: set[asyncio.Task[Any]] = set()
        self.peers: list[Peer] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        for task in self._busy:
            task.cancel()
        for peer in self.peers:
            peer.writer.transport.abort()
            with contextlib.suppress(OSError):
                await peer.writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        peer = Peer(reader, writer)
        self.peers.append(peer)
        behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        try:
            await behaviour(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._busy.discard(task)
            writer.close()


class AmiFollower(Follower):
    """What Asterisk's adapter hands on."""

    @property
    def hangups(self) -> list[str]:
        """The calls of which an end was delivered."""
        return [m.body.decode().partition("Linkedid: ")[2].split("\r\n")[0] for m in self.messages if b"Hang" in m.body]

    @property
    def snapshots(self) -> list[frozenset[str]]:
        """The calls on each list of live calls."""
        return [one.call_keys for one in self.lists]


def follower_of(port: int, **options: object) -> AmiFollower:
    """What an adapter for 127.0.0.1:`port` will hand on."""
    options = {"host": "127.0.0.1", "port": port, "username": USER, "secret": SECRET, **options}
    return AmiFollower(AsteriskAdapter.configure("main", options))


def following(port: int, **options: object) -> AbstractAsyncContextManager[AmiFollower]:
    """Such an adapter at work."""
    return at_work(follower_of(port, **options))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> PatientClock:
    """No waiting between attempts."""
    return patient_clock(monkeypatch)


async def sign_in_and_stay(peer: Peer) -> None:
    await peer.sign_in()
    await peer.gone()


async def close_at_once(_: Peer) -> None:
    pass


# Signing in ---------------------------------------------------------------------------------------------------------


async def test_the_secret_does_not_cross_the_wire_where_there_is_a_challenge() -> None:
    async with RawServer(sign_in_and_stay) as server, following(server.port) as follower:
        await follower.until_state("connected")
        asked = server.peers[0].asked
    challenge, login = asked[:2]
    proof = hashlib.md5(f"{CHALLENGE}{SECRET}".encode(), usedforsecurity=False).hexdigest()
    assert (challenge["action"], challenge["authtype"]) == ("Challenge", "MD5")
    assert (login["action"], login["authtype"], login["key"]) == ("Login", "MD5", proof)
    assert login["username"] == USER
    assert not [request for request in asked if SECRET in str(request)]


async def test_the_secret_is_sent_where_the_challenge_is_refused() -> None:
    async def no_challenge(peer: Peer) -> None:
        peer.writer.write(BANNER)
        peer.answer(await peer.request(), "Error", Message="Invalid/unknown command")
        await peer.sign_in()
        await peer.gone()

    async with RawServer(no_challenge) as server, following(server.port) as follower:
        await follower.until_state("connected")
        login = server.peers[0].asked[1]
    assert (login["action"], login["secret"], login["username"]) == ("Login", SECRET, USER)
    assert not {"key", "authtype"} & set(login)


async def test_events_are_asked_for_by_class_and_noise_is_filtered_before_the_wire() -> None:
    async with RawServer(sign_in_and_stay) as server, following(server.port) as follower:
        await follower.until_state("connected")
        asked = server.peers[0].asked
    assert set(asked[1]["events"].split(",")) >= {"call", "agent", "dialplan"}
    filters = [request for request in asked if request["action"] == "Filter"]
    assert all(request["operation"] == "Add" for request in filters)
    assert [request["filter"] for request in filters] == [
        "!Event: RTCP", "!Event: Newstate", "!Event: DeviceStateChange", "!Event: ChallengeSent",
    ]  # fmt: skip


async def test_an_account_that_may_not_filter_is_followed_all_the_same() -> None:
    async def no_filters(peer: Peer) -> None:
        peer.writer.write(BANNER)
        while True:
            request = await peer.request()
            peer.answer(request, "Error" if request["action"] in {"Filter", "Challenge"} else "Success")
            if request["action"] == "CoreShowChannels":
                peer.writer.write(frame(Event="CoreShowChannelsComplete", ActionID=request["actionid"]))
                peer.writer.write(hangup("1.1"))

    async with RawServer(no_filters) as server, following(server.port) as follower:
        await follower.until_state("connected")
        await follower.until(lambda: follower.hangups == ["1.1"])


async def test_a_refused_login_is_told_in_one_sentence_and_not_tried_in_a_hurry(clock: PatientClock) -> None:
    async def refuse(peer: Peer) -> None:
        peer.writer.write(BANNER)
        peer.answer(await peer.request(), Challenge=CHALLENGE)
        peer.answer(await peer.request(), "Error", Message="Authentication failed")

    async with RawServer(refuse) as server, following(server.port) as follower:
        await follower.until_state("disconnected", times=2)
    assert follower.sentences[0] == (
        "Asterisk refused the login of 'trunkline': check username and secret here and in manager.conf."
    )
    assert clock.pauses[:2] == [LONGEST_PAUSE_S] * 2
    assert SECRET not in str(follower.links)


async def test_options_show_no_secret() -> None:
    follower = follower_of(5038)
    login = connection_module.Login("127.0.0.1", 5038, USER, SECRET)
    assert SECRET not in f"{follower.adapter._options!r} {login!r}"


# Trouble on the wire ------------------------------------------------------------------------------------------------


async def test_malformed_frames_are_passed_over() -> None:
    async def rubbish(peer: Peer) -> None:
        await peer.sign_in()
        peer.writer.write(
            b"no colon here\r\n\xff\xfe\r\n\r\n\r\n\r\n: \r\n\r\nResponse: Success\r\nActionID: 999\r\n\r\n"
        )
        peer.writer.write(b"Event: CoreShowChannelsComplete\r\n\r\nEvent\r\n\r\n")
        peer.writer.write(hangup("1.1"))
        await peer.gone()

    async with RawServer(rubbish) as server, following(server.port) as follower:
        await follower.until(lambda: follower.hangups)
        assert follower.hangups == ["1.1"]
        assert [link.state for link in follower.links] == ["connecting", "connected"]


async def test_what_arrives_in_one_read_is_delivered_in_one_batch() -> None:
    async def three_at_once(peer: Peer) -> None:
        await peer.sign_in()
        peer.writer.write(hangup("1.1") + hangup("1.2") + hangup("1.3"))
        await peer.gone()

    async with RawServer(three_at_once) as server, following(server.port) as follower:
        await follower.until(lambda: len(follower.hangups) == 3)
    assert follower.batches.count(3) == 1


async def test_a_frame_without_end_means_a_new_connection(clock: PatientClock) -> None:
    async def endless(peer: Peer) -> None:
        await peer.sign_in()
        peer.writer.write(b"Event: Hangup\r\n" + b"x" * (LARGEST_FRAME + 1))
        await peer.gone()

    async with RawServer(endless, sign_in_and_stay) as server, following(server.port) as follower:
        await follower.until_state("connected", times=2)
    (sentence,) = follower.sentences
    assert "sent a message without end; it does not speak AMI" in sentence
    assert clock.pauses == [FIRST_PAUSE_S]


async def test_a_frame_that_was_cut_off_is_not_delivered(clock: PatientClock) -> None:
    async def cut(peer: Peer) -> None:
        await peer.sign_in()
        peer.writer.write(hangup("1.1") + hangup("1.2")[:-10])

    async with RawServer(cut, sign_in_and_stay) as server, following(server.port) as follower:
        await follower.until_state("connected", times=2)
    assert follower.hangups == ["1.1"]
    assert clock.pauses == [FIRST_PAUSE_S]


async def test_pauses_between_attempts_grow_to_half_a_minute(clock: PatientClock) -> None:
    async with RawServer(close_at_once) as server, following(server.port) as follower:
        await follower.until_state("disconnected", times=10)
    assert clock.pauses[:9] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert [link.state for link in follower.links][:3] == ["connecting", "disconnected", "disconnected"]
    assert set(follower.sentences) == {"Asterisk closed the connection; trying again."}


async def test_after_a_good_connection_pauses_begin_short_again(clock: PatientClock) -> None:
    async def sign_in_and_close(peer: Peer) -> None:
        await peer.sign_in()

    async with (
        RawServer(close_at_once, close_at_once, sign_in_and_close, sign_in_and_stay) as server,
        following(server.port) as follower,
    ):
        await follower.until_state("connected", times=2)
    assert clock.pauses == [0.5, 1.0, 0.5]
    states = [link.state for link in follower.links]
    assert states == ["connecting", "disconnected", "disconnected", "connected", "disconnected", "connected"]


async def test_a_port_where_nobody_listens_is_told_in_one_sentence(clock: PatientClock) -> None:
    async with RawServer(close_at_once) as server:
        port = server.port
    async with following(port) as follower:
        await follower.until_state("disconnected", times=3)
    assert follower.sentences[0] == f"Asterisk at 127.0.0.1:{port} does not answer (connection refused); trying again."
    assert clock.pauses[:2] == [0.5, 1.0]


async def test_a_connection_that_was_reset_is_told_and_made_anew(clock: PatientClock) -> None:
    async def reset(peer: Peer) -> None:
        await peer.sign_in()
        peer.writer.transport.abort()

    async with RawServer(reset, sign_in_and_stay) as server, following(server.port) as follower:
        await follower.until_state("connected", times=2)
    assert follower.sentences[0].startswith("Asterisk ")
    assert follower.sentences[0].endswith("trying again.")
    assert clock.pauses == [0.5]


@pytest.mark.usefixtures("clock")
async def test_a_peer_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "CONNECT_TIMEOUT_S", 0.2)

    async def silent(peer: Peer) -> None:
        await peer.gone()

    async with RawServer(silent) as server, following(server.port) as follower:
        await follower.until_state("disconnected")
        assert follower.sentences[0] == (
            f"Asterisk at 127.0.0.1:{server.port} does not answer (no answer in time); trying again."
        )


async def test_a_peer_that_stops_answering_pings_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def deaf(peer: Peer) -> None:
        await peer.sign_in()
        monkeypatch.setattr(connection_module, "ANSWER_TIMEOUT_S", 0.1)
        await peer.gone()

    monkeypatch.setattr(connection_module, "PING_EVERY_S", 0.01)
    async with RawServer(deaf) as server, following(server.port) as follower:
        await follower.until_state("disconnected")
    assert "(no answer in time)" in follower.sentences[0]


async def test_pings_keep_an_idle_connection() -> None:
    pinged = asyncio.Event()

    async def answer_pings(peer: Peer) -> None:
        await peer.sign_in()
        for _ in range(3):
            request = await peer.request()
            assert request["action"] == "Ping"
            peer.answer(request, Ping="Pong")
        pinged.set()
        await peer.gone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection_module, "PING_EVERY_S", 0.01)
        async with RawServer(answer_pings) as server, following(server.port) as follower:
            await asyncio.wait_for(pinged.wait(), ENOUGH_S)
            assert [link.state for link in follower.links] == ["connecting", "connected"]


# TLS ----------------------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that `name` signed itself: the file to trust, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


async def test_a_pbx_with_a_certificate_of_our_own_authority_is_followed_over_tls(tmp_path: Path) -> None:
    trusted, context = certificate(tmp_path, "ours")

    async def one_call(peer: Peer) -> None:
        assert peer.writer.get_extra_info("ssl_object") is not None
        await peer.sign_in()
        peer.writer.write(hangup("1.1"))
        await peer.gone()

    async with (
        RawServer(one_call, tls=context) as server,
        following(server.port, tls=True, ca_file=str(trusted)) as follower,
    ):
        await follower.until(lambda: follower.hangups == ["1.1"])


async def test_an_unknown_certificate_is_refused_before_anything_is_said(tmp_path: Path, clock: PatientClock) -> None:
    _, context = certificate(tmp_path, "theirs")
    trusted, _ = certificate(tmp_path, "ours")
    async with (
        RawServer(sign_in_and_stay, tls=context) as server,
        following(server.port, tls=True, ca_file=str(trusted)) as follower,
    ):
        await follower.until_state("disconnected", times=2)
        assert server.peers == []
    assert "certificate verify failed" in follower.sentences[0]
    assert clock.pauses[:1] == [0.5]


async def test_a_pbx_without_tls_is_not_followed_where_tls_is_asked_for(clock: PatientClock) -> None:
    async def plain(peer: Peer) -> None:
        peer.writer.write(BANNER)
        await peer.gone()

    async with RawServer(plain) as server, following(server.port, tls=True) as follower:
        await follower.until_state("disconnected")
    assert "does not answer (" in follower.sentences[0]
    assert clock.pauses[:1] == [0.5]


# What happened while we were away -----------------------------------------------------------------------------------


async def test_the_list_of_live_calls_names_each_call_once_and_by_its_system() -> None:
    async with AmiServer() as server:
        server.live = {
            "1.1": {"Channel": "PJSIP/trunk-01", "Linkedid": "1.1"},
            "1.2": {"Channel": "PJSIP/201-02", "Linkedid": "1.1"},
            "1.3": {"Channel": "PJSIP/trunk-03", "Linkedid": "1.3", "SystemName": "west"},
        }
        async with following(server.port) as follower:
            await follower.until_state("connected")
    assert follower.snapshots == [frozenset({"1.1", "west:1.3"})]
    assert follower.messages[-1].body.count(b"Live: ") == 2


async def test_a_list_of_live_calls_that_never_ends_means_a_new_connection(
    clock: PatientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_TIMEOUT_S", 0.3)

    async def never_complete(peer: Peer) -> None:
        peer.writer.write(BANNER)
        while True:
            request = await peer.request()
            peer.answer(request)
            if request["action"] == "CoreShowChannels":
                peer.writer.write(frame(Event="CoreShowChannel", ActionID=request["actionid"], Linkedid="1.1"))

    async with RawServer(never_complete) as server, following(server.port) as follower:
        await follower.until_state("disconnected")
    assert follower.snapshots == []  # half a list would end calls that are still alive
    assert clock.pauses[:1] == [0.5]


async def test_calls_that_vanished_while_we_were_away_are_ended_and_others_are_not(
    database: Database, clock: PatientClock
) -> None:
    async with AmiServer() as server:
        follower = follower_of(server.port)
        account = PhoneAccount(1_000_001, "main", "US", follower.adapter)
        ended: list[int] = []

        async def on_ended(_tenant_id: int, call_id: int) -> None:
            ended.append(call_id)

        identification = Identification(database, {})
        desk = CallDesk(database, Inbox(database), Tracker(database, identification, on_ended), identification)

        async def deliver(messages: Sequence[RawMessage]) -> None:
            await desk.receive(account, messages)
            await follower.deliver(messages)

        task = asyncio.create_task(follower.adapter.run(deliver, follower.report))
        try:
            await follower.until_state("connected")
            for linkedid in ("1.1", "1.2"):
                channel = {
                    "Channel": f"PJSIP/trunk-{linkedid[2:].zfill(8)}", "Context": "from-trunk", "Exten": "4375550100",
                    "CallerIDNum": f"437555014{linkedid[2:]}", "Uniqueid": linkedid, "Linkedid": linkedid,
                }  # fmt: skip
                server.live[linkedid] = channel
                server.emit("Newchannel", channel)
            await follower.until(lambda: b"Linkedid: 1.2" in follower.messages[-1].body)
            await desk.drain()
            del server.live["1.1"]
            server.drop_connections()
            await follower.until_state("connected", times=2)
            await desk.drain()
            async with database.connection() as connection:
                cursor = await connection.execute("select external_number, state from calls.calls")
                states = dict(await cursor.fetchall())
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await desk.close()
    assert states == {"+14375550141": "ended", "+14375550142": "new"}
    assert len(ended) == 1
    assert clock.pauses == [0.5]

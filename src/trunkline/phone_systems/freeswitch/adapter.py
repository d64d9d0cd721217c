"""The adapter: options, and its parts - connection, call records, calls that we set up, parser - put together."""

import base64
import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

import httpx
import msgspec

from trunkline.phone_systems.base import Capability, Deliver, Originated, Parsed, RawMessage, Report, Unreadable
from trunkline.phone_systems.delivery import Answer, Delivery, Refused, any_holds, fingerprint
from trunkline.phone_systems.freeswitch.cdr import is_record, parse_record, unpacked
from trunkline.phone_systems.freeswitch.connection import Connection
from trunkline.phone_systems.freeswitch.originate import Dialling, originate
from trunkline.phone_systems.freeswitch.parse import is_relevant, parse_event
from trunkline.phone_systems.freeswitch.session import Login
from trunkline.phone_systems.freeswitch.shop import Shop
from trunkline.phone_systems.freeswitch.wire import Event, read_event
from trunkline.phone_systems.options import read_options

_DEFAULT_PASSWORD = "ClueCon"  # noqa: S105 - what FreeSWITCH is shipped with, and everybody knows


class FreeSwitchOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How to reach one FreeSWITCH, what its records prove themselves with, and what its dialplan looks like.

    `cdr_passwords` are several so that they can be changed without a gap; without any, no record is taken. No
    `trunk_gateways` means that every gateway is a trunk.
    """

    host: str
    password: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8021
    cdr_username: str = "trunkline"
    cdr_passwords: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] = ()
    trunk_profiles: tuple[str, ...] = ("external",)
    trunk_gateways: tuple[str, ...] = ()
    trunk_contexts: tuple[str, ...] = ("public",)
    extension_pattern: str = "[0-9]{2,6}"
    voicemail_apps: tuple[str, ...] = ("voicemail",)
    dial_endpoint: str = "user/{agent}"
    dial_prefix: str = ""
    dial_context: str = "default"

    def __repr__(self) -> str:
        return f"FreeSwitchOptions(host={self.host!r}, port={self.port}, {len(self.cdr_passwords)} cdr_passwords)"


class FreeSwitchAdapter:
    """FreeSWITCH over its event socket, with the records that it posts."""

    system: ClassVar[str] = "freeswitch"
    capabilities: ClassVar[Capability] = Capability.STREAM | Capability.WEBHOOK | Capability.ORIGINATE
    acknowledgement: ClassVar[Answer] = Answer(200)

    def __init__(self, account: str, options: FreeSwitchOptions) -> None:
        self.account = account
        _check(account, options)
        self._login = Login(options.host, options.port, options.password)
        self._dialling = Dialling(options.dial_endpoint, options.dial_prefix, options.dial_context)
        self._credentials = [_basic(options.cdr_username, password) for password in options.cdr_passwords]
        self._shop = Shop(
            account,
            frozenset(options.trunk_profiles),
            frozenset(options.trunk_gateways),
            frozenset(options.trunk_contexts),
            re.compile(options.extension_pattern),
            options.voicemail_apps,
        )

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(FreeSwitchOptions, account, options))

    def verify(self, delivery: Delivery) -> RawMessage:
        """Prove who posted a call record, by HTTP Basic. A record that is posted again is known however it is wrapped.

        Raises:
            Refused: the credentials are missing or wrong, or none are set up.
        """
        scheme, _, proof = delivery.header("authorization").partition(" ")
        if scheme.lower() != "basic" or not any_holds(proof, self._credentials):
            raise Refused("The user name and password are none of this account's.")
        return RawMessage(
            delivery.body, delivery.received_at, delivery_id=f"cdr:{fingerprint(_content(delivery.body))}"
        )

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one event of the event socket, or in one call record.

        Raises:
            Unreadable: it is neither, is broken, or does not say which call it is about.
        """
        event = _read(unpacked(message.body))
        if event.name:
            return parse_event(self._shop, event, message.received_at)
        if is_record(event.values):
            return list(parse_record(self._shop, event.values))
        raise Unreadable("This is neither an event of FreeSWITCH nor a call record.")

    async def run(self, deliver: Deliver, report: Report) -> None:
        """Stay connected until cancelled."""
        await Connection(self._login, lambda event: is_relevant(self._shop, event), deliver, report).run()

    async def originate(
        self, http: httpx.AsyncClient, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Ring the extension `agent` (with `@domain` where FreeSWITCH has several), then call `number` (E.164).

        Raises:
            PhoneSystemError: nothing was set up, or nobody knows.
        """
        return await originate(self._login, self._dialling, agent, number, caller_id)


def _check(account: str, options: FreeSwitchOptions) -> None:
    secrets = (options.password, *options.cdr_passwords)
    if _DEFAULT_PASSWORD in secrets:
        raise ValueError(
            f"Phone system {account}: the password is the one that FreeSWITCH is shipped with; choose another."
        )
    if not options.password or any(sign in options.password for sign in "\r\n"):
        raise ValueError(f"Phone system {account}: the password must not be empty, and is one line.")
    try:
        re.compile(options.extension_pattern)
    except re.error:
        raise ValueError(f"Phone system {account}: extension_pattern is no regular expression.") from None
    if "{agent}" not in options.dial_endpoint:
        raise ValueError(f"Phone system {account}: dial_endpoint has no {{agent}} in it.")


def _basic(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def _content(body: bytes) -> bytes:
    try:
        return unpacked(body)
    except Unreadable:  # kept as it is, for whoever reads why it cannot be read
        return body


def _read(body: bytes) -> Event:
    try:
        return read_event(body)
    except ValueError as error:
        raise Unreadable(f"The message cannot be read: {error}.") from None

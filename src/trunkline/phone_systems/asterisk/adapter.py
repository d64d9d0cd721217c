"""The adapter: options, and the two halves - connection and parser - put together."""

from collections.abc import Mapping
from typing import ClassVar, Self

import msgspec

from trunkline.phone_systems.asterisk.connection import Connection, Login
from trunkline.phone_systems.asterisk.parse import TRUNK_CONTEXTS, Shop, parse_frame
from trunkline.phone_systems.asterisk.wire import read_frame
from trunkline.phone_systems.base import Capability, Deliver, Parsed, RawMessage, Report
from trunkline.phone_systems.options import read_options


class AsteriskOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How to reach one Asterisk. Trunk contexts are added to the usual ones; trunk endpoints replace the default."""

    host: str
    username: str
    secret: str
    port: int = 5038
    tls: bool = False
    ca_file: str | None = None
    trunk_contexts: tuple[str, ...] = ()
    trunk_endpoints: tuple[str, ...] = ("trunk",)

    def __repr__(self) -> str:
        return f"AsteriskOptions(host={self.host!r}, port={self.port}, username={self.username!r})"


class AsteriskAdapter:
    """Asterisk over AMI."""

    system: ClassVar[str] = "asterisk"
    capabilities: ClassVar[Capability] = Capability.STREAM

    def __init__(self, account: str, options: AsteriskOptions) -> None:
        self.account = account
        self._options = options
        self._shop = Shop(
            account, TRUNK_CONTEXTS | frozenset(options.trunk_contexts), frozenset(options.trunk_endpoints)
        )

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(AsteriskOptions, account, options))

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one AMI frame.

        Raises:
            Unreadable: it does not say which call it is about.
        """
        return parse_frame(self._shop, read_frame(message.body), message.received_at)

    async def run(self, deliver: Deliver, report: Report) -> None:
        """Stay connected until cancelled."""
        options = self._options
        login = Login(options.host, options.port, options.username, options.secret, options.tls, options.ca_file)
        await Connection(login, deliver, report).run()

"""The adapter: options, and the two halves - connection and parser - put together."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import ClassVar, Self

import httpx
import msgspec

from trunkline.phone_systems.asterisk.connection import Connection, Login
from trunkline.phone_systems.asterisk.parse import Shop, parse_frame
from trunkline.phone_systems.asterisk.wire import read_frame
from trunkline.phone_systems.asterisk_names import TRUNK_CONTEXTS
from trunkline.phone_systems.base import HISTORY_KIND, Capability, Deliver, Parsed, RawMessage, Report, Unreadable
from trunkline.phone_systems.cdr_file.adapter import SETTLES_S, CdrFile, CdrFileOptions
from trunkline.phone_systems.errors import NeedsFixing
from trunkline.phone_systems.options import read_options


class AsteriskOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How to reach one Asterisk. Trunk contexts are added to the usual ones; trunk endpoints replace the default.

    `cdr_file` says where its call records are, if they are on this machine; what leads outside is said once, here.
    """

    host: str
    username: str
    secret: str
    port: int = 5038
    tls: bool = False
    ca_file: str | None = None
    trunk_contexts: tuple[str, ...] = ()
    trunk_endpoints: tuple[str, ...] = ("trunk",)
    cdr_file: CdrFileOptions | None = None

    def __repr__(self) -> str:
        return f"AsteriskOptions(host={self.host!r}, port={self.port}, username={self.username!r})"


class AsteriskAdapter:
    """Asterisk over AMI; its history is in a file."""

    system: ClassVar[str] = "asterisk"
    capabilities: ClassVar[Capability] = Capability.STREAM | Capability.HISTORY
    settles_s: ClassVar[float] = SETTLES_S

    def __init__(self, account: str, options: AsteriskOptions) -> None:
        self.account = account
        self._options = options
        self._shop = Shop(
            account, TRUNK_CONTEXTS | frozenset(options.trunk_contexts), frozenset(options.trunk_endpoints)
        )
        self._records = _records(account, options)

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(AsteriskOptions, account, options))

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one AMI frame, or the record in one row of the file.

        Raises:
            Unreadable: it does not say which call it is about, or is no record.
        """
        if message.kind == HISTORY_KIND:
            if self._records is None:
                raise Unreadable("The row is of a file that the option cdr_file does not name any more.")
            return self._records.parse(message)
        return parse_frame(self._shop, read_frame(message.body), message.received_at)

    async def run(self, deliver: Deliver, report: Report) -> None:
        """Stay connected until cancelled."""
        options = self._options
        login = Login(options.host, options.port, options.username, options.secret, options.tls, options.ca_file)
        await Connection(login, deliver, report).run()

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """Pages of the rows of calls that began from `since` to before `until`; nothing is asked over the network.

        Raises:
            NeedsFixing: no file is named, or it cannot be read.
        """
        if self._records is None:
            raise NeedsFixing("The option cdr_file does not say where Asterisk's call records are.")
        async for page in self._records.pages(since, until):
            yield page


def _records(account: str, options: AsteriskOptions) -> CdrFile | None:
    if options.cdr_file is None:
        return None
    outside = {"trunk_contexts": options.trunk_contexts, "trunk_endpoints": options.trunk_endpoints}
    return CdrFile("asterisk", account, msgspec.structs.replace(options.cdr_file, **outside))

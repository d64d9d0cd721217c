"""The adapter: options, and its parts - connection, parser, and the answer to who calls - put together.

AMI tells of every ring, so a question about the caller tells of none: it is answered, and makes no call.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import ClassVar, Self

import httpx
import msgspec

from trunkline.phone_systems.asterisk.connection import Connection, Login
from trunkline.phone_systems.asterisk.originate import Dialling, originate
from trunkline.phone_systems.asterisk.parse import Shop, parse_frame
from trunkline.phone_systems.asterisk.wire import read_frame
from trunkline.phone_systems.asterisk_names import TRUNK_CONTEXTS
from trunkline.phone_systems.base import (
    HISTORY_KIND,
    Caller,
    Capability,
    Deliver,
    Originated,
    Parsed,
    Question,
    RawMessage,
    Report,
    Unreadable,
)
from trunkline.phone_systems.caller_id import asked_number, check_bearer, check_keys, for_display
from trunkline.phone_systems.cdr_file.adapter import SETTLES_S, CdrFile, CdrFileOptions
from trunkline.phone_systems.delivery import Answer, Delivery, Refused
from trunkline.phone_systems.errors import NotSetUp
from trunkline.phone_systems.options import read_options


class AsteriskOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How to reach one Asterisk. Trunk contexts are added to the usual ones; trunk endpoints replace the default.

    A dialplan that asks who calls names one of `caller_id_tokens`; several are accepted, so that they can be changed
    without a gap.
    Calls that we set up ring `originate_channel`, then dial `dial_prefix` and the number, country code first, in
    `originate_context`. `cdr_file` says where its call records are, if they are on this machine; what leads outside is
    said once, here.
    """

    host: str
    username: str
    secret: str
    port: int = 5038
    tls: bool = False
    ca_file: str | None = None
    trunk_contexts: tuple[str, ...] = ()
    trunk_endpoints: tuple[str, ...] = ("trunk",)
    caller_id_tokens: tuple[str, ...] = ()
    originate_channel: str = "PJSIP/{agent}"
    originate_context: str = "from-internal"
    dial_prefix: str = ""
    cdr_file: CdrFileOptions | None = None

    def __repr__(self) -> str:
        return f"AsteriskOptions(host={self.host!r}, port={self.port}, username={self.username!r})"


class AsteriskAdapter:
    """Asterisk over AMI, the answer for its dialplan, and its history from a file."""

    system: ClassVar[str] = "asterisk"
    capabilities: ClassVar[Capability] = (
        Capability.STREAM | Capability.CALLER_ID | Capability.HISTORY | Capability.ORIGINATE
    )
    settles_s: ClassVar[float] = SETTLES_S

    def __init__(self, account: str, options: AsteriskOptions) -> None:
        self.account = account
        check_keys(account, "caller_id_tokens", options.caller_id_tokens)
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
        await Connection(self._login, deliver, report).run()

    @property
    def _login(self) -> Login:
        options = self._options
        return Login(options.host, options.port, options.username, options.secret, options.tls, options.ca_file)

    async def originate(
        self, http: httpx.AsyncClient, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Ring the extension `agent`, then call `number`; nothing is asked over HTTP.

        Raises:
            PhoneSystemError: as :func:`trunkline.phone_systems.asterisk.originate.originate`.
        """
        options = self._options
        dialling = Dialling(options.originate_channel, options.originate_context, options.dial_prefix)
        return await originate(self._login, dialling, agent, number, caller_id)

    def question(self, delivery: Delivery) -> Question:
        """Who calls from `?number=`; the token is a Bearer key, or Basic's password as FreePBX sends it.

        Raises:
            Refused: no token is set up, it is missing or wrong, or there is no number.
        """
        if not self._options.caller_id_tokens:
            raise Refused("This phone system has no caller_id_tokens, so nobody may ask.", status=403)
        check_bearer(delivery, self._options.caller_id_tokens, or_basic=True)
        return Question(asked_number(delivery))

    def tell(self, question: Question, caller: Caller | None) -> Answer:
        """The name for the display: one line of UTF-8, empty where nobody is known."""
        label = for_display(caller.label) if caller else ""
        return Answer(body=label.encode(), media_type="text/plain; charset=utf-8")

    async def history(
        self, http: httpx.AsyncClient, since: datetime, until: datetime
    ) -> AsyncIterator[list[RawMessage]]:
        """Pages of the rows of calls that began from `since` to before `until`; nothing is asked over the network.

        Raises:
            NotSetUp: no file is named.
            NeedsFixing: it cannot be read.
        """
        if self._records is None:
            raise NotSetUp("The option cdr_file does not say where Asterisk's call records are.")
        async for page in self._records.pages(since, until):
            yield page


def _records(account: str, options: AsteriskOptions) -> CdrFile | None:
    if options.cdr_file is None:
        return None
    outside = {"trunk_contexts": options.trunk_contexts, "trunk_endpoints": options.trunk_endpoints}
    return CdrFile("asterisk", account, msgspec.structs.replace(options.cdr_file, **outside))

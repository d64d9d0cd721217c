"""Looking at phone systems as their administrator does: what each says, what was understood of it, and the ledger."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from trunkline.calls.account import PhoneAccount
from trunkline.calls.intake import StoredMessage
from trunkline.calls.reading import in_memory, understand
from trunkline.calls.tracker import Tracker
from trunkline.domain.call import Call
from trunkline.domain.events import CallEvent, LiveCalls
from trunkline.domain.masking import without_numbers, without_secrets
from trunkline.phone_systems.base import Capability, RawMessage, SetUpByFile
from trunkline.store import calls as call_rows
from trunkline.store import inspection, watch
from trunkline.store.database import Database

COUNT_DAYS = 7
LEDGER_DAYS = 14
LONGEST_SHOWN = 20_000
LEARN_SPAN = timedelta(days=1)
LEARN_MOST = 5_000


class SystemView(msgspec.Struct, frozen=True):
    """One phone system. `unread` messages and `refused` deliveries are of the last seven days, `refused_because` is why
    the latest was; times are UTC."""

    account: str
    system: str
    capabilities: list[str]
    learning: bool
    state: str | None
    detail: str | None
    heard_at: datetime | None
    unread: int
    refused: int
    refused_because: str | None
    set_up_by_file: bool = False


class Phones(msgspec.Struct, frozen=True):
    """All phone systems of a company, what is wrong with them now, and their ledger of two weeks."""

    systems: list[SystemView]
    alarms: list[watch.Alarm]
    ledger: list[watch.LedgerDay]


class ParsedView(msgspec.Struct, frozen=True):
    """One event that a message was understood as."""

    kind: str
    call_key: str
    occurred_at: datetime | None = None
    fields: dict[str, str] = {}


class MessageView(msgspec.Struct, frozen=True):
    """One raw message and what is understood of it now; `problem` says why that is nothing."""

    id: int
    received_at: datetime
    kind: str
    delivery_id: str | None
    raw: str
    events: list[ParsedView]
    problem: str | None
    calls: list[int]


class NoSuchAccount(LookupError):
    """The company has no phone system of this name."""


class Inspector:
    """`accounts` are those that are followed now, by tenant and name; a network's stand under tenant 0."""

    def __init__(self, database: Database, tracker: Tracker, accounts: Mapping[tuple[int, str], PhoneAccount]) -> None:
        self._database = database
        self._tracker = tracker
        self._accounts = accounts

    async def phones(self, tenant_id: int) -> Phones:
        """Every phone system of a company. Raises `DatabaseUnavailable`."""
        accounts = self._of(tenant_id)
        shared = [one.name for one in accounts if one.network]
        async with self._database.connection() as connection:
            links = {name: (state, detail) for name, state, _, detail in await call_rows.connections(
                connection, tenant_id, shared
            )}  # fmt: skip
            systems = []
            for one in accounts:
                counts = await inspection.counts(connection, one.tenant_id, one.name, days=COUNT_DAYS)
                systems.append(_system(one, links.get(one.name, (None, None)), counts))
            return Phones(
                systems,
                await watch.alarms(connection, tenant_id, shared),
                await watch.ledger(connection, tenant_id, shared, days=LEDGER_DAYS),
            )

    async def messages(
        self, tenant_id: int, name: str, *, unread: bool, before: int | None, limit: int, numbers: bool
    ) -> list[MessageView]:
        """What a phone system said, the newest first. Secrets are taken out; numbers are masked unless `numbers`,
        wherever they stand.

        Raises:
            NoSuchAccount: the company has none of this name.
            DatabaseUnavailable: it cannot be told now.
        """
        account = self.account(tenant_id, name)
        async with self._database.connection() as connection:
            found = await inspection.messages(
                connection, account.tenant_id, name, unread=unread, before=before, limit=limit
            )
        return [_message(account, row, [], numbers=numbers) for row in found]

    async def message(self, tenant_id: int, name: str, message_id: int, *, numbers: bool) -> MessageView | None:
        """One message, with the calls it told of; raises as :meth:`messages`."""
        account = self.account(tenant_id, name)
        async with self._database.connection() as connection:
            row = await inspection.message(connection, account.tenant_id, name, message_id)
            calls = await inspection.calls_of_message(connection, message_id) if row else []
        return _message(account, row, calls, numbers=numbers) if row else None

    async def learned(self, tenant_id: int, name: str) -> list[Call]:
        """The calls that the messages of the last day would make, the newest first; raises as :meth:`messages`."""
        account = self.account(tenant_id, name)
        since = datetime.now(UTC) - LEARN_SPAN
        async with self._database.connection() as connection:
            found = await inspection.messages(
                connection, account.tenant_id, name, unread=False, before=None, limit=LEARN_MOST
            )
        messages = [(row.id, _raw(row)) for row in reversed(found) if row.received_at >= since]
        return in_memory(account.adapter, messages, region=account.region)[::-1]

    async def rebuild(self, tenant_id: int, call_id: int) -> bool:
        """Make a call anew of its messages, as they are understood now; false where the company has no such call."""
        async with self._database.connection() as connection:
            known = (await call_rows.load(connection, [call_id])).calls.get(call_id)
            stored = await inspection.messages_of_call(connection, call_id)
        if known is None or known.tenant_id != tenant_id:
            return False
        told: dict[tuple[int, str], list[StoredMessage]] = {}
        for owner, name, row in stored:
            if (owner, name) not in self._accounts:
                raise NoSuchAccount(f"The phone system {name} is not set up any more; its calls stay as they are.")
            told.setdefault((owner, name), []).append(StoredMessage(row.id, _raw(row)))
        await self._tracker.rebuild(call_id, [(self._accounts[key], told[key]) for key in sorted(told)])
        return True

    def account(self, tenant_id: int, name: str) -> PhoneAccount:
        """The company's phone system of this name.

        Raises:
            NoSuchAccount: there is none.
        """
        for one in self._of(tenant_id):
            if one.name == name:
                return one
        raise NoSuchAccount(f"No phone system with the name {name[:40]!r} is set up for this company.")

    def _of(self, tenant_id: int) -> list[PhoneAccount]:
        return sorted((one for one in self._accounts.values() if tenant_id in one.tenant_ids), key=lambda one: one.name)


def _system(
    account: PhoneAccount, link: tuple[str | None, str | None], counts: tuple[int, int, str | None, datetime | None]
) -> SystemView:
    unread, refused, because, heard_at = counts
    return SystemView(
        account.name,
        account.adapter.system,
        [one.name.lower().replace("_", "-") for one in Capability if one in account.adapter.capabilities and one.name],
        account.learn,
        *link,
        heard_at,
        unread,
        refused,
        because,
        isinstance(account.adapter, SetUpByFile),
    )


def _raw(row: inspection.StoredRow) -> RawMessage:
    return RawMessage(row.body, row.received_at, row.delivery_id, row.kind)


def _message(account: PhoneAccount, row: inspection.StoredRow, calls: Sequence[int], *, numbers: bool) -> MessageView:
    events, problem = understand(account.adapter, row.id, _raw(row))
    shown = (lambda text: text) if numbers else without_numbers
    raw = without_secrets(row.body[:LONGEST_SHOWN].decode("utf-8", "replace"))
    said = problem or row.error
    return MessageView(
        row.id,
        row.received_at,
        row.kind,
        shown(row.delivery_id) if row.delivery_id else None,
        shown(raw),
        [_event(event, shown) for event in events],
        shown(said) if said else None,
        list(calls),
    )


def _event(event: CallEvent | LiveCalls, shown: Callable[[str], str]) -> ParsedView:
    if not isinstance(event, CallEvent):
        return ParsedView("live calls", shown(", ".join(sorted(event.call_keys))) or "none", event.as_of)
    told = {
        "leg": event.leg_key,
        "direction": event.direction,
        "number": event.external_number,
        "name": event.external_name,
        "did": event.did,
        "party": _party(event),
        "queue": event.queue,
        "reason": event.reason,
        "recording": event.media_url,
        "text": event.text,
    }
    return ParsedView(
        event.kind.value,
        shown(event.call_key),  # some are made of the number
        event.occurred_at,
        {name: shown(str(value)) for name, value in told.items() if value is not None},
    )


def _party(event: CallEvent) -> str | None:
    party = event.party
    if party is None:
        return None
    who = " ".join(part for part in (party.extension, party.name) if part) or party.provider_id or party.email
    return f"{who} ({party.kind.value})" if who else party.kind.value

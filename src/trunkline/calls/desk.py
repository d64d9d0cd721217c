"""What the rest of the service asks of calls: one door for messages in, and the views people read."""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence

import structlog

from trunkline.calls.account import PhoneAccount
from trunkline.calls.feed import to_view
from trunkline.calls.identify import Identification
from trunkline.calls.intake import Inbox, StoredMessage
from trunkline.calls.joiner import Joiner
from trunkline.calls.tracker import Tracker
from trunkline.calls.views import CallDetail, CallView, ConnectionView, EventView, NetworkCard, WriteView
from trunkline.domain import phone
from trunkline.domain.caller import CallerCard
from trunkline.domain.events import CallEvent, EventKind
from trunkline.domain.network import owner, shared_card
from trunkline.phone_systems.base import LinkState, RawMessage
from trunkline.store import calls as rows
from trunkline.store import joins, views
from trunkline.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

JUST_ENDED_S = 30 * 60
BOARD_LIMIT = 100
RETRY_S = 0.5
# So many messages at once are a storm: there each batch is followed by a break as long as it took, up to a limit.
STORM = 16
LONGEST_BREAK_S = 0.1


class CallDesk:
    """The facade of the room. Messages of one account are understood in order, by a worker of their own."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        tracker: Tracker,
        identification: Identification,
        joiner: Joiner | None = None,
    ) -> None:
        self._database = database
        self._joiner = joiner
        self._inbox = inbox
        self._tracker = tracker
        self._identification = identification
        self._queues: dict[str, asyncio.Queue[StoredMessage]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._accounts: dict[str, PhoneAccount] = {}

    async def receive(self, account: PhoneAccount, messages: Sequence[RawMessage], *, patient: bool = True) -> None:
        """Store `messages`, durably on return; they are understood a moment later.

        Raises:
            DatabaseUnavailable: the caller is not patient, and they could not be stored.
        """
        stored = await self._inbox.append(account, messages, patient=patient)
        self._accounts[account.name] = account  # whom it serves may change while its worker goes on
        queue = self._queues.setdefault(account.name, asyncio.Queue())
        for message in stored:
            queue.put_nowait(message)
        if account.name not in self._workers:
            self._workers[account.name] = asyncio.create_task(self._work(account.name, queue))

    async def _work(self, name: str, queue: asyncio.Queue[StoredMessage]) -> None:
        while True:
            batch = [await queue.get()]
            while not queue.empty():
                batch.append(queue.get_nowait())
            began = time.monotonic()
            await self._take(self._accounts[name], batch)
            for _ in batch:
                queue.task_done()
            if len(batch) >= STORM:  # what is not stored is not acknowledged: taking in goes first
                await asyncio.sleep(min(LONGEST_BREAK_S, time.monotonic() - began))

    async def _take(self, account: PhoneAccount, batch: Sequence[StoredMessage]) -> None:
        while True:
            try:
                await self._tracker.take(account, batch)
                if self._joiner is not None:
                    await self._joiner.look(account)
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_S)
            except Exception:
                # The messages stay in the inbox; the sweeper takes them up again, one process or the next.
                log.exception("messages could not be taken to their calls", account=account.name)
                return
            else:
                return

    async def understood(self, account: str) -> None:
        """Wait until everything received of this phone system so far is understood."""
        if account in self._queues:
            await self._queues[account].join()

    async def drain(self) -> None:
        """Wait until everything received is understood."""
        await asyncio.gather(*(queue.join() for queue in self._queues.values()))

    async def close(self) -> None:
        """Stop the workers; what they leave is in the inbox."""
        for worker in self._workers.values():
            worker.cancel()
        await asyncio.gather(*self._workers.values(), return_exceptions=True)

    @property
    def trouble(self) -> str | None:
        """One sentence for people while messages cannot be stored."""
        return self._inbox.trouble

    async def board(self, tenant_id: int) -> list[CallView]:
        """Calls in progress and those that ended within half an hour, the newest first."""
        async with self._database.connection() as connection:
            found = await views.board(connection, tenant_id, ended_within_s=JUST_ENDED_S, limit=BOARD_LIMIT)
        return [to_view(row) for row in found]

    async def recent(self, tenant_id: int, *, limit: int, before_id: int | None = None) -> list[CallView]:
        """All calls, the newest first; go on with the id of the last one seen."""
        async with self._database.connection() as connection:
            return [to_view(row) for row in await views.recent(connection, tenant_id, before_id=before_id, limit=limit)]

    async def detail(self, tenant_id: int, call_id: int) -> CallDetail | None:
        """One call with its events and what was written; `None` where the tenant has no such call."""
        async with self._database.connection() as connection:
            found = await views.by_ids(connection, [call_id])
            if not found or found[0].tenant_id != tenant_id:
                return None
            events = await views.events(connection, call_id)
            writes = await views.writes(connection, call_id)
            joined = await joins.joined_to(connection, call_id)
        return CallDetail(
            to_view(found[0]),
            tuple(_event_view(event) for event in events),
            tuple(
                WriteView(w.action, w.target_id, w.text, w.state, w.intended_at, w.remote_id, w.finished_at)
                for w in writes
            ),
            tuple(joined),
        )

    async def lookup(self, tenant_id: int, text: str, *, region: str = "US") -> CallerCard:
        """Who has this number.

        Raises:
            ValueError: with one sentence: it is no phone number.
            DatabaseUnavailable: it cannot be told now.
        """
        return await self._identification.card(tenant_id, read_number(text, region))

    def lookup_json(self, tenant_id: int, text: str, *, region: str = "US") -> Awaitable[bytes]:
        """As :meth:`lookup`, as JSON."""
        return self._identification.card_json(tenant_id, read_number(text, region))

    async def lookup_network(self, tenants: Mapping[int, str], text: str, *, region: str = "US") -> NetworkCard:
        """Who has this number at any of `tenants`, a network's, with their names; raises as :meth:`lookup`."""
        number = read_number(text, region)
        found = await asyncio.gather(*(self._identification.card(tenant, number) for tenant in tenants))
        return network_card(tenants, dict(zip(tenants, found, strict=True)))

    async def connections(self, tenant_id: int, shared: Sequence[str] = ()) -> list[ConnectionView]:
        """How the connection of each phone system stands, and of those of networks that are named in `shared`."""
        async with self._database.connection() as connection:
            return [ConnectionView(*row) for row in await rows.connections(connection, tenant_id, shared)]

    async def set_connection(self, account: PhoneAccount, link: LinkState) -> None:
        """A phone system's connection changed."""
        async with self._database.connection() as connection:
            await rows.set_connection(connection, account.tenant_id, account.name, link.state, link.detail)


def network_card(tenants: Mapping[int, str], cards: Mapping[int, CallerCard]) -> NetworkCard:
    """The cards of one number at each of `tenants`, as one."""
    own = owner({tenant: card.match for tenant, card in cards.items()})
    return NetworkCard(own, tenants[own], shared_card(cards, own, tenants) or cards[own])


def read_number(text: str, region: str) -> str:
    """`text` as E.164.

    Raises:
        ValueError: with one sentence.
    """
    number = phone.parse(text, region)
    if number is None:
        shown = text if len(text) <= 40 else text[:40] + "..."
        raise ValueError(f"{shown!r} is not a whole phone number; write it with its area code, like 437-555-0142.")
    return number


def _event_view(event: CallEvent) -> EventView:
    party = event.party
    who = None
    if party is not None:
        who = " ".join(filter(None, (party.name, party.extension))) or party.kind.value
    unnamed = event.vendor_kind if event.kind is EventKind.UNKNOWN else None
    details = (unnamed, event.queue, event.reason.value if event.reason else None, event.text)
    return EventView(
        kind=event.kind.value,
        occurred_at=event.occurred_at,
        leg_key=event.leg_key,
        party=who,
        detail=", ".join(filter(None, details)) or None,
    )
